#include "tests/harness/harness.h"

#include "broker/config/settings.h"
#include "broker/config/topic_settings.h"

static void load_broker(struct settings *out, const char *const *flags)
{
    struct buffer faults, ignored;
    struct settings_load load = {.flags = flags};
    buffer_init(&faults, 1 << 16);
    buffer_init(&ignored, 1 << 16);
    EXPECT_INT(settings_load(&load, out, NULL, &faults, &ignored), ERR_OK);
    buffer_free(&faults);
    buffer_free(&ignored);
}

/* The effective settings of a topic with one override ("name=value", or NULL) on a broker with this
 * flag. */
static struct topic_settings effective(const char *flag, const char *override)
{
    const char *flags[] = {flag, NULL};
    struct settings broker;
    struct topic_settings settings;
    struct topic_config config = {0};
    load_broker(&broker, flags);
    if (override) {
        const char *equals = strchr(override, '=');
        config.name = bytes_of(override, (size_t)(equals - override));
        config.value = bytes_string(equals + 1);
    }
    struct topic *topic =
        topic_create(BYTES_LITERAL("t"), (struct uuid){{1}}, 1, 0, &config, override ? 1 : 0);
    topic_settings_load(&settings, &broker, topic);
    topic_unref(topic);
    settings_unload(&broker);
    return settings;
}

#define EXPECT_SETTING(flag, override, member, expected)             \
    do {                                                             \
        struct topic_settings settings_ = effective(flag, override); \
        EXPECT_INT(settings_.member, expected);                      \
        topic_settings_free(&settings_);                             \
    } while (0)

TEST(defaults_are_kafkas)
{
    struct topic_settings s = effective(NULL, NULL);
    EXPECT_STRING(s.cleanup_policy, "delete");
    EXPECT_INT(s.retention_ms, 604800000);
    EXPECT_INT(s.retention_bytes, -1);
    EXPECT_INT(s.segment_bytes, 1 << 30);
    EXPECT_INT(s.segment_ms, 604800000);
    EXPECT_INT(s.segment_jitter_ms, 0);
    EXPECT_INT(s.max_message_bytes, 1048588);
    EXPECT_INT(s.timestamp_after_max_ms, 3600000);
    EXPECT_INT(s.timestamp_before_max_ms, INT64_MAX);
    EXPECT_INT(s.compression_type, COMPRESSION_PRODUCER);
    EXPECT_INT(s.file_delete_delay_ms, 60000);
    EXPECT(!s.asynchronous && !s.compacted);
    topic_settings_free(&s);
}

TEST(the_brokers_finest_unit_that_is_set_gives_the_default)
{
    EXPECT_SETTING("log.retention.hours=2", NULL, retention_ms, 7200000);
    EXPECT_SETTING("log.retention.minutes=3", NULL, retention_ms, 180000);
    EXPECT_SETTING("log.retention.ms=4", NULL, retention_ms, 4);
    EXPECT_SETTING("log.retention.ms=-1", NULL, retention_ms, -1);
    EXPECT_SETTING("log.retention.hours=-1", NULL, retention_ms, -1);
    EXPECT_SETTING("log.local.retention.ms=-2", NULL, local_retention_ms, -2);
    EXPECT_SETTING("log.local.retention.ms=5", NULL, local_retention_ms, 5);
    EXPECT_SETTING("log.roll.hours=1", NULL, segment_ms, 3600000);
    EXPECT_SETTING("log.roll.ms=5", NULL, segment_ms, 5);
    EXPECT_SETTING("log.roll.jitter.hours=1", NULL, segment_jitter_ms, 3600000);
    EXPECT_SETTING("compression.type=lz4", NULL, compression_type, COMPRESSION_LZ4);
    EXPECT_SETTING("log.message.timestamp.type=LogAppendTime", NULL, timestamp_type, 1);
    EXPECT_SETTING("log.cleanup.policy=compact", NULL, compacted, true);
}

TEST(an_override_is_stronger_than_the_brokers_setting)
{
    EXPECT_SETTING("log.retention.ms=4", "retention.ms=9", retention_ms, 9);
    EXPECT_SETTING("compression.type=lz4", "compression.type=gzip", compression_type,
                   COMPRESSION_GZIP);
    EXPECT_SETTING("log.cleanup.policy=compact", "cleanup.policy=delete", compacted, false);
    EXPECT_SETTING(NULL, "cleanup.policy=compact,delete", compacted, true);
}

TEST(only_an_explicit_flush_setting_other_than_1_acknowledges_before_the_sync)
{
    EXPECT_SETTING(NULL, NULL, asynchronous, false);
    EXPECT_SETTING(NULL, "flush.messages=1", asynchronous, false);
    EXPECT_SETTING(NULL, "flush.messages=2", asynchronous, true);
    EXPECT_SETTING(NULL, "flush.messages=9223372036854775807", asynchronous, true);
    EXPECT_SETTING(NULL, "flush.ms=1000", asynchronous, true);
    EXPECT_SETTING(NULL, "flush.ms=1", asynchronous, false);
    EXPECT_SETTING("log.flush.interval.messages=10000", NULL, asynchronous, true);
    EXPECT_SETTING("log.flush.interval.messages=10000", "flush.messages=1", asynchronous, false);
    EXPECT_SETTING("log.flush.interval.ms=500", NULL, asynchronous, true);
    EXPECT_SETTING("log.flush.interval.ms=500", "flush.messages=1", asynchronous, false);
}

TEST(the_log_gets_its_part_of_the_settings)
{
    struct topic_settings s = effective(NULL, "cleanup.policy=compact");
    struct log_config config = topic_log_config(&s);
    EXPECT(!config.delete_enabled);
    EXPECT_INT(config.segment_bytes, 1 << 30);
    EXPECT_INT(config.index_interval_bytes, 4096);
    topic_settings_free(&s);
    s = effective(NULL, "cleanup.policy=compact,delete");
    EXPECT(topic_log_config(&s).delete_enabled);
    topic_settings_free(&s);
}

TEST(a_record_of_a_compacted_topic_leaves_the_active_segment_within_its_longest_lag)
{
    static const struct {
        const char *flag, *override;
        int64_t segment_ms;
    } cases[] = {{"log.cleaner.max.compaction.lag.ms=5000", "cleanup.policy=compact", 5000},
                 {"log.cleaner.max.compaction.lag.ms=5000", "cleanup.policy=delete", 604800000},
                 {"log.cleanup.policy=compact", "segment.ms=70000", 70000}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct topic_settings s = effective(cases[i].flag, cases[i].override);
        struct log_config config = topic_log_config(&s);
        EXPECT_INT(config.segment_ms, cases[i].segment_ms);
        EXPECT_INT(config.compact_enabled, i != 1);
        topic_settings_free(&s);
    }
}

TEST(a_copy_has_texts_of_its_own)
{
    struct topic_settings from = effective(NULL, NULL), copy;
    topic_settings_copy(&copy, &from);
    for (const struct setting *row = topic_setting_table; row->key; row++) {
        if (row->type != SETTING_STRING && row->type != SETTING_LIST)
            continue;
        char *const *text = (const void *)((const char *)&from + row->field);
        char *const *copied = (const void *)((const char *)&copy + row->field);
        EXPECT_STRING(*copied, *text);
        EXPECT(*copied != *text);
    }
    topic_settings_free(&copy);
    topic_settings_free(&from);
}

TEST(every_row_has_a_broker_row_that_exists_or_none)
{
    for (const struct setting *row = topic_setting_table; row->key; row++) {
        EXPECT(row->sentence[0] != '\0');
        if (row->broker_key)
            EXPECT(setting_find(broker_setting_table, bytes_string(row->broker_key)) != NULL);
    }
}
