/* Reads the input as a configuration file in three ways: as the broker's settings, as settings of a
 * topic, and as the processors of a topic. An accepted input prints to text that is accepted again
 * and prints the same. A refusal must say why. */
#include "base/properties.h"
#include "broker/config/settings.h"
#include "broker/config/topic_settings.h"
#include "processors/topology/topology.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_PAIRS = 16 };

struct input {
    struct arena arena;
    struct property pairs[MAX_PAIRS];
    size_t count;
};

static void read_pairs(struct input *in, struct bytes text, bool sections)
{
    struct properties_reader r = properties_reader_of(text, sections);
    struct message message;
    int line = 0;
    in->count = 0;
    while (in->count < MAX_PAIRS) {
        struct property *p = &in->pairs[in->count];
        if (!properties_next(&r, &in->arena, p, &message))
            break;
        ASSERT(p->line > line && p->key.data != NULL && p->value.data != NULL);
        line = p->line;
        in->count++;
    }
    ASSERT(r.at <= text.size);
}

static void check_row(const struct setting *table, void *values, const struct property *p)
{
    const struct setting *row = setting_find(table, p->key);
    struct message message = {""};
    struct buffer once, twice;
    if (row == NULL || row->type == SETTING_IGNORED)
        return;
    if (setting_set(row, values, p->value, &message) != ERR_OK) {
        ASSERT(message.text[0] != '\0');
        return;
    }
    buffer_init(&once, 1 << 20);
    buffer_init(&twice, 1 << 20);
    setting_format(row, values, &once);
    ASSERT(setting_set(row, values, buffer_view(&once), &message) == ERR_OK);
    setting_format(row, values, &twice);
    ASSERT(bytes_equal(buffer_view(&once), buffer_view(&twice)));
    buffer_free(&once);
    buffer_free(&twice);
}

static void check_topic_settings(const struct input *in)
{
    struct topic_settings values = {0};
    settings_defaults(topic_setting_table, &values);
    for (size_t i = 0; i < in->count; i++)
        check_row(topic_setting_table, &values, &in->pairs[i]);
    topic_settings_free(&values);
}

/* The form of the command line and the environment, because a file could name other files. */
static char *assignment(const struct property *p, const char *prefix)
{
    char *key = bytes_to_string(p->key), *value = bytes_to_string(p->value);
    size_t room = strlen(prefix) + strlen(key) + strlen(value) + sizeof "=";
    char *text = xmalloc(room);
    snprintf(text, room, "%s%s=%s", prefix, key, value);
    free(key);
    free(value);
    return text;
}

static void check_broker_settings(const struct input *in)
{
    char *flags[MAX_PAIRS + 1] = {NULL}, *environment[2] = {NULL};
    struct settings *values = xcalloc(1, sizeof *values);
    struct buffer faults, ignored;
    buffer_init(&faults, 1 << 20);
    buffer_init(&ignored, 1 << 16);
    for (size_t i = 0; i < in->count; i++)
        flags[i] = assignment(&in->pairs[i], "");
    if (in->count > 0)
        environment[0] = assignment(&in->pairs[0], "KAFKA_");
    const struct settings_load load = {.flags = (const char *const *)flags,
                                       .environment = (const char *const *)environment};
    enum error error = settings_load(&load, values, NULL, &faults, &ignored);
    ASSERT((error == ERR_OK) == (faults.size == 0));
    for (size_t i = 0; i < in->count; i++)
        check_row(broker_setting_table, values, &in->pairs[i]);
    settings_unload(values);
    free(values);
    for (size_t i = 0; i < in->count; i++)
        free(flags[i]);
    free(environment[0]);
    buffer_free(&faults);
    buffer_free(&ignored);
}

static struct bytes processor_key(struct input *in, const struct property *p)
{
    if (bytes_is_null(p->section))
        return p->key;
    const char *name = arena_printf(&in->arena, "processor.%.*s.%.*s", BYTES_PRINTF(p->section),
                                    BYTES_PRINTF(p->key));
    return bytes_string(name ? name : "");
}

static void walk(const struct topology *t)
{
    struct bytes topic;
    bool is_dead_letter;
    ASSERT(topology_chain_count(t) > 0);
    for (size_t i = 0; topology_output(t, i, &topic, &is_dead_letter); i++)
        ASSERT(topic.size > 0 && topology_output_partitions(t, topic) > 0);
    for (size_t i = 0; i < topology_chain_count(t); i++)
        ASSERT(chain_processor_count(topology_chain(t, i)) > 0);
}

static void check_processors(struct input *in)
{
    struct config_pair pairs[MAX_PAIRS];
    struct message message = {""};
    struct buffer warnings;
    for (size_t i = 0; i < in->count; i++)
        pairs[i] = (struct config_pair){processor_key(in, &in->pairs[i]), in->pairs[i].value};
    buffer_init(&warnings, 1 << 16);
    for (int32_t partitions = 1; partitions <= 2; partitions++) {
        const struct topology_topic topic = {BYTES_LITERAL("orders"), partitions};
        struct topology *t = NULL;
        if (topology_parse(&topic, pairs, in->count, &t, &message, &warnings) != ERR_OK) {
            ASSERT(message.text[0] != '\0');
            continue;
        }
        if (t) {
            walk(t);
            ASSERT(topology_can_replace(t, t, &message) == ERR_OK);
        }
        topology_unref(t);
    }
    buffer_free(&warnings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input *in = xcalloc(1, sizeof *in);
    arena_init(&in->arena, 1 << 20);
    uint8_t *copy = xmalloc(size + 1); /* exact size, so that the sanitizer sees a read past it */
    memcpy(copy + 1, data, size);
    read_pairs(in, bytes_of(copy + 1, size), false);
    check_topic_settings(in);
    check_broker_settings(in);
    read_pairs(in, bytes_of(copy + 1, size), true);
    check_processors(in);
    arena_free(&in->arena);
    free(copy);
    free(in);
    return 0;
}
