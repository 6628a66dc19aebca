/* A segment whose file vanished while the broker runs. Its flushed batches are lost with it. The
 * others are in the tail and in the journal, and go to a new segment. A start that finds a file
 * missing does the same (log_repair.c). */
#include "storage/log_internal.h"

/* Moves the batches of the tail that are not flushed. Returns how many get entries in the index. */
static int64_t move_batches(struct log *log, const struct segment *from, struct segment *to)
{
    int64_t indexed = 0;
    for (size_t i = tail_find(&log->tail, log->flushed_offset); i < log->tail.count; i++) {
        struct tail_batch *batch = tail_at(&log->tail, i);
        if (batch->segment_base != from->base_offset)
            break;
        batch->segment_base = to->base_offset;
        batch->position -= from->flushed_size;
        batch->indexed = batch->indexed && batch->position > 0;
        indexed += batch->indexed;
        segment_summary_add(&to->summary, batch->max_timestamp, batch->next_offset - 1);
    }
    return indexed;
}

void log_close_lost(struct log *log, int64_t base_offset)
{
    struct segment *lost = log_segment_at(log, base_offset);
    ASSERT(lost != NULL && lost->created);
    log_cold_drop(log);
    bool has_rest = lost->size > lost->flushed_size;
    if (has_rest || lost == log_active(log)) {
        size_t index = (size_t)(lost - log->segments);
        struct segment *rest = log_add_segment(log, index, log->flushed_offset);
        lost = &log->segments[index];
        rest->next_offset = lost->next_offset;
        rest->size = lost->size - lost->flushed_size;
        rest->index_entries = move_batches(log, lost, rest);
        rest->bytes_since_index = lost->bytes_since_index;
        lost->next_offset = log->flushed_offset;
        lost->size = lost->flushed_size;
        lost->summary = lost->flushed;
    }
    lost->known = lost->damaged = lost->completed = true;
}
