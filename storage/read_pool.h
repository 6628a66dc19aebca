/* The pieces (read_piece.h) of a shard's logs, in bounded memory.
 *
 * A piece makes room for another one when a reader has passed it, or when no reader came to it for
 * seconds. Others stay: pieces that push each other out before they are read would multiply the
 * reads. While there is no room, readers use the page cache. Memory that a reply still needs counts
 * until the reply is sent. The pool belongs to the shard, except that a worker takes memory. */
#ifndef STORAGE_READ_POOL_H
#define STORAGE_READ_POOL_H

#include "base/workers.h"
#include "storage/read_piece.h"

struct read_pool;

/* At most `bytes` of memory. The worker reads ahead. NULL: `bytes` are too few for any piece. */
struct read_pool *read_pool_create(size_t bytes, struct executor *worker);
/* All logs must be closed. Replies may still hold memory. NULL is fine. */
void read_pool_free(struct read_pool *pool);
struct executor *read_pool_worker(const struct read_pool *pool);
size_t read_pool_used(const struct read_pool *pool); /* memory of pieces, now */

/* Makes room for a piece. Returns how many bytes of batches it may have, 0: there is no room. Then
 * the caller adds a piece or ends the reservation of these bytes without one. */
MUST_USE size_t read_pool_reserve(struct read_pool *pool, int64_t now_ms);
void read_pool_add(struct read_pool *pool, struct read_piece *piece, size_t reserved,
                   int64_t now_ms);
void read_pool_end_reservation(struct read_pool *pool, size_t reserved);
struct block_pool *read_pool_memory(const struct read_pool *pool); /* for read_piece_read */

/* Notes how long the worker took for a piece of so many bytes. */
void read_pool_note_speed(struct read_pool *pool, size_t bytes, int64_t ns);
/* Whether the disk gives large pieces about as fast as fresh pages of the page cache can be filled.
 * Then no reading needs the page cache. True before the first piece. */
bool read_pool_disk_is_fast(const struct read_pool *pool);

/* A reader got batches of the piece. */
void read_pool_touch(struct read_pool *pool, struct read_piece *piece, int64_t now_ms);
/* Drops pieces that nobody used for long, and returns unused memory to the system. Called from time
 * to time. */
void read_pool_trim(struct read_pool *pool, int64_t now_ms);

#endif
