#include "broker/config/reference.h"

#include "broker/config/settings.h"
#include "broker/config/topic_settings.h"

#include <inttypes.h>

static const char introduction[] =
    "# Configuration\n"
    "\n"
    "`tidemilld --reference` writes this page. A test compares it with the tables in the code.\n"
    "\n"
    "The broker reads Kafka's keys from a Java properties file: `tidemilld -c FILE`. Environment "
    "variables such as\n"
    "`KAFKA_LOG_DIRS` override the file. `-X key=value` overrides both. A file may `include = "
    "other.properties` and\n"
    "use `${env:NAME}` and `${file:/path}`. If a key is unknown or a value is bad, the broker "
    "lists all such errors\n"
    "and does not start. `tidemilld -t` only checks the configuration. `--print-config` shows "
    "every key, its value\n"
    "and its source. Sizes accept the units `KiB MiB GiB`, durations `ms s m h d`. Plain numbers "
    "always work.\n"
    "\n"
    "Any Kafka admin client can change the keys marked *live* while the broker runs. The resource "
    "type is `BROKER`.\n"
    "An empty name sets the cluster-wide value. The node's id as the name sets the value of this "
    "broker, which\n"
    "overrides the cluster-wide value. Both override the file, the environment and `-X`, apply "
    "immediately and\n"
    "survive restarts. To undo a change, delete the config the same way.\n";

static const char *type_name(enum setting_type type)
{
    static const char *const names[] = {
        [SETTING_INT] = "int",     [SETTING_BOOL] = "bool",         [SETTING_STRING] = "string",
        [SETTING_ENUM] = "one of", [SETTING_LIST] = "list",         [SETTING_DOUBLE] = "double",
        [SETTING_SIZE] = "size",   [SETTING_DURATION] = "duration", [SETTING_IGNORED] = "ignored",
    };
    return names[type];
}

static void write_allowed(struct buffer *out, const struct setting *row)
{
    for (const char *const *c = row->choices; c && *c; c++)
        buffer_printf(out, "%s`%s`", c == row->choices ? "" : " ", *c);
    if (row->choices || row->type == SETTING_BOOL || row->type == SETTING_STRING ||
        row->type == SETTING_LIST)
        return;
    buffer_printf(out, "%" PRId64, row->minimum);
    if (row->maximum < INT64_MAX)
        buffer_printf(out, " to %" PRId64, row->maximum);
    else
        buffer_append_string(out, " or more");
}

static void write_row(struct buffer *out, const struct setting *row, const char *live)
{
    buffer_printf(out, "| `%s` | %s | ", row->key, type_name(row->type));
    if (row->initial[0])
        buffer_printf(out, "`%s`", row->initial);
    buffer_append_string(out, " | ");
    write_allowed(out, row);
    buffer_printf(out, " | %s%s", row->sentence, row->dynamic ? live : "");
    if (row->broker_key)
        buffer_printf(out, " (`%s`)", row->broker_key);
    if (row->kafka_default)
        buffer_printf(out, "; Kafka's default: `%s`", row->kafka_default);
    buffer_append_string(out, " |\n");
}

/* `live` is appended to the sentence of a row that may change while the broker runs. */
static void write_table(struct buffer *out, const struct setting *table, const char *live)
{
    buffer_append_string(
        out, "\n| key | type | default | allowed | meaning |\n| --- | --- | --- | --- | --- |\n");
    for (; table->key; table++) {
        if (table->type != SETTING_IGNORED)
            write_row(out, table, live);
    }
}

void reference_write(struct buffer *out)
{
    buffer_append_string(out, introduction);
    buffer_append_string(out, "\n## Broker\n");
    write_table(out, broker_setting_table, "; *live*");
    buffer_append_string(
        out, "\nThese keys are accepted for compatibility with Kafka and have no effect:");
    for (const struct setting *row = broker_setting_table; row->key; row++) {
        if (row->type == SETTING_IGNORED)
            buffer_printf(out, "\n`%s`", row->key);
    }
    buffer_append_string(out, ".\n\n## Topics\n\nSet these configs when you create a topic, or "
                              "later with any Kafka admin client. "
                              "The broker key in\nparentheses sets the default. Processors are "
                              "topic configs too: [processors.md](processors.md).\n");
    write_table(out, topic_setting_table, "");
}
