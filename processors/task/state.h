/* Durable state of a task: the form of its keys, and the changes since the last step.
 *
 * Keys, relative to the task (big-endian, times with the sign bit flipped, so that they sort):
 *
 *   M                                   meta: cursor, sequence, watermark, counters
 *   <processor> 0 S <start> <key>       one slice of an aggregate's windows
 *   <processor> 0 C                     the end up to which an aggregate's windows are closed
 *   <processor> 0 D <time> <number>     anchors of a dedup
 *
 * The time comes first because state is written and deleted in about the order of time. So a store
 * that sorts its keys appends at one end and drops at the other.
 *
 * Changes are merged per step: a key that changes a thousand times is written once. */
#ifndef PROCESSORS_TASK_STATE_H
#define PROCESSORS_TASK_STATE_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/map.h"
#include "processors/task/commit.h"

enum state_kind { STATE_SLICE = 'S', STATE_CLOSED = 'C', STATE_ANCHORS = 'D' };

/* The changes since state_delta_clear. */
struct state_delta {
    struct arena arena; /* keys and values */
    struct map places;  /* key -> its change */
    struct step_change *changes;
    size_t count, capacity;
    size_t bytes; /* memory of the changes, about */
};

void state_delta_init(struct state_delta *d);
void state_delta_free(struct state_delta *d);
void state_delta_clear(struct state_delta *d);
/* Both copy the key; state_put copies the value too. */
void state_put(struct state_delta *d, struct bytes key, struct bytes value);
void state_delete(struct state_delta *d, struct bytes key);

/* Clears `out` and starts a key in it with processor and kind. */
void state_key_begin(struct buffer *out, struct bytes processor, enum state_kind kind);
void state_key_time(struct buffer *out, int64_t time_ms);
/* Splits a key: `rest` follows the kind. False when it is no processor's key. */
bool state_key_read(struct bytes key, struct bytes *processor, enum state_kind *kind,
                    struct bytes *rest);
/* Cuts the time off the beginning of `rest`. */
bool state_key_take_time(struct bytes *rest, int64_t *time_ms);

#endif
