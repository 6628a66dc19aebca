#include "storage/clean_map.h"

#include "base/compiler.h"
#include "base/keyed_hash.h"

#include <stdlib.h>

struct slot {
    struct keyed_hash hash;
    int64_t offset_after; /* the offset + 1; 0: the slot is free */
};
_Static_assert(sizeof(struct slot) == CLEAN_MAP_SLOT, "documented");

struct clean_map {
    uint8_t key[KEYED_HASH_KEY_SIZE];
    size_t slots, count, most;
    struct slot *at;
};

struct clean_map *clean_map_create(struct random *random, size_t max_bytes, uint64_t keys,
                                   double load)
{
    struct clean_map *m = xcalloc(1, sizeof *m);
    random->fill(random, m->key, sizeof m->key);
    uint64_t wanted = (uint64_t)((double)keys / load) + 2;
    m->slots = (size_t)MIN(wanted, MAX((uint64_t)max_bytes / CLEAN_MAP_SLOT, (uint64_t)2));
    m->most = MAX((size_t)((double)m->slots * load), (size_t)1);
    m->most = MIN(m->most, m->slots - 1); /* a search ends at a free slot */
    m->at = xcalloc(m->slots, sizeof m->at[0]);
    return m;
}

void clean_map_free(struct clean_map *m)
{
    if (m == NULL)
        return;
    free(m->at);
    free(m);
}

/* The slot that has the hash, or the free one where it belongs. */
static struct slot *find(const struct clean_map *m, struct keyed_hash hash)
{
    size_t i = (size_t)(hash.low % m->slots);
    while (m->at[i].offset_after != 0 &&
           (m->at[i].hash.low != hash.low || m->at[i].hash.high != hash.high))
        i = i + 1 == m->slots ? 0 : i + 1;
    return &m->at[i];
}

bool clean_map_put(struct clean_map *m, struct bytes key, int64_t offset)
{
    struct keyed_hash hash = keyed_hash(m->key, key);
    struct slot *slot = find(m, hash);
    if (slot->offset_after == 0) {
        if (m->count == m->most)
            return false;
        m->count++;
        slot->hash = hash;
    }
    slot->offset_after = offset + 1;
    return true;
}

int64_t clean_map_get(const struct clean_map *m, struct bytes key)
{
    return find(m, keyed_hash(m->key, key))->offset_after - 1;
}

size_t clean_map_count(const struct clean_map *m)
{
    return m->count;
}
