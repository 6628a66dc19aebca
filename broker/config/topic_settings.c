/* Every topic config has one row here. A row's default is Kafka's; the broker key beside it, when
 * there is one, gives the default of this broker. */
#include "broker/config/topic_settings.h"

#include "base/units.h"
#include "broker/config/settings.h"

#include <stdlib.h>

#define LARGEST INT64_MAX
#define LARGEST_TEXT "9223372036854775807"
#define FIELD(member) offsetof(struct topic_settings, member)
#define ROW(key, type, member, initial, low, high, choices, broker_key, sentence)                 \
    {                                                                                             \
        key, type, FIELD(member), low, high, initial, choices, true, false, sentence, broker_key, \
            NULL                                                                                  \
    }
#define INT(key, member, initial, low, high, broker_key, sentence) \
    ROW(key, SETTING_INT, member, initial, low, high, NULL, broker_key, sentence)
#define SIZE(key, member, initial, low, high, broker_key, sentence) \
    ROW(key, SETTING_SIZE, member, initial, low, high, NULL, broker_key, sentence)
#define TIME(key, member, initial, low, broker_key, sentence) \
    ROW(key, SETTING_DURATION, member, initial, low, LARGEST, NULL, broker_key, sentence)
#define BOOL(key, member, broker_key, sentence) \
    ROW(key, SETTING_BOOL, member, "false", 0, 0, NULL, broker_key, sentence)
#define CHOICE(key, type, member, initial, choices, broker_key, sentence) \
    ROW(key, type, member, initial, 0, 0, choices, broker_key, sentence)

static const char *const policies[] = {"compact", "delete", NULL};
static const char *const timestamp_types[] = {"CreateTime", "LogAppendTime", NULL};
static const char *const codecs[] = {"uncompressed", "zstd",     "lz4", "snappy",
                                     "gzip",         "producer", NULL};
_Static_assert(COUNT_OF(codecs) == COMPRESSION_PRODUCER + 2, "a name for each compression");

const struct setting topic_setting_table[] = {
    CHOICE("cleanup.policy", SETTING_LIST, cleanup_policy, "delete", policies, "log.cleanup.policy",
           "what happens to old records: delete, compact (only the last record of each key "
           "stays), or both"),
    CHOICE("compression.type", SETTING_ENUM, compression_type, "producer", codecs,
           "compression.type",
           "codec that batches are stored with; producer: keep the producer's codec"),
    INT("compression.gzip.level", compression_gzip_level, "-1", -1, 9, "compression.gzip.level",
        "gzip level when compression.type is gzip"),
    INT("compression.lz4.level", compression_lz4_level, "9", 1, 17, "compression.lz4.level",
        "lz4 level when compression.type is lz4"),
    INT("compression.zstd.level", compression_zstd_level, "3", -131072, 22,
        "compression.zstd.level", "zstd level when compression.type is zstd"),
    TIME("delete.retention.ms", delete_retention_ms, "86400000", 0,
         "log.cleaner.delete.retention.ms",
         "how long compaction keeps tombstones, so that consumers see the deletion"),
    TIME("file.delete.delay.ms", file_delete_delay_ms, "60000", 0, "log.segment.delete.delay.ms",
         "files of a deleted segment or topic are renamed to .deleted and removed after this time, "
         "or at the next start, or when the disk is nearly full"),
    INT("flush.messages", flush_messages, LARGEST_TEXT, 1, LARGEST, "log.flush.interval.messages",
        "when set to more than 1, produce requests are acknowledged before the sync"),
    TIME("flush.ms", flush_ms, LARGEST_TEXT, 0, "log.flush.interval.ms",
         "when set to more than 1, produce requests are acknowledged before the sync, unless "
         "flush.messages is 1"),
    CHOICE("follower.replication.throttled.replicas", SETTING_LIST, follower_throttled, "", NULL,
           NULL, "stored, but has no effect; there is no replication"),
    SIZE("index.interval.bytes", index_interval_bytes, "4096", 0, INT32_MAX,
         "log.index.interval.bytes", "bytes of log between two index entries"),
    CHOICE("leader.replication.throttled.replicas", SETTING_LIST, leader_throttled, "", NULL, NULL,
           "stored, but has no effect; there is no replication"),
    SIZE("local.retention.bytes", local_retention_bytes, "-2", -2, LARGEST,
         "log.local.retention.bytes", "stored, but has no effect; there is no remote storage"),
    TIME("local.retention.ms", local_retention_ms, "-2", -2, "log.local.retention.ms",
         "stored, but has no effect; there is no remote storage"),
    TIME("max.compaction.lag.ms", max_compaction_lag_ms, LARGEST_TEXT, 1,
         "log.cleaner.max.compaction.lag.ms",
         "compact a partition with a dirty record older than this, whatever its dirty share"),
    SIZE("max.message.bytes", max_message_bytes, "1048588", 0, INT32_MAX, "message.max.bytes",
         "largest record batch accepted, compressed"),
    TIME("message.timestamp.after.max.ms", timestamp_after_max_ms, "3600000", 0,
         "log.message.timestamp.after.max.ms",
         "refuse records with a timestamp further in the future than this"),
    TIME("message.timestamp.before.max.ms", timestamp_before_max_ms, LARGEST_TEXT, 0,
         "log.message.timestamp.before.max.ms", "refuse records with a timestamp older than this"),
    CHOICE("message.timestamp.type", SETTING_ENUM, timestamp_type, "CreateTime", timestamp_types,
           "log.message.timestamp.type",
           "where record timestamps come from: the producer (CreateTime) or the broker "
           "(LogAppendTime)"),
    ROW("min.cleanable.dirty.ratio", SETTING_DOUBLE, min_cleanable_dirty_ratio, "0.5", 0, 1, NULL,
        "log.cleaner.min.cleanable.ratio",
        "compact a partition when more than this share of its bytes is dirty: written since the "
        "last compaction"),
    TIME("min.compaction.lag.ms", min_compaction_lag_ms, "0", 0,
         "log.cleaner.min.compaction.lag.ms", "do not compact records that are younger than this"),
    INT("min.insync.replicas", min_insync_replicas, "1", 1, INT32_MAX, "min.insync.replicas",
        "replicas that must have a record before acks=all is answered; there is only one, so with "
        "more than 1 acks=all is refused"),
    BOOL("preallocate", preallocate, "log.preallocate",
         "stored, but has no effect; the journal is preallocated"),
    BOOL("remote.log.copy.disable", remote_copy_disable, NULL,
         "stored, but has no effect; there is no remote storage"),
    BOOL("remote.log.delete.on.disable", remote_delete_on_disable, NULL,
         "stored, but has no effect; there is no remote storage"),
    BOOL("remote.storage.enable", remote_storage, NULL,
         "must be false: there is no remote storage"),
    SIZE("retention.bytes", retention_bytes, "-1", -1, LARGEST, "log.retention.bytes",
         "maximum bytes per partition, deleted in whole segments; -1: no limit"),
    TIME("retention.ms", retention_ms, "604800000", -1, "log.retention.ms",
         "how long records are kept, deleted in whole segments; -1: no limit"),
    SIZE("segment.bytes", segment_bytes, "1073741824", 1 << 20, INT32_MAX, "log.segment.bytes",
         "roll to a new segment at this size"),
    SIZE("segment.index.bytes", segment_index_bytes, "10485760", 4, INT32_MAX,
         "log.index.size.max.bytes", "roll to a new segment when its index is this large"),
    TIME("segment.jitter.ms", segment_jitter_ms, "0", 0, "log.roll.jitter.ms",
         "roll earlier by a random time up to this, so that segments do not all roll at once"),
    TIME("segment.ms", segment_ms, "604800000", 1, "log.roll.ms",
         "roll to a new segment at this age"),
    BOOL("unclean.leader.election.enable", unclean_leader_election,
         "unclean.leader.election.enable", "stored, but has no effect; there is no replication"),
    {0},
};

/* Broker keys for which Kafka has no default. A key that has its value for "not set" leaves the
 * choice to the next key, which has a coarser unit, or to the topic's own default. */
static const struct fallback {
    const char *key, *next;
    int64_t not_set;
} fallbacks[] = {
    {"log.retention.ms", "log.retention.minutes", -2},
    {"log.retention.minutes", "log.retention.hours", -2},
    {"log.roll.ms", "log.roll.hours", -1},
    {"log.roll.jitter.ms", "log.roll.jitter.hours", -1},
    {"log.flush.interval.ms", NULL, INT64_MAX},
};

static const struct fallback *fallback_of(const struct setting *row)
{
    for (size_t i = 0; i < COUNT_OF(fallbacks); i++) {
        if (strcmp(fallbacks[i].key, row->key) == 0)
            return &fallbacks[i];
    }
    return NULL;
}

int topic_setting_broker_rows(const struct setting *row, const struct setting *out[BROKER_ROWS_MAX])
{
    int count = 0;
    for (const char *key = row->broker_key; key; count++) {
        ASSERT(count < BROKER_ROWS_MAX);
        out[count] = setting_find(broker_setting_table, bytes_string(key));
        const struct fallback *fallback = fallback_of(out[count]);
        key = fallback ? fallback->next : NULL;
    }
    return count;
}

bool topic_setting_leaves_it(const struct setting *broker_row, struct bytes value)
{
    const struct fallback *fallback = fallback_of(broker_row);
    int64_t number;
    return fallback && parse_i64(value, &number) && number == fallback->not_set;
}

/* The first of them that is set, or NULL. */
static const struct setting *broker_row(const struct setting *row, const struct settings *broker)
{
    const struct setting *rows[BROKER_ROWS_MAX];
    int count = topic_setting_broker_rows(row, rows);
    for (int i = 0; i < count; i++) {
        const struct fallback *fallback = fallback_of(rows[i]);
        int64_t value;
        memcpy(&value, (const char *)broker + rows[i]->field, sizeof value);
        if (fallback == NULL || value != fallback->not_set)
            return rows[i];
    }
    return NULL;
}

/* Milliseconds in the unit of a broker key. */
static int64_t unit_of(const char *key)
{
    size_t size = strlen(key);
    if (size > 6 && strcmp(key + size - 6, ".hours") == 0)
        return 3600000;
    return size > 8 && strcmp(key + size - 8, ".minutes") == 0 ? 60000 : 1;
}

static void *field_of(const struct setting *row, void *values)
{
    return (char *)values + row->field;
}

static int64_t choice_in(const struct setting *row, const char *name)
{
    for (int64_t i = 0; row->choices[i]; i++) {
        if (strcmp(row->choices[i], name) == 0)
            return i;
    }
    return 0;
}

/* The broker's value as this topic setting's default. Both rows have the same kind of field. */
static void take_broker_value(const struct setting *row, struct topic_settings *out,
                              const struct setting *from, const struct settings *broker)
{
    const void *value = (const char *)broker + from->field;
    void *field = field_of(row, out);
    int64_t number;
    switch (row->type) {
    case SETTING_BOOL:
        memcpy(field, value, sizeof(bool));
        break;
    case SETTING_DOUBLE:
        memcpy(field, value, sizeof(double));
        break;
    case SETTING_STRING:
    case SETTING_LIST:
        free(*(char **)field);
        *(char **)field = xstrdup(*(char *const *)value);
        break;
    case SETTING_ENUM:
        memcpy(&number, value, sizeof number);
        number = choice_in(row, from->choices[number]);
        memcpy(field, &number, sizeof number);
        break;
    default:
        memcpy(&number, value, sizeof number);
        if (number >= 0 && __builtin_mul_overflow(number, unit_of(from->key), &number))
            number = INT64_MAX; /* a negative number has the same meaning in every unit */
        memcpy(field, &number, sizeof number);
        break;
    }
}

static bool list_has(const char *list, const char *name)
{
    size_t at = 0;
    for (struct bytes item; !bytes_is_null(item = setting_list_next(bytes_string(list), &at));) {
        if (bytes_equal_string(item, name))
            return true;
    }
    return false;
}

static bool is_set(const struct topic *topic, const struct settings *broker, const char *key,
                   const char *broker_key)
{
    return (topic && !bytes_is_null(topic_config_get(topic, bytes_string(key)))) ||
           settings_is_explicit(broker, broker_key);
}

/* An explicit flush.messages=1 (a sync per message) is stronger than any flush.ms. */
static bool is_asynchronous(const struct topic_settings *s, const struct settings *broker,
                            const struct topic *topic)
{
    if (is_set(topic, broker, "flush.messages", "log.flush.interval.messages"))
        return s->flush_messages != 1;
    return is_set(topic, broker, "flush.ms", "log.flush.interval.ms") && s->flush_ms > 1;
}

void topic_settings_load(struct topic_settings *out, const struct settings *broker,
                         const struct topic *topic)
{
    memset(out, 0, sizeof *out);
    settings_defaults(topic_setting_table, out);
    for (const struct setting *row = topic_setting_table; row->key; row++) {
        const struct setting *from = broker_row(row, broker);
        if (from)
            take_broker_value(row, out, from, broker);
    }
    for (size_t i = 0; topic && i < topic->config_count; i++) {
        const struct setting *row = setting_find(topic_setting_table, topic->configs[i].name);
        struct message message;
        /* An override that this release refuses does not stop the broker: the default is used. */
        if (row && setting_set(row, out, topic->configs[i].value, &message) != ERR_OK)
            continue;
    }
    out->asynchronous = is_asynchronous(out, broker, topic);
    out->compacted = list_has(out->cleanup_policy, "compact");
}

bool topic_is_compacted(const struct topic *topic, const struct settings *broker)
{
    struct topic_settings settings;
    topic_settings_load(&settings, broker, topic);
    bool compacted = settings.compacted;
    topic_settings_free(&settings);
    return compacted;
}

void topic_settings_copy(struct topic_settings *out, const struct topic_settings *from)
{
    *out = *from;
    settings_copy_text(topic_setting_table, out);
}

void topic_settings_free(struct topic_settings *s)
{
    settings_free(topic_setting_table, s);
}

struct log_config topic_log_config(const struct topic_settings *s)
{
    /* A record in the active segment is not compacted. */
    int64_t compacted_ms = s->compacted ? s->max_compaction_lag_ms : INT64_MAX;
    return (struct log_config){
        .segment_bytes = s->segment_bytes,
        .segment_ms = MIN(s->segment_ms, compacted_ms),
        .segment_index_bytes = s->segment_index_bytes,
        .index_interval_bytes = s->index_interval_bytes,
        .retention_ms = s->retention_ms,
        .retention_bytes = s->retention_bytes,
        .timestamp_after_max_ms = s->timestamp_after_max_ms,
        .delete_enabled = list_has(s->cleanup_policy, "delete"),
        .file_delete_delay_ms = s->file_delete_delay_ms,
        .compact_enabled = s->compacted,
        .min_cleanable_ratio = s->min_cleanable_dirty_ratio,
        .min_compaction_lag_ms = s->min_compaction_lag_ms,
        .max_compaction_lag_ms = s->max_compaction_lag_ms,
        .delete_retention_ms = s->delete_retention_ms,
    };
}
