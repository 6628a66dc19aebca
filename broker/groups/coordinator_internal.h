/* Shared by coordinator.c, coordinator_store.c and coordinator_offsets.c. */
#ifndef BROKER_GROUPS_COORDINATOR_INTERNAL_H
#define BROKER_GROUPS_COORDINATOR_INTERNAL_H

#include "broker/groups/coordinator.h"
#include "broker/request/durable_line.h"
#include "broker/shard.h"

/* A group with its offsets, timer and row. */
struct coordinated {
    struct coordinator *coordinator;
    struct group *group;
    struct offsets offsets;
    struct timer timer;
    struct list_node dirty; /* in coordinator->dirty */
    struct list_node node;  /* in coordinator->all */
    bool has_row;           /* the group is stored, not only its offsets */
};

struct coordinator {
    struct shard *shard;
    struct group_limits limits;
    uint8_t unknown_format; /* of a row that a newer version wrote; found by coordinator_load */
    struct map groups;      /* struct coordinated by group id */
    struct group_actions actions;
    struct list all; /* the groups, in the order in which expiry looks at them */
    struct timer cleanup;
    size_t cleanup_left; /* groups that this round of expiry has not looked at */
    struct durable_line line;
    struct list dirty;        /* groups whose row must be written */
    struct list waiting;      /* struct commit: answers that wait for these rows */
    struct commit saved;      /* waits for the entry with rows of groups */
    bool is_saving;           /* such an entry is under way */
    struct buffer key, value; /* of the row being made */
    bool stopping;
};

/* coordinator_groups.c */
struct coordinated *coordinator_find(const struct coordinator *c, struct bytes group_id);
/* Drops it from memory. */
void coordinator_forget(struct coordinated *cg);
/* Drops an empty group that was never stored. */
void coordinator_forget_if_void(struct coordinated *cg);
/* Frees a group that is out of the coordinator's map. */
void coordinator_free_group(struct coordinated *cg);

/* coordinator.c */
/* NULL when there are too many. */
struct coordinated *coordinator_make(struct coordinator *c, struct bytes group_id);
/* Adopts a group. */
struct coordinated *coordinator_add(struct coordinator *c, struct group *group);
/* Executes the actions of a step. */
void coordinator_execute(struct coordinator *c, struct coordinated *cg);

/* coordinator_store.c. The first row opens the line's entry; the caller closes it. */
void coordinator_put_offset(struct coordinator *c, struct coordinated *cg, struct bytes topic,
                            int32_t partition, const struct committed_offset *value);
/* Deletes the rows of a group and of its offsets. */
void coordinator_erase(struct coordinator *c, struct coordinated *cg);
/* Also removes it from memory. False: there was none. */
bool coordinator_remove_offset(struct coordinator *c, struct coordinated *cg, struct bytes topic,
                               int32_t partition);
void coordinator_remove_topic(struct coordinator *c, struct coordinated *cg, struct bytes topic);
/* Writes the rows of dirty groups, unless that is under way already. */
void coordinator_save(struct coordinator *c);
/* The entry of coordinator_save is durable, or the journal failed. */
void coordinator_saved(struct commit *commit, enum error result);

/* coordinator_expiry.c */
void coordinator_cleanup(struct timer *timer, int64_t now_ms);

#endif
