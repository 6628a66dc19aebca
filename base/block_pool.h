/* Blocks of memory for frames, which come and go all the time.
 *
 * Blocks are cut from slabs of one large page each; a slab has blocks of one size. Freed blocks are
 * used again before others, and empty slabs are kept until block_pool_trim finds that they were not
 * needed for a while, so that a steady stream of frames goes through the same memory: fresh pages
 * cost as much as filling them. Blocks may be given back on any thread. */
#ifndef BASE_BLOCK_POOL_H
#define BASE_BLOCK_POOL_H

#include <stddef.h>

struct block_pool;
struct slab;

enum { BLOCK_MIN = 16 << 10, BLOCK_MAX = 2 << 20 };

struct block_pool *block_pool_create(void);
/* The owner is done with it. It goes with its last block. */
void block_pool_release(struct block_pool *pool);

/* A block of at least `size` bytes, BLOCK_MIN <= size <= BLOCK_MAX. *slab is what it came from.
 * NULL when memory is out. */
void *block_take(struct block_pool *pool, size_t size, struct slab **slab);
void block_give(struct slab *slab, void *block);

/* Frees the slabs that were empty all the time since the last call. Called now and then. */
void block_pool_trim(struct block_pool *pool);

/* Bytes of the slabs that the pool holds. */
size_t block_pool_bytes(struct block_pool *pool);

#endif
