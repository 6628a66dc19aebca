/* Finding a segment of a log by offset. */
#include "storage/log_internal.h"

struct segment *log_find_segment(const struct log *log, int64_t offset)
{
    size_t low = 0, high = log->segment_count; /* the first one that starts after `offset` */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (log->segments[middle].base_offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return &log->segments[low > 0 ? low - 1 : 0];
}

struct segment *log_segment_at(const struct log *log, int64_t base_offset)
{
    struct segment *segment = log_find_segment(log, base_offset);
    return segment->base_offset == base_offset ? segment : NULL;
}
