#include "processors/steps/window_table.h"

#include "base/compiler.h"

#include <stdlib.h>

void window_table_init(struct window_table *t, const struct window *window,
                       const struct select *select)
{
    ASSERT(window->slice_ms > 0 && window->size_ms % window->slice_ms == 0);
    ASSERT(select->count <= SELECT_MAX);
    *t = (struct window_table){.window = window, .select = select};
    list_init(&t->dirty);
}

void window_row_clear(const struct select *select, uint8_t *row)
{
    for (size_t i = 0; i < select->count; i++)
        select->items[i].type->clear(row + select->items[i].at);
}

void window_row_free(const struct select *select, uint8_t *row)
{
    for (size_t i = 0; i < select->count; i++)
        select->items[i].type->free(row + select->items[i].at);
}

void window_extent_add(struct extent *to, const struct extent *from)
{
    if (to->last_offset < 0) {
        *to = *from;
        return;
    }
    to->max_time = MAX(to->max_time, from->max_time);
    to->first_offset = MIN(to->first_offset, from->first_offset);
    to->last_offset = MAX(to->last_offset, from->last_offset);
    to->absent |= from->absent;
}

static size_t slice_size(const struct window_table *t)
{
    return sizeof(struct slice) + t->select->row_size;
}

void window_table_free(struct window_table *t)
{
    struct window_key *k;
    for (size_t at = 0; (k = map_next(&t->keys, &at));) {
        for (struct slice *s = k->first, *next; s; s = next) {
            next = s->next;
            window_row_free(t->select, s->row);
            free(s);
        }
        free(k);
    }
    for (void *s = t->free_slices, *next; s; s = next) {
        next = *(void **)s;
        free(s);
    }
    map_free(&t->keys);
    free(t->heap);
    window_table_init(t, t->window, t->select);
}

/* The heap: keys in the order (next end, key). */

static uint64_t key_prefix(struct bytes key)
{
    uint8_t start[8] = {0};
    memcpy(start, key.data, MIN(key.size, sizeof start));
    return load_be64(start);
}

static bool is_before(const struct due *a, const struct due *b)
{
    if (a->end != b->end)
        return a->end < b->end;
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix;
    return bytes_compare(window_key_bytes(a->key), window_key_bytes(b->key)) < 0;
}

static void heap_put(struct window_table *t, size_t at, struct due due)
{
    ASSERT(at < t->heap_count);
    t->heap[at] = due;
    due.key->heap_at = at;
}

static void sift_up(struct window_table *t, size_t at, struct due due)
{
    while (at > 0 && is_before(&due, &t->heap[(at - 1) / 4])) {
        heap_put(t, at, t->heap[(at - 1) / 4]);
        at = (at - 1) / 4;
    }
    heap_put(t, at, due);
}

static void sift_down(struct window_table *t, size_t at, struct due due)
{
    for (;;) {
        size_t first = at * 4 + 1, least = first;
        for (size_t i = first + 1; i < first + 4 && i < t->heap_count; i++) {
            if (is_before(&t->heap[i], &t->heap[least]))
                least = i;
        }
        if (first >= t->heap_count || !is_before(&t->heap[least], &due))
            break;
        heap_put(t, at, t->heap[least]);
        at = least;
    }
    heap_put(t, at, due);
}

static void heap_add(struct window_table *t, struct window_key *k)
{
    ASSERT(k->next_end != END_NONE);
    if (t->heap_count == t->heap_capacity) {
        t->heap_capacity = t->heap_capacity ? t->heap_capacity * 2 : 16;
        t->heap = xrealloc(t->heap, t->heap_capacity * sizeof *t->heap);
    }
    struct due due = {k->next_end, key_prefix(window_key_bytes(k)), k};
    t->heap_count++;
    sift_up(t, t->heap_count - 1, due);
}

static void heap_remove(struct window_table *t, struct window_key *k)
{
    size_t at = k->heap_at;
    ASSERT(at < t->heap_count && t->heap[at].key == k);
    struct due last = t->heap[--t->heap_count];
    if (last.key == k)
        return;
    if (at > 0 && is_before(&last, &t->heap[(at - 1) / 4]))
        sift_up(t, at, last);
    else
        sift_down(t, at, last);
}

struct window_key *window_table_next(const struct window_table *t)
{
    return t->heap_count > 0 ? t->heap[0].key : NULL;
}

void window_table_schedule(struct window_table *t, struct window_key *k, int64_t end)
{
    ASSERT(end != END_NONE);
    if (k->next_end == END_NONE) {
        k->next_end = end;
        heap_add(t, k);
    } else if (end < k->next_end) {
        struct due due = t->heap[k->heap_at];
        ASSERT(due.key == k && due.end == k->next_end);
        due.end = k->next_end = end;
        sift_up(t, k->heap_at, due);
    }
}

/* Keys and slices. */

struct window_key *window_table_key(struct window_table *t, struct bytes key)
{
    ASSERT(key.size <= UINT32_MAX);
    struct window_key *k = map_get(&t->keys, key);
    if (k)
        return k;
    k = xcalloc(1, sizeof *k + key.size);
    k->next_end = END_NONE;
    k->key_size = (uint32_t)key.size;
    if (key.size > 0)
        memcpy(k->key, key.data, key.size);
    map_put(&t->keys, window_key_bytes(k), k);
    t->memory += sizeof *k + key.size + sizeof(struct map_slot) + sizeof(struct due);
    return k;
}

static void drop_key(struct window_table *t, struct window_key *k)
{
    ASSERT(k->first == NULL && k->last == NULL && k->next_end == END_NONE);
    map_remove(&t->keys, window_key_bytes(k));
    t->memory -= sizeof *k + k->key_size + sizeof(struct map_slot) + sizeof(struct due);
    free(k);
}

static struct slice *slice_alloc(struct window_table *t)
{
    struct slice *s = t->free_slices;
    if (s) {
        t->free_slices = *(void **)s;
        memset(s, 0, slice_size(t));
    } else {
        s = xcalloc(1, slice_size(t));
        t->memory += slice_size(t);
    }
    t->slice_count++;
    s->extent.last_offset = -1;
    return s;
}

/* Puts `s` after `after` (NULL: at the front). */
static void link_slice(struct window_key *k, struct slice *s, struct slice *after)
{
    s->key = k;
    s->previous = after;
    s->next = after ? after->next : k->first;
    ASSERT(s->previous == NULL || s->previous->start < s->start);
    ASSERT(s->next == NULL || s->next->start > s->start);
    *(s->previous ? &s->previous->next : &k->first) = s;
    *(s->next ? &s->next->previous : &k->last) = s;
}

/* The key's last slice that starts at `start` or before. */
static struct slice *slice_before(const struct window_key *k, int64_t start)
{
    struct slice *at = k->last; /* most records belong to the newest slices */
    while (at && at->start > start)
        at = at->previous;
    return at;
}

struct slice *window_table_find(const struct window_table *t, struct bytes key, int64_t start)
{
    const struct window_key *k = map_get(&t->keys, key);
    struct slice *at = k ? slice_before(k, start) : NULL;
    return at && at->start == start ? at : NULL;
}

struct slice *window_table_slice(struct window_table *t, struct window_key *k, int64_t start)
{
    struct slice *at = slice_before(k, start);
    if (at && at->start == start)
        return at;
    ASSERT(window_slice_start(t->window, start) == start);
    struct slice *s = slice_alloc(t);
    s->start = start;
    link_slice(k, s, at);
    return s;
}

bool window_table_mark_dirty(struct window_table *t, struct slice *s)
{
    ASSERT(s->extent.last_offset >= 0);
    if (list_contains(&s->dirty))
        return false;
    list_append(&t->dirty, &s->dirty);
    return true;
}

static void drop_first_slice(struct window_table *t, struct window_key *k)
{
    struct slice *s = k->first;
    ASSERT(s && s->previous == NULL && t->slice_count > 0);
    k->first = s->next;
    *(s->next ? &s->next->previous : &k->last) = NULL;
    list_remove(&s->dirty);
    window_row_free(t->select, s->row);
    *(void **)s = t->free_slices;
    t->free_slices = s;
    t->slice_count--;
}

void window_table_emitted(struct window_table *t, struct window_key *k,
                          void (*dropped)(void *context, struct slice *s), void *context)
{
    ASSERT(window_table_next(t) == k);
    int64_t next_end = k->next_end + t->window->advance_ms;
    heap_remove(t, k);
    ASSERT(t->heap_count < 2 || !is_before(&t->heap[1], &t->heap[0]));
    k->next_end = END_NONE;
    while (k->first && k->first->start < next_end - t->window->size_ms) {
        dropped(context, k->first);
        drop_first_slice(t, k);
    }
    if (k->first == NULL)
        drop_key(t, k);
    else
        window_table_schedule(t, k, MAX(next_end, window_first_end(t->window, k->first->start)));
}

void window_table_merge(const struct window_table *t, const struct window_key *k, int64_t end,
                        uint8_t *row, struct extent *extent)
{
    window_row_clear(t->select, row);
    *extent = (struct extent){.last_offset = -1};
    int64_t start = end - t->window->size_ms;
    for (const struct slice *s = k->first; s && s->start < end; s = s->next) {
        if (s->start < start)
            continue;
        for (size_t i = 0; i < t->select->count; i++) {
            const struct select_item *a = &t->select->items[i];
            a->type->merge(row + a->at, s->row + a->at);
        }
        window_extent_add(extent, &s->extent);
    }
    ASSERT(extent->last_offset >= 0); /* a window without records is never emitted */
}
