/* topic set and topic unset: one incremental change of a topic's settings. */
#include "base/suggest.h"
#include "client-tools/cluster/config_change.h"
#include "client-tools/tool.h"

static const struct flag set_flags[] = {
    {'c', "config", FLAG_LIST, "KEY=VALUE", "a config; same as an argument", NULL, NULL},
    {0, NULL, FLAG_SWITCH, NULL, NULL, NULL, NULL},
};

static const struct column columns[] = {
    {"topic", CELL_TEXT, false},  {"key", CELL_TEXT, false},     {"value", CELL_LONG, false},
    {"error", CELL_ERROR, false}, {"message", CELL_TEXT, false}, END_OF_COLUMNS,
};

static void add_change(struct table *table, const struct config_changes *changes,
                       const struct config_change *c, const struct config_result *result)
{
    table_row(table);
    table_text(table, changes->topic);
    table_text(table, c ? c->key : BYTES_NULL);
    table_text(table, c ? c->value : BYTES_NULL);
    table_error(table, result->error_code, result->message);
}

/* Sends all changes or none; a refusal is one row. */
static bool send_changes(struct tool *t, struct config_changes *changes)
{
    struct table *table = tool_table(t, "configs");
    struct config_result result;
    if (changes->count == 0) {
        fail_usage(&t->failure, "no config is given: expected at least one KEY=VALUE");
        message_set(&t->failure.hint, "tidemill topic set %.*s retention.ms=7d",
                    BYTES_PRINTF(changes->topic));
        return false;
    }
    if (!tool_client(t) ||
        !config_changes_send(t->client, changes, t->dry_run, &t->arena, &result, &t->failure))
        return false;
    if (result.error_code != 0) {
        add_change(table, changes, config_changes_blamed(changes, result.message), &result);
        return true;
    }
    for (size_t i = 0; i < changes->count; i++)
        add_change(table, changes, &changes->items[i], &result);
    return true;
}

static bool add_pair(struct tool *t, struct config_changes *changes, struct bytes text)
{
    struct bytes key, value;
    if (!pair_split(text, "=", &key, &value))
        return fail_usage(&t->failure, "%.*s: expected KEY=VALUE", BYTES_PRINTF(text));
    config_changes_set(changes, key, value, &t->arena);
    return true;
}

static bool run_set(struct tool *t)
{
    const struct arguments *a = &t->arguments;
    struct config_changes changes = {.topic = a->names[0]};
    struct bytes text;
    size_t at = 0;
    for (size_t i = 1; i < a->name_count; i++) {
        if (!add_pair(t, &changes, a->names[i]))
            return false;
    }
    while (!bytes_is_null(text = flag_next(a, "config", &at))) {
        if (!add_pair(t, &changes, text))
            return false;
    }
    return send_changes(t, &changes);
}

static bool is_setting(const struct describe_configs_response *configs, struct bytes key)
{
    for (int32_t i = 0; i < configs->results[0].configs_count; i++) {
        if (bytes_equal(configs->results[0].configs[i].name, key))
            return true;
    }
    return false;
}

static bool fail_unknown_setting(struct tool *t, const struct describe_configs_response *configs,
                                 struct bytes key)
{
    const struct describe_configs_response_results *r = &configs->results[0];
    const char **names = arena_array(&t->arena, (size_t)r->configs_count + 1, sizeof *names);
    for (int32_t i = 0; i < r->configs_count; i++)
        names[i] = arena_printf(&t->arena, "%.*s", BYTES_PRINTF(r->configs[i].name));
    const char *near = suggest(key, names);
    fail(&t->failure, "INVALID_CONFIG", "topic %.*s has no config %.*s",
         BYTES_PRINTF(t->arguments.names[0]), BYTES_PRINTF(key));
    if (near)
        message_set(&t->failure.hint, "did you mean %s?", near);
    else
        message_set(&t->failure.hint, "tidemill topic describe %.*s --all",
                    BYTES_PRINTF(t->arguments.names[0]));
    return false;
}

/* Checks the names, because a broker removes an unset or unknown setting without an error. */
static bool check_keys(struct tool *t)
{
    const struct arguments *a = &t->arguments;
    struct describe_configs_response configs;
    if (!tool_client(t) ||
        !cluster_topic_configs(t->client, a->names, 1, &t->arena, &configs, &t->failure))
        return false;
    if (configs.results_count != 1 || configs.results[0].error_code != 0)
        return true; /* the change will report this error */
    for (size_t i = 1; i < a->name_count; i++) {
        if (!is_setting(&configs, a->names[i]))
            return fail_unknown_setting(t, &configs, a->names[i]);
    }
    return true;
}

static bool run_unset(struct tool *t)
{
    const struct arguments *a = &t->arguments;
    struct config_changes changes = {.topic = a->names[0]};
    for (size_t i = 1; i < a->name_count; i++)
        config_changes_set(&changes, a->names[i], BYTES_NULL, &t->arena);
    return check_keys(t) && send_changes(t, &changes);
}

const struct command topic_set_command = {
    .noun = "topic",
    .verb = "set",
    .arguments = "TOPIC KEY=VALUE...",
    .min = 1,
    .max = -1,
    .sentence = "Sets configs of a topic",
    .flags = set_flags,
    .columns = columns,
    .examples = (const char *const[]){"topic set orders retention.ms=7d",
                                      "topic set orders max.message.bytes=4MiB --dry-run", NULL},
    .see_also = "topic unset, topic describe",
    .run = run_set,
};

const struct command topic_unset_command = {
    .noun = "topic",
    .verb = "unset",
    .arguments = "TOPIC KEY...",
    .min = 2,
    .max = -1,
    .sentence = "Resets configs of a topic to their defaults",
    .columns = columns,
    .examples = (const char *const[]){"topic unset orders retention.ms", NULL},
    .see_also = "topic set, topic describe",
    .run = run_unset,
};
