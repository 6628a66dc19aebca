#include "broker/config/configs.h"

#include "broker/config/live_settings.h"
#include "broker/config/topic_settings.h"
#include "processors/topology/topology.h"

static int8_t type_of(const struct setting *row)
{
    if (row->secret)
        return CONFIG_PASSWORD;
    switch (row->type) {
    case SETTING_BOOL:
        return CONFIG_BOOLEAN;
    case SETTING_DOUBLE:
        return CONFIG_DOUBLE;
    case SETTING_LIST:
        return CONFIG_LIST;
    case SETTING_INT:
    case SETTING_SIZE:
    case SETTING_DURATION:
        return row->maximum <= INT32_MAX ? CONFIG_INT : CONFIG_LONG;
    default:
        return CONFIG_STRING;
    }
}

enum { VALUE_MAX = 1 << 20 };

/* The value as text; null for a secret. */
static struct bytes format(const struct setting *row, const void *values, struct arena *arena)
{
    if (row->secret)
        return BYTES_NULL;
    struct buffer text;
    buffer_init(&text, VALUE_MAX);
    setting_format(row, values, &text);
    struct bytes copy = arena_copy(arena, buffer_view(&text));
    buffer_free(&text);
    return copy;
}

static void add_synonym(struct config_entry *e, const char *name, struct bytes value, int8_t source)
{
    ASSERT(e->synonym_count < CONFIG_SYNONYMS_MAX);
    e->synonyms[e->synonym_count++] = (struct config_synonym){bytes_string(name), value, source};
}

/* The sources of a row's value in the broker, from the strongest to the default. */
static const int8_t broker_sources[] = {CONFIG_OF_NODE, CONFIG_OF_CLUSTER, CONFIG_OF_STATIC_BROKER,
                                        CONFIG_DEFAULT};

/* The value that one source gives, or null. */
static struct bytes value_from(int8_t source, const struct setting *row,
                               const struct live_settings *broker, struct arena *arena)
{
    struct bytes name = bytes_string(row->key);
    switch (source) {
    case CONFIG_OF_NODE:
        return live_settings_override(broker, LAYER_NODE, name);
    case CONFIG_OF_CLUSTER:
        return live_settings_override(broker, LAYER_CLUSTER, name);
    case CONFIG_OF_STATIC_BROKER:
        if (!settings_is_explicit(broker->fixed, row->key))
            return BYTES_NULL;
        return row->secret ? BYTES_LITERAL("***") : format(row, broker->fixed, arena);
    default:
        return bytes_string(row->initial);
    }
}

/* Adds the broker's values for a config that these rows give, beginning with the first row's. As in
 * Kafka, there are no synonyms while the first row leaves the value to the others: retention.ms has
 * no synonym if only log.retention.hours is set. */
static void add_broker_synonyms(struct config_entry *e, const struct setting *const *rows,
                                int count, const struct live_settings *broker, struct arena *arena)
{
    bool begun = false;
    for (size_t s = 0; s < COUNT_OF(broker_sources); s++) {
        for (int i = 0; i < count; i++) {
            struct bytes value = value_from(broker_sources[s], rows[i], broker, arena);
            if (bytes_is_null(value) || topic_setting_leaves_it(rows[i], value))
                continue;
            begun |= i == 0;
            if (begun)
                add_synonym(e, rows[i]->key, rows[i]->secret ? BYTES_NULL : value,
                            broker_sources[s]);
        }
    }
}

static int8_t source_of(const struct config_entry *e)
{
    return e->synonym_count ? e->synonyms[0].source : CONFIG_DEFAULT;
}

static struct config_entry entry_of(const struct setting *row)
{
    return (struct config_entry){
        .name = bytes_string(row->key),
        .documentation = bytes_string(row->sentence),
        .type = type_of(row),
        .is_sensitive = row->secret,
        .read_only = !row->dynamic,
    };
}

static void describe_topic_row(const struct setting *row, const struct live_settings *broker,
                               const struct topic *topic, const struct topic_settings *effective,
                               struct arena *arena, struct config_entry *e)
{
    const struct setting *rows[BROKER_ROWS_MAX];
    int count = topic_setting_broker_rows(row, rows);
    struct bytes own = topic_config_get(topic, bytes_string(row->key));
    *e = entry_of(row);
    if (!bytes_is_null(own))
        add_synonym(e, row->key, own, CONFIG_OF_TOPIC);
    add_broker_synonyms(e, rows, count, broker, arena);
    e->value = format(row, effective, arena);
    e->source = source_of(e);
}

static struct config_entry processor_entry(const struct topic_config *config)
{
    struct config_entry e = {
        .name = config->name,
        .value = config->value,
        .documentation = BYTES_LITERAL("parameter of a processor on this topic"),
        .source = CONFIG_OF_TOPIC,
        .type = CONFIG_STRING,
    };
    e.synonyms[e.synonym_count++] =
        (struct config_synonym){config->name, config->value, CONFIG_OF_TOPIC};
    return e;
}

static size_t count_rows(const struct setting *table)
{
    size_t count = 0;
    while (table[count].key)
        count++;
    return count;
}

size_t topic_config_entries(const struct live_settings *broker, const struct topic *topic,
                            struct arena *arena, struct config_entry **out)
{
    struct topic_settings effective;
    size_t count = 0, rows = count_rows(topic_setting_table);
    struct config_entry *entries = arena_array(arena, rows + topic->config_count, sizeof *entries);
    topic_settings_load(&effective, &broker->now, topic);
    for (const struct setting *row = topic_setting_table; row->key; row++)
        describe_topic_row(row, broker, topic, &effective, arena, &entries[count++]);
    topic_settings_free(&effective);
    for (size_t i = 0; i < topic->config_count; i++) {
        if (topology_is_processor_key(topic->configs[i].name))
            entries[count++] = processor_entry(&topic->configs[i]);
    }
    *out = entries;
    return count;
}

size_t broker_config_entries(const struct live_settings *broker, struct arena *arena,
                             struct config_entry **out)
{
    size_t count = 0;
    struct config_entry *entries =
        arena_array(arena, count_rows(broker_setting_table), sizeof *entries);
    for (const struct setting *row = broker_setting_table; row->key; row++) {
        if (row->type == SETTING_IGNORED)
            continue;
        struct config_entry *e = &entries[count++];
        *e = entry_of(row);
        add_broker_synonyms(e, &row, 1, broker, arena);
        e->value = format(row, &broker->now, arena);
        e->source = source_of(e);
    }
    *out = entries;
    return count;
}

size_t cluster_config_entries(const struct live_settings *broker, struct arena *arena,
                              struct config_entry **out)
{
    const struct override_list *layer = &broker->layers[LAYER_CLUSTER];
    struct config_entry *entries = arena_array(arena, layer->count, sizeof *entries);
    size_t count = 0;
    for (size_t i = 0; i < layer->count; i++) {
        const struct setting *row = setting_find(broker_setting_table, layer->configs[i].name);
        if (row == NULL)
            continue; /* of another release */
        struct config_entry *e = &entries[count++];
        *e = entry_of(row);
        e->value = layer->configs[i].value;
        e->source = CONFIG_OF_CLUSTER;
        add_synonym(e, row->key, e->value, CONFIG_OF_CLUSTER);
    }
    *out = entries;
    return count;
}
