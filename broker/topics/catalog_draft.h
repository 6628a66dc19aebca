/* A catalog in the making: a snapshot with changes, looked up like a snapshot. The next snapshot is
 * built once, also for a change of many topics. */
#ifndef BROKER_TOPICS_CATALOG_DRAFT_H
#define BROKER_TOPICS_CATALOG_DRAFT_H

#include "base/map.h"
#include "storage/catalog.h"

struct catalog_draft {
    const struct catalog *base; /* lives as long as the draft */
    struct map by_id, by_name,
        by_plain_name; /* of struct draft_topic: what differs from the base */
};

void catalog_draft_init(struct catalog_draft *d, const struct catalog *base);
void catalog_draft_free(struct catalog_draft *d);
bool catalog_draft_is_changed(const struct catalog_draft *d);

struct topic *catalog_draft_by_name(const struct catalog_draft *d, struct bytes name);
struct topic *catalog_draft_by_id(const struct catalog_draft *d, struct uuid id);
/* An existing topic with another name that differs only in '.' and '_', or NULL. */
struct topic *catalog_draft_collision(const struct catalog_draft *d, struct bytes name);

/* Adds the topic or replaces the one with its id; takes a reference. Views of a topic that was
 * replaced or removed live as long as the draft. */
void catalog_draft_put(struct catalog_draft *d, struct topic *topic);
void catalog_draft_remove(struct catalog_draft *d, struct topic *topic);

/* Builds the snapshot with all changes. */
struct catalog *catalog_draft_finish(const struct catalog_draft *d);

#endif
