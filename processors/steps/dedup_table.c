#include "processors/steps/dedup_table.h"

#include "base/compiler.h"
#include "processors/steps/dedup_slots.h"
#include "processors/time/civil_time.h"

#include <stdlib.h>

/* A slot (dedup_slots.h) holds, besides the tag, 8 bits of slice number and 32 bits of place in it.
 *
 * A slice is a list of chunks. Every anchor is inside one chunk:
 *
 *   size of the id (1 byte), time since the slice's start (zigzag varint), id
 *
 * The size's highest bit says that the anchor was removed; a size of 0, that the chunk ends. */
enum {
    PART_BITS = 8,
    PARTS = 1 << PART_BITS,
    CHUNK_BITS = 12,
    CHUNK_SIZE = 1 << CHUNK_BITS,
    MAX_TIME_SIZE = 10,
    MAX_SLICES = 255,
    REMOVED = 0x80,
};

_Static_assert(MAX_SLICES <= UINT8_MAX, "a slot keeps the number of its slice in a byte");
_Static_assert((int)DEDUP_KEY_MAX < (int)REMOVED, "a size and the flag share a byte");

static const uint64_t SEED = 0x2545f4914f6cdd1du;

struct anchor_slice {
    int64_t start, last; /* the latest anchor in it */
    uint8_t number;      /* index in `by_number`, from 1: a slot is never 0 */
    uint8_t **chunks;
    size_t chunk_count, used; /* `used` bytes of the chunks, gaps at their ends included */
    size_t expired;           /* all anchors before this place were taken out */
    size_t live;              /* anchors */
};

struct dedup_table {
    int64_t slice_ms;
    struct anchor_slice *slices[MAX_SLICES]; /* by start */
    size_t slice_count;
    struct anchor_slice *by_number[MAX_SLICES + 1];
    struct dedup_slots parts[PARTS];
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

static void free_slice(struct anchor_slice *s)
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
        dedup_slots_free(&t->parts[i]);
    free(t);
}

static struct dedup_slots *part_of(const struct dedup_table *t, uint64_t hash)
{
    return (struct dedup_slots *)&t->parts[hash >> (64 - PART_BITS)];
}

static uint32_t tag_of(uint64_t hash)
{
    return hash >> (64 - PART_BITS - SLOT_TAG_BITS) & ((1u << SLOT_TAG_BITS) - 1);
}

/* Slots. */

static uint64_t slot_make(uint64_t hash, const struct anchor_slice *s, size_t place)
{
    return (uint64_t)tag_of(hash) << SLOT_REST_BITS | (uint64_t)s->number << 32 | (uint64_t)place;
}

static struct anchor_slice *slot_slice(const struct dedup_table *t, uint64_t slot)
{
    return t->by_number[slot >> 32 & 0xff];
}

/* Anchors. */

/* A decoded anchor. */
struct anchor {
    uint8_t *at;
    bool is_removed;
    int64_t time;
    size_t time_size;
    struct bytes id;
};

static uint8_t *slice_at(const struct anchor_slice *s, size_t place)
{
    return s->chunks[place >> CHUNK_BITS] + (place & (CHUNK_SIZE - 1));
}

static size_t encode_time(uint8_t out[MAX_TIME_SIZE], const struct anchor_slice *s, int64_t time)
{
    int64_t since = time - s->start;
    uint64_t left = (uint64_t)since << 1 ^ (uint64_t)(since >> 63);
    size_t size = 0;
    for (; left >= 0x80; left >>= 7)
        out[size++] = (uint8_t)(left | 0x80);
    out[size++] = (uint8_t)left;
    ASSERT(size <= MAX_TIME_SIZE);
    return size;
}

static struct anchor anchor_at(const struct anchor_slice *s, size_t place)
{
    struct anchor a = {.at = slice_at(s, place)};
    uint64_t since = 0;
    do {
        since |= (uint64_t)(a.at[1 + a.time_size] & 0x7f) << (7 * a.time_size);
    } while (a.at[1 + a.time_size++] & 0x80);
    a.is_removed = a.at[0] & REMOVED;
    a.time = s->start + (int64_t)(since >> 1 ^ -(since & 1));
    a.id = bytes_of(a.at + 1 + a.time_size, a.at[0] & ~REMOVED);
    return a;
}

static size_t anchor_size(const struct anchor *a)
{
    return 1 + a->time_size + a->id.size;
}

static struct anchor slot_anchor(const struct dedup_table *t, uint64_t slot)
{
    return anchor_at(slot_slice(t, slot), (uint32_t)slot);
}

bool dedup_table_visit(const struct dedup_table *t, struct bytes id,
                       bool (*visit)(void *context, int64_t anchor), void *context)
{
    uint64_t hash = bytes_hash(id, SEED), slot;
    struct slot_search search = dedup_slots_search(part_of(t, hash), tag_of(hash));
    while ((slot = dedup_slots_next(&search))) {
        struct anchor a = slot_anchor(t, slot);
        if (bytes_equal(a.id, id) && !visit(context, a.time))
            return false;
    }
    return true;
}

/* Slices. */

static uint8_t free_number(const struct dedup_table *t)
{
    ASSERT(t->slice_count < MAX_SLICES);
    uint8_t number = 1;
    while (t->by_number[number])
        number++;
    return number;
}

/* Slices are few, and most anchors belong to the newest. If times are so far apart that there are
 * too many slices, a neighbour slice takes the anchor and then lives as long as the anchor. */
static struct anchor_slice *slice_for(struct dedup_table *t, int64_t anchor)
{
    int64_t start = floor_to(anchor, t->slice_ms);
    size_t at = t->slice_count;
    while (at > 0 && t->slices[at - 1]->start > start)
        at--;
    if (at > 0 && t->slices[at - 1]->start == start)
        return t->slices[at - 1];
    if (t->slice_count == MAX_SLICES)
        return at > 0 ? t->slices[at - 1] : t->slices[0];
    struct anchor_slice *s = xcalloc(1, sizeof *s);
    s->start = start;
    s->number = free_number(t);
    t->by_number[s->number] = s;
    memmove(t->slices + at + 1, t->slices + at,
            (t->slice_count - at) * sizeof(struct anchor_slice *));
    t->slices[at] = s;
    t->slice_count++;
    return s;
}

/* Makes room for an anchor; returns its place. */
static size_t slice_extend(struct dedup_table *t, struct anchor_slice *s, size_t size)
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

static void note_time(struct anchor_slice *s, int64_t anchor)
{
    if (s->live == 0 || anchor > s->last)
        s->last = anchor;
}

void dedup_table_add(struct dedup_table *t, struct bytes id, int64_t anchor)
{
    ASSERT(id.size > 0 && id.size <= DEDUP_KEY_MAX);
    uint64_t hash = bytes_hash(id, SEED);
    struct anchor_slice *s = slice_for(t, anchor);
    uint8_t time[MAX_TIME_SIZE];
    size_t time_size = encode_time(time, s, anchor);
    size_t place = slice_extend(t, s, 1 + time_size + id.size);
    uint8_t *at = slice_at(s, place);
    at[0] = (uint8_t)id.size;
    memcpy(at + 1, time, time_size);
    memcpy(at + 1 + time_size, id.data, id.size);
    t->slot_count += dedup_slots_add(part_of(t, hash), slot_make(hash, s, place));
    note_time(s, anchor);
    s->live++;
    t->count++;
}

/* The slot of a pair, or 0. */
static uint64_t find_anchor(const struct dedup_table *t, struct bytes id, int64_t anchor)
{
    uint64_t hash = bytes_hash(id, SEED), slot;
    struct slot_search search = dedup_slots_search(part_of(t, hash), tag_of(hash));
    while ((slot = dedup_slots_next(&search))) {
        struct anchor a = slot_anchor(t, slot);
        if (a.time == anchor && bytes_equal(a.id, id))
            break;
    }
    return slot;
}

static void remove_anchor(struct dedup_table *t, const struct anchor *a, uint64_t slot)
{
    ASSERT(!a->is_removed && t->count > 0 && slot_slice(t, slot)->live > 0);
    dedup_slots_remove(part_of(t, bytes_hash(a->id, SEED)), slot);
    t->count--;
    a->at[0] |= REMOVED;
    slot_slice(t, slot)->live--;
}

bool dedup_table_remove(struct dedup_table *t, struct bytes id, int64_t anchor)
{
    uint64_t slot = find_anchor(t, id, anchor);
    if (slot == 0)
        return false;
    struct anchor a = slot_anchor(t, slot);
    remove_anchor(t, &a, slot);
    return true;
}

void dedup_table_move(struct dedup_table *t, struct bytes id, int64_t from, int64_t to)
{
    uint64_t slot = find_anchor(t, id, from);
    ASSERT(slot != 0);
    struct anchor_slice *s = slot_slice(t, slot);
    struct anchor a = slot_anchor(t, slot);
    uint8_t time[MAX_TIME_SIZE];
    if (floor_to(to, t->slice_ms) == s->start && encode_time(time, s, to) == a.time_size) {
        memcpy(a.at + 1, time, a.time_size);
        note_time(s, to);
        return;
    }
    remove_anchor(t, &a, slot);
    dedup_table_add(t, id, to);
}

static void drop_oldest(struct dedup_table *t)
{
    struct anchor_slice *s = t->slices[0];
    ASSERT(s->live == 0);
    t->by_number[s->number] = NULL;
    t->chunk_count -= s->chunk_count;
    t->slice_count--;
    memmove(t->slices, t->slices + 1, t->slice_count * sizeof(struct anchor_slice *));
    free_slice(s);
}

/* Moves s->expired to the next anchor that is still there. There must be one. */
static struct anchor next_live(struct anchor_slice *s)
{
    for (;;) {
        ASSERT(s->expired < s->used);
        if (*slice_at(s, s->expired) == 0) {
            s->expired += CHUNK_SIZE - (s->expired & (CHUNK_SIZE - 1));
            continue;
        }
        struct anchor a = anchor_at(s, s->expired);
        if (!a.is_removed)
            return a;
        s->expired += anchor_size(&a);
    }
}

bool dedup_table_expire(struct dedup_table *t, int64_t until, struct bytes *id, int64_t *anchor)
{
    while (t->slice_count > 0) {
        struct anchor_slice *s = t->slices[0];
        if (s->live == 0) {
            drop_oldest(t);
            continue;
        }
        if (s->last >= until)
            return false;
        struct anchor a = next_live(s);
        memcpy(t->taken, a.id.data, a.id.size);
        *id = bytes_of(t->taken, a.id.size);
        *anchor = a.time;
        remove_anchor(t, &a, slot_make(bytes_hash(a.id, SEED), s, s->expired));
        s->expired += anchor_size(&a);
        return true;
    }
    return false;
}

int64_t dedup_table_oldest(const struct dedup_table *t)
{
    ASSERT(t->count > 0);
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
            struct anchor a = slot_anchor(t, slot);
            visit(context, a.id, a.time);
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
