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
#define REAL(key, member, initial, low, high, sentence) \
    ROW(key, SETTING_DOUBLE, member, initial, low, high, NULL, false, sentence)
#define LIVE_REAL(key, member, initial, low, high, sentence) \
    ROW(key, SETTING_DOUBLE, member, initial, low, high, NULL, true, sentence)
#define IGNORED(key)                                                           \
    {                                                                          \
        key, SETTING_IGNORED, 0, 0, 0, "", NULL, false, false,                 \
            "accepted for compatibility with Kafka, has no effect", NULL, NULL \
    }

static const char *const policies[] = {"delete", "compact", NULL};
static const char *const timestamp_types[] = {"CreateTime", "LogAppendTime", NULL};
static const char *const codecs[] = {"producer", "uncompressed", "gzip", "snappy",
                                     "lz4",      "zstd",         NULL};
static const char *const levels[] = {"error", "warn", "info", "debug", "trace", NULL};
static const char *const formats[] = {"text", "json", "systemd", NULL};

const struct setting broker_setting_table[] = {
    INT("node.id", node_id, "1", 0, INT32_MAX, "the broker id that clients see"),
    TEXT("listeners", listeners, "PLAINTEXT://127.0.0.1:9092", 1,
         "where clients connect: NAME://host:port, comma separated; port 0 picks a free one"),
    TEXT("advertised.listeners", advertised_listeners, "", 0,
         "addresses that the broker returns to the clients of each listener: NAME://host:port, "
         "comma separated; a listener without an entry must listen on a specific address"),
    TEXT("listener.security.protocol.map", listener_protocols, "", 0,
         "security protocol of each listener name: NAME:PLAINTEXT, comma separated; the name "
         "PLAINTEXT needs no entry"),
    TEXT("log.dirs", log_dirs, "/var/lib/tidemill", 1, "the data directory; only one is supported"),
    INT("num.partitions", num_partitions, "1", 1, 100000,
        "number of partitions of a new topic when the client does not set one"),
    INT("default.replication.factor", default_replication_factor, "1", 1, INT16_MAX,
        "replication factor of a new topic when the client does not set one"),
    BOOL("auto.create.topics.enable", auto_create_topics, "true",
         "create a missing topic when a client requests its metadata"),
    BOOL("delete.topic.enable", delete_topic_enable, "true", "allow topics to be deleted"),
    SIZE("socket.request.max.bytes", max_request_bytes, "104857600", 1024, 1 << 30,
         "largest request; a larger one closes its connection. At most 1 GiB, because one write of "
         "the journal takes no more"),
    TIME("connections.max.idle.ms", connections_max_idle_ms, "600000", -1, LARGEST,
         "close a connection after this long without traffic; closing may come later by a quarter "
         "of this time, at most 5 s; -1: never"),
    SIZE("fetch.max.bytes", fetch_max_bytes, "57671680", 1024, INT32_MAX,
         "maximum bytes of records in one fetch response"),
    INT("max.incremental.fetch.session.cache.slots", fetch_session_slots, "1000", 0, 1000000,
        "maximum number of fetch sessions"),
    LIVE_INT("max.connections", max_connections, "100000", 1, INT32_MAX,
             "maximum number of connections; above it new clients wait; never more than three "
             "quarters of the file "
             "descriptors that the broker does not need itself"),
    TIME("group.min.session.timeout.ms", group_min_session_ms, "6000", 1, INT32_MAX,
         "shortest session timeout that a group member may request"),
    TIME("group.max.session.timeout.ms", group_max_session_ms, "1800000", 1, INT32_MAX,
         "longest session timeout that a group member may request"),
    TIME("group.initial.rebalance.delay.ms", group_initial_rebalance_delay_ms, "3000", 0, INT32_MAX,
         "how long an empty group waits for more members before its first rebalance"),
    INT("group.max.size", group_max_size, "2147483647", 1, INT32_MAX,
        "maximum number of members in a group"),
    TIME("offsets.retention.minutes", offsets_retention_minutes, "10080", 1, INT32_MAX,
         "how long committed offsets are kept after the group's last member left"),
    INT("offset.metadata.max.bytes", offset_metadata_max_bytes, "4096", 0, INT32_MAX,
        "maximum bytes of metadata in an offset commit"),
    LIVE_TIME("producer.id.expiration.ms", producer_id_expiration_ms, "86400000", 1, LARGEST,
              "how long a partition remembers an idempotent producer that sends nothing"),
    TIME("log.retention.check.interval.ms", retention_check_interval_ms, "300000", 1, LARGEST,
         "how often the broker looks for segments to delete"),
    LIVE_CHOICE("log.cleanup.policy", SETTING_LIST, log_cleanup_policy, "delete", policies,
                "what happens to old records: delete, compact, or both; default of cleanup.policy"),
    TIME("log.retention.hours", log_retention_hours, "168", -1, INT32_MAX,
         "how long records are kept; log.retention.ms and log.retention.minutes override it; -1: "
         "no limit"),
    TIME("log.retention.minutes", log_retention_minutes, "-2", -2, INT32_MAX,
         "how long records are kept; overrides log.retention.hours; -1: no limit; -2: not set"),
    LIVE_TIME(
        "log.retention.ms", log_retention_ms, "-2", -2, LARGEST,
        "how long records are kept; overrides log.retention.minutes; -1: no limit; -2: not set"),
    LIVE_SIZE("log.retention.bytes", log_retention_bytes, "-1", -1, LARGEST,
              "maximum bytes per partition, deleted in whole segments; -1: no limit"),
    LIVE_SIZE("log.segment.bytes", log_segment_bytes, "1073741824", 1048576, INT32_MAX,
              "roll to a new segment at this size"),
    TIME("log.roll.hours", log_roll_hours, "168", 1, INT32_MAX,
         "roll to a new segment at this age"),
    LIVE_TIME("log.roll.ms", log_roll_ms, "-1", -1, LARGEST,
              "roll to a new segment at this age; overrides log.roll.hours; -1: not set"),
    TIME("log.roll.jitter.hours", log_roll_jitter_hours, "0", 0, INT32_MAX,
         "roll earlier by a random time up to this"),
    LIVE_TIME(
        "log.roll.jitter.ms", log_roll_jitter_ms, "-1", -1, LARGEST,
        "roll earlier by a random time up to this; overrides log.roll.jitter.hours; -1: not set"),
    LIVE_SIZE("log.index.size.max.bytes", log_index_size_max_bytes, "10485760", 4, INT32_MAX,
              "roll to a new segment when its index is this large"),
    LIVE_SIZE("log.index.interval.bytes", log_index_interval_bytes, "4096", 0, INT32_MAX,
              "bytes of log between two index entries"),
    LIVE_SIZE("message.max.bytes", message_max_bytes, "1048588", 0, INT32_MAX,
              "largest record batch accepted, compressed; default of max.message.bytes"),
    LIVE_CHOICE("log.message.timestamp.type", SETTING_ENUM, log_message_timestamp_type,
                "CreateTime", timestamp_types,
                "where record timestamps come from: the producer (CreateTime) or the broker "
                "(LogAppendTime)"),
    LIVE_TIME("log.message.timestamp.before.max.ms", log_message_timestamp_before_max_ms,
              "9223372036854775807", 0, LARGEST, "refuse records with a timestamp older than this"),
    LIVE_TIME("log.message.timestamp.after.max.ms", log_message_timestamp_after_max_ms, "3600000",
              0, LARGEST, "refuse records with a timestamp further in the future than this"),
    LIVE_CHOICE("compression.type", SETTING_ENUM, compression_type_index, "producer", codecs,
                "codec that batches are stored with; producer: keep the producer's codec"),
    LIVE_INT("compression.gzip.level", compression_gzip_level, "-1", -1, 9,
             "gzip level when compression.type is gzip"),
    LIVE_INT("compression.lz4.level", compression_lz4_level, "9", 1, 17,
             "lz4 level when compression.type is lz4"),
    LIVE_INT("compression.zstd.level", compression_zstd_level, "3", -131072, 22,
             "zstd level when compression.type is zstd"),
    BOOL("log.cleaner.enable", cleaner_enable, "true",
         "compact topics with cleanup.policy=compact; false: they keep all records"),
    LIVE_INT("log.cleaner.threads", cleaner_threads, "1", 1, 64,
             "partitions that are compacted at a time, at most one for each shard"),
    LIVE_SIZE(
        "log.cleaner.dedupe.buffer.size", cleaner_dedupe_bytes, "134217728", 1024, 1LL << 40,
        "memory for the keys that compaction compares, of all threads together; more keys take "
        "several passes"),
    LIVE_SIZE(
        "log.cleaner.io.buffer.size", cleaner_io_buffer_bytes, "524288", 1024, INT32_MAX,
        "bytes that compaction writes at once, of all threads together; it uses at most 4 MiB"),
    LIVE_REAL(
        "log.cleaner.io.buffer.load.factor", cleaner_load_factor, "0.9", 0, 1,
        "share of log.cleaner.dedupe.buffer.size that is filled; a larger one takes fewer passes "
        "and more time for each key"),
    LIVE_REAL("log.cleaner.io.max.bytes.per.second", cleaner_io_bytes_per_second,
              "1.7976931348623157E308", 1, LARGEST,
              "bytes that compaction reads and writes per second, of all threads together"),
    LIVE_TIME("log.cleaner.backoff.ms", cleaner_backoff_ms, "15000", 1, LARGEST,
              "pause before compaction looks for work again when there was none"),
    LIVE_REAL("log.cleaner.min.cleanable.ratio", cleaner_min_cleanable_ratio, "0.5", 0, 1,
              "compact a partition when more than this share of its bytes is dirty: written since "
              "the last compaction; default of min.cleanable.dirty.ratio"),
    LIVE_TIME("log.cleaner.min.compaction.lag.ms", cleaner_min_compaction_lag_ms, "0", 0, LARGEST,
              "do not compact records that are younger than this"),
    LIVE_TIME("log.cleaner.max.compaction.lag.ms", cleaner_max_compaction_lag_ms,
              "9223372036854775807", 1, LARGEST,
              "compact a partition with a dirty record older than this, whatever its dirty share"),
    LIVE_TIME("log.cleaner.delete.retention.ms", cleaner_delete_retention_ms, "86400000", 0,
              LARGEST, "how long compaction keeps tombstones, so that consumers see the deletion"),
    LIVE_TIME("log.segment.delete.delay.ms", log_segment_delete_delay_ms, "60000", 0, LARGEST,
              "default of file.delete.delay.ms: how long files of a deleted segment or "
              "topic stay"),
    LIVE_INT("log.flush.interval.messages", log_flush_interval_messages, "9223372036854775807", 1,
             LARGEST, "when set to more than 1, produce requests are acknowledged before the sync"),
    LIVE_TIME("log.flush.interval.ms", log_flush_interval_ms, "9223372036854775807", 0, LARGEST,
              "when set to more than 1, produce requests are acknowledged before the sync, unless "
              "flush.messages is 1"),
    LIVE_SIZE("log.local.retention.bytes", log_local_retention_bytes, "-2", -2, LARGEST,
              "stored, but has no effect; there is no remote storage"),
    LIVE_TIME("log.local.retention.ms", log_local_retention_ms, "-2", -2, LARGEST,
              "stored, but has no effect; there is no remote storage"),
    LIVE_INT("min.insync.replicas", min_insync_replicas, "1", 1, INT32_MAX,
             "replicas that must have a record before acks=all is answered; there is only one, so "
             "with more than 1 acks=all is refused"),
    LIVE_BOOL("unclean.leader.election.enable", unclean_leader_election, "false",
              "stored, but has no effect; there is no replication"),
    LIVE_BOOL("log.preallocate", log_preallocate, "false",
              "stored, but has no effect; the journal is preallocated"),
    INT("tidemill.shards", shards, "0", 0, 64,
        "number of threads that own partitions; 0: one per two cores, at most 4"),
    BOOL("tidemill.clamp.replication.factor", clamp_replication_factor, "false",
         "treat a replication factor or min.insync.replicas above 1 as 1 instead of refusing it"),
    SIZE("tidemill.journal.file.bytes", journal_file_bytes, "67108864", 65536, 1LL << 32,
         "size of one recycled journal file"),
    SIZE("tidemill.checkpoint.bytes", checkpoint_bytes, "67108864", 65536, 1LL << 40,
         "journal bytes after which a checkpoint starts"),
    TIME("tidemill.checkpoint.interval.ms", checkpoint_interval_ms, "60000", 100, LARGEST,
         "longest time between two checkpoints while data changes"),
    SIZE("tidemill.group.bytes", group_bytes, "2097152", 65536, 1 << 28,
         "size at which a journal unit is full: no more requests are read until it can be written"),
    SIZE("tidemill.tail.cache.bytes", tail_cache_bytes, "33554432", 0, 1LL << 40,
         "memory for flushed batches that consumers at the end of a log still read, for all "
         "partitions together"),
    SIZE(
        "tidemill.read.buffer.bytes", read_buffer_bytes, "33554432", 0, 1LL << 40,
        "memory for consumers behind the tail: what no reader has read yet is read past the page "
        "cache into it, ahead of a consumer that reads on; 0: all reads go through the page cache"),
    SIZE("tidemill.unflushed.bytes", unflushed_bytes, "16777216", 65536, 1LL << 40,
         "bytes in memory at which a flush to the segments starts, for all partitions together"),
    SIZE("tidemill.min.free.bytes", min_free_bytes, "67108864", 0, LARGEST,
         "minimum free disk space; below it only produce requests are refused"),
    TIME("tidemill.clock.settle.ms", clock_settle_ms, "3600000", 0, 1LL << 40,
         "how long the wall clock must run evenly after a leap before it is trusted; until then "
         "nothing is deleted because of the leap"),
    TIME("tidemill.clock.max.down.ms", clock_max_down_ms, "43200000", 0, 1LL << 40,
         "longest time between a stop and a start that counts as time at once; a longer one may "
         "also be a wrong clock and counts as a leap"),
    INT("tidemill.max.in.flight.requests", max_in_flight_requests, "1000", 1, 1000000,
        "unanswered requests per connection at which the broker stops reading from it"),
    SIZE("tidemill.max.in.flight.bytes", max_in_flight_bytes, "134217728", 1024, 1LL << 40,
         "memory of a shard's unanswered requests at which it stops reading from its connections; "
         "incomplete requests and unsent responses have the same limit each"),
    SIZE("tidemill.max.uncompressed.bytes", max_uncompressed_bytes, "134217728", 1024, INT32_MAX,
         "largest record batch after decompression"),
    TEXT("tidemill.admin.listeners", admin_listeners, "", 0,
         "reserved for health and metrics over HTTP, which is not built yet; must be empty"),
    TEXT("tidemill.socket.congestion", socket_congestion, "", 0,
         "TCP congestion control of client connections; empty: cubic on loopback, otherwise the "
         "system's default"),
    CHOICE("tidemill.log.level", SETTING_ENUM, log_level, "info", levels,
           "least severe level that is logged"),
    CHOICE("tidemill.log.format", SETTING_ENUM, log_format, "text", formats, "format of log lines"),
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
    IGNORED("metadata.log.dir"),
    IGNORED("zookeeper.connection.timeout.ms"),
    {0},
};

_Static_assert(COUNT_OF(broker_setting_table) <= BROKER_SETTINGS_MAX, "one bit per row");
