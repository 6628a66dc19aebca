/* Configs as Kafka's admin clients see them: entries with source, type and synonyms, for topics and
 * the broker. Values are formatted into the given arena. Names and sentences are those of the
 * tables. */
#ifndef BROKER_CONFIG_CONFIGS_H
#define BROKER_CONFIG_CONFIGS_H

#include "base/arena.h"
#include "base/settings.h"
#include "storage/catalog.h"

struct live_settings;

/* Kafka's codes. */
enum resource_type {
    RESOURCE_TOPIC = 2,
    RESOURCE_BROKER = 4,
    RESOURCE_BROKER_LOGGER = 8,
    RESOURCE_CLIENT_METRICS = 16,
    RESOURCE_GROUP = 32,
};
enum config_source {
    CONFIG_OF_TOPIC = 1,         /* DYNAMIC_TOPIC_CONFIG */
    CONFIG_OF_NODE = 2,          /* DYNAMIC_BROKER_CONFIG */
    CONFIG_OF_CLUSTER = 3,       /* DYNAMIC_DEFAULT_BROKER_CONFIG */
    CONFIG_OF_STATIC_BROKER = 4, /* STATIC_BROKER_CONFIG: file, flag or environment */
    CONFIG_DEFAULT = 5,          /* DEFAULT_CONFIG */
};
enum config_type {
    CONFIG_BOOLEAN = 1,
    CONFIG_STRING = 2,
    CONFIG_INT = 3,
    CONFIG_LONG = 5,
    CONFIG_DOUBLE = 6,
    CONFIG_LIST = 7,
    CONFIG_PASSWORD = 9,
};

struct config_synonym {
    struct bytes name, value;
    int8_t source;
};

enum { CONFIG_SYNONYMS_MAX = 8 };

/* One config and its value now. Synonyms are sorted from the strongest to the default; the first is
 * in effect. There are none if the config is not set and Kafka has no default for it. */
struct config_entry {
    struct bytes name, value, documentation;
    int8_t source, type;
    bool read_only, is_sensitive;
    struct config_synonym synonyms[CONFIG_SYNONYMS_MAX];
    int synonym_count;
};

/* All configs of a topic: every row of the table, then its processor keys. Returns how many. */
size_t topic_config_entries(const struct live_settings *broker, const struct topic *topic,
                            struct arena *arena, struct config_entry **out);
/* All configs of the broker that mean something. */
size_t broker_config_entries(const struct live_settings *broker, struct arena *arena,
                             struct config_entry **out);
/* Those that were set for the cluster while running. */
size_t cluster_config_entries(const struct live_settings *broker, struct arena *arena,
                              struct config_entry **out);

#endif
