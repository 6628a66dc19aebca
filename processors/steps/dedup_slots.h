/* A hash table of slots that finds what they stand for by a tag, a part of its hash.
 *
 * A slot is 64 bits: the tag in the highest 24, anything in the rest; 0 is a free one. Open
 * addressing with linear probing. Where a slot belongs follows from its tag alone: slots are moved
 * without a look at what they stand for, which would be a cache miss each. So it grows cheaply and
 * may do so by small steps: 10.7 to 13.3 bytes per entry. */
#ifndef PROCESSORS_STEPS_DEDUP_SLOTS_H
#define PROCESSORS_STEPS_DEDUP_SLOTS_H

#include "base/bytes.h"

enum { SLOT_TAG_BITS = 24, SLOT_REST_BITS = 64 - SLOT_TAG_BITS };

struct dedup_slots {
    uint64_t *slots;
    uint32_t count, capacity; /* never full */
};

void dedup_slots_free(struct dedup_slots *s);
/* Returns by how many slots the table grew. */
size_t dedup_slots_add(struct dedup_slots *s, uint64_t slot);
/* The slot is there. */
void dedup_slots_remove(struct dedup_slots *s, uint64_t slot);

/* All slots with a tag; the table may not change meanwhile. */
struct slot_search {
    const struct dedup_slots *slots;
    uint32_t tag;
    size_t at;
};
struct slot_search dedup_slots_search(const struct dedup_slots *s, uint32_t tag);
/* 0 at the end. */
uint64_t dedup_slots_next(struct slot_search *search);

#endif
