/* The files that a broker leaves when it is killed in the middle of something. A kill at the right
 * moment is rare, so the scene writes them itself, as the broker does. */
#include "storage/log_internal.h"
#include "storage/segment_file.h"
#include "storage/store_rows.h"
#include "storage/swap_list.h"
#include "tests/storage/support_flips.h"
#include "tests/storage/support_kept.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

enum { SWAPPED_LOG = 1, DELETED_LOG = 2, SPARE_BYTES = 300000, INDEX_ENTRY = 8, TIME_ENTRY = 12 };

/* The last file that matches, by name. */
static const struct kept_file *last_file(const struct kept *kept, const char *pattern)
{
    const struct kept_file *last = NULL;
    for (size_t i = 0; i < kept->count; i++) {
        if (fnmatch(pattern, kept->at[i].path, 0) == 0)
            last = &kept->at[i];
    }
    ASSERT(last);
    return last;
}

/* The name of the next file of a series: the number before the ending rises by one. */
static void next_name(const char *path, const char *ending, char out[KEPT_NAME_SIZE])
{
    const char *number = strpbrk(strrchr(path, '/'), "0123456789");
    snprintf(out, KEPT_NAME_SIZE, "%.*s%020llu%s", (int)(number - path), path,
             strtoull(number, NULL, 10) + 1, ending);
}

static void leave_journal_spare(const struct flip_scene *s, const struct kept *kept)
{
    char name[KEPT_NAME_SIZE];
    uint8_t *zeros = xcalloc(1, SPARE_BYTES);
    next_name(last_file(kept, "shard-0/journal-*.log")->path, ".log.new", name);
    kept_write_file(s->directory, name, bytes_of(zeros, SPARE_BYTES));
    free(zeros);
}

/* Half of a new row file, and one that an earlier start has set aside. */
static void leave_row_files(const struct flip_scene *s, const struct kept *kept)
{
    char name[KEPT_NAME_SIZE];
    const struct kept_file *rows = last_file(kept, "rows/rows-*.log");
    struct bytes half = bytes_of(rows->content.data, rows->content.size / 2);
    next_name(rows->path, ".log.new", name);
    kept_write_file(s->directory, name, half);
    kept_write_file(s->directory, "rows/rows-00000000000000000001.log.damaged", half);
}

/* A segment that was deleted and waits for file.delete.delay.ms. */
static void leave_deleted_segment(const struct flip_scene *s)
{
    const struct flip_log *l = &s->logs[DELETED_LOG];
    char *directory = partition_directory(s->directory, l->topic_id, l->partition);
    char name[KEPT_NAME_SIZE];
    snprintf(name, sizeof name, "%s/00000000000000000000.log.deleted",
             directory + strlen(s->directory) + 1);
    kept_write_file(s->directory, name, bytes_of(l->bytes.data, 5000));
    free(directory);
}

/* --- a swap --- */

struct part {
    int64_t base;
    struct buffer files[SEGMENT_PARTS];
};

static void read_part(const char *directory, struct part *p)
{
    for (int i = 0; i < SEGMENT_PARTS; i++) {
        char *path = segment_path(directory, p->base, (enum segment_part)i);
        buffer_init(&p->files[i], 1 << 28);
        EXPECT_INT(io_read_file(io_posix(), path, &p->files[i]), ERR_OK);
        free(path);
    }
}

/* The entries of both indexes count from the segment's start. */
static void merge(struct part *to, const struct part *from)
{
    uint32_t offsets = (uint32_t)(from->base - to->base);
    uint32_t bytes = (uint32_t)to->files[SEGMENT_LOG].size;
    const struct buffer *index = &from->files[SEGMENT_INDEX];
    const struct buffer *times = &from->files[SEGMENT_TIME_INDEX];
    for (const uint8_t *p = index->data; p < index->data + index->size; p += INDEX_ENTRY) {
        buffer_append_be32(&to->files[SEGMENT_INDEX], load_be32(p) + offsets);
        buffer_append_be32(&to->files[SEGMENT_INDEX], load_be32(p + 4) + bytes);
    }
    for (const uint8_t *p = times->data; p < times->data + times->size; p += TIME_ENTRY) {
        buffer_append(&to->files[SEGMENT_TIME_INDEX], p, 8);
        buffer_append_be32(&to->files[SEGMENT_TIME_INDEX], load_be32(p + 8) + offsets);
    }
    buffer_append_bytes(&to->files[SEGMENT_LOG], buffer_view(&from->files[SEGMENT_LOG]));
}

static void write_swap_files(const char *directory, struct part *p)
{
    for (int i = 0; i < SEGMENT_PARTS; i++) {
        char *path = segment_swap_path(directory, p->base, (enum segment_part)i);
        kept_write_file("", path + 1, buffer_view(&p->files[i]));
        free(path);
    }
}

static void free_part(struct part *p)
{
    for (int i = 0; i < SEGMENT_PARTS; i++)
        buffer_free(&p->files[i]);
}

/* The base offsets of the segments of a partition, rising. */
static size_t list_bases(const struct kept *kept, const char *below, int64_t *out, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < kept->count && count < max; i++) {
        enum segment_part part;
        const char *name = strrchr(kept->at[i].path, '/');
        if (name && strncmp(kept->at[i].path, below, strlen(below)) == 0 &&
            segment_name_parse(name + 1, &out[count], &part) && part == SEGMENT_LOG)
            count++;
    }
    return count;
}

/* A cleaner has merged two closed segments, and has begun to swap the new one in. */
static void leave_swap(const struct flip_scene *s, const struct kept *kept)
{
    const struct flip_log *l = &s->logs[SWAPPED_LOG];
    int64_t bases[4];
    char *directory = partition_directory(s->directory, l->topic_id, l->partition);
    EXPECT_INT(list_bases(kept, directory + strlen(s->directory) + 1, bases, COUNT_OF(bases)),
               COUNT_OF(bases));
    struct part first = {.base = bases[1]}, second = {.base = bases[2]};
    read_part(directory, &first);
    read_part(directory, &second);
    merge(&first, &second);
    write_swap_files(directory, &first);
    char *list = swap_list_path(s->directory, l->topic_id, l->partition);
    struct swap_list swap = {.bases = &first.base, .count = 1, .end_offset = bases[3]};
    EXPECT_INT(swap_list_write(io_posix(), list, &swap), ERR_OK);
    free_part(&first);
    free_part(&second);
    free(list);
    free(directory);
}

void flip_leave_unfinished(const struct flip_scene *s)
{
    struct kept *kept = kept_read(s->directory);
    leave_journal_spare(s, kept);
    leave_row_files(s, kept);
    leave_deleted_segment(s);
    leave_swap(s, kept);
    kept_free(kept);
}
