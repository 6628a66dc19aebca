#include "processors/steps/dedup_table.h"

#include "base/compiler.h"
#include "processors/window.h"

#include <stdlib.h>

/* A slot is 0 when free, else: 24 bits of the hash, 8 bits slice number, 32 bits place in it.
 *
 * A slice is a list of chunks. An anchor never lies across two of them:
 *
 *   time since the slice's start (8 bytes), size of the id (1 byte), id
 *
 * The size's highest bit says that the anchor was removed; a size of 0, that the chunk ends. */
enum {
    PART_BITS = 8,
    PARTS = 1 << PART_BITS,
    CHUNK_BITS = 12,
    CHUNK_SIZE = 1 << CHUNK_BITS,
    HEADER_SIZE = 9,
    MAX_SLICES = 255,
    SMALLEST_PART = 8,
    REMOVED = 0x80,
};

static const uint64_t SEED = 0x2545f4914f6cdd1du;

struct slice {
    int64_t start, last; /* the latest anchor in it */
    uint8_t number;      /* index in `by_number`, from 1: a slot is never 0 */
    uint8_t **chunks;
    size_t chunk_count, used; /* `used` bytes of the chunks, gaps at their ends included */
    size_t expired;           /* everything before this place was taken out */
    size_t live;              /* anchors */
};

struct part {
    uint64_t *slots;
    uint32_t count, capacity;
};

struct dedup_table {
    int64_t slice_ms;
    struct slice *slices[MAX_SLICES]; /* by start */
    size_t slice_count;
    struct slice *by_number[MAX_SLICES + 1];
    struct part parts[PARTS];
    size_t count, chunk_count, slot_count;
    uint8_t taken[DEDUP_KEY_MAX]; /* the id that dedup_table_expire gave */
};

struct dedup_table *dedup_table_create(int64_t slice_ms)
{
    ASSERT(slice_ms > 0);
    struct dedup_table *t = xcalloc(1, sizeof *t);
    t->slice_ms = slice_ms;
    return t;
}

static void free_slice(struct slice *s)
{
    for (size_t i = 0; i < s->chunk_count; i++)
        free(s->chunks[i]);
    free(s->chunks);
    free(s);
}

void dedup_table_free(struct dedup_table *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->slice_count; i++)
        free_slice(t->slices[i]);
    for (size_t i = 0; i < PARTS; i++)
        free(t->parts[i].slots);
    free(t);
}

static uint64_t slot_make(uint64_t hash, const struct slice *s, size_t place)
{
    return (hash & 0xffffff) << 40 | (uint64_t)s->number << 32 | (uint64_t)place;
}

static uint8_t *slice_at(const struct slice *s, size_t place)
{
    return s->chunks[place >> CHUNK_BITS] + (place & (CHUNK_SIZE - 1));
}

static struct slice *slot_slice(const struct dedup_table *t, uint64_t slot)
{
    return t->by_number[slot >> 32 & 0xff];
}

static uint8_t *slot_anchor(const struct dedup_table *t, uint64_t slot)
{
    return slice_at(slot_slice(t, slot), (uint32_t)slot);
}

static struct bytes anchor_id(const uint8_t *at)
{
    return bytes_of(at + HEADER_SIZE, at[HEADER_SIZE - 1] & ~REMOVED);
}

static struct part *part_of(const struct dedup_table *t, uint64_t hash)
{
    return (struct part *)&t->parts[hash >> (64 - PART_BITS)];
}

/* Where the search for a hash begins; the tag's bits are not used, so that they tell more. */
static size_t home_of(const struct part *p, uint64_t hash)
{
    return hash >> 24 & (p->capacity - 1);
}

static void insert_slot(struct part *p, uint64_t hash, uint64_t slot)
{
    size_t i = home_of(p, hash);
    while (p->slots[i])
        i = (i + 1) & (p->capacity - 1);
    p->slots[i] = slot;
}

static void grow_part(struct dedup_table *t, struct part *p)
{
    struct part bigger = {.count = p->count,
                          .capacity = p->capacity ? p->capacity * 2 : SMALLEST_PART};
    bigger.slots = xcalloc(bigger.capacity, sizeof *bigger.slots);
    for (size_t i = 0; i < p->capacity; i++) {
        if (p->slots[i])
            insert_slot(&bigger, bytes_hash(anchor_id(slot_anchor(t, p->slots[i])), SEED),
                        p->slots[i]);
    }
    t->slot_count += bigger.capacity - p->capacity;
    free(p->slots);
    *p = bigger;
}

/* Takes slot i out and moves later ones of its run back. */
static void close_gap(struct dedup_table *t, struct part *p, size_t gap)
{
    size_t mask = p->capacity - 1;
    for (size_t i = (gap + 1) & mask; p->slots[i]; i = (i + 1) & mask) {
        uint64_t hash = bytes_hash(anchor_id(slot_anchor(t, p->slots[i])), SEED);
        size_t home = home_of(p, hash);
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            p->slots[gap] = p->slots[i];
            gap = i;
        }
    }
    p->slots[gap] = 0;
    p->count--;
    t->count--;
}

static int64_t anchor_time(const struct slice *s, const uint8_t *at)
{
    return s->start + (int64_t)load_be64(at);
}

bool dedup_table_visit(const struct dedup_table *t, struct bytes id,
                       bool (*visit)(void *context, int64_t anchor), void *context)
{
    uint64_t hash = bytes_hash(id, SEED);
    const struct part *p = part_of(t, hash);
    if (p->count == 0)
        return true;
    for (size_t i = home_of(p, hash); p->slots[i]; i = (i + 1) & (p->capacity - 1)) {
        if (p->slots[i] >> 40 != (hash & 0xffffff))
            continue;
        const uint8_t *at = slot_anchor(t, p->slots[i]);
        if (bytes_equal(anchor_id(at), id) &&
            !visit(context, anchor_time(slot_slice(t, p->slots[i]), at)))
            return false;
    }
    return true;
}

static uint8_t free_number(const struct dedup_table *t)
{
    uint8_t number = 1;
    while (t->by_number[number])
        number++;
    return number;
}

/* Slices are few, and most anchors fall into the newest. Should there be too many, because times
 * are wildly apart, a neighbour takes the anchor and then lives as long as that. */
static struct slice *slice_for(struct dedup_table *t, int64_t anchor)
{
    int64_t start = floor_to(anchor, t->slice_ms);
    size_t at = t->slice_count;
    while (at > 0 && t->slices[at - 1]->start > start)
        at--;
    if (at > 0 && t->slices[at - 1]->start == start)
        return t->slices[at - 1];
    if (t->slice_count == MAX_SLICES)
        return at > 0 ? t->slices[at - 1] : t->slices[0];
    struct slice *s = xcalloc(1, sizeof *s);
    s->start = start;
    s->number = free_number(t);
    t->by_number[s->number] = s;
    memmove(t->slices + at + 1, t->slices + at, (t->slice_count - at) * sizeof(struct slice *));
    t->slices[at] = s;
    t->slice_count++;
    return s;
}

/* Room for an anchor; returns its place. */
static size_t slice_extend(struct dedup_table *t, struct slice *s, size_t size)
{
    size_t left = CHUNK_SIZE - (s->used & (CHUNK_SIZE - 1));
    if (left < size)
        s->used += left;
    if (s->used >> CHUNK_BITS == s->chunk_count) {
        s->chunks = xrealloc(s->chunks, (s->chunk_count + 1) * sizeof *s->chunks);
        s->chunks[s->chunk_count++] = xcalloc(1, CHUNK_SIZE);
        t->chunk_count++;
    }
    size_t place = s->used;
    s->used += size;
    ASSERT(s->used <= UINT32_MAX);
    return place;
}

static void set_time(struct slice *s, uint8_t *at, int64_t anchor)
{
    store_be64(at, (uint64_t)(anchor - s->start));
    if (s->live == 0 || anchor > s->last)
        s->last = anchor;
}

void dedup_table_add(struct dedup_table *t, struct bytes id, int64_t anchor)
{
    ASSERT(id.size > 0 && id.size <= DEDUP_KEY_MAX);
    uint64_t hash = bytes_hash(id, SEED);
    struct part *p = part_of(t, hash);
    if ((p->count + 1) * 8 > p->capacity * 7)
        grow_part(t, p);
    struct slice *s = slice_for(t, anchor);
    size_t place = slice_extend(t, s, HEADER_SIZE + id.size);
    uint8_t *at = slice_at(s, place);
    set_time(s, at, anchor);
    at[HEADER_SIZE - 1] = (uint8_t)id.size;
    memcpy(at + HEADER_SIZE, id.data, id.size);
    insert_slot(p, hash, slot_make(hash, s, place));
    s->live++;
    p->count++;
    t->count++;
}

/* The slot of a pair, or NULL. */
static uint64_t *find(const struct dedup_table *t, struct bytes id, int64_t anchor)
{
    uint64_t hash = bytes_hash(id, SEED);
    const struct part *p = part_of(t, hash);
    if (p->count == 0)
        return NULL;
    for (size_t i = home_of(p, hash); p->slots[i]; i = (i + 1) & (p->capacity - 1)) {
        const uint8_t *at = slot_anchor(t, p->slots[i]);
        if (bytes_equal(anchor_id(at), id) && anchor_time(slot_slice(t, p->slots[i]), at) == anchor)
            return &p->slots[i];
    }
    return NULL;
}

static void remove_slot(struct dedup_table *t, struct bytes id, uint64_t *slot)
{
    struct part *p = part_of(t, bytes_hash(id, SEED));
    struct slice *s = slot_slice(t, *slot);
    slot_anchor(t, *slot)[HEADER_SIZE - 1] |= REMOVED;
    close_gap(t, p, (size_t)(slot - p->slots));
    s->live--;
}

void dedup_table_move(struct dedup_table *t, struct bytes id, int64_t from, int64_t to)
{
    uint64_t *slot = find(t, id, from);
    ASSERT(slot != NULL);
    struct slice *s = slot_slice(t, *slot);
    if (floor_to(to, t->slice_ms) == s->start) {
        set_time(s, slot_anchor(t, *slot), to);
        return;
    }
    remove_slot(t, id, slot);
    dedup_table_add(t, id, to);
}

static void drop_oldest(struct dedup_table *t)
{
    struct slice *s = t->slices[0];
    t->by_number[s->number] = NULL;
    t->chunk_count -= s->chunk_count;
    t->slice_count--;
    memmove(t->slices, t->slices + 1, t->slice_count * sizeof(struct slice *));
    free_slice(s);
}

/* The next anchor that is still there, or NULL. */
static uint8_t *next_live(struct slice *s)
{
    while (s->expired < s->used) {
        size_t left = CHUNK_SIZE - (s->expired & (CHUNK_SIZE - 1));
        uint8_t *at = slice_at(s, s->expired);
        if (left < HEADER_SIZE || at[HEADER_SIZE - 1] == 0) {
            s->expired += left;
            continue;
        }
        if (!(at[HEADER_SIZE - 1] & REMOVED))
            return at;
        s->expired += HEADER_SIZE + anchor_id(at).size;
    }
    return NULL;
}

bool dedup_table_expire(struct dedup_table *t, int64_t until, struct bytes *id, int64_t *anchor)
{
    while (t->slice_count > 0) {
        struct slice *s = t->slices[0];
        if (s->live == 0) {
            drop_oldest(t);
            continue;
        }
        if (s->last >= until)
            return false;
        uint8_t *at = next_live(s);
        ASSERT(at != NULL);
        struct bytes found = anchor_id(at);
        memcpy(t->taken, found.data, found.size);
        *id = bytes_of(t->taken, found.size);
        *anchor = anchor_time(s, at);
        s->expired += HEADER_SIZE + found.size;
        remove_slot(t, *id, find(t, *id, *anchor));
        return true;
    }
    return false;
}

int64_t dedup_table_oldest(const struct dedup_table *t)
{
    size_t i = 0;
    while (t->slices[i]->live == 0)
        i++;
    return t->slices[i]->last;
}

void dedup_table_each(const struct dedup_table *t,
                      void (*visit)(void *context, struct bytes id, int64_t anchor), void *context)
{
    for (size_t i = 0; i < PARTS; i++) {
        for (size_t j = 0; j < t->parts[i].capacity; j++) {
            uint64_t slot = t->parts[i].slots[j];
            if (slot == 0)
                continue;
            const uint8_t *at = slot_anchor(t, slot);
            visit(context, anchor_id(at), anchor_time(slot_slice(t, slot), at));
        }
    }
}

size_t dedup_table_count(const struct dedup_table *t)
{
    return t->count;
}

size_t dedup_table_memory(const struct dedup_table *t)
{
    return sizeof *t + t->chunk_count * CHUNK_SIZE + t->slot_count * sizeof(uint64_t);
}
