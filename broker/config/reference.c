#include "broker/config/reference.h"

#include "broker/config/settings.h"
#include "broker/config/topic_settings.h"

#include <inttypes.h>

static const char introduction[] =
    "# Configuration\n"
    "\n"
    "Written by `tidemilld --reference`; a test compares it with the tables in the code.\n"
    "\n"
    "The broker reads Java properties with Kafka's keys: `tidemilld -c FILE`, single settings with "
    "`-X\n"
    "key=value` (they go before the file), and `KAFKA_LOG_DIRS`-style variables of the "
    "environment. A file may\n"
    "`include = other.properties` and use `${env:NAME}` and `${file:/path}`. Unknown keys and bad "
    "values are all\n"
    "listed, and nothing starts. `tidemilld -t` only checks; `--print-config` shows every key, its "
    "value and\n"
    "where it came from. Sizes take `KiB MiB GiB`, durations `ms s m h d`; plain numbers always "
    "work.\n"
    "\n"
    "Rows marked *live* can be changed while the broker runs, by any Kafka admin client: resource "
    "type `BROKER`\n"
    "with an empty name for the cluster, or with the node's id, which goes before. Both go before "
    "file and flags,\n"
    "hold at once for what is running, and outlive a restart until they are deleted the same "
    "way.\n";

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

/* `live` stands behind the sentence of what may change while the broker runs. */
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
    buffer_append_string(out, "\nAccepted because Kafka's files have them, without meaning here:");
    for (const struct setting *row = broker_setting_table; row->key; row++) {
        if (row->type == SETTING_IGNORED)
            buffer_printf(out, "\n`%s`", row->key);
    }
    buffer_append_string(
        out,
        ".\n\n## Topics\n\nSet when a topic is created or with any admin client; the broker's key "
        "in brackets gives the default.\nProcessors are topic configs too: "
        "[processors.md](processors.md).\n");
    write_table(out, topic_setting_table, "");
}
