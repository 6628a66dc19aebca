#include "processors/steps/dedup_rows.h"

#include "base/compiler.h"
#include "processors/time/civil_time.h"

#include <stdlib.h>

/* A row's value: entries, one after the other.
 *
 *   size of the id, highest bit: removed (1 byte), time (8 bytes, big-endian), id
 *
 * No row has the number 0. */
enum {
    REMOVED = 0x80,
    ENTRY_OVERHEAD = 9,
    OPEN_MAX = 64 << 20, /* a step has at most 65,536 records */
    VISIT_BYTES = 1 << 16,
    EXPIRED_PER_RECORD = 64,
    NO_ROW = 0,
};
_Static_assert((int)DEDUP_KEY_MAX < (int)REMOVED, "a size and the flag share a byte");

void dedup_rows_init(struct dedup_rows *rows, struct bytes processor)
{
    *rows = (struct dedup_rows){.processor = processor, .next_number = 1};
    buffer_init(&rows->open, OPEN_MAX);
    buffer_init(&rows->removed, SIZE_MAX / 2);
    buffer_init(&rows->key, 1 << 16);
}

void dedup_rows_free(struct dedup_rows *rows)
{
    buffer_free(&rows->open);
    buffer_free(&rows->removed);
    buffer_free(&rows->key);
    free(rows->heap);
}

/* The heap of rows. */

static bool is_before(const struct row_due *a, const struct row_due *b)
{
    return a->last != b->last ? a->last < b->last : a->number < b->number;
}

static void push_row(struct dedup_rows *rows, struct row_due due)
{
    if (rows->count == rows->capacity) {
        rows->capacity = rows->capacity ? rows->capacity * 2 : 16;
        rows->heap = xrealloc(rows->heap, rows->capacity * sizeof *rows->heap);
    }
    size_t at = rows->count++;
    for (; at > 0 && is_before(&due, &rows->heap[(at - 1) / 2]); at = (at - 1) / 2)
        rows->heap[at] = rows->heap[(at - 1) / 2];
    rows->heap[at] = due;
}

static struct row_due pop_row(struct dedup_rows *rows)
{
    ASSERT(rows->count > 0);
    struct row_due first = rows->heap[0], last = rows->heap[--rows->count];
    size_t at = 0;
    for (size_t child; (child = at * 2 + 1) < rows->count; at = child) {
        if (child + 1 < rows->count && is_before(&rows->heap[child + 1], &rows->heap[child]))
            child++;
        if (!is_before(&rows->heap[child], &last))
            break;
        rows->heap[at] = rows->heap[child];
    }
    rows->heap[at] = last;
    ASSERT(rows->count == 0 || !is_before(&rows->heap[0], &first));
    return first;
}

/* Writing. */

static struct bytes row_key(struct dedup_rows *rows, struct row_due row)
{
    state_key_begin(&rows->key, rows->processor, STATE_ANCHORS);
    state_key_time(&rows->key, row.last);
    buffer_append_be64(&rows->key, row.number);
    return buffer_view(&rows->key);
}

static void append_entry(struct buffer *out, uint8_t flag, struct bytes id, int64_t anchor)
{
    ASSERT(id.size > 0 && id.size <= DEDUP_KEY_MAX);
    buffer_append_u8(out, (uint8_t)(id.size | flag));
    buffer_append_be64(out, (uint64_t)anchor);
    buffer_append_bytes(out, id);
    ASSERT(!out->overflowed);
}

static void note_entry(struct dedup_rows *rows, uint8_t flag, struct bytes id, int64_t anchor)
{
    rows->open_last = rows->open.size == 0 ? anchor : MAX(rows->open_last, anchor);
    append_entry(&rows->open, flag, id, anchor);
}

void dedup_rows_add(struct dedup_rows *rows, struct bytes id, int64_t anchor)
{
    note_entry(rows, 0, id, anchor);
}

void dedup_rows_remove(struct dedup_rows *rows, struct bytes id, int64_t anchor)
{
    note_entry(rows, REMOVED, id, anchor);
}

void dedup_rows_collect(struct dedup_rows *rows, struct state_delta *delta)
{
    if (rows->open.size == 0)
        return;
    struct row_due row = {rows->open_last, rows->next_number++};
    ASSERT(row.number != NO_ROW);
    state_put(delta, row_key(rows, row), buffer_view(&rows->open));
    push_row(rows, row);
    buffer_clear(&rows->open);
}

void dedup_rows_expire(struct dedup_rows *rows, int64_t until, struct state_delta *delta)
{
    for (int i = 0; i < EXPIRED_PER_RECORD && rows->count > 0 && rows->heap[0].last < until; i++)
        state_delete(delta, row_key(rows, pop_row(rows)));
}

/* Restoring. */

/* Takes the next entry of a row's value. False at the end, or when the rest is no entry. */
static bool next_entry(struct bytes *value, bool *removed, struct bytes *id, int64_t *anchor)
{
    if (value->size < ENTRY_OVERHEAD)
        return false;
    size_t size = value->data[0] & ~REMOVED;
    *removed = value->data[0] & REMOVED;
    *anchor = (int64_t)load_be64(value->data + 1);
    if (size == 0 || size > DEDUP_KEY_MAX || value->size - ENTRY_OVERHEAD < size ||
        *anchor < -TIME_MAX_MS || *anchor > TIME_MAX_MS)
        return false;
    *id = bytes_of(value->data + ENTRY_OVERHEAD, size);
    *value = bytes_from(*value, ENTRY_OVERHEAD + size);
    return true;
}

enum error dedup_rows_restore(struct dedup_rows *rows, struct bytes rest, struct bytes value,
                              struct dedup_table *table)
{
    struct row_due row;
    struct bytes id;
    int64_t anchor;
    bool removed;
    if (!state_key_take_time(&rest, &row.last) || rest.size != 8)
        return ERR_CORRUPT;
    row.number = load_be64(rest.data);
    while (next_entry(&value, &removed, &id, &anchor)) {
        if (removed)
            append_entry(&rows->removed, REMOVED, id, anchor);
        else
            dedup_table_add(table, id, anchor);
    }
    if (row.number != NO_ROW)
        push_row(rows, row);
    rows->next_number = MAX(rows->next_number, row.number + 1);
    return value.size == 0 ? ERR_OK : ERR_CORRUPT;
}

/* Applies the removals. The row of a removed anchor may be gone already. */
void dedup_rows_restored(struct dedup_rows *rows, struct dedup_table *table)
{
    struct bytes left = buffer_view(&rows->removed), id;
    int64_t anchor;
    bool removed;
    while (next_entry(&left, &removed, &id, &anchor))
        dedup_table_remove(table, id, anchor);
    buffer_free(&rows->removed);
}

/* Visiting. */

struct visit {
    struct bytes key;
    struct buffer anchors;
    void (*visit)(void *context, struct bytes key, struct bytes value);
    void *context;
};

static void visit_anchors(struct visit *v)
{
    v->visit(v->context, v->key, buffer_view(&v->anchors));
    buffer_clear(&v->anchors);
}

static void visit_anchor(void *context, struct bytes id, int64_t anchor)
{
    struct visit *v = context;
    append_entry(&v->anchors, 0, id, anchor);
    if (v->anchors.size >= VISIT_BYTES)
        visit_anchors(v);
}

void dedup_rows_visit(struct dedup_rows *rows, const struct dedup_table *table,
                      void (*visit)(void *context, struct bytes key, struct bytes value),
                      void *context)
{
    for (size_t i = 0; i < rows->count; i++)
        visit(context, row_key(rows, rows->heap[i]), BYTES_LITERAL(""));
    struct visit v = {.visit = visit, .context = context};
    v.key = row_key(rows, (struct row_due){0, NO_ROW});
    buffer_init(&v.anchors, VISIT_BYTES * 2);
    dedup_table_each(table, visit_anchor, &v);
    visit_anchors(&v);
    buffer_free(&v.anchors);
}
