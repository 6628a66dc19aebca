/* Blocks of memory for frames, which are allocated and freed all the time.
 *
 * Blocks are cut from slabs of one large page each; a slab has blocks of one size. Freed blocks are
 * used again before others. Empty slabs are kept until block_pool_trim finds that they were not
 * needed for a while. So a steady stream of frames uses the same memory: fresh pages cost as much
 * time as filling them. Blocks may be freed on any thread. */
#ifndef BASE_BLOCK_POOL_H
#define BASE_BLOCK_POOL_H

#include <stddef.h>

struct block_pool;
struct slab;

enum { BLOCK_MIN = 16 << 10, BLOCK_MAX = 2 << 20 };

struct block_pool *block_pool_create(void);
/* The owner releases the pool. It is freed with its last block. */
void block_pool_release(struct block_pool *pool);

/* A block of at least `size` bytes, BLOCK_MIN <= size <= BLOCK_MAX. *slab gets its slab. NULL if
 * there is no memory left. */
void *block_take(struct block_pool *pool, size_t size, struct slab **slab);
void block_give(struct slab *slab, void *block);

/* Frees the slabs that were empty all the time since the last call. Called from time to time. */
void block_pool_trim(struct block_pool *pool);

/* Bytes of the slabs that the pool holds. */
size_t block_pool_bytes(struct block_pool *pool);
/* Bytes of the blocks that are in use. */
size_t block_pool_used(struct block_pool *pool);

#endif
