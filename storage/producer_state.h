/* A partition's state of each idempotent producer: epoch and the last five batches (KIP-98).
 *
 * The owning shard does check and append in one step. The state is as durable as the batches:
 * checkpoints write rows, and recovery replays appends. */
#ifndef STORAGE_PRODUCER_STATE_H
#define STORAGE_PRODUCER_STATE_H

#include "base/error.h"
#include "protocol/record_batch.h"

enum {
    PRODUCER_BATCHES = 5,
    PRODUCER_TIME_UNKNOWN = -1, /* of an append: producer_states_expire gives its own */
};

struct producer_states;

enum producer_check {
    PRODUCER_NEW,          /* append it */
    PRODUCER_DUPLICATE,    /* appended before: original_offset and original_timestamp */
    PRODUCER_OUT_OF_ORDER, /* OUT_OF_ORDER_SEQUENCE_NUMBER */
    PRODUCER_FENCED,       /* INVALID_PRODUCER_EPOCH */
};

struct producer_states *producer_states_create(void);
void producer_states_free(struct producer_states *p);

/* Checks a batch (header with producer_id >= 0). */
enum producer_check producer_check(const struct producer_states *p,
                                   const struct batch_header *batch, int64_t *original_offset,
                                   int64_t *original_timestamp);
/* Adds an appended batch whose base_offset is set. The time is one that never leaps. */
void producer_appended(struct producer_states *p, const struct batch_header *batch,
                       int64_t steady_ms);

/* The rows for a checkpoint: one for each producer that changed since the last call. A null row
 * means expired. `each` copies the row if it keeps it. */
void producer_states_changed(struct producer_states *p,
                             void (*each)(void *context, int64_t producer_id, struct bytes row),
                             void *context);
MUST_USE enum error producer_states_load(struct producer_states *p, int64_t producer_id,
                                         struct bytes row);
/* After the last row: sorts the producers by time. */
void producer_states_loaded(struct producer_states *p);
/* Forgets producers that have written nothing since steady_ms - expiration_ms, the oldest first. It
 * looks at no others, and changes at most *budget, which it lowers. False: more are due. */
MUST_USE bool producer_states_expire(struct producer_states *p, int64_t steady_ms,
                                     int64_t expiration_ms, size_t *budget);
/* The last batch of each producer that is remembered. last_offset -1: only markers. */
void producer_states_each(const struct producer_states *p,
                          void (*each)(void *context, int64_t producer_id, int16_t epoch,
                                       int64_t last_offset),
                          void *context);
size_t producer_states_count(const struct producer_states *p);

#endif
