/* The durable state of an aggregate.
 *
 * A slice is stored as its extent, then per aggregate its identity, the size of its accumulator and
 * the accumulator. So aggregates may be added, removed and reordered while windows are open. */
#include "processors/steps/aggregate_internal.h"

#include "base/compiler.h"

void aggregate_set_gauges(struct aggregate_state *a)
{
    a->step.open_windows = a->step.state_keys = (int64_t)a->windows.slice_count;
    a->step.state_bytes = (int64_t)a->windows.memory;
}

struct bytes aggregate_slice_key(struct aggregate_state *a, const struct slice *slice)
{
    state_key_begin(&a->key, a->step.processor->name, STATE_SLICE);
    state_key_time(&a->key, slice->start);
    buffer_append_bytes(&a->key, window_key_bytes(slice->key));
    return buffer_view(&a->key);
}

static void encode_slice(const struct aggregate_state *a, const struct slice *slice,
                         struct buffer *out)
{
    const struct select *select = &a->parameters->select;
    ASSERT(slice->extent.last_offset >= 0);
    buffer_clear(out);
    buffer_append_be64(out, (uint64_t)slice->extent.max_time);
    buffer_append_be64(out, (uint64_t)slice->extent.first_offset);
    buffer_append_be64(out, (uint64_t)slice->extent.last_offset);
    for (size_t i = 0; i < select->count; i++) {
        const struct select_item *item = &select->items[i];
        if (slice->extent.absent >> i & 1)
            continue;
        buffer_append_be32(out, item->identity);
        size_t size_at = out->size;
        buffer_append_be32(out, 0);
        item->type->encode(slice->row + item->at, out);
        ASSERT(!out->overflowed);
        store_be32(out->data + size_at, (uint32_t)(out->size - size_at - 4));
    }
}

/* Writes a->key and a->value. */
static void encode_closed(struct aggregate_state *a)
{
    const struct closed *c = &a->closed;
    buffer_clear(&a->value);
    buffer_append_be64(&a->value, (uint64_t)c->end);
    if (c->is_partial) {
        buffer_append_be64(&a->value, (uint64_t)c->partial_end);
        buffer_append_bytes(&a->value, buffer_view(&c->partial_key));
    }
    state_key_begin(&a->key, a->step.processor->name, STATE_CLOSED);
}

void aggregate_collect(struct chain_step *s)
{
    struct aggregate_state *a = aggregate_of(s);
    struct list_node *node;
    while ((node = list_pop(&a->windows.dirty))) {
        struct slice *slice = CONTAINER_OF(node, struct slice, dirty);
        encode_slice(a, slice, &a->value);
        state_put(s->delta, aggregate_slice_key(a, slice), buffer_view(&a->value));
        slice->is_stored = true;
    }
    s->uncollected = s->uncollected_bytes = 0;
    if (!a->closed.changed)
        return;
    encode_closed(a);
    state_put(s->delta, buffer_view(&a->key), buffer_view(&a->value));
    a->closed.changed = false;
}

/* Restoring. */

static bool decode_item(struct aggregate_state *a, struct slice *slice, uint32_t identity,
                        struct bytes encoded)
{
    const struct select *select = &a->parameters->select;
    for (size_t i = 0; i < select->count; i++) {
        const struct select_item *item = &select->items[i];
        if (item->identity != identity || !(slice->extent.absent >> i & 1))
            continue;
        struct reader r = reader_of(encoded);
        item->type->decode(slice->row + item->at, &r);
        if (r.failed || reader_left(&r) > 0)
            return false;
        slice->extent.absent &= ~(UINT64_C(1) << i);
    }
    return true;
}

static enum error restore_slice(struct aggregate_state *a, struct bytes rest, struct bytes value)
{
    struct reader r = reader_of(value);
    int64_t start;
    struct extent extent = {.max_time = read_i64(&r)};
    extent.first_offset = read_i64(&r);
    extent.last_offset = read_i64(&r);
    if (!state_key_take_time(&rest, &start) || r.failed || extent.last_offset < 0 ||
        window_slice_start(a->windows.window, start) != start)
        return ERR_CORRUPT;
    struct window_key *k = window_table_key(&a->windows, rest);
    struct slice *slice = window_table_slice(&a->windows, k, start);
    size_t count = a->parameters->select.count;
    extent.absent = count == 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1;
    slice->extent = extent;
    slice->is_stored = true;
    while (reader_left(&r) > 0) {
        uint32_t identity = (uint32_t)read_i32(&r), size = (uint32_t)read_i32(&r);
        const uint8_t *encoded = read_raw(&r, size);
        if (encoded == NULL || !decode_item(a, slice, identity, bytes_of(encoded, size)))
            return ERR_CORRUPT;
    }
    return ERR_OK;
}

static enum error restore_closed(struct aggregate_state *a, struct bytes value)
{
    struct reader r = reader_of(value);
    a->closed.end = read_i64(&r);
    if (reader_left(&r) == 0)
        return r.failed ? ERR_CORRUPT : ERR_OK;
    a->closed.is_partial = true;
    a->closed.partial_end = read_i64(&r);
    if (r.failed)
        return ERR_CORRUPT;
    buffer_clear(&a->closed.partial_key);
    buffer_append(&a->closed.partial_key, r.at, reader_left(&r));
    return ERR_OK;
}

enum error aggregate_restore(struct chain_step *s, enum state_kind kind, struct bytes rest,
                             struct bytes value)
{
    struct aggregate_state *a = aggregate_of(s);
    if (kind == STATE_SLICE)
        return restore_slice(a, rest, value);
    return kind == STATE_CLOSED ? restore_closed(a, value) : ERR_CORRUPT;
}

static bool is_closed(const struct closed *c, int64_t end, struct bytes key)
{
    if (c->end != END_NONE && end <= c->end)
        return true;
    if (!c->is_partial || end > c->partial_end)
        return false;
    return end < c->partial_end ||
           bytes_compare(key, buffer_view((struct buffer *)&c->partial_key)) <= 0;
}

/* The end of the first open window with records of the key, or END_NONE. */
static int64_t first_open_end(const struct aggregate_state *a, const struct window_key *k)
{
    const struct window *w = a->windows.window;
    int64_t first = END_NONE;
    for (const struct slice *s = k->first; s; s = s->next) {
        int64_t end = window_first_end(w, s->start);
        if (a->closed.end != END_NONE)
            end = MAX(end, window_first_end(w, a->closed.end));
        while (is_closed(&a->closed, end, window_key_bytes(k)))
            end += w->advance_ms;
        if (end <= window_last_end(w, s->start) && (first == END_NONE || end < first))
            first = end;
    }
    return first;
}

enum error aggregate_restored(struct chain_step *s, struct message *message)
{
    struct aggregate_state *a = aggregate_of(s);
    struct window_key *k;
    for (size_t at = 0; (k = map_next(&a->windows.keys, &at));) {
        int64_t end = first_open_end(a, k);
        if (end == END_NONE) {
            message_set(message,
                        "processor %.*s: the state contains a window that is already closed",
                        BYTES_PRINTF(s->processor->name));
            return ERR_CORRUPT;
        }
        window_table_schedule(&a->windows, k, end);
    }
    aggregate_set_gauges(a);
    return ERR_OK;
}

void aggregate_visit(struct chain_step *s, struct state_visitor *visitor)
{
    struct aggregate_state *a = aggregate_of(s);
    struct window_key *k;
    for (size_t at = 0; (k = map_next(&a->windows.keys, &at));) {
        for (const struct slice *slice = k->first; slice; slice = slice->next) {
            encode_slice(a, slice, &a->value);
            visitor->visit(visitor, aggregate_slice_key(a, slice), buffer_view(&a->value));
        }
    }
    encode_closed(a);
    visitor->visit(visitor, buffer_view(&a->key), buffer_view(&a->value));
}
