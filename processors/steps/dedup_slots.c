#include "processors/steps/dedup_slots.h"

#include "base/compiler.h"

#include <stdlib.h>

enum { SMALLEST = 8 };

void dedup_slots_free(struct dedup_slots *s)
{
    free(s->slots);
    *s = (struct dedup_slots){NULL, 0, 0};
}

static uint32_t tag_of(uint64_t slot)
{
    return (uint32_t)(slot >> SLOT_REST_BITS);
}

/* Where the search for a tag begins. */
static size_t home_of(const struct dedup_slots *s, uint32_t tag)
{
    return (uint64_t)tag * s->capacity >> SLOT_TAG_BITS;
}

static size_t after(const struct dedup_slots *s, size_t i)
{
    return i + 1 == s->capacity ? 0 : i + 1;
}

/* The number of places from `from` to i. */
static size_t distance(const struct dedup_slots *s, size_t from, size_t i)
{
    return i >= from ? i - from : i + s->capacity - from;
}

static void insert(struct dedup_slots *s, uint64_t slot)
{
    ASSERT(s->count < s->capacity);
    size_t i = home_of(s, tag_of(slot));
    while (s->slots[i])
        i = after(s, i);
    s->slots[i] = slot;
}

static void grow(struct dedup_slots *s)
{
    struct dedup_slots bigger = {
        .count = s->count, .capacity = MAX(s->capacity + s->capacity / 4, (uint32_t)SMALLEST)};
    bigger.slots = xcalloc(bigger.capacity, sizeof *bigger.slots);
    for (size_t i = 0; i < s->capacity; i++) {
        if (s->slots[i])
            insert(&bigger, s->slots[i]);
    }
    free(s->slots);
    *s = bigger;
}

size_t dedup_slots_add(struct dedup_slots *s, uint64_t slot)
{
    ASSERT(slot != 0);
    size_t before = s->capacity;
    if (((uint64_t)s->count + 1) * 4 > (uint64_t)s->capacity * 3)
        grow(s);
    insert(s, slot);
    s->count++;
    return s->capacity - before;
}

/* Later slots of the run move back into the gap. */
void dedup_slots_remove(struct dedup_slots *s, uint64_t slot)
{
    ASSERT(slot != 0 && s->count > 0);
    size_t gap = home_of(s, tag_of(slot));
    for (; s->slots[gap] != slot; gap = after(s, gap))
        ASSERT(s->slots[gap] != 0);
    for (size_t i = after(s, gap); s->slots[i]; i = after(s, i)) {
        size_t home = home_of(s, tag_of(s->slots[i]));
        if (distance(s, home, i) >= distance(s, gap, i)) {
            s->slots[gap] = s->slots[i];
            gap = i;
        }
    }
    s->slots[gap] = 0;
    s->count--;
}

struct slot_search dedup_slots_search(const struct dedup_slots *s, uint32_t tag)
{
    ASSERT(tag >> SLOT_TAG_BITS == 0);
    return (struct slot_search){s, tag, home_of(s, tag)};
}

uint64_t dedup_slots_next(struct slot_search *search)
{
    const struct dedup_slots *s = search->slots;
    for (uint64_t slot; s->count > 0 && (slot = s->slots[search->at]);) {
        search->at = after(s, search->at);
        if (tag_of(slot) == search->tag)
            return slot;
    }
    return 0;
}
