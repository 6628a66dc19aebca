/* Collects records into one batch per partition and sends them, one request at a time, so that each
 * answer is known before the next batch goes out.
 *
 * An idempotent producer numbers its batches: when an answer is lost, with the connection or the
 * broker, the batch is sent again and the broker sees whether it has it. */
#ifndef CLIENT_TOOLS_CLUSTER_PRODUCER_H
#define CLIENT_TOOLS_CLUSTER_PRODUCER_H

#include "client-tools/cluster/cluster.h"
#include "client-tools/output/record_json.h"

struct producer_partition {
    int32_t index, leader;
    struct buffer bytes; /* the finished batch, while it is under way */
    struct batch_builder builder;
    int32_t pending;                            /* records in the builder */
    int32_t sequence;                           /* of the next batch */
    int64_t records, first_offset, last_offset; /* acknowledged so far; offsets -1: unknown */
    int16_t error_code;
    struct bytes error_message;
};

struct producer_topic {
    struct producer_topic *next;
    struct bytes name;
    struct producer_partition *partitions;
    int32_t partition_count;
    uint32_t turn; /* records without a key go to partition turn % count; moves with each flush */
};

struct producer {
    struct client *client;
    enum codec codec;
    int level;
    int16_t acks;
    size_t batch_bytes;
    int64_t timeout_ms; /* how long errors that may pass are tried again */
    bool idempotent;    /* only with acks -1; a broker that cannot makes it false */
    bool quiet;         /* nothing is said about a lost connection */
    int32_t partition;  /* where every record goes, which must exist; -1: chosen for each */
    int64_t id;         /* from the broker, with the first batch; -1: none */
    int16_t epoch;
    int64_t lost_since_ms; /* when the connection went; 0: it is there */
    struct arena arena;    /* topics; until the end */
    struct producer_topic *topics;
    size_t pending_bytes;
    bool failed; /* a partition has an error: nothing more is taken */
};

void producer_init(struct producer *p, struct client *client);
void producer_free(struct producer *p);

/* Adds a record; sends what is collected when that is enough. `place->partition` -1, or one that
 * the topic does not have (a copy into a smaller topic): chosen by the key's hash. */
bool producer_add(struct producer *p, const struct record_place *place, const struct record *record,
                  struct failure *f);
/* Sends everything. False: no answer; an idempotent producer may be flushed again, without harm.
 * A refusal is noted in its partition and in `failed`. */
bool producer_flush(struct producer *p, struct failure *f);

#endif
