/* Hash map from bytes to a pointer, open addressing with linear probing.
 *
 * The map does not own keys. A key is a view that lives as long as its entry, usually of a field of
 * the value. Iteration order is unspecified. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/bytes.h"

struct map_slot {
    struct bytes key;
    uint64_t hash;
    void *value; /* NULL: free */
};

struct map {
    struct map_slot *slots;
    size_t count, capacity; /* capacity is zero or a power of two */
};

#define MAP_EMPTY ((struct map){0})

void map_free(struct map *m); /* the slots only */
/* NULL when absent. */
void *map_get(const struct map *m, struct bytes key);
/* Inserts or replaces (the key view is replaced too). Returns the value replaced, or NULL. */
void *map_put(struct map *m, struct bytes key, void *value);
/* Returns the value removed, or NULL. */
void *map_remove(struct map *m, struct bytes key);
/* Walk: start with *at = 0; NULL at the end. The map may not change during a walk. */
void *map_next(const struct map *m, size_t *at);
/* Removes every entry for which `drop` says true; drop may free the value. Returns how many. */
size_t map_remove_if(struct map *m, bool (*drop)(void *context, void *value), void *context);

/* An integer as a key: the view is of `*storage`, which must live in the value. */
static inline struct bytes map_key_u64(const uint64_t *storage)
{
    return bytes_of(storage, sizeof *storage);
}

#endif
