#include "storage/clean_batch.h"

/* --- which records stay --- */

static bool horizon_has_passed(const struct batch_header *h, const struct clean_batch_rules *rules)
{
    return (h->attributes & BATCH_DELETE_HORIZON) && h->base_timestamp <= rules->now_ms;
}

static bool stays(const struct batch_header *h, const struct record *r,
                  const struct clean_batch_rules *rules)
{
    if (h->attributes & BATCH_CONTROL)
        return !rules->discard || !horizon_has_passed(h, rules);
    if (rules->discard)
        return false;
    if (r->offset >= rules->map_end)
        return true;
    if (bytes_is_null(r->key) || r->offset < clean_map_get(rules->map, r->key))
        return false;
    return !bytes_is_null(r->value) || !horizon_has_passed(h, rules);
}

/* A walk over the records that also refuses what records_next does not look at. */
struct walk {
    struct record_iterator records;
    int64_t next_offset;
};

static enum error walk_open(struct walk *w, struct bytes batch, size_t max_uncompressed,
                            struct arena *scratch)
{
    arena_reset(scratch);
    enum error error = records_open(batch, scratch, max_uncompressed, &w->records);
    w->next_offset = w->records.header.base_offset;
    return error == ERR_UNSUPPORTED ? ERR_CORRUPT : error;
}

static bool walk_next(struct walk *w, struct record *r)
{
    if (!records_next(&w->records, r))
        return false;
    w->records.failed = r->offset < w->next_offset;
    w->next_offset = r->offset + 1;
    return !w->records.failed;
}

static enum error walk_end(const struct walk *w)
{
    const struct record_iterator *i = &w->records;
    return i->failed || i->at != i->end ? ERR_CORRUPT : ERR_OK;
}

struct verdict {
    int32_t records, kept;
    bool tombstones; /* among the kept ones */
};

static enum error judge(struct bytes batch, const struct clean_batch_rules *rules,
                        struct arena *scratch, struct verdict *out)
{
    struct walk w;
    struct record r;
    *out = (struct verdict){0};
    enum error error = walk_open(&w, batch, rules->max_uncompressed, scratch);
    if (error != ERR_OK)
        return error;
    while (walk_next(&w, &r)) {
        bool kept = stays(&w.records.header, &r, rules);
        out->records++;
        out->kept += kept;
        out->tombstones |= kept && bytes_is_null(r.value);
    }
    return walk_end(&w);
}

/* --- writing --- */

static int64_t new_horizon(const struct clean_batch_rules *rules)
{
    int64_t horizon;
    return __builtin_add_overflow(rules->now_ms, rules->delete_retention_ms, &horizon) ? INT64_MAX
                                                                                       : horizon;
}

static void begin_batch(struct batch_builder *b, const struct batch_header *h,
                        const struct clean_batch_rules *rules, bool set_horizon, struct buffer *out)
{
    enum { KEPT = BATCH_LOG_APPEND_TIME | BATCH_TRANSACTIONAL | BATCH_CONTROL };
    batch_builder_init(b, out, (enum codec)(h->attributes & BATCH_CODEC_MASK));
    b->attributes = (int16_t)(h->attributes & (KEPT | BATCH_DELETE_HORIZON));
    b->base_timestamp = h->base_timestamp;
    b->last_offset_delta = h->last_offset_delta;
    b->producer_id = h->producer_id;
    b->producer_epoch = h->producer_epoch;
    b->base_sequence = h->base_sequence;
    if (set_horizon) {
        b->attributes |= BATCH_DELETE_HORIZON;
        b->base_timestamp = new_horizon(rules);
    }
}

/* The arena still has the records that judge() has decompressed, but not their positions. */
static enum error rewrite(struct bytes batch, const struct clean_batch_rules *rules,
                          struct arena *scratch, bool set_horizon, struct buffer *out)
{
    struct walk w;
    struct record r;
    struct batch_builder b;
    size_t start = out->size;
    enum error error = walk_open(&w, batch, rules->max_uncompressed, scratch);
    if (error != ERR_OK)
        return error;
    const struct batch_header *h = &w.records.header;
    begin_batch(&b, h, rules, set_horizon, out);
    while (walk_next(&w, &r)) {
        if (stays(h, &r, rules))
            batch_builder_add_at(&b, (int32_t)(r.offset - h->base_offset), r.timestamp, r.key,
                                 r.value, r.headers, r.header_count);
    }
    bool overflowed = b.overflowed;
    batch_builder_finish(&b);
    if (overflowed)
        return ERR_CORRUPT;
    if (out->overflowed)
        return ERR_TOO_LARGE;
    batch_stamp(out->data + start, h->base_offset, h->leader_epoch);
    return ERR_OK;
}

static enum error write_header(const struct batch_header *h, struct buffer *out)
{
    uint8_t *at = buffer_extend(out, BATCH_HEADER_SIZE);
    if (at == NULL)
        return ERR_TOO_LARGE;
    batch_write_empty(h, at);
    return ERR_OK;
}

/* Gives a batch a delete horizon if it has none and something in it waits for one. */
static bool needs_horizon(const struct batch_header *h, const struct clean_batch_rules *rules,
                          const struct verdict *verdict)
{
    bool marker_waits = (h->attributes & BATCH_CONTROL) && rules->discard;
    return (verdict->tombstones || marker_waits) && (h->attributes & BATCH_DELETE_HORIZON) == 0;
}

enum error clean_batch(struct bytes batch, const struct clean_batch_rules *rules,
                       struct arena *scratch, struct buffer *out, struct clean_counts *counts)
{
    struct batch_header h;
    struct verdict verdict;
    size_t before = out->size;
    enum error error = judge(batch, rules, scratch, &verdict);
    if (error != ERR_OK || !batch_header_read(batch, &h))
        return error;
    if (verdict.kept == 0)
        error = rules->keep_empty ? write_header(&h, out) : ERR_OK;
    else if (needs_horizon(&h, rules, &verdict) || verdict.kept < verdict.records)
        error = rewrite(batch, rules, scratch, needs_horizon(&h, rules, &verdict), out);
    else
        buffer_append_bytes(out, batch);
    if (error != ERR_OK || out->overflowed)
        return error != ERR_OK ? error : ERR_TOO_LARGE;
    counts->records += (uint64_t)verdict.records;
    counts->kept += (uint64_t)verdict.kept;
    counts->bytes += (int64_t)batch.size;
    counts->kept_bytes += (int64_t)(out->size - before);
    return ERR_OK;
}

/* --- the map --- */

enum error clean_batch_map(struct bytes batch, int64_t start, size_t max_uncompressed,
                           struct arena *scratch, struct clean_map *map, bool *full, int64_t *end)
{
    struct walk w;
    struct record r;
    enum error error = walk_open(&w, batch, max_uncompressed, scratch);
    *full = false;
    if (error != ERR_OK)
        return error;
    *end = batch_last_offset(&w.records.header) + 1;
    while (walk_next(&w, &r)) {
        if (*full || bytes_is_null(r.key) || r.offset < start)
            continue;
        *full = !clean_map_put(map, r.key, r.offset);
        if (*full)
            *end = r.offset;
    }
    return walk_end(&w);
}
