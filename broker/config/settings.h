/* The broker's configuration: Kafka's keys and ours (tidemill.*), one row each in
 * broker_setting_table, read from a properties file and -X flags. */
#ifndef BROKER_CONFIG_SETTINGS_H
#define BROKER_CONFIG_SETTINGS_H

#include "base/settings.h"
#include "base/trace.h"

struct listener_keys;

struct settings {
    int64_t node_id;
    char *listeners, *advertised_listeners, *listener_protocols, *log_dirs;
    int64_t num_partitions, default_replication_factor;
    bool auto_create_topics, delete_topic_enable;
    int64_t max_request_bytes, connections_max_idle_ms, fetch_max_bytes;
    int64_t fetch_session_slots, max_connections;
    int64_t group_min_session_ms, group_max_session_ms, group_initial_rebalance_delay_ms,
        group_max_size;
    int64_t offsets_retention_minutes, offset_metadata_max_bytes;
    int64_t producer_id_expiration_ms, retention_check_interval_ms;
    /* Topic defaults: text, parsed by topic_settings through setting.broker_key. */
    char *log_cleanup_policy;
    int64_t log_retention_hours, log_retention_minutes, log_retention_ms, log_retention_bytes;
    int64_t log_segment_bytes, log_roll_hours, log_roll_ms, log_roll_jitter_hours,
        log_roll_jitter_ms, log_index_size_max_bytes, log_index_interval_bytes, message_max_bytes;
    int64_t log_message_timestamp_type, log_message_timestamp_before_max_ms,
        log_message_timestamp_after_max_ms;
    int64_t compression_type_index;
    int64_t compression_gzip_level, compression_lz4_level, compression_zstd_level;
    bool cleaner_enable;
    int64_t cleaner_threads, cleaner_dedupe_bytes, cleaner_io_buffer_bytes, cleaner_backoff_ms;
    double cleaner_load_factor, cleaner_io_bytes_per_second;
    double cleaner_min_cleanable_ratio;
    int64_t cleaner_min_compaction_lag_ms, cleaner_max_compaction_lag_ms,
        cleaner_delete_retention_ms, log_segment_delete_delay_ms, log_flush_interval_messages,
        log_flush_interval_ms, min_insync_replicas, log_local_retention_bytes,
        log_local_retention_ms;
    bool unclean_leader_election, log_preallocate;
    /* Ours. */
    int64_t shards; /* 0: chosen for the machine */
    bool clamp_replication_factor;
    int64_t journal_file_bytes, checkpoint_bytes, checkpoint_interval_ms, group_bytes,
        tail_cache_bytes, read_buffer_bytes, unflushed_bytes, min_free_bytes;
    int64_t clock_settle_ms, clock_max_down_ms;
    int64_t max_in_flight_requests, max_in_flight_bytes, max_uncompressed_bytes;
    char *admin_listeners, *socket_congestion;
    int64_t log_level, log_format;
    bool dev;
    uint64_t explicit_rows[4]; /* a bit per row of the table: the value was given */
};

extern const struct setting broker_setting_table[];

enum { BROKER_SETTINGS_MAX = 256 };
_Static_assert(sizeof((struct settings *)0)->explicit_rows * 8 == BROKER_SETTINGS_MAX,
               "a bit for each row");

/* Where each value came from, for --print-config: one per row of the table, in an array of
 * BROKER_SETTINGS_MAX. */
struct settings_source {
    char from[128]; /* "default", "broker.properties:12", "-X", "env KAFKA_LOG_DIRS" */
};

struct settings_load {
    const char *file;               /* -c, or NULL */
    const char *const *flags;       /* "key=value", NULL-terminated, or NULL */
    const char *const *environment; /* environ, or NULL */
};

/* Loads all sources. `faults` gets every fault ("file:line: key: why" lines, each followed by its
 * suggestion); then the result is ERR_INVALID. `sources` may be NULL. `ignored` gets the names of
 * accepted keys without meaning, comma separated. */
MUST_USE enum error settings_load(const struct settings_load *load, struct settings *out,
                                  struct settings_source *sources, struct buffer *faults,
                                  struct buffer *ignored);
/* Frees the text that settings_load or settings_copy allocated. */
void settings_unload(struct settings *s);
/* A copy with text of its own. */
void settings_copy(struct settings *out, const struct settings *from);
/* Sets one row, which then counts as explicit. On ERR_INVALID nothing changed. */
MUST_USE enum error settings_set(struct settings *s, const struct setting *row, struct bytes value,
                                 struct message *message);
/* Whether a row was set explicitly (not by default). */
bool settings_is_explicit(const struct settings *s, const char *key);
/* The keys for listeners_parse (net/listener.h). settings_load has checked them. */
struct listener_keys settings_listener_keys(const struct settings *s);

#endif
