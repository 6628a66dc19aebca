#include "broker/config/settings.h"

#define LARGEST INT64_MAX
/* Rows that begin with LIVE_ can be changed while the broker runs (live_settings.h). */
#define ROW(key, type, member, initial, low, high, choices, live, sentence)                     \
    {                                                                                           \
        key, type, offsetof(struct settings, member), low, high, initial, choices, live, false, \
            sentence, NULL, NULL                                                                \
    }
#define INT(key, member, initial, low, high, sentence) \
    ROW(key, SETTING_INT, member, initial, low, high, NULL, false, sentence)
#define LIVE_INT(key, member, initial, low, high, sentence) \
    ROW(key, SETTING_INT, member, initial, low, high, NULL, true, sentence)
#define SIZE(key, member, initial, low, high, sentence) \
    ROW(key, SETTING_SIZE, member, initial, low, high, NULL, false, sentence)
#define LIVE_SIZE(key, member, initial, low, high, sentence) \
    ROW(key, SETTING_SIZE, member, initial, low, high, NULL, true, sentence)
#define TIME(key, member, initial, low, high, sentence) \
    ROW(key, SETTING_DURATION, member, initial, low, high, NULL, false, sentence)
#define LIVE_TIME(key, member, initial, low, high, sentence) \
    ROW(key, SETTING_DURATION, member, initial, low, high, NULL, true, sentence)
#define BOOL(key, member, initial, sentence) \
    ROW(key, SETTING_BOOL, member, initial, 0, 0, NULL, false, sentence)
#define LIVE_BOOL(key, member, initial, sentence) \
    ROW(key, SETTING_BOOL, member, initial, 0, 0, NULL, true, sentence)
#define TEXT(key, member, initial, least, sentence) \
    ROW(key, SETTING_STRING, member, initial, least, 0, NULL, false, sentence)
#define CHOICE(key, type, member, initial, choices, sentence) \
    ROW(key, type, member, initial, 0, 0, choices, false, sentence)
#define LIVE_CHOICE(key, type, member, initial, choices, sentence) \
    ROW(key, type, member, initial, 0, 0, choices, true, sentence)
#define LIVE_REAL(key, member, initial, low, high, sentence) \
    ROW(key, SETTING_DOUBLE, member, initial, low, high, NULL, true, sentence)
#define IGNORED(key)                                                     \
    {                                                                    \
        key, SETTING_IGNORED, 0, 0, 0, "", NULL, false, false,           \
            "accepted for Kafka's sake, has no meaning here", NULL, NULL \
    }

static const char *const policies[] = {"delete", "compact", NULL};
static const char *const timestamp_types[] = {"CreateTime", "LogAppendTime", NULL};
static const char *const codecs[] = {"producer", "uncompressed", "gzip", "snappy",
                                     "lz4",      "zstd",         NULL};
static const char *const levels[] = {"error", "warn", "info", "debug", "trace", NULL};
static const char *const formats[] = {"text", "json", "systemd", NULL};

const struct setting broker_setting_table[] = {
    INT("node.id", node_id, "1", 0, INT32_MAX, "the broker's id in answers to clients"),
    TEXT("listeners", listeners, "PLAINTEXT://127.0.0.1:9092", 1,
         "where clients connect: NAME://host:port, comma separated; port 0 picks a free one"),
    TEXT(
        "advertised.listeners", advertised_listeners, "", 0,
        "the addresses that the clients of each listener are told to connect to: NAME://host:port, "
        "comma separated; a listener that has none here must name an address itself"),
    TEXT("listener.security.protocol.map", listener_protocols, "", 0,
         "the security protocol of each listener's name: NAME:PLAINTEXT, comma separated; the name "
         "PLAINTEXT needs none"),
    TEXT("log.dirs", log_dirs, "/var/lib/tidemill", 1, "the data directory (one)"),
    INT("num.partitions", num_partitions, "1", 1, 100000,
        "partitions of a topic that does not say how many"),
    INT("default.replication.factor", default_replication_factor, "1", 1, INT16_MAX,
        "replication factor of a topic that does not say"),
    BOOL("auto.create.topics.enable", auto_create_topics, "true",
         "create a topic when a client asks for its metadata"),
    BOOL("delete.topic.enable", delete_topic_enable, "true", "allow topics to be deleted"),
    SIZE("socket.request.max.bytes", max_request_bytes, "104857600", 1024, INT32_MAX,
         "larger requests close the connection"),
    TIME(
        "connections.max.idle.ms", connections_max_idle_ms, "600000", -1, LARGEST,
        "close connections that were silent for so long, at most a quarter of it or 5 s later; -1: "
        "never"),
    SIZE("fetch.max.bytes", fetch_max_bytes, "57671680", 1024, INT32_MAX,
         "most bytes of records in one fetch response"),
    INT("max.incremental.fetch.session.cache.slots", fetch_session_slots, "1000", 0, 1000000,
        "fetch sessions kept at most"),
    LIVE_INT(
        "max.connections", max_connections, "100000", 1, INT32_MAX,
        "connections at most; three quarters of the descriptors that the system allows go before"),
    TIME("group.min.session.timeout.ms", group_min_session_ms, "6000", 1, INT32_MAX,
         "shortest session timeout a group member may ask for"),
    TIME("group.max.session.timeout.ms", group_max_session_ms, "1800000", 1, INT32_MAX,
         "longest session timeout a group member may ask for"),
    TIME("group.initial.rebalance.delay.ms", group_initial_rebalance_delay_ms, "3000", 0, INT32_MAX,
         "how long an empty group waits for more members before its first rebalance"),
    INT("group.max.size", group_max_size, "2147483647", 1, INT32_MAX, "members of a group at most"),
    TIME("offsets.retention.minutes", offsets_retention_minutes, "10080", 1, INT32_MAX,
         "how long committed offsets outlive their group's last member"),
    INT("offset.metadata.max.bytes", offset_metadata_max_bytes, "4096", 0, INT32_MAX,
        "longest metadata of an offset commit"),
    LIVE_TIME("producer.id.expiration.ms", producer_id_expiration_ms, "86400000", 1, LARGEST,
              "how long a partition remembers an idempotent producer that is silent"),
    TIME("log.retention.check.interval.ms", retention_check_interval_ms, "300000", 1, LARGEST,
         "how often retention looks for segments to delete"),
    LIVE_CHOICE("log.cleanup.policy", SETTING_LIST, log_cleanup_policy, "delete", policies,
                "what happens to old records, unless the topic says cleanup.policy"),
    TIME("log.retention.hours", log_retention_hours, "168", -1, INT32_MAX,
         "keep records so long; log.retention.minutes and .ms go before it"),
    TIME("log.retention.minutes", log_retention_minutes, "-2", -2, INT32_MAX,
         "keep records so long; -2: log.retention.hours says"),
    LIVE_TIME("log.retention.ms", log_retention_ms, "-2", -2, LARGEST,
              "keep records so long; -1: for ever; -2: log.retention.minutes says"),
    LIVE_SIZE("log.retention.bytes", log_retention_bytes, "-1", -1, LARGEST,
              "keep so many bytes of a partition; -1: all"),
    LIVE_SIZE("log.segment.bytes", log_segment_bytes, "1073741824", 1048576, INT32_MAX,
              "roll to a new segment at this size"),
    TIME("log.roll.hours", log_roll_hours, "168", 1, INT32_MAX,
         "roll to a new segment at this age"),
    LIVE_TIME("log.roll.ms", log_roll_ms, "-1", -1, LARGEST,
              "roll to a new segment at this age; -1: log.roll.hours says"),
    TIME("log.roll.jitter.hours", log_roll_jitter_hours, "0", 0, INT32_MAX,
         "roll up to so much earlier, at random"),
    LIVE_TIME("log.roll.jitter.ms", log_roll_jitter_ms, "-1", -1, LARGEST,
              "roll up to so much earlier; -1: log.roll.jitter.hours says"),
    LIVE_SIZE("log.index.size.max.bytes", log_index_size_max_bytes, "10485760", 4, INT32_MAX,
              "roll to a new segment when its index is this large"),
    LIVE_SIZE("log.index.interval.bytes", log_index_interval_bytes, "4096", 0, INT32_MAX,
              "bytes of log between two index entries"),
    LIVE_SIZE("message.max.bytes", message_max_bytes, "1048588", 0, INT32_MAX,
              "largest record batch taken, unless the topic says max.message.bytes"),
    LIVE_CHOICE("log.message.timestamp.type", SETTING_ENUM, log_message_timestamp_type,
                "CreateTime", timestamp_types, "whose clock stamps records"),
    LIVE_TIME("log.message.timestamp.before.max.ms", log_message_timestamp_before_max_ms,
              "9223372036854775807", 0, LARGEST, "refuse records older than this"),
    LIVE_TIME("log.message.timestamp.after.max.ms", log_message_timestamp_after_max_ms, "3600000",
              0, LARGEST, "refuse records that lie further in the future than this"),
    LIVE_CHOICE("compression.type", SETTING_ENUM, compression_type_index, "producer", codecs,
                "codec that topics are stored with; producer: as it came"),
    LIVE_INT("compression.gzip.level", compression_gzip_level, "-1", -1, 9,
             "gzip level for compression.type"),
    LIVE_INT("compression.lz4.level", compression_lz4_level, "9", 1, 17,
             "lz4 level for compression.type"),
    LIVE_INT("compression.zstd.level", compression_zstd_level, "3", -131072, 22,
             "zstd level for compression.type"),
    LIVE_REAL("log.cleaner.min.cleanable.ratio", cleaner_min_cleanable_ratio, "0.5", 0, 1,
              "share of a compacted log that must be dirty before it is compacted"),
    LIVE_TIME("log.cleaner.min.compaction.lag.ms", cleaner_min_compaction_lag_ms, "0", 0, LARGEST,
              "records younger than this are not compacted"),
    LIVE_TIME("log.cleaner.max.compaction.lag.ms", cleaner_max_compaction_lag_ms,
              "9223372036854775807", 1, LARGEST,
              "records older than this are compacted whatever the ratio"),
    LIVE_TIME("log.cleaner.delete.retention.ms", cleaner_delete_retention_ms, "86400000", 0,
              LARGEST, "how long tombstones stay after compaction"),
    LIVE_TIME("log.segment.delete.delay.ms", log_segment_delete_delay_ms, "60000", 0, LARGEST,
              "stored for tools; files of a deleted segment go at once, but not from under who "
              "reads them"),
    LIVE_INT("log.flush.interval.messages", log_flush_interval_messages, "9223372036854775807", 1,
             LARGEST, "setting it to more than 1 lets acknowledgements go out before the sync"),
    LIVE_TIME("log.flush.interval.ms", log_flush_interval_ms, "9223372036854775807", 0, LARGEST,
              "setting it lets acknowledgements go out before the sync"),
    LIVE_SIZE("log.local.retention.bytes", log_local_retention_bytes, "-2", -2, LARGEST,
              "stored for tools; there is no remote storage"),
    LIVE_TIME("log.local.retention.ms", log_local_retention_ms, "-2", -2, LARGEST,
              "stored for tools; there is no remote storage"),
    LIVE_INT("min.insync.replicas", min_insync_replicas, "1", 1, INT32_MAX,
             "replicas an acks=all produce waits for (there is one)"),
    LIVE_BOOL("unclean.leader.election.enable", unclean_leader_election, "false",
              "stored for tools; one node has nothing to elect"),
    LIVE_BOOL("log.preallocate", log_preallocate, "false",
              "stored for tools; the journal is preallocated"),
    INT("tidemill.shards", shards, "0", 0, 64,
        "threads that own partitions; 0: chosen for the machine"),
    BOOL("tidemill.clamp.replication.factor", clamp_replication_factor, "false",
         "take a replication factor above 1 as 1 instead of refusing it"),
    SIZE("tidemill.journal.file.bytes", journal_file_bytes, "67108864", 65536, 1LL << 32,
         "size of one recycled journal file"),
    SIZE("tidemill.checkpoint.bytes", checkpoint_bytes, "67108864", 65536, 1LL << 40,
         "journal bytes after which a checkpoint starts"),
    TIME("tidemill.checkpoint.interval.ms", checkpoint_interval_ms, "60000", 100, LARGEST,
         "longest time between checkpoints while something changes"),
    SIZE("tidemill.group.bytes", group_bytes, "2097152", 65536, 1 << 28,
         "a journal group is handed over when it is this large"),
    SIZE("tidemill.tail.cache.bytes", tail_cache_bytes, "33554432", 0, 1LL << 40,
         "written batches kept in memory for consumers at the end of a log, all partitions "
         "together"),
    SIZE("tidemill.unflushed.bytes", unflushed_bytes, "16777216", 65536, 1LL << 40,
         "bytes waiting in memory that start a flush to the segments"),
    SIZE("tidemill.min.free.bytes", min_free_bytes, "67108864", 0, LARGEST,
         "with less free disk than this produce is refused; everything else goes on"),
    INT("tidemill.max.in.flight.requests", max_in_flight_requests, "1000", 1, 1000000,
        "requests of one connection that wait for their answers; then reading pauses"),
    SIZE("tidemill.max.in.flight.bytes", max_in_flight_bytes, "134217728", 1024, 1LL << 40,
         "memory of requests in flight, all connections of a shard together; then reading pauses. "
         "The same again for requests that have not come whole, and for answers not taken yet"),
    SIZE("tidemill.max.uncompressed.bytes", max_uncompressed_bytes, "134217728", 1024, INT32_MAX,
         "largest record batch once it is decompressed"),
    TEXT("tidemill.admin.listeners", admin_listeners, "", 0,
         "for health and metrics over HTTP, which is not built yet: must be empty"),
    TEXT("tidemill.socket.congestion", socket_congestion, "", 0,
         "TCP congestion control of client connections; empty: cubic on loopback, else the "
         "system's"),
    CHOICE("tidemill.log.level", SETTING_ENUM, log_level, "info", levels, "what is logged"),
    CHOICE("tidemill.log.format", SETTING_ENUM, log_format, "text", formats, "how it is logged"),
    IGNORED("broker.id"),
    IGNORED("zookeeper.connect"),
    IGNORED("process.roles"),
    IGNORED("controller.quorum.voters"),
    IGNORED("controller.quorum.bootstrap.servers"),
    IGNORED("controller.listener.names"),
    IGNORED("inter.broker.listener.name"),
    IGNORED("num.network.threads"),
    IGNORED("num.io.threads"),
    IGNORED("queued.max.requests"),
    IGNORED("num.recovery.threads.per.data.dir"),
    IGNORED("socket.send.buffer.bytes"),
    IGNORED("socket.receive.buffer.bytes"),
    IGNORED("offsets.topic.replication.factor"),
    IGNORED("offsets.topic.num.partitions"),
    IGNORED("transaction.state.log.replication.factor"),
    IGNORED("transaction.state.log.min.isr"),
    IGNORED("transaction.state.log.num.partitions"),
    IGNORED("share.coordinator.state.topic.replication.factor"),
    IGNORED("share.coordinator.state.topic.min.isr"),
    IGNORED("log.cleaner.enable"),
    IGNORED("metadata.log.dir"),
    IGNORED("zookeeper.connection.timeout.ms"),
    {0},
};

_Static_assert(COUNT_OF(broker_setting_table) <= BROKER_SETTINGS_MAX, "one bit per row");
