/* Reads records of partitions, one long poll at a time. */
#ifndef CLIENT_TOOLS_CLUSTER_FETCHER_H
#define CLIENT_TOOLS_CLUSTER_FETCHER_H

#include "client-tools/cluster/offset_spec.h"
#include "client-tools/output/record_json.h"

struct fetch_partition {
    struct bytes topic;
    int32_t index, leader;
    int64_t position; /* the next offset to read */
    int64_t stop;     /* reads up to here; INT64_MAX: for ever */
};

struct fetcher {
    struct client *client;
    struct fetch_partition *partitions; /* those of one topic are adjacent */
    size_t count;
    bool committed_only;                /* isolation.level=read_committed */
    int64_t lost_since_ms, patience_ms; /* how long a lost connection may stay lost */
    struct arena arena;                 /* one poll's response */
    /* Takes one record; false ends the poll after this record. */
    bool (*take)(void *context, const struct record_place *place, const struct record *record);
    void *context;
};

void fetcher_init(struct fetcher *fetcher, struct client *client, int64_t patience_ms);
void fetcher_free(struct fetcher *fetcher); /* not the partitions */

/* Waits at most wait_ms for records and gives them to `take`. Partitions that reached their stop
 * are left out. After a lost connection it tries again up to patience_ms, then fails. */
bool fetcher_poll(struct fetcher *fetcher, int64_t wait_ms, struct failure *f);
/* Whether every partition reached its stop. */
bool fetcher_is_done(const struct fetcher *fetcher);

#endif
