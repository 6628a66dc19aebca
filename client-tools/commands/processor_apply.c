/* processor apply: makes the broker match the files, with one all-or-nothing request per topic. */
#include "client-tools/cluster/config_change.h"
#include "client-tools/files.h"
#include "client-tools/pipeline/processor_configs.h"
#include "client-tools/pipeline/processor_plan.h"
#include "client-tools/tool.h"
#include "protocol/kafka_error.h"

static const struct flag flags[] = {
    {'f', "file", FLAG_LIST, "FILE", "processor file to apply (- for standard input)", NULL, NULL},
    {0, "prune", FLAG_SWITCH, NULL,
     "also remove processors of these topics that no file declares, with their state", NULL, NULL},
    {0, NULL, FLAG_SWITCH, NULL, NULL, NULL, NULL},
};

static const struct column columns[] = {
    {"topic", CELL_TEXT, false},  {"processor", CELL_TEXT, true}, {"action", CELL_TEXT, false},
    {"key", CELL_TEXT, false},    {"value", CELL_LONG, false},    {"previous", CELL_TEXT, true},
    {"error", CELL_ERROR, false}, {"message", CELL_TEXT, false},  END_OF_COLUMNS,
};

static bool read_files(struct tool *t, struct declarations *d)
{
    struct bytes name, text;
    for (size_t at = 0; !bytes_is_null(name = flag_next(&t->arguments, "file", &at));) {
        const char *path = arena_printf(&t->arena, "%.*s", BYTES_PRINTF(name));
        if (strcmp(path, "-") == 0)
            tool_say_terminal(t, "processors");
        if (!file_read(path, &t->arena, &text, &t->failure) ||
            !processor_file_parse(path, text, &t->arena, d, &t->failure))
            return false;
    }
    if (d->count > 0)
        return true;
    return flag_is_set(&t->arguments, "file")
               ? fail_usage(&t->failure, "the file declares no configs")
               : fail_usage(&t->failure, "no file is given: tidemill processor apply -f FILE");
}

static struct bytes *topics_of(struct tool *t, const struct declarations *d, size_t *count)
{
    struct bytes *topics = arena_array(&t->arena, d->count, sizeof *topics);
    *count = 0;
    for (size_t i = 0; i < d->count; i++) {
        bool known = false;
        for (size_t k = 0; k < *count && !known; k++)
            known = bytes_equal(topics[k], d->items[i].topic);
        if (!known)
            topics[(*count)++] = d->items[i].topic;
    }
    return topics;
}

static void add_change(struct table *table, const struct plan_change *c,
                       const struct config_result *result)
{
    table_row(table);
    table_text(table, c->topic);
    table_text(table, c->processor);
    table_text(table, bytes_string(plan_action_name(c->action)));
    table_text(table, c->key);
    table_text(table, c->value);
    table_text(table, c->previous);
    table_error(table, result->error_code, result->message);
}

static const struct plan_change *culprit(const struct plan *plan,
                                         const struct config_changes *changes, struct bytes message)
{
    const struct config_change *blamed = config_changes_blamed(changes, message);
    for (size_t i = 0; blamed && i < plan->count; i++) {
        const struct plan_change *c = &plan->changes[i];
        if (bytes_equal(c->topic, changes->topic) && bytes_equal(c->key, blamed->key))
            return c;
    }
    return NULL;
}

static void say_where(const struct tool *t, const struct declarations *declared,
                      const struct plan_change *c)
{
    for (size_t i = 0; c && i < declared->count; i++) {
        const struct declared_config *d = &declared->items[i];
        if (bytes_equal(d->topic, c->topic) && bytes_equal(d->key, c->key))
            tool_say(t, "  from  %s:%d", d->path, d->line);
    }
}

/* A topic's changes are refused together. One row says which of them is the reason, and why. */
static void add_refusal(struct tool *t, struct table *table, const struct config_changes *changes,
                        const struct plan *plan, const struct declarations *declared,
                        const struct config_result *result)
{
    struct bytes topic = changes->topic;
    const struct plan_change *c = culprit(plan, changes, result->message);
    table_row(table);
    table_text(table, topic);
    table_text(table, c ? c->processor : BYTES_NULL);
    table_text(table, BYTES_LITERAL("refused"));
    table_text(table, c ? c->key : BYTES_NULL);
    table_text(table, c ? c->value : BYTES_NULL);
    table_text(table, c ? c->previous : BYTES_NULL);
    table_error(table, result->error_code, result->message);
    struct bytes text = result->message;
    if (text.size == 0)
        text = bytes_string(kafka_error_text(result->error_code));
    tool_say(t, "error: topic %.*s: %.*s", BYTES_PRINTF(topic), BYTES_PRINTF(text));
    say_where(t, declared, c);
    if (result->error_code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION)
        tool_say(t, "  hint  tidemill topic create %.*s", BYTES_PRINTF(topic));
    else
        tool_say(t, "  hint  this topic was not changed");
}

static const struct topic_failure *failure_of(const struct topic_failures *failures,
                                              struct bytes topic)
{
    for (size_t i = 0; i < failures->count; i++) {
        if (bytes_equal(failures->items[i].topic, topic))
            return &failures->items[i];
    }
    return NULL;
}

/* Sends one topic's part of the plan, and shows it with the result. */
static bool apply_topic(struct tool *t, struct table *table, struct bytes topic,
                        const struct plan *plan, const struct declarations *declared,
                        const struct topic_failures *failures)
{
    struct config_changes changes = {.topic = topic};
    struct config_result result = {0};
    const struct topic_failure *unreadable = failure_of(failures, topic);
    for (size_t i = 0; i < plan->count; i++) {
        if (bytes_equal(plan->changes[i].topic, topic))
            config_changes_set(&changes, plan->changes[i].key, plan->changes[i].value, &t->arena);
    }
    if (unreadable) {
        result = (struct config_result){unreadable->code, unreadable->message};
    } else if (changes.count > 0 && !config_changes_send(t->client, &changes, t->dry_run, &t->arena,
                                                         &result, &t->failure)) {
        return false;
    }
    if (result.error_code != 0) {
        add_refusal(t, table, &changes, plan, declared, &result);
        return true;
    }
    for (size_t i = 0; i < plan->count; i++) {
        if (bytes_equal(plan->changes[i].topic, topic))
            add_change(table, &plan->changes[i], &result);
    }
    if (changes.count == 0) {
        table_row(table);
        table_text(table, topic);
        table_null(table);
        table_text(table, BYTES_LITERAL("unchanged"));
        table_error(table, 0, BYTES_NULL);
    }
    return true;
}

/* Shows the plan and asks, because removing a processor deletes its state. */
static bool may_remove(struct tool *t, struct table *table, const struct plan *plan)
{
    if (plan->removed_processors == 0 || t->dry_run)
        return true;
    const struct config_result none = {0};
    for (size_t i = 0; i < plan->count; i++)
        add_change(table, &plan->changes[i], &none);
    bool sure = tool_confirm(t, table, "Apply this and remove %zu processor%s with their state?",
                             plan->removed_processors, plan->removed_processors == 1 ? "" : "s");
    table->row_count = 0;
    return sure;
}

static bool run(struct tool *t)
{
    struct table *table = tool_table(t, "changes");
    struct declarations declared = {0}, current;
    struct topic_failures failures;
    struct plan plan;
    size_t topic_count;
    if (!read_files(t, &declared) || !tool_client(t))
        return false;
    struct bytes *topics = topics_of(t, &declared, &topic_count);
    if (!processor_configs_fetch(t->client, topics, topic_count, &t->arena, &current, &failures,
                                 &t->failure))
        return false;
    processor_plan_make(&declared, &current, flag_is_set(&t->arguments, "prune"), &t->arena, &plan);
    if (!may_remove(t, table, &plan))
        return false;
    for (size_t i = 0; i < topic_count; i++) {
        if (!apply_topic(t, table, topics[i], &plan, &declared, &failures))
            return false;
    }
    return true;
}

const struct command processor_apply_command = {
    .noun = "processor",
    .verb = "apply",
    .arguments = "",
    .sentence = "Creates and changes processors to match the given files",
    .flags = flags,
    .columns = columns,
    .destructive = true,
    .examples = (const char *const[]){"processor apply -f orders.properties --dry-run",
                                      "processor apply -f orders.properties",
                                      "processor apply -f orders.properties --prune --yes", NULL},
    .see_also = "processor export, processor test",
    .run = run,
};
