/* How a client's batch gets into a partition: validated, checked against its producer's sequence,
 * stamped, re-encoded where the topic asks for it, appended. The check and the append are one step
 * of the owning shard.
 *
 * A run takes the batches of one request on one shard. Each batch is an entry of its own, atomic by
 * itself; the last one carries the commit that tells when all are durable.
 *
 *   append_begin -> append_batch* -> append_end */
#ifndef BROKER_PRODUCE_APPEND_H
#define BROKER_PRODUCE_APPEND_H

#include "broker/partition.h"
#include "protocol/kafka_error.h"
#include "protocol/record_batch.h"

struct append_run {
    struct shard *shard;
    bool entry_open;
    bool must_wait; /* something may be acknowledged only when it is durable */
};

struct append_input {
    struct shared_buffer *buffer; /* in which the records lie; stamped in place */
    struct bytes records;         /* exactly one batch, or anything a client may send */
    int16_t api_version;          /* of Produce */
};

struct append_result {
    enum kafka_error error;
    const char *message; /* why, or NULL; in the arena given */
    /* The records at fault, if the batch was refused for some; in the arena given. */
    struct bad_record *bad_records;
    int32_t bad_record_count;
    int64_t base_offset, append_time_ms;
};

void append_begin(struct append_run *run, struct shard *shard);
void append_batch(struct append_run *run, struct partition *partition,
                  const struct append_input *input, struct arena *messages,
                  struct append_result *out);
/* True: commit->done will be called when everything may be acknowledged. False: it may be at once
 * and the commit is not used. `commit` NULL: nobody waits (acks=0). */
MUST_USE bool append_end(struct append_run *run, struct commit *commit);

#endif
