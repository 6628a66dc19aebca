/* The topics: names, ids, partitions, configs. Shard 0 writes them (rows ROW_TOPIC). All shards
 * read immutable snapshots. */
#ifndef STORAGE_CATALOG_H
#define STORAGE_CATALOG_H

#include "base/buffer.h"
#include "base/error.h"
#include "protocol/reader.h"

#include <stdatomic.h>

struct topic_config {
    struct bytes name, value;
};

/* One topic: immutable, reference counted (atomic). All views belong to it. */
struct topic {
    atomic_int references;
    struct bytes name;
    struct uuid id;
    int32_t partitions;
    int64_t created_ms;
    const struct topic_config *configs; /* overrides only, sorted by name */
    size_t config_count;
};

/* Copies everything. Configs need not be sorted. */
struct topic *topic_create(struct bytes name, struct uuid id, int32_t partitions,
                           int64_t created_ms, const struct topic_config *configs,
                           size_t config_count);
struct topic *topic_ref(struct topic *t);
void topic_unref(struct topic *t);
/* The value of an override, or null. */
struct bytes topic_config_get(const struct topic *t, struct bytes name);

/* The row of a topic: key ROW_TOPIC + id. Appended to the buffers. */
void topic_row(const struct topic *t, struct buffer *key, struct buffer *value);
MUST_USE enum error topic_from_row(struct bytes key, struct bytes value, struct topic **out);

/* An immutable snapshot of all topics. A change makes a new snapshot that shares the topics.
 * Lookups are O(1). A change costs O(topics): changes are rare. */
struct catalog;
struct catalog *catalog_create_empty(void);
/* A snapshot of many topics (at start), in any order. Takes references of its own. */
struct catalog *catalog_create(struct topic *const *topics, size_t count);
/* A snapshot with `topic` added, or replaced if it has the same id. Takes references of its own.
 * The caller has checked that no other topic has this name or a colliding one. */
struct catalog *catalog_with(const struct catalog *c, struct topic *topic);
struct catalog *catalog_without(const struct catalog *c, struct uuid id);
struct catalog *catalog_ref(struct catalog *c);
void catalog_unref(struct catalog *c);
struct topic *catalog_by_name(const struct catalog *c, struct bytes name);
struct topic *catalog_by_id(const struct catalog *c, struct uuid id);
size_t catalog_count(const struct catalog *c);
struct topic *catalog_at(const struct catalog *c, size_t index); /* sorted by name */

/* The reason why a name is not allowed (1-249 of [A-Za-z0-9._-], not "." or ".."), or NULL. */
const char *topic_name_fault(struct bytes name);
/* An existing topic whose name differs only in '.' and '_', or NULL. */
struct topic *catalog_collision(const struct catalog *c, struct bytes name);

#endif
