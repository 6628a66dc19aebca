/* The facts that the clients of a simulated run know, and the rules that every answer of the
 * broker must obey. A broken rule ends the process.
 *
 *   An offset has one content for ever. What was acknowledged or seen stays. High watermarks and
 * log starts never go back. A batch of an idempotent producer is stored once; other batches at most
 * as often as they were sent. A committed offset changes only by a commit. A generation of a group
 *   has one leader, and one owner for each partition. Deleted topics stay deleted, others stay. */
#ifndef TESTS_SIMULATION_SUPPORT_FACTS_H
#define TESTS_SIMULATION_SUPPORT_FACTS_H

#include "protocol/reader.h"
#include "protocol/record_batch.h"
#include "tests/simulation/support_machine.h"

enum {
    FACT_TOPICS = 112,
    FACT_PARTITIONS = 4, /* of a topic, at most */
    FACT_PRODUCERS = 8,
    FACT_BATCH_RECORDS = 8,
    FACT_COPIES = 8,
    FACT_GROUPS = 40,
    FACT_TRIM_KEEPS = 4000, /* retention.bytes of topics that trim */
    FACT_NAME_SIZE = 64,
};

/* The facts about an offset of a topic that is compacted. */
struct fact_mark {
    bool is_young; /* of a topic with retention.ms: younger than that when it was sent */
    uint8_t key;   /* 1 + its number; 0: not known */
    bool is_tombstone;
    int64_t sent_ms;    /* when the record was first sent */
    uint64_t seen_step; /* when a consumer last got it; 0: never */
    uint64_t gone_step; /* when a consumer first moved over it; 0: never */
};

/* retention.ms of the topic "timed": less than a leap of the wall clock. */
#define TIMED_RETENTION_MS INT64_C(86400000)
#define TIMED_RETENTION_TEXT "86400000"

struct fact_partition {
    struct fact_topic *topic;
    int32_t index;
    uint64_t *contents;      /* by offset; 0: not known */
    uint32_t *batches;       /* the size of the batch that begins at an offset */
    struct record *kept;     /* by offset, of topics that keep them; owned */
    struct fact_mark *marks; /* by offset, of topics that are compacted */
    size_t capacity;
    int64_t grew_ms;     /* when a client was last told a larger end */
    int64_t end_before;  /* the end before the last restart */
    int64_t start, end;  /* the newest that any client was told */
    int64_t asked_start; /* the largest that somebody asked for, with DeleteRecords */
};

enum fact_topic_state {
    TOPIC_ABSENT,   /* nobody asked for it */
    TOPIC_CREATING, /* asked for, not yet acknowledged */
    TOPIC_EXISTS,
    TOPIC_DELETING,
    TOPIC_DELETED,
};

struct fact_topic {
    char name[FACT_NAME_SIZE];
    struct uuid id;
    enum fact_topic_state state;
    bool trims;            /* it has retention.bytes */
    bool is_timed;         /* it has retention.ms */
    bool is_reused;        /* its name is used again after its deletion */
    bool compacts;         /* it is compacted, at least for some time */
    int64_t tombstones_ms; /* its delete.retention.ms */
    bool is_output;        /* processors write to it */
    /* Shards learn of a new topic one after the other. Until then some say that it is unknown,
     * unless its creation was acknowledged. */
    int64_t sure_ms;
    bool keeps; /* its records are kept for a comparison */
    bool is_volatile;
    uint64_t created_step, deleted_step;  /* when it was acknowledged */
    int32_t partition_count, asked_count; /* acknowledged, and asked for */
    uint64_t grown_step;                  /* when partition_count was acknowledged */
    struct fact_partition partitions[FACT_PARTITIONS];
};

/* A batch that a producer has sent. Its records have a header "i" with producer, serial number and
 * index. */
struct fact_batch {
    struct fact_partition *partition;
    uint32_t producer, serial;
    int count;
    uint64_t hashes[FACT_BATCH_RECORDS]; /* of the records */
    uint8_t keys[FACT_BATCH_RECORDS];    /* 1 + the key's number, of topics that are compacted */
    bool tombstones[FACT_BATCH_RECORDS];
    int64_t sent_ms;         /* for the first time */
    bool is_old;             /* the records are older than TIMED_RETENTION_MS */
    bool idempotent, begins; /* begins: the producer's first one for the partition */
    int sends, first_life;
    int64_t copies[FACT_COPIES]; /* base offsets where it was found */
    int copy_count;
    bool acknowledged;
};

/* An attempt to commit an offset. Its metadata is "c" and its number. */
struct fact_commit {
    int64_t offset;
    uint64_t wire, sent_step, done_step; /* done_step: 0 until it is known to be stored */
    int32_t generation;                  /* of the member; -1: none */
    bool refused;
};

struct fact_generation {
    int32_t generation;
    uint64_t assigned_step; /* when the first member got its assignment; 0: none has */
    char leader[FACT_NAME_SIZE];
    char owners[FACT_PARTITIONS][FACT_NAME_SIZE];
};

struct fact_group {
    char name[FACT_NAME_SIZE];
    bool may_expire, has_expired; /* its offsets, which have offsets.retention.minutes */
    struct fact_partition *partitions[FACT_PARTITIONS];
    struct fact_commit *commits[FACT_PARTITIONS];
    size_t commit_count[FACT_PARTITIONS];
    struct fact_generation *generations;
    size_t generation_count;
    int32_t newest;         /* generation */
    int32_t assigned;       /* the newest generation in which a member got its assignment */
    uint64_t assigned_step; /* when it did */
};

struct facts {
    struct machine *machine;
    struct chronicle *chronicle;
    struct fact_topic topics[FACT_TOPICS];
    int topic_count;
    struct fact_batch **batches[FACT_PRODUCERS];
    size_t batch_count[FACT_PRODUCERS], batch_capacity[FACT_PRODUCERS];
    int64_t producer_ids[64];
    size_t producer_id_count;
    struct fact_group groups[FACT_GROUPS];
    int group_count;
};

static inline bool uuid_equal(struct uuid a, struct uuid b)
{
    return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}
static inline bool uuid_is_zero(struct uuid id)
{
    return uuid_equal(id, (struct uuid){{0}});
}

void facts_init(struct facts *f, struct machine *machine);
void facts_free(struct facts *f);

/* --- topics --- */

struct fact_topic *facts_add_topic(struct facts *f, const char *name, int32_t partitions);
/* The newest one of this name. */
struct fact_topic *facts_topic(struct facts *f, const char *name);
/* Checks a topic id in an answer to a request that was sent at `sent_step`. */
void facts_id_answered(struct facts *f, struct uuid id, uint64_t sent_step);
/* Whether a client may be told that the topic does not exist, in an answer to a request. */
bool fact_topic_may_be_absent(const struct fact_topic *t);
/* Checks an answer as if the topic existed, to a request that was sent at `sent_step`. */
void facts_topic_answered(struct facts *f, const struct fact_topic *t, uint64_t sent_step);

/* --- records --- */

/* The next batch of a producer. */
struct fact_batch *facts_add_batch(struct facts *f, uint32_t producer, struct fact_partition *p);
uint64_t fact_record_hash(const struct record *r);
/* A consumer has read a record, with a fetch that was sent at `sent_step`. */
void facts_seen(struct facts *f, struct fact_partition *p, const struct record *r,
                uint64_t sent_step);
/* A consumer has moved over offsets without records. */
void facts_skipped(struct facts *f, struct fact_partition *p, int64_t from, int64_t to);
/* Rules over the records of compacted topics that were read since `since_step`; `still`: no
 * cleaner has worked meanwhile. */
void facts_check_keys(struct facts *f, uint64_t since_step, bool still);
/* A consumer has got a whole batch. */
void facts_seen_batch(struct fact_partition *p, int64_t base_offset, size_t size);
/* A batch was acknowledged. */
void facts_acknowledged(struct facts *f, struct fact_batch *b, int64_t base_offset);
/* A client was told a high watermark or a log start; floor: what was known when it asked. */
void facts_told_end(struct facts *f, struct fact_partition *p, int64_t end, int64_t floor);
void facts_told_start(struct facts *f, struct fact_partition *p, int64_t start, int64_t floor);
/* Around a restart while nobody writes. */
void facts_before_restart(struct facts *f);
void facts_after_restart(struct facts *f);
/* Rules over all batches, when everything was read. */
void facts_check_batches(struct facts *f);
void facts_producer_id(struct facts *f, int64_t id);

/* --- groups --- */

struct fact_group *facts_add_group(struct facts *f, const char *name);
/* A new attempt; returns its number. */
size_t facts_commit_sent(struct facts *f, struct fact_group *g, int partition, int64_t offset,
                         int32_t generation);
struct fact_commit *fact_commit_of(struct fact_group *g, int partition, size_t number);
void facts_committed(struct facts *f, struct fact_commit *c);
/* Whether the broker must keep the group when its last member leaves: it has an offset. */
bool fact_group_is_lasting(const struct fact_group *g);
/* A client was told a committed offset (-1: none). */
void facts_told_commit(struct facts *f, struct fact_group *g, int partition, int64_t offset,
                       struct bytes metadata, uint64_t sent_step);
/* A member joined a generation; floor: the newest one when it asked. If it leads the generation,
 * `leader` is its name. */
void facts_joined(struct facts *f, struct fact_group *g, int32_t generation, int32_t floor,
                  const char *leader);
/* A member got its assignment, which ends the generations before. */
void facts_assigned(struct facts *f, struct fact_group *g, int32_t generation);
/* A commit of a member of this generation succeeded. */
void facts_member_committed(struct facts *f, const struct fact_group *g, int32_t generation,
                            uint64_t sent_step);
/* The partitions that a member owns in a generation. */
void facts_owns(struct facts *f, struct fact_group *g, int32_t generation, const char *member,
                const bool owns[FACT_PARTITIONS]);

#endif
