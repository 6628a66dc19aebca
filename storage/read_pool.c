#include "storage/read_pool.h"

#include <stdlib.h>

enum {
    ABANDONED_MS = 2000, /* a reader that stays away longer has probably gone */
    PIECES_MIN = 8,
    EDGES = 2 * IO_ALIGNMENT, /* of the memory of a piece; the rest are batches */
    FAST_BYTES_PER_US = 300,
    SPEED_WEIGHT = 8, /* of the speed so far, in the average with a new one */
};

struct read_pool {
    struct block_pool *memory;
    struct executor *worker;
    struct list pieces;         /* the one used longest ago first */
    size_t bytes, large, small; /* large, small: bytes of a piece with its edges */
    size_t reserved;            /* memory that jobs may take */
    double bytes_per_us;        /* of large pieces, on average; 0: not known */
};

struct read_pool *read_pool_create(size_t bytes, struct executor *worker)
{
    size_t piece = MIN(bytes / PIECES_MIN, (size_t)BLOCK_MAX);
    size_t half = piece / 2 / IO_ALIGNMENT * IO_ALIGNMENT;
    if (piece < BLOCK_MIN + EDGES)
        return NULL;
    struct read_pool *pool = xcalloc(1, sizeof *pool);
    pool->memory = block_pool_create();
    pool->worker = worker;
    pool->bytes = bytes;
    pool->large = piece / IO_ALIGNMENT * IO_ALIGNMENT;
    pool->small = half < BLOCK_MIN + EDGES ? pool->large : half;
    list_init(&pool->pieces);
    return pool;
}

void read_pool_free(struct read_pool *pool)
{
    if (pool == NULL)
        return;
    ASSERT(list_is_empty(&pool->pieces) && pool->reserved == 0);
    block_pool_release(pool->memory);
    free(pool);
}

struct executor *read_pool_worker(const struct read_pool *pool)
{
    return pool->worker;
}

size_t read_pool_used(const struct read_pool *pool)
{
    return block_pool_used(pool->memory);
}

struct block_pool *read_pool_memory(const struct read_pool *pool)
{
    return pool->memory;
}

static struct read_piece *piece_of(struct list_node *node)
{
    return CONTAINER_OF(node, struct read_piece, in_pool);
}

/* Few readers get large pieces, which a disk gives faster. The reader of many partitions needs one
 * or two for each. */
static size_t next_size(const struct read_pool *pool)
{
    bool is_crowded = read_pool_used(pool) + pool->reserved > pool->bytes / 4;
    return is_crowded ? pool->small : pool->large;
}

static bool has_room(const struct read_pool *pool, size_t size)
{
    return read_pool_used(pool) + pool->reserved + size <= pool->bytes;
}

size_t read_pool_reserve(struct read_pool *pool, int64_t now_ms)
{
    size_t size = next_size(pool);
    bool room = has_room(pool, size);
    LIST_FOR_EACH_SAFE (node, &pool->pieces) {
        struct read_piece *piece = piece_of(node);
        if (room)
            break;
        if (piece->read_to < piece->next_offset && now_ms - piece->used_ms < ABANDONED_MS)
            continue;
        read_piece_free(piece);
        room = has_room(pool, size);
    }
    if (!room)
        return 0;
    pool->reserved += size;
    return size - EDGES;
}

void read_pool_end_reservation(struct read_pool *pool, size_t reserved)
{
    ASSERT(pool->reserved >= reserved + EDGES);
    pool->reserved -= reserved + EDGES;
}

void read_pool_add(struct read_pool *pool, struct read_piece *piece, size_t reserved,
                   int64_t now_ms)
{
    read_pool_end_reservation(pool, reserved);
    read_pool_touch(pool, piece, now_ms);
}

/* The size says nothing about a small piece, which takes the time of one access. */
void read_pool_note_speed(struct read_pool *pool, size_t bytes, int64_t ns)
{
    if (bytes < pool->small / 2)
        return;
    double speed = (double)bytes * 1000 / (double)MAX(ns, 1);
    pool->bytes_per_us = pool->bytes_per_us == 0
                             ? speed
                             : (pool->bytes_per_us * SPEED_WEIGHT + speed) / (SPEED_WEIGHT + 1);
}

bool read_pool_disk_is_fast(const struct read_pool *pool)
{
    return pool->bytes_per_us == 0 || pool->bytes_per_us >= FAST_BYTES_PER_US;
}

void read_pool_touch(struct read_pool *pool, struct read_piece *piece, int64_t now_ms)
{
    list_remove(&piece->in_pool);
    list_append(&pool->pieces, &piece->in_pool);
    piece->used_ms = now_ms;
}

void read_pool_trim(struct read_pool *pool, int64_t now_ms)
{
    LIST_FOR_EACH_SAFE (node, &pool->pieces) {
        if (now_ms - piece_of(node)->used_ms >= ABANDONED_MS)
            read_piece_free(piece_of(node));
    }
    block_pool_trim(pool->memory);
}
