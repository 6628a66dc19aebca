/* Fetch sessions (KIP-227): a client that fetches the same partitions again and again sends only
 * what changed, and gets only partitions with news.
 *
 * A session remembers its partitions, and for each the last values that the client got. The id
 * modulo the number of shards is the shard that it lives on. The epoch counts the requests. If an
 * epoch is wrong, request and answer no longer fit each other, and the client starts again.
 *
 * Bounds: `slots` sessions, SESSION_PARTITIONS_MAX partitions of all sessions together. When no
 * slot is free, only a session that was unused for two minutes is replaced. Otherwise the fetch is
 * answered without a session, which is no error. Owner: one shard. */
#ifndef BROKER_FETCH_FETCH_SESSION_H
#define BROKER_FETCH_FETCH_SESSION_H

#include "base/list.h"
#include "base/map.h"
#include "base/random.h"
#include "protocol/reader.h"

enum {
    FETCH_SESSION_NONE = 0,
    FETCH_EPOCH_FULL = 0,  /* a full request that may open a session */
    FETCH_EPOCH_FINAL = -1 /* a full request without a session */
};

/* A partition by the name of its topic (to v12) or by the topic's id. */
struct fetch_target {
    struct bytes name; /* null: by id */
    struct uuid id;
    int32_t partition;
};

struct fetch_session_partition {
    struct list_node node;      /* in the session's order: the partition served last is last */
    struct fetch_target target; /* its name is in `key` */
    int64_t fetch_offset;
    int32_t max_bytes, leader_epoch;
    int64_t told_high_watermark, told_log_start; /* -1: tell at the next answer */
    size_t key_size;
    uint8_t key[]; /* name or id, then the partition (be32) */
};

struct fetch_session {
    struct list_node used; /* in order of last use */
    int32_t id, epoch;     /* of the request that is expected next */
    uint64_t map_key;
    uint64_t serial; /* never the same for two sessions */
    bool by_id;
    struct map partitions;
    struct list order;
    int64_t used_ms;
};

struct fetch_sessions;

/* Ids are `first` plus multiples of `step`, above zero. */
struct fetch_sessions *fetch_sessions_create(struct random *random, size_t slots, int32_t first,
                                             int32_t step);
void fetch_sessions_free(struct fetch_sessions *s);
size_t fetch_sessions_count(const struct fetch_sessions *s);

/* A new, empty session that expects epoch 1, or NULL when there is no room for `partitions`. */
struct fetch_session *fetch_session_open(struct fetch_sessions *s, bool by_id, size_t partitions,
                                         int64_t now_ms);
struct fetch_session *fetch_session_find(struct fetch_sessions *s, int32_t id);
void fetch_session_close(struct fetch_sessions *s, struct fetch_session *session);
/* To be called for the session's next request: moves the epoch (INT32_MAX is followed by 1). */
void fetch_session_advance(struct fetch_sessions *s, struct fetch_session *session, int64_t now_ms);

/* Finds or adds a partition; NULL when all sessions together are full. */
struct fetch_session_partition *fetch_session_put(struct fetch_sessions *s,
                                                  struct fetch_session *session,
                                                  const struct fetch_target *target);
void fetch_session_forget(struct fetch_sessions *s, struct fetch_session *session,
                          const struct fetch_target *target);
/* Notes that the partition was served: others come before it next time. */
void fetch_session_served(struct fetch_session *session, struct fetch_session_partition *p);

#endif
