#include "storage/offset_index.h"

#include "tests/harness/harness.h"

#include <stdlib.h>

static struct buffer entries_of(int count)
{
    struct buffer out;
    buffer_init(&out, 1 << 20);
    for (int i = 1; i <= count; i++)
        offset_index_append(&out, 1000, (struct offset_index_entry){1000 + i * 10, i * 4096});
    return out;
}

static void write_index(const struct buffer *entries)
{
    char *path = segment_path(test_directory(), 1000, SEGMENT_INDEX);
    EXPECT_INT(io_replace_file(io_posix(), path, buffer_view(entries)), ERR_OK);
    free(path);
}

/* The fields of a segment that the search needs. */
static const struct segment_view *view_of(int64_t base_offset)
{
    static struct segment_file file;
    static struct segment_view view;
    file.io = io_posix();
    view = (struct segment_view){
        .directory = test_directory(), .base_offset = base_offset, .file = &file};
    return &view;
}

TEST(entries_have_kafkas_format)
{
    struct buffer out;
    buffer_init(&out, 100);
    offset_index_append(&out, 1000, (struct offset_index_entry){1258, 0x01020304});
    EXPECT_BYTES(buffer_view(&out), BYTES_LITERAL("\0\0\x01\x02\x01\x02\x03\x04"));
    struct offset_index_entry entry = offset_index_decode(out.data, 1000);
    EXPECT_INT(entry.offset, 1258);
    EXPECT_INT(entry.position, 0x01020304);
    buffer_free(&out);
}

TEST(the_last_entry_at_or_below_an_offset_is_found)
{
    static const int counts[] = {1, 2, 127, 128, 129, 130, 500, 1500};
    for (size_t c = 0; c < COUNT_OF(counts); c++) {
        struct buffer entries = entries_of(counts[c]);
        write_index(&entries);
        buffer_free(&entries);
        for (int64_t offset = 1000; offset < 1000 + counts[c] * 10 + 25; offset += 3) {
            struct offset_index_entry entry;
            bool found;
            EXPECT_INT(offset_index_floor(view_of(1000), offset, &entry, &found), ERR_OK);
            int64_t expected = MIN((offset - 1000) / 10, (int64_t)counts[c]);
            EXPECT_INT(found, expected > 0);
            if (found)
                EXPECT_INT(entry.position, expected * 4096);
        }
    }
}

TEST(a_missing_or_empty_index_has_no_entries)
{
    struct offset_index_entry entry;
    struct buffer none;
    bool found = true;
    EXPECT_INT(offset_index_floor(view_of(7), 100, &entry, &found), ERR_OK);
    EXPECT(!found);
    buffer_init(&none, 10);
    write_index(&none);
    found = true;
    EXPECT_INT(offset_index_floor(view_of(1000), 1100, &entry, &found), ERR_OK);
    EXPECT(!found);
}

TEST(a_sound_index_has_whole_rising_entries_within_the_segment)
{
    struct buffer e = entries_of(5); /* up to offset 1050, position 20480 */
    EXPECT(offset_index_is_sound(buffer_view(&e), 1000, 1051, 20481));
    EXPECT(!offset_index_is_sound(buffer_view(&e), 1000, 1050, 20481));
    EXPECT(!offset_index_is_sound(buffer_view(&e), 1000, 1051, 20480));
    EXPECT(!offset_index_is_sound(bytes_of(e.data, e.size - 1), 1000, 1051, 20481));
    EXPECT(offset_index_is_sound(bytes_of(e.data, 0), 1000, 1000, 0));
    uint8_t kept = e.data[3];
    e.data[3] = 200; /* the first offset, above the second */
    EXPECT(!offset_index_is_sound(buffer_view(&e), 1000, 1051, 20481));
    e.data[3] = kept;
    store_be32(e.data + 12, 4096); /* the second position, as the first */
    EXPECT(!offset_index_is_sound(buffer_view(&e), 1000, 1051, 20481));
    buffer_free(&e);
    uint8_t zeros[16] = {0};
    EXPECT(!offset_index_is_sound(bytes_of(zeros, 8), 0, 100, 100));
}
