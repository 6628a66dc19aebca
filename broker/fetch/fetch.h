/* A fetch under way: its request, the shards that read for it, and its waiting. "Home" is the shard
 * of its request.
 *
 *   fetch.c            the course of a fetch at home
 *   handlers/fetch.c   the request and its session become items; items become the response
 *   fetch_read.c       a shard reads its items: bounds, limits, slices, cold ranges by job
 *   fetch_wait.c       too little was there: the parts wait on their partitions until enough came,
 *                      something failed, or the time is up
 *
 * Items are prepared at home and then belong to their part until it is back. Everything is in the
 * request's arena; slices are references that the reply takes over. If one shard owns all items, it
 * obeys the read limits exactly. Otherwise each shard reads up to the limit, and home drops what is
 * too much, in the order of the request. */
#ifndef BROKER_FETCH_FETCH_H
#define BROKER_FETCH_FETCH_H

#include "broker/fetch/fetch_session.h"
#include "broker/fetch/waits.h"
#include "broker/request/request.h"
#include "broker/request/scatter.h"
#include "protocol/kafka_error.h"

struct fetch;
struct fetch_part;

struct fetch_item {
    struct fetch_target target;
    struct uuid topic_id; /* of the topic that was found */
    int64_t offset;
    int32_t max_bytes, leader_epoch;
    struct fetch_session_partition *cached; /* valid while the session is unchanged; or NULL */
    /* The result. */
    enum kafka_error error;
    int64_t high_watermark, last_stable_offset, log_start;
    int64_t visible_end; /* the end of this fetch, by its isolation level */
    struct log_slice *slice;
    bool ends_wait; /* an error, or there is more after the slice: waiting is useless */
    /* While waiting. */
    struct partition_wait wait;
    struct fetch_part *part;
    struct fetch_item *next_dirty;
    bool is_dirty;
};

enum fetch_part_state { FETCH_PART_IDLE, FETCH_PART_READING, FETCH_PART_WAITING };

/* The items of one shard, and its reading. */
struct fetch_part {
    struct scatter_part part;
    struct fetch *fetch;
    enum fetch_part_state state;
    uint32_t at; /* first pass: index into part.items */
    size_t bytes;
    int files;                            /* segment files that its slices hold */
    uint32_t ending;                      /* items that end the wait, independent of bytes */
    size_t known_bytes;                   /* at home: the part's bytes when it was last there */
    void (*go_on)(struct fetch_part *fp); /* after a job */
    struct log_read_job job;
    struct fetch_item *job_item;
    struct partition *held; /* while the job runs */
    /* While waiting. */
    struct fetch_item *dirty;
    struct due_work due;
    struct mail stop_mail;
    bool stopped; /* home asked it to end while a job ran */
};
_Static_assert(offsetof(struct fetch_part, part) == 0, "a part begins with its scatter_part");

struct fetch {
    struct request *request;
    struct shard *home;
    int16_t version;
    enum isolation isolation;
    struct fetch_item *items;
    uint32_t count, failed; /* failed: items that had an error from the start */
    size_t max_bytes, min_bytes;
    int64_t max_wait_ms;
    struct scatter scatter;
    /* The session as it was when the items were made. */
    int32_t session_id, session_epoch;
    uint64_t session_serial;
    bool opens_session;
    /* While waiting. */
    struct timer deadline;
    struct parked parked;
    bool stopping;
    void (*answer)(struct fetch *fetch); /* called when there is enough, or no more time */
};

/* Reads all items, waits if necessary, then calls fetch->answer. Items that have an error already
 * have no owner and are not read. */
void fetch_start(struct fetch *fetch, const int *owners);

/* Drops slices beyond max_bytes, except the first; several shards may have read too much. */
void fetch_trim(struct fetch *fetch);

/* --- between the files --- */

/* The work of the first pass. */
void fetch_part_read(struct scatter_part *part);
/* Reads one item (again). False: a job is under way, and go_on() is called when it is done. */
MUST_USE bool fetch_read_item(struct fetch_part *fp, struct fetch_item *item);
/* Whether the data that was read ends the wait. */
bool fetch_has_enough(const struct fetch *fetch);
/* Parks the fetch: it calls `answer` later. */
void fetch_park(struct fetch *fetch);

static inline struct fetch_part *fetch_part_of(struct scatter_part *part)
{
    return CONTAINER_OF(part, struct fetch_part, part);
}

static inline struct fetch_part *fetch_part_at(const struct fetch *fetch, int i)
{
    return fetch_part_of(fetch->scatter.parts[i]);
}

#endif
