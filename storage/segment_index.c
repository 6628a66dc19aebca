/* Checks and rebuilds a segment's two index files. */
#include "storage/segment.h"

#include "base/trace.h"
#include "storage/offset_index.h"
#include "storage/time_index.h"

#include <stdlib.h>

enum {
    INDEX_FILE_MAX = 64 << 20, /* a larger file is not an index of the broker */
    INDEX_INTERVAL = 4096,     /* of rebuilt indexes */
};

static enum error read_index(const struct segment_view *view, enum segment_part part,
                             struct buffer *out)
{
    char *path = segment_path(view->directory, view->base_offset, part);
    enum error error = io_read_file(view->file->io, path, out);
    free(path);
    return error;
}

/* Only the batches after its last entry show that an index was truncated. */
static bool reaches_end(const struct segment_view *view, struct bytes entries)
{
    struct offset_index_entry last = {view->base_offset, 0};
    if (entries.size > 0)
        last = offset_index_decode(entries.data + entries.size - OFFSET_INDEX_ENTRY,
                                   view->base_offset);
    return view->size - last.position <= SEGMENT_INDEX_GAP_MAX;
}

/* Whether both files exist, their entries rise, and the last entries fit the batches. */
static enum error indexes_are_sound(const struct segment_view *view, bool *sound)
{
    struct buffer offsets, times;
    struct segment_summary summary;
    buffer_init(&offsets, INDEX_FILE_MAX);
    buffer_init(&times, INDEX_FILE_MAX);
    *sound = false;
    enum error error = read_index(view, SEGMENT_INDEX, &offsets);
    if (error == ERR_OK)
        error = read_index(view, SEGMENT_TIME_INDEX, &times);
    if (error == ERR_OK &&
        offset_index_is_sound(buffer_view(&offsets), view->base_offset, view->next_offset,
                              view->size) &&
        time_index_is_sound(buffer_view(&times), view->base_offset, view->next_offset) &&
        reaches_end(view, buffer_view(&offsets))) {
        error = segment_summarize(view, &summary); /* an index over damaged batches may be sound */
        *sound = (error == ERR_OK || error == ERR_CORRUPT) &&
                 summary.index_bytes == (int64_t)offsets.size &&
                 summary.time_index_bytes == (int64_t)times.size;
    }
    buffer_free(&offsets);
    buffer_free(&times);
    return error == ERR_NOT_FOUND || error == ERR_TOO_LARGE || error == ERR_CORRUPT ? ERR_OK
                                                                                    : error;
}

static void add_time_entry(const struct segment_view *view, struct segment_summary *s,
                           struct buffer *times)
{
    if (s->max_timestamp <= s->time_index_last)
        return;
    s->time_index_last = s->max_timestamp;
    time_index_append(times, view->base_offset,
                      (struct time_index_entry){s->max_timestamp, s->max_timestamp_offset});
}

static enum error write_index(const struct segment_view *view, enum segment_part part,
                              const struct buffer *entries)
{
    char *path = segment_path(view->directory, view->base_offset, part);
    enum error error = entries->overflowed
                           ? ERR_TOO_LARGE
                           : io_replace_file(view->file->io, path, buffer_view(entries));
    free(path);
    return error;
}

/* Makes the entries that appends would have made. Damage ends the index. */
enum error segment_rebuild_indexes(const struct segment_view *view, struct trace *trace)
{
    struct buffer offsets, times;
    struct segment_summary summary;
    struct segment_scan scan;
    int64_t since = 0;
    buffer_init(&offsets, INDEX_FILE_MAX);
    buffer_init(&times, INDEX_FILE_MAX);
    segment_summary_init(&summary);
    trace_log(trace, TRACE_WARN, "indexes rebuilt", F_STRING("directory", view->directory),
              F_INT("base_offset", view->base_offset));
    segment_scan_init(&scan, view, segment_start(view));
    while (segment_scan_next(&scan)) {
        int64_t last_offset = scan.next_offset - 1;
        segment_summary_add(&summary, scan.header.max_timestamp, last_offset);
        if (since > INDEX_INTERVAL) {
            offset_index_append(&offsets, view->base_offset,
                                (struct offset_index_entry){last_offset, scan.batch_position});
            add_time_entry(view, &summary, &times);
            since = 0;
        }
        since += (int64_t)scan.batch_size;
    }
    add_time_entry(view, &summary, &times);
    enum error error = scan.error == ERR_CORRUPT ? ERR_OK : scan.error;
    if (scan.error == ERR_CORRUPT)
        trace_log(trace, TRACE_ERROR, "segment is damaged", F_STRING("directory", view->directory),
                  F_INT("base_offset", view->base_offset), F_INT("position", scan.position));
    segment_scan_free(&scan);
    if (error == ERR_OK)
        error = write_index(view, SEGMENT_INDEX, &offsets);
    if (error == ERR_OK)
        error = write_index(view, SEGMENT_TIME_INDEX, &times);
    buffer_free(&offsets);
    buffer_free(&times);
    return error;
}

enum error segment_check_indexes(const struct segment_view *view, struct trace *trace)
{
    bool sound;
    enum error error = indexes_are_sound(view, &sound);
    return error == ERR_OK && !sound ? segment_rebuild_indexes(view, trace) : error;
}
