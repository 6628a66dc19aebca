/* processor list, describe, export and delete: the processors that the broker has. */
#include "base/suggest.h"
#include "client-tools/cluster/config_change.h"
#include "client-tools/files.h"
#include "client-tools/pipeline/processor_configs.h"
#include "client-tools/tool.h"
#include "protocol/kafka_error.h"

static const struct column list_columns[] = {
    {"topic", CELL_TEXT, false}, {"processor", CELL_TEXT, false}, {"type", CELL_TEXT, false},
    {"after", CELL_TEXT, false}, {"output", CELL_TEXT, false},    {"enabled", CELL_BOOL, false},
    {"error", CELL_ERROR, true}, {"message", CELL_TEXT, true},    END_OF_COLUMNS,
};

static bool same_processor(const struct declared_config *a, const struct declared_config *b)
{
    return bytes_equal(a->topic, b->topic) && bytes_equal(a->processor, b->processor);
}

/* The parameter of the processor whose declarations begin at `first`. */
static struct bytes parameter_of(const struct declarations *d, size_t first, const char *name)
{
    for (size_t i = first; i < d->count && same_processor(&d->items[i], &d->items[first]); i++) {
        if (bytes_equal_string(d->items[i].parameter, name))
            return d->items[i].value;
    }
    return BYTES_NULL;
}

static bool begins_processor(const struct declarations *d, size_t i)
{
    return !bytes_is_null(d->items[i].processor) &&
           (i == 0 || !same_processor(&d->items[i - 1], &d->items[i]));
}

static void add_failures(struct table *table, const struct topic_failures *failures)
{
    for (size_t i = 0; i < failures->count; i++) {
        table_row(table);
        table_text(table, failures->items[i].topic);
        table_error(table, failures->items[i].code, failures->items[i].message);
    }
}

static bool fetch_named(struct tool *t, struct declarations *d, struct topic_failures *failures)
{
    const struct arguments *a = &t->arguments;
    return tool_client(t) &&
           processor_configs_fetch(t->client, a->name_count ? a->names : NULL, a->name_count,
                                   &t->arena, d, failures, &t->failure);
}

static bool run_list(struct tool *t)
{
    struct table *table = tool_table(t, "processors");
    struct declarations d;
    struct topic_failures failures;
    if (!fetch_named(t, &d, &failures))
        return false;
    for (size_t i = 0; i < d.count; i++) {
        if (!begins_processor(&d, i))
            continue;
        table_row(table);
        table_text(table, d.items[i].topic);
        table_text(table, d.items[i].processor);
        table_text(table, parameter_of(&d, i, "type"));
        table_text(table, parameter_of(&d, i, "after"));
        table_text(table, parameter_of(&d, i, "output"));
        table_int(table, !bytes_equal_string(parameter_of(&d, i, "enabled"), "false"));
        table_error(table, 0, BYTES_NULL);
    }
    add_failures(table, &failures);
    return true;
}

const struct command processor_list_command = {
    .noun = "processor",
    .verb = "list",
    .arguments = "[TOPIC...]",
    .max = -1,
    .sentence = "Lists processors",
    .columns = list_columns,
    .examples = (const char *const[]){"processor list", "processor list orders", NULL},
    .see_also = "processor describe",
    .run = run_list,
};

static const struct column parameter_columns[] = {
    {"topic", CELL_TEXT, false},
    {"processor", CELL_TEXT, false},
    {"parameter", CELL_TEXT, false},
    {"value", CELL_TEXT, false},
    {"error", CELL_ERROR, true},
    {"message", CELL_TEXT, true},
    END_OF_COLUMNS,
};

/* Fails because of a topic that could not be read, with "did you mean" if it does not exist. */
static bool fail_topic(struct tool *t, const struct topic_failure *unreadable)
{
    struct topic_info ignored;
    if (unreadable->code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION &&
        !cluster_topic(t->client, unreadable->topic, false, &t->arena, &ignored, &t->failure))
        return false;
    return fail_kafka(&t->failure, unreadable->code, unreadable->message, "topic %.*s",
                      BYTES_PRINTF(unreadable->topic));
}

static bool fail_no_processor(struct tool *t, const struct declarations *d, struct bytes topic,
                              struct bytes processor)
{
    const char **names = arena_array(&t->arena, d->count + 1, sizeof *names);
    size_t count = 0;
    for (size_t i = 0; i < d->count; i++) {
        if (begins_processor(d, i))
            names[count++] = arena_printf(&t->arena, "%.*s", BYTES_PRINTF(d->items[i].processor));
    }
    if (count == 0)
        return fail(&t->failure, "PROCESSOR_NOT_FOUND", "topic %.*s has no processors",
                    BYTES_PRINTF(topic));
    fail(&t->failure, "PROCESSOR_NOT_FOUND", "topic %.*s has no processor %.*s",
         BYTES_PRINTF(topic), BYTES_PRINTF(processor));
    const char *near = suggest(processor, names);
    if (near)
        message_set(&t->failure.hint, "did you mean %.*s/%s?", BYTES_PRINTF(topic), near);
    else
        message_set(&t->failure.hint, "tidemill processor list %.*s", BYTES_PRINTF(topic));
    return false;
}

/* Reads the declarations of the topic of "TOPIC/PROCESSOR". */
static bool fetch_one(struct tool *t, struct bytes name, struct bytes *topic,
                      struct bytes *processor, struct declarations *d)
{
    struct topic_failures failures;
    processor_name_split(name, topic, processor);
    if (!tool_client(t) ||
        !processor_configs_fetch(t->client, topic, 1, &t->arena, d, &failures, &t->failure))
        return false;
    if (failures.count > 0)
        return fail_topic(t, &failures.items[0]);
    for (size_t i = 0; i < d->count; i++) {
        if (!bytes_is_null(d->items[i].processor) &&
            (bytes_is_null(*processor) || bytes_equal(d->items[i].processor, *processor)))
            return true;
    }
    return fail_no_processor(t, d, *topic, *processor);
}

static bool run_describe(struct tool *t)
{
    struct table *table = tool_table(t, "parameters");
    for (size_t n = 0; n < t->arguments.name_count; n++) {
        struct declarations d;
        struct bytes topic, processor;
        if (!fetch_one(t, t->arguments.names[n], &topic, &processor, &d))
            return false;
        for (size_t i = 0; i < d.count; i++) {
            const struct declared_config *c = &d.items[i];
            if (bytes_is_null(c->processor) ||
                (!bytes_is_null(processor) && !bytes_equal(c->processor, processor)))
                continue;
            table_row(table);
            table_text(table, c->topic);
            table_text(table, c->processor);
            table_text(table, c->parameter);
            table_text(table, c->value);
            table_error(table, 0, BYTES_NULL);
        }
    }
    return true;
}

const struct command processor_describe_command = {
    .noun = "processor",
    .verb = "describe",
    .arguments = "TOPIC[/PROCESSOR]...",
    .min = 1,
    .max = -1,
    .sentence = "Shows the parameters of processors",
    .columns = parameter_columns,
    .examples =
        (const char *const[]){"processor describe orders", "processor describe orders/m1", NULL},
    .see_also = "processor list, processor export",
    .run = run_describe,
};

static const struct flag export_flags[] = {
    {'a', "all", FLAG_SWITCH, NULL, "include the other configs of the topics", NULL, NULL},
    {0, NULL, FLAG_SWITCH, NULL, NULL, NULL, NULL},
};

static bool run_export(struct tool *t)
{
    struct declarations d, kept = {0};
    struct topic_failures failures;
    if (!fetch_named(t, &d, &failures))
        return false;
    if (failures.count > 0)
        return fail_topic(t, &failures.items[0]);
    for (size_t i = 0; i < d.count; i++) {
        if (!bytes_is_null(d.items[i].processor) || flag_is_set(&t->arguments, "all"))
            declarations_add(&kept, &d.items[i], &t->arena);
    }
    struct buffer out;
    buffer_init(&out, 256 << 20);
    processor_file_format(&kept, &out);
    bool good = write_result(buffer_view(&out), &t->failure);
    buffer_free(&out);
    return good;
}

const struct command processor_export_command = {
    .noun = "processor",
    .verb = "export",
    .arguments = "[TOPIC...]",
    .max = -1,
    .sentence = "Writes processors in the file format of processor apply",
    .flags = export_flags,
    .examples = (const char *const[]){"processor export > pipelines.properties",
                                      "processor export orders --all", NULL},
    .see_also = "processor apply",
    .run = run_export,
};

static const struct column delete_columns[] = {
    {"topic", CELL_TEXT, false},
    {"processor", CELL_TEXT, false},
    {"error", CELL_ERROR, false},
    {"message", CELL_TEXT, false},
    END_OF_COLUMNS,
};

static void plan_delete(struct tool *t, struct table *table, const struct declarations *d,
                        struct bytes processor, struct config_changes *changes)
{
    for (size_t i = 0; i < d->count; i++) {
        const struct declared_config *c = &d->items[i];
        if (bytes_is_null(c->processor) ||
            (!bytes_is_null(processor) && !bytes_equal(c->processor, processor)))
            continue;
        if (begins_processor(d, i)) {
            table_row(table);
            table_text(table, c->topic);
            table_text(table, c->processor);
        }
        config_changes_set(changes, c->key, BYTES_NULL, &t->arena);
    }
}

static bool run_delete(struct tool *t)
{
    struct table *table = tool_table(t, "processors");
    struct declarations d;
    struct bytes topic, processor;
    struct config_result result;
    if (!fetch_one(t, t->arguments.names[0], &topic, &processor, &d))
        return false;
    struct config_changes changes = {.topic = topic};
    plan_delete(t, table, &d, processor, &changes);
    size_t count = table->row_count;
    if (!t->dry_run && !tool_confirm(t, table, "Delete %zu processor%s with their state?", count,
                                     count == 1 ? "" : "s"))
        return false;
    if (!config_changes_send(t->client, &changes, t->dry_run, &t->arena, &result, &t->failure))
        return false;
    table->row_count = 0;
    for (size_t i = 0; i < d.count; i++) {
        if (!begins_processor(&d, i) ||
            (!bytes_is_null(processor) && !bytes_equal(d.items[i].processor, processor)))
            continue;
        table_row(table);
        table_text(table, d.items[i].topic);
        table_text(table, d.items[i].processor);
        table_error(table, result.error_code, result.message);
    }
    return true;
}

const struct command processor_delete_command = {
    .noun = "processor",
    .verb = "delete",
    .arguments = "TOPIC[/PROCESSOR]",
    .min = 1,
    .max = 1,
    .sentence = "Removes processors and their state; their output records stay",
    .columns = delete_columns,
    .destructive = true,
    .examples = (const char *const[]){"processor delete orders/m1",
                                      "processor delete orders --dry-run", NULL},
    .see_also = "processor list",
    .run = run_delete,
};
