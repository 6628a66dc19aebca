#include "processors/topology/parameters.h"

#include "base/compiler.h"
#include "base/suggest.h"
#include "processors/topology/parameter_parsers.h"

#include <stdlib.h>

/* The parameters of all types. */
static const struct parameter common[] = {
    {"after", parse_processor_name, PARAMETER_FIELD(after)},
    {"output", parse_topic, PARAMETER_FIELD(output)},
    {"output.partitions", parse_partitions, PARAMETER_FIELD(output_partitions)},
    {"dlq", parse_topic, PARAMETER_FIELD(dead_letters)},
    {"errors.deadletterqueue.topic.name", parse_topic, PARAMETER_FIELD(dead_letters)},
    {"where", parse_condition, PARAMETER_FIELD(where)},
    {"on-error", parse_word, PARAMETER_FIELD(on_error), "dlq", .words = WORDS("dlq", "false")},

    {"enabled", parse_bool, PARAMETER_FIELD(enabled), "true", true, BOOL_WORDS},
    {"start", parse_start, PARAMETER_FIELD(start), "earliest", true, WORDS("earliest", "latest")},
    {"state.version", parse_count, PARAMETER_FIELD(state_version), "1", true},
    {"commit.interval", parse_duration, PARAMETER_FIELD(commit_interval_ms), "20ms", true},
    {"retention.guard", parse_word, PARAMETER_FIELD(holds_retention), "hold", true,
     WORDS("off", "hold")},
    {"retention.guard.max", parse_size, PARAMETER_FIELD(retention_guard_bytes), "10GiB", true},
    {"timestamp", parse_timestamp, PARAMETER_FIELD(time.timestamp), "record", true},
    {"timestamp.format", parse_text, PARAMETER_FIELD(timestamp_format), "epoch-ms", true},
    {"timestamp.tz", parse_text, PARAMETER_FIELD(timestamp_tz), NULL, true},
    {"timestamp.on-missing", parse_word, PARAMETER_FIELD(time.on_missing), "dlq", true,
     WORDS("dlq", "record")},
    {"out-of-order", parse_duration, PARAMETER_FIELD(time.out_of_order_ms), "0", true},
    {"max-future", parse_duration_or_off, PARAMETER_FIELD(time.max_future_ms), "1h", true},
    {"watermark.idle", parse_duration_or_off, PARAMETER_FIELD(time.watermark_idle_ms), "30s", true},
    {"watermark.scope", parse_word, PARAMETER_FIELD(watermark_scope), "partition", true,
     WORDS("partition"), WORDS("topic")},
    {0},
};

/* Parameters of the language that are not built yet. */
static const struct parameter planned[] = {
    {.name = "assume-partitioned"},
    {.name = "backpressure"},
    {.name = "combine"},
    {.name = "dlq.compat"},
    {.name = "dlq.max-rate"},
    {.name = "early"},
    {.name = "evict"},
    {.name = "having"},
    {.name = "hot-keys.salt"},
    {.name = "hot-keys.top"},
    {.name = "into"},
    {.name = "lag.max"},
    {.name = "late.panes"},
    {.name = "max-wait"},
    {.name = "mode"},
    {.name = "repartition.partitions"},
    {.name = "retry.max-attempts"},
    {.name = "schema"},
    {.name = "shed"},
    {.name = "state.delete-delay"},
    {.name = "state.max-bytes"},
    {.name = "state.ttl"},
    {.name = "watermark.idle-advance"},
    {.name = "weight"},
    {0},
};

static const char *const planned_types[] = {"map",  "route",   "mask",  "sample", "enrich",
                                            "join", "pattern", "retry", "wasm",   NULL};

static const struct parameter *row_at(const struct parameter *table, size_t *index)
{
    for (; table && table->name; table++) {
        if ((*index)-- == 0)
            return table;
    }
    return NULL;
}

const struct parameter *parameter_at(size_t index)
{
    const struct parameter *row = row_at(common, &index);
    for (size_t i = 0; row == NULL && processor_type_at(i); i++)
        row = row_at(processor_type_at(i)->parameters, &index);
    return row ? row : row_at(planned, &index);
}

const char *parameter_name(const struct parameter *p)
{
    return p->name;
}

static const struct parameter *find_row(const struct parameter *table, struct bytes name)
{
    for (; table && table->name; table++) {
        if (bytes_equal_string(name, table->name))
            return table;
    }
    return NULL;
}

const char *parameter_of_chain(struct bytes name)
{
    const struct parameter *row = find_row(common, name);
    return row && row->chain ? row->name : NULL;
}

static void *field_of(struct processor *p, const struct parameter *row)
{
    ASSERT(!row->own || (p->own && row->at < p->type->parameters_size));
    return (char *)(row->own ? p->own : p) + row->at;
}

static void set_defaults(struct processor *p, const struct parameter *table)
{
    struct message why;
    for (const struct parameter *row = table; row && row->name; row++) {
        if (row->otherwise == NULL)
            continue;
        enum error e = row->parse(row, bytes_string(row->otherwise), field_of(p, row), &why);
        ASSERT(e == ERR_OK);
    }
}

void parameters_default(struct processor *p)
{
    ASSERT(p->type && p->own == NULL);
    ASSERT(p->type->parameters || p->type->parameters_size == 0);
    if (p->type->parameters_size > 0)
        p->own = xcalloc(1, p->type->parameters_size);
    p->late_disposal = DISPOSE_TOPIC;
    set_defaults(p, common);
    set_defaults(p, p->type->parameters);
}

/* Types. */

static bool is_planned_type(struct bytes text)
{
    for (size_t i = 0; planned_types[i]; i++) {
        if (bytes_equal_string(text, planned_types[i]))
            return true;
    }
    return false;
}

static enum error refuse_type(struct bytes text, const char *const *names, struct message *why)
{
    struct buffer built;
    buffer_init(&built, PROCESSOR_TYPES_TEXT_MAX);
    processor_types_append(&built, "and");
    const char *near = suggest(text, names);
    if (is_planned_type(text))
        message_set(why, "%.*s is not built yet; built are %s", BYTES_PRINTF(text),
                    buffer_c_string(&built));
    else if (near)
        message_set(why, "unknown type '%.*s'; did you mean %s?", BYTES_PRINTF(text), near);
    else
        message_set(why, "unknown type '%.*s'; built are %s", BYTES_PRINTF(text),
                    buffer_c_string(&built));
    buffer_free(&built);
    return ERR_INVALID;
}

enum error parameter_parse_type(struct bytes text, const struct processor_type **out,
                                struct message *why)
{
#define X(name) +1
    const char *names[PROCESSOR_TYPES(X) + COUNT_OF(planned_types)] = {0};
#undef X
    size_t count = 0;
    for (const struct processor_type *type; (type = processor_type_at(count)); count++) {
        names[count] = type->name;
        if (bytes_equal_string(text, type->name)) {
            *out = type;
            return ERR_OK;
        }
    }
    memcpy(names + count, planned_types, sizeof planned_types);
    return refuse_type(text, names, why);
}

/* Setting one. */

static size_t add_names(const char **names, size_t count, const struct parameter *table)
{
    for (; table && table->name; table++)
        names[count++] = table->name;
    return count;
}

static enum error refuse_unknown(const struct processor_type *type, struct bytes name,
                                 struct message *why)
{
    size_t rows = 0;
    while (parameter_at(rows))
        rows++;
    const char **names = xcalloc(rows + 2, sizeof *names);
    names[0] = "type";
    size_t count = add_names(names, 1, common);
    count = add_names(names, count, type->parameters);
    count = add_names(names, count, planned);
    ASSERT(count <= rows + 1);
    const char *near = suggest(name, names);
    message_set(why, "unknown parameter%s%s%s", near ? "; did you mean " : "", near ? near : "",
                near ? "?" : "");
    free(names);
    return ERR_INVALID;
}

/* Refuses a name that is no parameter of the processor's type. */
static enum error refuse_parameter(const struct processor_type *type, struct bytes name,
                                   struct message *why)
{
    if (find_row(planned, name)) {
        message_set(why, "not built yet");
        return ERR_INVALID;
    }
    struct buffer types;
    buffer_init(&types, PROCESSOR_TYPES_TEXT_MAX);
    const struct processor_type *other;
    for (size_t i = 0; (other = processor_type_at(i)); i++) {
        if (find_row(other->parameters, name))
            buffer_printf(&types, "%s%s", types.size ? ", " : "", other->name);
    }
    bool is_known = types.size > 0;
    if (is_known)
        message_set(why, "not a parameter of type %s, only of %s", type->name,
                    buffer_c_string(&types));
    buffer_free(&types);
    return is_known ? ERR_INVALID : refuse_unknown(type, name, why);
}

enum error parameter_set(struct processor *p, struct bytes name, struct bytes text,
                         struct message *why)
{
    const struct parameter *row = find_row(common, name);
    if (row == NULL)
        row = find_row(p->type->parameters, name);
    if (row == NULL)
        return refuse_parameter(p->type, name, why);
    if (text.size == 0) {
        message_set(why, "is empty");
        return ERR_INVALID;
    }
    return row->parse(row, text, field_of(p, row), why);
}

void parameters_free(struct processor *p)
{
    expression_free(p->time.timestamp);
    expression_free(p->where);
    if (p->own && p->type->free)
        p->type->free(p);
    free(p->own);
    p->own = NULL;
}
