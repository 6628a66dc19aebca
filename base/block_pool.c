#include "base/block_pool.h"

#include "base/bytes.h"
#include "base/list.h"
#include "base/pages.h"

#include <pthread.h>
#include <stdlib.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(memory, size) ((void)(memory), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(memory, size) ((void)(memory), (void)(size))
#endif

enum { ROUND = 64 };

/* How many blocks a slab is cut into, by class. */
static const uint32_t cuts[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128};

enum { BLOCKS_MAX = 128, WORD_BITS = 64 };

struct slab {
    struct list_node node; /* in pool.partial or pool.empty; in no list when full */
    struct block_pool *pool;
    uint8_t *memory;
    size_t class, block_size;
    size_t used;                           /* blocks in use */
    uint64_t free[BLOCKS_MAX / WORD_BITS]; /* a bit for each free block */
};

struct block_pool {
    pthread_mutex_t mutex;
    struct list partial[COUNT_OF(cuts)], empty;
    size_t slab_count, empty_count;
    size_t used;        /* bytes of blocks */
    size_t least_empty; /* since the last trim */
    bool released;
};

struct block_pool *block_pool_create(void)
{
    struct block_pool *pool = xcalloc(1, sizeof *pool);
    pthread_mutex_init(&pool->mutex, NULL);
    for (size_t i = 0; i < COUNT_OF(cuts); i++)
        list_init(&pool->partial[i]);
    list_init(&pool->empty);
    return pool;
}

static struct slab *create_slab(struct block_pool *pool)
{
    uint8_t *memory = pages_take(LARGE_PAGE);
    if (memory == NULL)
        return NULL;
    struct slab *slab = xcalloc(1, sizeof *slab);
    slab->pool = pool;
    slab->memory = memory;
    ASAN_POISON_MEMORY_REGION(slab->memory, LARGE_PAGE);
    pool->slab_count++;
    return slab;
}

static void free_slab(struct slab *slab)
{
    slab->pool->slab_count--;
    ASAN_UNPOISON_MEMORY_REGION(slab->memory, LARGE_PAGE);
    pages_give(slab->memory, LARGE_PAGE);
    free(slab);
}

/* Under the mutex. */
static void drop_empty(struct block_pool *pool, size_t count)
{
    for (; count > 0; count--) {
        free_slab(CONTAINER_OF(list_pop(&pool->empty), struct slab, node));
        pool->empty_count--;
    }
}

/* Unlocks, and frees the pool if it is not needed any more. */
static void leave(struct block_pool *pool)
{
    bool over = pool->released && pool->slab_count == 0;
    pthread_mutex_unlock(&pool->mutex);
    if (!over)
        return;
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}

void block_pool_release(struct block_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->released = true;
    drop_empty(pool, pool->empty_count);
    leave(pool);
}

void block_pool_trim(struct block_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    drop_empty(pool, pool->least_empty);
    pool->least_empty = pool->empty_count;
    pthread_mutex_unlock(&pool->mutex);
}

static size_t block_size_of(size_t class)
{
    return LARGE_PAGE / cuts[class] / ROUND * ROUND;
}

/* The class with the smallest blocks that are large enough. */
static size_t class_of(size_t size)
{
    size_t class = COUNT_OF(cuts) - 1;
    while (block_size_of(class) < size)
        class --;
    return class;
}

static void cut_slab(struct slab *slab, size_t class)
{
    slab->class = class;
    slab->block_size = block_size_of(class);
    for (size_t i = 0; i < COUNT_OF(slab->free); i++) {
        size_t before = i * WORD_BITS, left = cuts[class] > before ? cuts[class] - before : 0;
        slab->free[i] = left >= WORD_BITS ? UINT64_MAX : (UINT64_C(1) << left) - 1;
    }
}

/* NULL if there is no memory left. */
static struct slab *usable_slab(struct block_pool *pool, size_t class)
{
    struct list_node *node = list_first(&pool->partial[class]);
    if (node)
        return CONTAINER_OF(node, struct slab, node);
    node = list_pop(&pool->empty);
    pool->empty_count -= node != NULL;
    pool->least_empty = MIN(pool->least_empty, pool->empty_count);
    struct slab *slab = node ? CONTAINER_OF(node, struct slab, node) : create_slab(pool);
    if (slab == NULL)
        return NULL;
    cut_slab(slab, class);
    list_prepend(&pool->partial[class], &slab->node);
    return slab;
}

/* The first free block; there is one. */
static size_t take_index(struct slab *slab)
{
    size_t word = 0;
    while (slab->free[word] == 0)
        word++;
    size_t bit = (size_t)__builtin_ctzll(slab->free[word]);
    slab->free[word] &= ~(UINT64_C(1) << bit);
    slab->used++;
    return word * WORD_BITS + bit;
}

static void give_index(struct slab *slab, size_t index)
{
    uint64_t bit = UINT64_C(1) << index % WORD_BITS;
    ASSERT(!(slab->free[index / WORD_BITS] & bit));
    slab->free[index / WORD_BITS] |= bit;
    slab->used--;
}

void *block_take(struct block_pool *pool, size_t size, struct slab **out)
{
    ASSERT(size >= BLOCK_MIN && size <= BLOCK_MAX);
    pthread_mutex_lock(&pool->mutex);
    struct slab *slab = usable_slab(pool, class_of(size));
    if (slab == NULL) {
        pthread_mutex_unlock(&pool->mutex);
        return NULL;
    }
    uint8_t *block = slab->memory + take_index(slab) * slab->block_size;
    pool->used += slab->block_size;
    if (slab->used == cuts[slab->class])
        list_remove(&slab->node);
    pthread_mutex_unlock(&pool->mutex);
    ASAN_UNPOISON_MEMORY_REGION(block, size);
    *out = slab;
    return block;
}

void block_give(struct slab *slab, void *block)
{
    struct block_pool *pool = slab->pool;
    size_t at = (size_t)((uint8_t *)block - slab->memory);
    ASAN_POISON_MEMORY_REGION(block, slab->block_size);
    pthread_mutex_lock(&pool->mutex);
    ASSERT(at % slab->block_size == 0);
    give_index(slab, at / slab->block_size);
    pool->used -= slab->block_size;
    list_remove(&slab->node);
    if (slab->used == 0) {
        list_prepend(&pool->empty, &slab->node);
        pool->empty_count++;
        drop_empty(pool, pool->released ? 1 : 0);
    } else {
        list_prepend(&pool->partial[slab->class], &slab->node);
    }
    leave(pool);
}

size_t block_pool_bytes(struct block_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    size_t bytes = pool->slab_count * LARGE_PAGE;
    pthread_mutex_unlock(&pool->mutex);
    return bytes;
}

size_t block_pool_used(struct block_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    size_t bytes = pool->used;
    pthread_mutex_unlock(&pool->mutex);
    return bytes;
}
