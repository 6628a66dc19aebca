#include "base/map.h"

#include "base/compiler.h"

#include <stdlib.h>

static const uint64_t MAP_SEED = 0x51ed270b7a2d1c4fu;

void map_free(struct map *m)
{
    free(m->slots);
    *m = MAP_EMPTY;
}

static struct map_slot *find(const struct map *m, struct bytes key, uint64_t hash)
{
    size_t mask = m->capacity - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct map_slot *slot = &m->slots[i];
        if (slot->value == NULL || (slot->hash == hash && bytes_equal(slot->key, key)))
            return slot;
    }
}

static void grow(struct map *m)
{
    struct map bigger = {.capacity = m->capacity ? m->capacity * 2 : 16};
    bigger.slots = xcalloc(bigger.capacity, sizeof *bigger.slots);
    for (size_t i = 0; i < m->capacity; i++) {
        if (m->slots[i].value)
            *find(&bigger, m->slots[i].key, m->slots[i].hash) = m->slots[i];
    }
    bigger.count = m->count;
    free(m->slots);
    *m = bigger;
}

void *map_get(const struct map *m, struct bytes key)
{
    return m->count ? find(m, key, bytes_hash(key, MAP_SEED))->value : NULL;
}

void *map_put(struct map *m, struct bytes key, void *value)
{
    ASSERT(value != NULL);
    if ((m->count + 1) * 10 > m->capacity * 7)
        grow(m);
    uint64_t hash = bytes_hash(key, MAP_SEED);
    struct map_slot *slot = find(m, key, hash);
    void *old = slot->value;
    *slot = (struct map_slot){.key = key, .hash = hash, .value = value};
    m->count += old == NULL;
    return old;
}

/* Closes the gap by moving later entries of the same run back (no tombstones). */
static void close_gap(struct map *m, size_t gap)
{
    size_t mask = m->capacity - 1;
    for (size_t i = (gap + 1) & mask; m->slots[i].value; i = (i + 1) & mask) {
        size_t home = m->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            m->slots[gap] = m->slots[i];
            gap = i;
        }
    }
    m->slots[gap] = (struct map_slot){0};
}

void *map_remove(struct map *m, struct bytes key)
{
    if (m->count == 0)
        return NULL;
    struct map_slot *slot = find(m, key, bytes_hash(key, MAP_SEED));
    void *old = slot->value;
    if (old) {
        close_gap(m, (size_t)(slot - m->slots));
        m->count--;
    }
    return old;
}

void *map_next(const struct map *m, size_t *at)
{
    for (; *at < m->capacity; (*at)++) {
        if (m->slots[*at].value)
            return m->slots[(*at)++].value;
    }
    return NULL;
}

size_t map_remove_if(struct map *m, bool (*drop)(void *context, void *value), void *context)
{
    if (m->count == 0)
        return 0;
    struct map kept = {.capacity = m->capacity};
    kept.slots = xcalloc(kept.capacity, sizeof *kept.slots);
    for (size_t i = 0; i < m->capacity; i++) {
        struct map_slot *slot = &m->slots[i];
        if (slot->value == NULL || drop(context, slot->value))
            continue;
        *find(&kept, slot->key, slot->hash) = *slot;
        kept.count++;
    }
    size_t removed = m->count - kept.count;
    free(m->slots);
    *m = kept;
    return removed;
}
