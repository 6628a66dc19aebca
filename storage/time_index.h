/* Kafka's time index: from which offset on a segment's timestamps exceed a value.
 *
 * An entry is 12 bytes, big-endian: int64 timestamp, int32 offset - base offset. It says: no record
 * before the batch that ends with this offset has this timestamp or a larger one, and that batch's
 * largest is this one. Timestamps rise strictly, offsets with them. Entries come together with
 * those of the offset index; the last one, with the segment's largest timestamp, when it is closed.
 */
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

/* Whether entries rise and lie below `next_offset`. */
bool time_index_is_sound(struct bytes entries, int64_t base_offset, int64_t next_offset);

#endif
