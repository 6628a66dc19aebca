/* A shard: one thread that owns its connections, partitions, groups and tasks.
 *
 * No other thread uses them; shards exchange mail. This header has the structure and its mail.
 * turn.h has the work of a turn. The thread, its event loop and its sockets are in net/, because a
 * simulation drives several shards in one thread. */
#ifndef BROKER_SHARD_H
#define BROKER_SHARD_H

#include "base/block_pool.h"
#include "base/env.h"
#include "base/map.h"
#include "base/timers.h"
#include "broker/config/live_settings.h"
#include "broker/mailbox.h"
#include "storage/catalog.h"
#include "storage/store.h"

struct broker;
struct coordinator; /* groups/coordinator.h: this shard's groups */
struct partition;   /* partition.h */
struct request;
struct controller;     /* controller.h: shard 0 only */
struct runner;         /* runner.h: this shard's processor tasks */
struct waits;          /* fetch/waits.h */
struct fetch_sessions; /* fetch/fetch_session.h */
struct upkeep;         /* upkeep.h */
struct timekeeper;     /* timekeeper.h: shard 0 only */

struct shard {
    int id;
    struct broker *broker; /* immutable while running: broker.h */
    struct env *env;
    struct mailbox mailbox;
    struct timers timers;
    struct store *store;
    struct live_settings *live; /* this shard's reference to the newest settings it was sent */
    struct catalog *catalog;    /* this shard's reference to the newest snapshot it was sent */
    uint64_t catalog_version;   /* the number of snapshots so far: every shard gets the same ones */
    struct map partitions;      /* of this shard: key topic id + partition (be32) */
    struct coordinator *coordinator;
    struct controller *controller;
    struct runner *runner;
    struct waits *waits;
    struct fetch_sessions *fetch_sessions; /* of this shard */
    struct upkeep *upkeep;                 /* of its partitions, such as retention */
    struct executor *background;           /* runs the store's jobs */
    struct executor *reader;               /* runs read and time jobs, apart from flushes */
    struct timekeeper *timekeeper;
    int64_t now_ms, wall_ms; /* of this turn */
    /* Of this turn (timekeeper.h). Trusted: for ages of records. Steady: for all else that ages. */
    int64_t trusted_ms, steady_ms;
    int64_t stamp_ms; /* for timestamps of records: the later one of the wall and trusted time */
    struct list connections;
    struct list ready_connections;  /* with replies to send or input to continue with */
    struct list paused_connections; /* their input waits for memory of other connections */
    size_t connection_count;
    size_t unsent_bytes;       /* of answers that clients have not read yet */
    size_t in_flight_bytes;    /* of requests, from the last byte to the answer */
    size_t unfinished_bytes;   /* of input before it is a request */
    size_t bytes_at_resume;    /* the sum of the three when paused connections were last resumed */
    uint8_t *read_buffer;      /* READ_BUFFER_SIZE bytes, for small reads */
    struct block_pool *frames; /* memory of large frames */
    struct timer idle_timer;
    struct arena scratch; /* reset each turn */
    bool stopping;
    uint64_t turns;
};

enum { READ_BUFFER_SIZE = 256 << 10 };

/* Makes a shard. Its maker (start.h) sets the store, the coordinator and the rest afterwards. */
struct shard *shard_create(struct broker *broker, int id, void (*wake)(void *context),
                           void *context);
/* Frees it. Its connections must be closed and its mail must be delivered. */
void shard_free(struct shard *shard);

/* Delivers the mail that has arrived, in order. Returns whether there was any. */
bool shard_deliver_mail(struct shard *shard);

/* Reads the times of the turn; the loop calls it when it wakes. */
void shard_read_clock(struct shard *shard);

/* Sends mail to another shard (or to itself: delivered next turn). */
void shard_post(struct shard *to, struct mail *mail);

/* The shard that owns the partition. */
struct shard *shard_for_partition(struct shard *any, struct uuid topic_id, int32_t partition);
struct shard *shard_for_group(struct shard *any, struct bytes group_id);

/* Calls `run(context, shard)` on every shard, one after the other, by mail; then `done(context,
 * home)` on the calling shard. For rare changes (topics, configs). */
void shard_broadcast(struct shard *home, void (*run)(void *context, struct shard *shard),
                     void (*done)(void *context, struct shard *home), void *context);

#endif
