/* Readers behind the tail: what a log remembers of them, and the pieces (read_piece.h) that they
 * share.
 *
 * A fast disk gives pieces in less time than the kernel takes to fill fresh pages of its cache. So
 * bytes that are not in the cache are read past it. On a slow disk a range is read so only once,
 * and the second reading fills the cache: records that many readers want are there from then on,
 * and records that are read once do not push others out. A reader that continues where another read
 * ended is a sequential one: it gets a large piece, and while it reads that, the worker reads the
 * next one. */
#include "storage/log_internal.h"

#include <stdlib.h>

enum {
    RANGES = 4,      /* of offsets that were read once; the oldest one is forgotten */
    PAUSE_READS = 16 /* reads without a piece, after one could not be made */
};

/* Of a log that has been read from files past the page cache. */
struct log_cold {
    struct list pieces;
    struct read_range {
        int64_t first_offset, next_offset;
    } ranges[RANGES];
    unsigned next_range;
    unsigned pause;
    bool reading_ahead;
    int64_t ahead_offset; /* that the worker reads then */
    struct list waiting;  /* log_read_jobs of readers that came there meanwhile */
};

static struct log_cold *cold_of(struct log *log)
{
    if (log->cold)
        return log->cold;
    log->cold = xcalloc(1, sizeof *log->cold);
    list_init(&log->cold->pieces);
    list_init(&log->cold->waiting);
    return log->cold;
}

static struct read_piece *piece_of(struct list_node *node)
{
    return CONTAINER_OF(node, struct read_piece, in_log);
}

static int64_t now_of(const struct log *log)
{
    return clock_monotonic_ms(log->env->clock);
}

static struct read_piece *find_piece(const struct log_cold *cold, int64_t offset)
{
    LIST_FOR_EACH (node, &cold->pieces) {
        if (read_piece_contains(piece_of(node), offset))
            return piece_of(node);
    }
    return NULL;
}

/* --- what was read --- */

void log_cold_remember(struct log *log, int64_t from_offset, const struct read_hint *hint)
{
    for (int i = 0; i < READ_HINTS; i++) {
        if (log->hints[i].offset == from_offset || log->hints[i].offset == hint->offset) {
            log->hints[i] = *hint;
            return;
        }
    }
    log->hints[log->next_hint++ % READ_HINTS] = *hint;
}

static void note_range(struct log_cold *cold, int64_t first_offset, int64_t next_offset)
{
    for (int i = 0; i < RANGES; i++) {
        struct read_range *r = &cold->ranges[i];
        if (first_offset >= r->first_offset && first_offset <= r->next_offset) {
            r->next_offset = MAX(r->next_offset, next_offset);
            return;
        }
    }
    cold->ranges[cold->next_range++ % RANGES] = (struct read_range){first_offset, next_offset};
}

static bool was_read(const struct log_cold *cold, int64_t offset)
{
    for (int i = 0; i < RANGES; i++) {
        if (offset >= cold->ranges[i].first_offset && offset < cold->ranges[i].next_offset)
            return true;
    }
    return false;
}

size_t log_cold_reserve(struct log *log, int64_t offset)
{
    struct log_cold *cold = log->cold;
    if (log->read_pool == NULL ||
        (cold && was_read(cold, offset) && !read_pool_disk_is_fast(log->read_pool)))
        return 0;
    if (cold && cold->pause > 0) {
        cold->pause--;
        return 0;
    }
    return read_pool_reserve(log->read_pool, now_of(log));
}

void log_cold_no_piece(struct log *log, size_t reserved, bool failed)
{
    read_pool_end_reservation(log->read_pool, reserved);
    if (failed)
        cold_of(log)->pause = PAUSE_READS;
}

bool log_cold_add(struct log *log, struct read_piece *piece, size_t reserved)
{
    struct log_cold *cold = cold_of(log);
    if (find_piece(cold, piece->first_offset)) { /* two readers came at the same time */
        log_cold_no_piece(log, reserved, false);
        read_piece_free(piece);
        return false;
    }
    list_append(&cold->pieces, &piece->in_log);
    note_range(cold, piece->first_offset, piece->next_offset);
    read_pool_add(log->read_pool, piece, reserved, now_of(log));
    return true;
}

void log_cold_drop(struct log *log)
{
    while (log->cold && !list_is_empty(&log->cold->pieces))
        read_piece_free(piece_of(list_first(&log->cold->pieces)));
}

void log_cold_free(struct log *log)
{
    log_cold_drop(log);
    free(log->cold);
}

/* --- reading from pieces --- */

enum { PIECES_IN_SLICE = 4 };

struct gathered {
    struct slice_piece parts[PIECES_IN_SLICE];
    size_t count, size;
    int64_t first_offset, next_offset;
    struct read_piece *last;
};

/* A reader passed the piece. One that it has passed is kept for those who are close behind. */
static void drop_passed(struct log_cold *cold, const struct read_piece *keep)
{
    LIST_FOR_EACH_SAFE (node, &cold->pieces) {
        struct read_piece *piece = piece_of(node);
        if (piece != keep && piece->read_to == piece->next_offset)
            read_piece_free(piece);
    }
}

static void took(struct log *log, struct read_piece *piece, const struct piece_range *range,
                 int64_t offset)
{
    struct read_hint hint = {.offset = range->next_offset,
                             .segment_base = piece->segment_base,
                             .position = read_piece_end(piece, range)};
    piece->read_to = MAX(piece->read_to, range->next_offset);
    read_pool_touch(log->read_pool, piece, now_of(log));
    log_cold_remember(log, offset, &hint);
    if (piece->read_to == piece->next_offset)
        drop_passed(log->cold, piece);
}

/* Takes the batches from `offset` on out of the piece. False: a limit is reached. */
static bool gather(struct log *log, struct read_piece *piece, int64_t offset, int64_t end_offset,
                   size_t max_bytes, bool at_least_one, struct gathered *g)
{
    struct piece_range range;
    bool first = g->size == 0;
    size_t left = max_bytes > g->size ? max_bytes - g->size : 0;
    if (!read_piece_find(piece, offset, end_offset, left, at_least_one && first, &range))
        return false;
    g->parts[g->count++] = read_piece_memory(piece, &range);
    g->first_offset = first ? range.first_offset : g->first_offset;
    g->next_offset = range.next_offset;
    g->size += range.size;
    g->last = piece;
    took(log, piece, &range, offset);
    return range.next_offset == piece->next_offset && g->count < PIECES_IN_SLICE;
}

/* Whether the bytes from the end of the piece on are worth a read that nobody waits for. */
static bool wants_more(const struct log *log, const struct read_piece *piece)
{
    int64_t offset = piece->next_offset;
    return !log->cold->reading_ahead && offset < log->flushed_offset &&
           !tail_contains(&log->tail, offset) && find_piece(log->cold, offset) == NULL;
}

bool log_cold_read(struct log *log, int64_t offset, int64_t end_offset, size_t max_bytes,
                   bool at_least_one, struct log_slice **out, const struct read_piece **last)
{
    struct gathered g = {0};
    struct read_piece *piece = log->cold ? find_piece(log->cold, offset) : NULL;
    if (piece == NULL)
        return false;
    while (piece && gather(log, piece, offset, end_offset, max_bytes, at_least_one, &g)) {
        offset = g.next_offset;
        piece = find_piece(log->cold, offset);
    }
    *last = NULL;
    if (g.size == 0)
        return true;
    *out = log_slice_create(g.parts, g.count, g.first_offset, g.next_offset);
    *last = g.last;
    return true;
}

/* Making room may free the piece, if its reader has passed it. */
size_t log_cold_begin_ahead(struct log *log, const struct read_piece *piece, struct read_hint *from)
{
    *from = (struct read_hint){.offset = piece->next_offset,
                               .segment_base = piece->segment_base,
                               .position = piece->position + (int64_t)piece->batches.size};
    size_t size = wants_more(log, piece) ? log_cold_reserve(log, from->offset) : 0;
    if (size == 0)
        return 0;
    log->cold->reading_ahead = true;
    log->cold->ahead_offset = from->offset;
    return size;
}

bool log_cold_wait(struct log *log, struct log_read_job *job)
{
    struct log_cold *cold = log->cold;
    if (cold == NULL || !cold->reading_ahead || cold->ahead_offset != job->offset)
        return false;
    job->job.node = (struct list_node){0};
    list_append(&cold->waiting, &job->job.node);
    return true;
}

void log_cold_end_ahead(struct log *log, struct list *waiting)
{
    log->cold->reading_ahead = false;
    list_take_all(waiting, &log->cold->waiting);
}
