/* Collects records into one batch per partition and sends them, one request at a time, so that the
 * response is known before the next batch is sent.
 *
 * An idempotent producer numbers its batches. If a response is lost, because the connection or the
 * broker failed, it sends the batch again, and the broker sees whether it has the batch already. */
#ifndef CLIENT_TOOLS_CLUSTER_PRODUCER_H
#define CLIENT_TOOLS_CLUSTER_PRODUCER_H

#include "client-tools/cluster/cluster.h"
#include "client-tools/output/record_json.h"

struct producer_partition {
    int32_t index, leader;
    struct buffer bytes; /* the finished batch, until its response */
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
    uint32_t turn; /* records without key go to partition turn % count; each flush changes it */
};

struct producer {
    struct client *client;
    enum codec codec;
    int level;
    int16_t acks;
    size_t batch_bytes;
    int64_t timeout_ms; /* how long to try again after a retriable error */
    bool idempotent;    /* only with acks -1; false if the broker does not support it */
    bool quiet;         /* says nothing about a lost connection */
    int32_t partition;  /* of every record, must exist; -1: chosen per record */
    int64_t id;         /* from the broker, with the first batch; -1: none */
    int16_t epoch;
    int64_t lost_since_ms; /* when the connection was lost; 0: it is there */
    struct arena arena;    /* topics; until the end */
    struct producer_topic *topics;
    size_t pending_bytes;
    bool failed; /* a partition has an error: takes no more records */
};

void producer_init(struct producer *p, struct client *client);
void producer_free(struct producer *p);

/* Adds a record; sends all records once there are enough. If `place->partition` is -1, or does not
 * exist in the topic (a copy into a smaller topic), the key's hash decides. */
bool producer_add(struct producer *p, const struct record_place *place, const struct record *record,
                  struct failure *f);
/* Sends everything. False: there was no response; an idempotent producer may be flushed again
 * without harm. A refusal is noted in its partition and in `failed`. */
bool producer_flush(struct producer *p, struct failure *f);

#endif
