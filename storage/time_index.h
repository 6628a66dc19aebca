/* Kafka's time index: from which offset on a segment has timestamps of at least a value.
 *
 * An entry is 12 bytes, big-endian: int64 timestamp, int32 offset - base offset. It names a batch
 * by its last offset. The timestamp is that batch's largest one, and all records before the batch
 * have smaller ones. Timestamps and offsets rise strictly. Entries are added together with those of
 * the offset index. The last one, with the segment's largest timestamp, is added when the segment
 * is closed. */
#ifndef STORAGE_TIME_INDEX_H
#define STORAGE_TIME_INDEX_H

#include "storage/segment_file.h"

enum { TIME_INDEX_ENTRY = 12 };

struct time_index_entry {
    int64_t timestamp, offset; /* offset: absolute */
};

void time_index_append(struct buffer *out, int64_t base_offset, struct time_index_entry entry);
struct time_index_entry time_index_decode(const uint8_t *entry, int64_t base_offset);

/* The last entry at or below `timestamp`; *found says whether there is one. */
MUST_USE enum error time_index_floor(const struct segment_view *view, int64_t timestamp,
                                     struct time_index_entry *out, bool *found);

/* Whether entries rise and are below `next_offset`. */
bool time_index_is_sound(struct bytes entries, int64_t base_offset, int64_t next_offset);

#endif
