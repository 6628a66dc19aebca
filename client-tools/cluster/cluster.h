/* Requests of several commands: topics and their partitions, group coordinators, offsets, settings.
 * Results live in the arena. */
#ifndef CLIENT_TOOLS_CLUSTER_CLUSTER_H
#define CLIENT_TOOLS_CLUSTER_CLUSTER_H

#include "client-tools/cluster/client.h"

struct partition_info {
    int32_t index, leader, leader_epoch;
    int16_t error_code;
    int32_t *replicas, *isr;
    int32_t replica_count, isr_count;
    int64_t size_bytes; /* of the leader's log, from cluster_sizes; -1: unknown */
};

struct topic_info {
    struct bytes name;
    struct uuid id;
    int16_t error_code;
    bool internal;
    struct partition_info *partitions; /* in the order of their indexes */
    int32_t partition_count;
};

/* Topics by name, in the order of `names`, or all topics sorted by name (names NULL). */
bool cluster_topics(struct client *c, const struct bytes *names, size_t count, bool may_create,
                    struct arena *arena, struct topic_info **out, size_t *out_count,
                    struct failure *f);
/* One topic that must exist. If it does not, the failure has a hint with "did you mean". */
bool cluster_topic(struct client *c, struct bytes name, bool may_create, struct arena *arena,
                   struct topic_info *out, struct failure *f);

/* Fills in the sizes of all partitions, with one request per leader. Those of a leader that does
 * not tell them stay unknown. */
bool cluster_sizes(struct client *c, struct topic_info *topics, size_t count, struct arena *arena,
                   struct failure *f);

bool cluster_coordinator(struct client *c, struct bytes group, struct arena *arena, int32_t *node,
                         struct failure *f);

enum { OFFSET_LATEST = -1, OFFSET_EARLIEST = -2 };

/* One offset to find: by time, or OFFSET_LATEST, OFFSET_EARLIEST. */
struct offset_query {
    struct bytes topic;
    int32_t partition, leader;
    int64_t time;
    int64_t offset; /* the result; -1: none at or after the time */
    int16_t error_code;
};

/* Fills in the results with one request per leader. Queries of one topic must be adjacent. */
bool cluster_offsets(struct client *c, struct offset_query *queries, size_t count,
                     struct arena *arena, struct failure *f);

enum { CONFIG_TOPIC = 2, SOURCE_TOPIC = 1 };

/* All settings of these topics. */
bool cluster_topic_configs(struct client *c, const struct bytes *topics, size_t count,
                           struct arena *arena, struct describe_configs_response *out,
                           struct failure *f);

/* Selects names: one of `names`, or a match of the whole name if they are regular expressions. A
 * regular expression never matches an internal topic. */
struct name_filter {
    const struct bytes *names;
    size_t count;
    bool regex;
    void *compiled;
};
bool name_filter_init(struct name_filter *nf, const struct bytes *names, size_t count, bool regex,
                      struct arena *arena, struct failure *f);
bool name_filter_matches(const struct name_filter *nf, struct bytes name);
void name_filter_free(struct name_filter *nf);

#endif
