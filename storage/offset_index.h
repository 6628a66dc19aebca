/* Kafka's offset index: the approximate position of an offset in a segment.
 *
 * An entry is 8 bytes, big-endian: int32 offset - base offset, int32 position. It names a batch by
 * its last offset and its position. There is an entry about every index.interval.bytes. Offsets and
 * positions rise strictly, and no entry is for position 0. */
#ifndef STORAGE_OFFSET_INDEX_H
#define STORAGE_OFFSET_INDEX_H

#include "storage/segment_file.h"

enum { OFFSET_INDEX_ENTRY = 8 };

struct offset_index_entry {
    int64_t offset, position; /* offset: absolute */
};

void offset_index_append(struct buffer *out, int64_t base_offset, struct offset_index_entry entry);
struct offset_index_entry offset_index_decode(const uint8_t *entry, int64_t base_offset);

/* The last entry at or below `offset`; *found says whether there is one. */
MUST_USE enum error offset_index_floor(const struct segment_view *view, int64_t offset,
                                       struct offset_index_entry *out, bool *found);

/* Whether entries rise and are below `size` and `next_offset`. */
bool offset_index_is_sound(struct bytes entries, int64_t base_offset, int64_t next_offset,
                           int64_t size);

#endif
