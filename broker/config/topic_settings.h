/* The topic configs, typed: one table for parsing, checks, DescribeConfigs and the reference. */
#ifndef BROKER_CONFIG_TOPIC_SETTINGS_H
#define BROKER_CONFIG_TOPIC_SETTINGS_H

#include "base/settings.h"
#include "storage/catalog.h"
#include "storage/log.h"

struct settings;

/* compression.type, in the order of the table's choices. */
enum topic_compression {
    COMPRESSION_UNCOMPRESSED,
    COMPRESSION_ZSTD,
    COMPRESSION_LZ4,
    COMPRESSION_SNAPPY,
    COMPRESSION_GZIP,
    COMPRESSION_PRODUCER,
};

struct topic_settings {
    char *cleanup_policy; /* list: delete, compact */
    int64_t retention_ms, retention_bytes;
    int64_t segment_bytes, segment_ms, segment_jitter_ms, segment_index_bytes;
    int64_t index_interval_bytes, max_message_bytes;
    int64_t timestamp_type; /* 0 CreateTime, 1 LogAppendTime */
    int64_t timestamp_before_max_ms, timestamp_after_max_ms;
    int64_t compression_type; /* enum topic_compression */
    int64_t compression_gzip_level, compression_lz4_level, compression_zstd_level;
    double min_cleanable_dirty_ratio;
    int64_t min_compaction_lag_ms, max_compaction_lag_ms, delete_retention_ms, file_delete_delay_ms;
    int64_t flush_messages, flush_ms;
    int64_t min_insync_replicas;
    bool unclean_leader_election, preallocate, remote_storage, remote_copy_disable,
        remote_delete_on_disable;
    int64_t local_retention_ms, local_retention_bytes;
    char *follower_throttled, *leader_throttled;
    /* Derived: acknowledged without waiting for the sync, because the topic (or broker) set
     * flush.messages or flush.ms explicitly to something else than 1. */
    bool asynchronous;
    bool compacted; /* cleanup.policy has compact */
};

extern const struct setting topic_setting_table[];

enum { BROKER_ROWS_MAX = 3 };
/* All rows of the broker that can give this topic setting its default, in order of precedence.
 * Returns how many. */
int topic_setting_broker_rows(const struct setting *row,
                              const struct setting *out[BROKER_ROWS_MAX]);
/* Whether this value of a broker's row means "not set", so that the next row decides, if any. */
bool topic_setting_leaves_it(const struct setting *broker_row, struct bytes value);

/* The effective settings of a topic: its overrides over the broker's defaults over Kafka's.
 * Overrides in the catalog were checked when they were set. If `topic` is NULL, only the defaults
 * count. */
void topic_settings_load(struct topic_settings *out, const struct settings *broker,
                         const struct topic *topic);
/* Whether the effective cleanup.policy has compact; `topic` as above. */
bool topic_is_compacted(const struct topic *topic, const struct settings *broker);
void topic_settings_copy(struct topic_settings *out, const struct topic_settings *from);
void topic_settings_free(struct topic_settings *s);
struct log_config topic_log_config(const struct topic_settings *s);

#endif
