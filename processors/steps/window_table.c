#include "processors/steps/window_table.h"

#include "base/compiler.h"

#include <stdlib.h>

void window_table_init(struct window_table *t, const struct window *window,
                       const struct select *select)
{
    *t = (struct window_table){.window = window, .select = select};
    list_init(&t->dirty);
}

void row_clear(const struct select *select, uint8_t *row)
{
    for (size_t i = 0; i < select->count; i++)
        select->items[i].type->clear(row + select->items[i].at);
}

void row_free(const struct select *select, uint8_t *row)
{
    for (size_t i = 0; i < select->count; i++)
        select->items[i].type->free(row + select->items[i].at);
}

void extent_add(struct extent *to, const struct extent *from)
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
    struct group *g;
    for (size_t at = 0; (g = map_next(&t->groups, &at));) {
        for (struct slice *s = g->first, *next; s; s = next) {
            next = s->next;
            row_free(t->select, s->row);
            free(s);
        }
        free(g);
    }
    for (void *s = t->free_slices, *next; s; s = next) {
        next = *(void **)s;
        free(s);
    }
    map_free(&t->groups);
    free(t->heap);
    window_table_init(t, t->window, t->select);
}

/* The heap: the group whose window ends first, then by key. */

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
    return bytes_compare(group_key(a->group), group_key(b->group)) < 0;
}

static void heap_put(struct window_table *t, size_t at, struct due due)
{
    t->heap[at] = due;
    due.group->heap_at = at;
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

static void heap_add(struct window_table *t, struct group *g)
{
    if (t->heap_count == t->heap_capacity) {
        t->heap_capacity = t->heap_capacity ? t->heap_capacity * 2 : 16;
        t->heap = xrealloc(t->heap, t->heap_capacity * sizeof *t->heap);
    }
    struct due due = {g->next_end, key_prefix(group_key(g)), g};
    sift_up(t, t->heap_count++, due);
}

static void heap_remove(struct window_table *t, struct group *g)
{
    size_t at = g->heap_at;
    struct due last = t->heap[--t->heap_count];
    if (last.group == g)
        return;
    if (at > 0 && is_before(&last, &t->heap[(at - 1) / 4]))
        sift_up(t, at, last);
    else
        sift_down(t, at, last);
}

struct group *window_table_next(const struct window_table *t)
{
    return t->heap_count > 0 ? t->heap[0].group : NULL;
}

void window_table_schedule(struct window_table *t, struct group *g, int64_t end)
{
    if (g->next_end == END_NONE) {
        g->next_end = end;
        heap_add(t, g);
    } else if (end < g->next_end) {
        struct due due = t->heap[g->heap_at];
        due.end = g->next_end = end;
        sift_up(t, g->heap_at, due);
    }
}

/* Groups and slices. */

struct group *window_table_group(struct window_table *t, struct bytes key)
{
    ASSERT(key.size <= UINT32_MAX);
    struct group *g = map_get(&t->groups, key);
    if (g)
        return g;
    g = xcalloc(1, sizeof *g + key.size);
    g->next_end = END_NONE;
    g->key_size = (uint32_t)key.size;
    if (key.size > 0)
        memcpy(g->key, key.data, key.size);
    map_put(&t->groups, group_key(g), g);
    t->memory += sizeof *g + key.size + sizeof(struct map_slot) + sizeof(struct due);
    return g;
}

static void drop_group(struct window_table *t, struct group *g)
{
    ASSERT(g->first == NULL);
    map_remove(&t->groups, group_key(g));
    t->memory -= sizeof *g + g->key_size + sizeof(struct map_slot) + sizeof(struct due);
    free(g);
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

/* Puts `s` behind `after` (NULL: in front). */
static void link_slice(struct group *g, struct slice *s, struct slice *after)
{
    s->group = g;
    s->previous = after;
    s->next = after ? after->next : g->first;
    *(s->previous ? &s->previous->next : &g->first) = s;
    *(s->next ? &s->next->previous : &g->last) = s;
}

/* The group's last slice that starts at `start` or before. */
static struct slice *slice_before(const struct group *g, int64_t start)
{
    struct slice *at = g->last; /* most records are among the newest */
    while (at && at->start > start)
        at = at->previous;
    return at;
}

struct slice *window_table_find(const struct window_table *t, struct bytes key, int64_t start)
{
    const struct group *g = map_get(&t->groups, key);
    struct slice *at = g ? slice_before(g, start) : NULL;
    return at && at->start == start ? at : NULL;
}

struct slice *window_table_slice(struct window_table *t, struct group *g, int64_t start)
{
    struct slice *at = slice_before(g, start);
    if (at && at->start == start)
        return at;
    struct slice *s = slice_alloc(t);
    s->start = start;
    link_slice(g, s, at);
    return s;
}

bool window_table_mark_dirty(struct window_table *t, struct slice *s)
{
    if (list_contains(&s->dirty))
        return false;
    list_append(&t->dirty, &s->dirty);
    return true;
}

static void drop_first_slice(struct window_table *t, struct group *g)
{
    struct slice *s = g->first;
    g->first = s->next;
    *(s->next ? &s->next->previous : &g->last) = NULL;
    list_remove(&s->dirty);
    row_free(t->select, s->row);
    *(void **)s = t->free_slices;
    t->free_slices = s;
    t->slice_count--;
}

void window_table_emitted(struct window_table *t, struct group *g,
                          void (*dropped)(void *context, struct slice *s), void *context)
{
    int64_t next_end = g->next_end + t->window->advance_ms;
    heap_remove(t, g);
    g->next_end = END_NONE;
    while (g->first && g->first->start < next_end - t->window->size_ms) {
        dropped(context, g->first);
        drop_first_slice(t, g);
    }
    if (g->first == NULL)
        drop_group(t, g);
    else
        window_table_schedule(t, g, MAX(next_end, window_first_end(t->window, g->first->start)));
}

void window_table_merge(const struct window_table *t, const struct group *g, int64_t end,
                        uint8_t *row, struct extent *extent)
{
    row_clear(t->select, row);
    *extent = (struct extent){.last_offset = -1};
    int64_t start = end - t->window->size_ms;
    for (const struct slice *s = g->first; s && s->start < end; s = s->next) {
        if (s->start < start)
            continue;
        for (size_t i = 0; i < t->select->count; i++) {
            const struct select_item *a = &t->select->items[i];
            a->type->merge(row + a->at, s->row + a->at);
        }
        extent_add(extent, &s->extent);
    }
}
