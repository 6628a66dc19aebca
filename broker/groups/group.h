/* A consumer group in Kafka's classic protocol, as a pure state machine.
 *
 * group_step() takes an event with its time and changes the group. `actions` says what must be
 * answered, stored or waited for, and the coordinator does it. This code never reads a clock,
 * sends, or stores.
 *
 *   EMPTY -> PREPARING_REBALANCE    members are asked to join again (heartbeats answer 27)
 *         -> COMPLETING_REBALANCE   all have the new generation, the leader makes the assignment
 *         -> STABLE                 everybody has its assignment
 *
 * An opaque token identifies a member's pending request. Each token of an event gets exactly one
 * reply, in that step or a later one. A member that waits for such a reply cannot expire. Static
 * members (with an instance id, KIP-345) stay when their client restarts: the same instance id
 * takes over the place, and the old member id is fenced.
 *
 * Other files may read the structures (rows, descriptions); only group*.c change them. */
#ifndef BROKER_GROUPS_GROUP_H
#define BROKER_GROUPS_GROUP_H

#include "base/arena.h"
#include "base/list.h"
#include "base/map.h"
#include "protocol/kafka_error.h"

enum group_state {
    GROUP_EMPTY,
    GROUP_PREPARING_REBALANCE,
    GROUP_COMPLETING_REBALANCE,
    GROUP_STABLE,
    GROUP_DEAD, /* there is no such group: only to describe it */
};

enum {
    GROUP_BYTES_MAX = 16 << 20, /* sent by all members together, from ids to assignments */
    GROUP_PROTOCOLS_MAX = 100,  /* assignors that one member may offer */
    GROUP_PENDING_MAX = 10000,  /* member ids given out that did not join yet */
};
#define GROUP_NEVER INT64_MAX /* no deadline */

struct group_limits {
    int64_t min_session_ms, max_session_ms; /* group.min.session.timeout.ms and max */
    int64_t initial_delay_ms;               /* group.initial.rebalance.delay.ms */
    int64_t max_members;                    /* group.max.size */
};

/* An assignor that a member knows, with the member's metadata for the leader. */
struct group_protocol {
    struct bytes name, metadata;
};

struct group_member {
    struct list_node node;
    struct bytes id, instance_id; /* instance_id null: dynamic */
    struct bytes client_id, client_host;
    int32_t session_timeout_ms, rebalance_timeout_ms;
    struct group_protocol *protocols; /* in the member's order of preference */
    size_t protocol_count;
    struct bytes assignment; /* empty until the leader gave one */
    void *join_token, *sync_token;
    bool is_new;    /* has not been in a generation yet */
    bool must_sync; /* joined the generation, has not fetched its assignment */
    int64_t session_deadline_ms;
};

struct group {
    struct bytes id;
    const struct group_limits *limits;
    enum group_state state;
    int32_t generation;
    struct bytes protocol_type;         /* null until the first member; "consumer" */
    struct bytes protocol_name;         /* the members' vote; null while there is no generation */
    struct list members;                /* in the order they joined */
    size_t member_count, joining_count; /* joining: with a join_token */
    struct map by_id, by_instance, pending;
    struct group_member *leader;
    int64_t join_deadline_ms, sync_deadline_ms;
    bool initial;           /* preparing the first generation: waits for more members */
    bool grew;              /* a member came while it waited */
    int64_t initial_end_ms; /* waits no longer than this */
    int64_t empty_since_ms; /* steady time; when the last member left */
    size_t bytes;           /* see GROUP_BYTES_MAX */
    int64_t wake_ms;        /* no deadline is earlier: GROUP_TIME must come then */
};

struct group_join {
    struct bytes member_id, instance_id, client_id, client_host, protocol_type;
    const struct group_protocol *protocols;
    size_t protocol_count;
    int32_t session_timeout_ms, rebalance_timeout_ms;
    struct bytes new_member_id; /* for a member that has none */
    bool requires_known_id;     /* v4+: a new member gets its id first (KIP-394) */
    bool can_skip_assignment;   /* v9+: a static leader may come back as leader (KIP-814) */
};

struct group_assignment {
    struct bytes member_id, assignment;
};

struct group_sync {
    struct bytes protocol_type, protocol_name; /* null: not given */
    const struct group_assignment *assignments;
    size_t count;
};

/* One member to take out; `error` is set by the step. */
struct group_leaver {
    struct bytes member_id, instance_id;
    enum kafka_error error;
};

enum group_event_kind {
    GROUP_JOIN,
    GROUP_SYNC,
    GROUP_HEARTBEAT,
    GROUP_COMMIT, /* may these offsets be committed? Counts as a heartbeat. */
    GROUP_LEAVE,
    GROUP_TIME, /* deadlines may be due; no token */
};

struct group_event {
    enum group_event_kind kind;
    int64_t now_ms, steady_ms;
    void *token;
    /* The sender, for SYNC, HEARTBEAT and COMMIT. */
    struct bytes member_id, instance_id;
    int32_t generation;
    union {
        struct group_join join;
        struct group_sync sync;
        struct {
            struct group_leaver *leavers;
            size_t leaver_count;
        };
    };
};

/* The answer to a token. It has views of the group or of the actions, which are valid until the
 * group's next step or group_actions_clear(). */
struct group_reply {
    void *token;
    enum kafka_error error;
    struct bytes member_id;
    /* JOIN without error. */
    int32_t generation;
    struct bytes leader;
    bool with_members; /* the answer lists the members: group->members */
    bool skip_assignment;
    /* JOIN and SYNC without error. */
    struct bytes protocol_type, protocol_name;
    struct bytes assignment; /* SYNC */
};

struct group_actions {
    struct group_reply *replies;
    size_t reply_count, reply_capacity;
    bool save; /* durable state has changed: the replies wait until it is stored */
    struct list removed;
    struct arena copies;
};

struct group *group_create(struct bytes id, const struct group_limits *limits);
/* Frees it. All tokens must have been answered, or their owners be gone. NULL is fine. */
void group_free(struct group *g);

void group_step(struct group *g, const struct group_event *event, struct group_actions *actions);

/* Answers every waiting token with `error`, before the broker stops. Members do not change. */
void group_release(struct group *g, enum kafka_error error, struct group_actions *actions);

void group_actions_init(struct group_actions *a);
void group_actions_clear(struct group_actions *a); /* empties it; ends the views */
void group_actions_free(struct group_actions *a);

/* The name that Kafka's tools show: "PreparingRebalance". */
const char *group_state_name(enum group_state state);
struct group_member *group_member_of(const struct group *g, struct bytes member_id);
/* The member's metadata for a protocol, or empty. */
struct bytes group_member_metadata(const struct group_member *m, struct bytes protocol_name);
/* Whether it has neither members nor pending member ids. */
bool group_is_idle(const struct group *g);

/* To build a group from its row: add members in their order, then call group_resume(), which starts
 * all deadlines again. `member` is copied. */
struct group_member *group_restore_member(struct group *g, const struct group_member *member);
void group_resume(struct group *g, int64_t now_ms);

#endif
