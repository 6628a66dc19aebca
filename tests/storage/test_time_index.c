#include "storage/time_index.h"

#include "tests/harness/harness.h"

#include <stdlib.h>

static struct buffer entries_of(int count)
{
    struct buffer out;
    buffer_init(&out, 1 << 20);
    for (int i = 1; i <= count; i++)
        time_index_append(&out, 1000, (struct time_index_entry){i * 100, 1000 + i});
    return out;
}

TEST(entries_have_kafkas_format)
{
    struct buffer out;
    buffer_init(&out, 100);
    time_index_append(&out, 1000, (struct time_index_entry){0x0102030405060708, 1258});
    EXPECT_BYTES(buffer_view(&out), BYTES_LITERAL("\x01\x02\x03\x04\x05\x06\x07\x08\0\0\x01\x02"));
    struct time_index_entry entry = time_index_decode(out.data, 1000);
    EXPECT_INT(entry.timestamp, 0x0102030405060708);
    EXPECT_INT(entry.offset, 1258);
    buffer_free(&out);
}

TEST(the_last_entry_at_or_below_a_timestamp_is_found)
{
    static const int counts[] = {0, 1, 128, 129, 1000};
    char *path = segment_path(test_directory(), 1000, SEGMENT_TIME_INDEX);
    struct segment_file file = {.io = io_posix()};
    struct segment_view view = {.directory = test_directory(), .base_offset = 1000, .file = &file};
    for (size_t c = 0; c < COUNT_OF(counts); c++) {
        struct buffer entries = entries_of(counts[c]);
        EXPECT_INT(io_replace_file(io_posix(), path, buffer_view(&entries)), ERR_OK);
        buffer_free(&entries);
        for (int64_t timestamp = -50; timestamp < counts[c] * 100 + 250; timestamp += 49) {
            struct time_index_entry entry;
            bool found;
            EXPECT_INT(time_index_floor(&view, timestamp, &entry, &found), ERR_OK);
            int64_t expected = MIN(timestamp / 100, (int64_t)counts[c]);
            EXPECT_INT(found, expected > 0);
            if (found)
                EXPECT_INT(entry.offset, 1000 + expected);
        }
    }
    free(path);
}

TEST(a_sound_index_has_whole_rising_entries_within_the_segment)
{
    struct buffer e = entries_of(5);
    EXPECT(time_index_is_sound(buffer_view(&e), 1000, 1006));
    EXPECT(!time_index_is_sound(buffer_view(&e), 1000, 1005));
    EXPECT(!time_index_is_sound(bytes_of(e.data, e.size - 1), 1000, 1006));
    EXPECT(time_index_is_sound(bytes_of(e.data, 0), 1000, 1000));
    store_be64(e.data + 12, 100); /* the second timestamp, as the first */
    EXPECT(!time_index_is_sound(buffer_view(&e), 1000, 1006));
    buffer_free(&e);
    uint8_t zeros[24] = {0};
    EXPECT(!time_index_is_sound(bytes_of(zeros, 24), 0, 100));
}
