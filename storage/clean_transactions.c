#include "storage/clean_transactions.h"

#include "base/map.h"

#include <stdlib.h>

enum { MARKER_ABORT = 0, MARKER_COMMIT = 1, MARKER_UNKNOWN = -1 };

/* A transaction whose marker was not met yet. */
struct open_transaction {
    uint64_t producer_id;
    bool aborted, has_data; /* has_data: a batch of it was met */
};

struct clean_transactions {
    const struct clean_aborted *aborted;
    size_t count, next; /* next: the first one that begins later */
    struct map open;    /* by producer id */
};

struct clean_transactions *clean_transactions_create(const struct clean_aborted *aborted,
                                                     size_t count)
{
    struct clean_transactions *t = xcalloc(1, sizeof *t);
    t->aborted = aborted;
    t->count = count;
    return t;
}

void clean_transactions_free(struct clean_transactions *t)
{
    if (t == NULL)
        return;
    size_t at = 0;
    for (struct open_transaction *o; (o = map_next(&t->open, &at));)
        free(o);
    map_free(&t->open);
    free(t);
}

static struct open_transaction *find(struct clean_transactions *t, int64_t producer_id, bool add)
{
    uint64_t id = (uint64_t)producer_id;
    struct open_transaction *o = map_get(&t->open, map_key_u64(&id));
    if (o || !add)
        return o;
    o = xcalloc(1, sizeof *o);
    o->producer_id = id;
    map_put(&t->open, map_key_u64(&o->producer_id), o);
    return o;
}

static void begin_aborted_up_to(struct clean_transactions *t, int64_t offset)
{
    while (t->next < t->count && t->aborted[t->next].first_offset <= offset)
        find(t, t->aborted[t->next++].producer_id, true)->aborted = true;
}

static int marker_type(struct bytes batch)
{
    struct arena none;
    struct record_iterator i;
    struct record r;
    arena_init(&none, 0); /* a marker is not compressed */
    int type = MARKER_UNKNOWN;
    if (records_open(batch, &none, 0, &i) == ERR_OK && records_next(&i, &r) && r.key.size >= 4)
        type = (int16_t)load_be16(r.key.data + 2);
    arena_free(&none);
    return type;
}

static bool marker_may_go(struct clean_transactions *t, const struct batch_header *h,
                          struct bytes batch)
{
    if (h->record_count == 0)
        return true; /* cleaned before */
    int type = marker_type(batch);
    if (type != MARKER_ABORT && type != MARKER_COMMIT)
        return false;
    struct open_transaction *o = find(t, h->producer_id, false);
    bool has_data = o && o->has_data && o->aborted == (type == MARKER_ABORT);
    if (o && o->aborted == (type == MARKER_ABORT)) {
        map_remove(&t->open, map_key_u64(&o->producer_id));
        free(o);
    }
    return !has_data;
}

bool clean_transactions_next(struct clean_transactions *t, struct bytes batch)
{
    struct batch_header h;
    if (!batch_header_read(batch, &h))
        return false;
    begin_aborted_up_to(t, batch_last_offset(&h));
    if (h.attributes & BATCH_CONTROL)
        return marker_may_go(t, &h, batch);
    if ((h.attributes & BATCH_TRANSACTIONAL) == 0)
        return false;
    struct open_transaction *o = find(t, h.producer_id, true);
    o->has_data = true;
    return o->aborted;
}
