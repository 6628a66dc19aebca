#include "storage/read_pool.h"

#include <stdlib.h>

enum {
    ABANDONED_MS = 2000, /* a reader that stays away longer has probably gone */
    PIECES_MIN = 8,      /* the reader of many partitions needs one or two for each */
};

struct read_pool {
    struct block_pool *memory;
    struct executor *worker;
    struct list pieces; /* the one used longest ago first */
    size_t bytes, piece_bytes;
    size_t reserved; /* pieces that jobs may take */
};

struct read_pool *read_pool_create(size_t bytes, struct executor *worker)
{
    size_t piece = MIN(bytes / PIECES_MIN, (size_t)BLOCK_MAX);
    if (piece < BLOCK_MIN + 2 * IO_ALIGNMENT)
        return NULL;
    struct read_pool *pool = xcalloc(1, sizeof *pool);
    pool->memory = block_pool_create();
    pool->worker = worker;
    pool->bytes = bytes;
    pool->piece_bytes = piece / IO_ALIGNMENT * IO_ALIGNMENT - 2 * IO_ALIGNMENT;
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

size_t read_pool_piece_bytes(const struct read_pool *pool)
{
    return pool->piece_bytes;
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

static bool has_room(const struct read_pool *pool)
{
    size_t wanted = (pool->reserved + 1) * (pool->piece_bytes + 2 * IO_ALIGNMENT);
    return read_pool_used(pool) + wanted <= pool->bytes;
}

bool read_pool_reserve(struct read_pool *pool, int64_t now_ms)
{
    bool room = has_room(pool);
    LIST_FOR_EACH_SAFE (node, &pool->pieces) {
        struct read_piece *piece = piece_of(node);
        if (room)
            break;
        if (piece->read_to < piece->next_offset && now_ms - piece->used_ms < ABANDONED_MS)
            continue;
        read_piece_free(piece);
        room = has_room(pool);
    }
    pool->reserved += room;
    return room;
}

void read_pool_end_reservation(struct read_pool *pool)
{
    ASSERT(pool->reserved > 0);
    pool->reserved--;
}

void read_pool_add(struct read_pool *pool, struct read_piece *piece, int64_t now_ms)
{
    read_pool_end_reservation(pool);
    read_pool_touch(pool, piece, now_ms);
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
