#include "processors/task/state.h"

#include "base/compiler.h"

#include <stdlib.h>

/* A step is committed at 1 MiB of output or a few MiB of changes. A single record changes at most
 * as many keys as there are aggregates. The limit guards against a committer that never commits. */
static const size_t MAX_DELTA_BYTES = (size_t)4 << 30;
static const uint64_t SIGN = UINT64_C(1) << 63;

struct change_place {
    size_t index;
    struct bytes key;
};

void state_delta_init(struct state_delta *d)
{
    *d = (struct state_delta){.places = MAP_EMPTY};
    arena_init(&d->arena, MAX_DELTA_BYTES);
}

void state_delta_free(struct state_delta *d)
{
    arena_free(&d->arena);
    map_free(&d->places);
    free(d->changes);
    state_delta_init(d);
}

static bool drop_all(void *context UNUSED, void *value UNUSED)
{
    return true;
}

void state_delta_clear(struct state_delta *d)
{
    if (d->places.capacity > 4096)
        map_free(&d->places); /* one large step must not keep its memory */
    else
        map_remove_if(&d->places, drop_all, NULL);
    arena_reset(&d->arena);
    d->count = d->bytes = 0;
}

/* A key rarely changes twice within a step, so the lookup inserts it at once. */
static struct step_change *change_of(struct state_delta *d, struct bytes key)
{
    struct change_place *place = arena_alloc(&d->arena, sizeof *place);
    ASSERT(place != NULL);
    *place = (struct change_place){d->count, arena_copy(&d->arena, key)};
    struct change_place *before = map_put(&d->places, place->key, place);
    if (before) {
        place->index = before->index;
        return &d->changes[place->index];
    }
    if (d->count == d->capacity) {
        d->capacity = d->capacity ? d->capacity * 2 : 64;
        d->changes = xrealloc(d->changes, d->capacity * sizeof *d->changes);
    }
    d->changes[d->count] = (struct step_change){.key = place->key};
    d->bytes += key.size + sizeof *place + sizeof *d->changes;
    return &d->changes[d->count++];
}

void state_put(struct state_delta *d, struct bytes key, struct bytes value)
{
    struct step_change *change = change_of(d, key);
    change->value = arena_copy(&d->arena, value);
    ASSERT(change->value.data != NULL);
    d->bytes += value.size;
}

void state_delete(struct state_delta *d, struct bytes key)
{
    change_of(d, key)->value = BYTES_NULL;
}

void state_key_begin(struct buffer *out, struct bytes processor, enum state_kind kind)
{
    buffer_clear(out);
    buffer_append_bytes(out, processor);
    buffer_append_u8(out, 0);
    buffer_append_u8(out, (uint8_t)kind);
}

void state_key_time(struct buffer *out, int64_t time_ms)
{
    buffer_append_be64(out, (uint64_t)time_ms ^ SIGN);
}

bool state_key_read(struct bytes key, struct bytes *processor, enum state_kind *kind,
                    struct bytes *rest)
{
    const uint8_t *zero = key.size ? memchr(key.data, 0, key.size) : NULL;
    if (zero == NULL || zero + 1 == key.data + key.size)
        return false;
    *processor = bytes_of(key.data, (size_t)(zero - key.data));
    *kind = (enum state_kind)zero[1];
    *rest = bytes_from(key, processor->size + 2);
    return true;
}

bool state_key_take_time(struct bytes *rest, int64_t *time_ms)
{
    if (rest->size < 8)
        return false;
    *time_ms = (int64_t)(load_be64(rest->data) ^ SIGN);
    *rest = bytes_from(*rest, 8);
    return true;
}
