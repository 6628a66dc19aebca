/* The last offset of each key in a range of a log, for a cleaner: a table of bounded size.
 *
 * It keeps hashes, not keys: 24 bytes for a key of any size. Two keys with the same hash would make
 * the cleaner drop records of one of them. The hash is keyed_hash.h with 128 bits and a key that is
 * random for each table. So nobody can prepare such keys, and by chance a full table of 1 GiB has
 * two of them once in 10^23 tables. */
#ifndef STORAGE_CLEAN_MAP_H
#define STORAGE_CLEAN_MAP_H

#include "base/bytes.h"
#include "base/random.h"

struct clean_map;

enum { CLEAN_MAP_SLOT = 24 }; /* bytes */

/* A table of at most `max_bytes` for at most `keys` keys; it is full when the share `load` of its
 * slots is used. It has room for at least one key. */
struct clean_map *clean_map_create(struct random *random, size_t max_bytes, uint64_t keys,
                                   double load);
void clean_map_free(struct clean_map *m); /* NULL is fine */
/* Offsets rise. False: the key is new and the table is full. */
bool clean_map_put(struct clean_map *m, struct bytes key, int64_t offset);
/* The key's last offset. -1: it is not in the table. */
int64_t clean_map_get(const struct clean_map *m, struct bytes key);
size_t clean_map_count(const struct clean_map *m);

#endif
