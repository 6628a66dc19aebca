/* A hash table of slots. A slot refers to an item and is found by its tag, a part of the item's
 * hash.
 *
 * A slot is 64 bits: the tag is the highest 24, the caller uses the rest; 0 is a free slot. The
 * table uses open addressing with linear probing. The tag alone decides the place of a slot. So
 * slots move without a look at their items, which would be a cache miss each. Therefore growing is
 * cheap and may happen in small steps: 10.7 to 13.3 bytes per entry. */
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
/* The slot must be in the table. */
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
