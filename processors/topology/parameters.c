#include "processors/topology/parameters.h"

#include "base/compiler.h"
#include "base/suggest.h"
#include "processors/topology/parameter_parsers.h"

#include <stdlib.h>

enum {
    VALIDATE = 1 << PROCESSOR_VALIDATE,
    FILTER = 1 << PROCESSOR_FILTER,
    DEDUP = 1 << PROCESSOR_DEDUP,
    AGGREGATE = 1 << PROCESSOR_AGGREGATE,
    ALL = VALIDATE | FILTER | DEDUP | AGGREGATE,
};

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define AT(field) offsetof(struct processor, field)
#define BOOL WORDS("false", "true")
#define PLANNED(name)                               \
    {                                               \
        name, ALL, NULL, 0, NULL, false, NULL, NULL \
    }

static const struct parameter table[] = {
    /* name, types, parser, field, default, of the chain, words, planned words */
    {"after", ALL, parse_processor_name, AT(after), NULL, false, NULL, NULL},
    {"output", ALL, parse_topic, AT(output), NULL, false, NULL, NULL},
    {"output.partitions", ALL, parse_partitions, AT(output_partitions), NULL, false, NULL, NULL},
    {"dlq", ALL, parse_topic, AT(dead_letters), NULL, false, NULL, NULL},
    {"errors.deadletterqueue.topic.name", ALL, parse_topic, AT(dead_letters), NULL, false, NULL,
     NULL},
    {"where", ALL, parse_condition, AT(where), NULL, false, NULL, NULL},
    {"on-error", ALL, parse_word, AT(on_error), "dlq", false, WORDS("dlq", "false"), NULL},
    {"lateness", DEDUP | AGGREGATE, parse_duration, AT(lateness_ms), "0", false, NULL, NULL},
    {"late", DEDUP | AGGREGATE, parse_late, AT(late), NULL, false, WORDS("drop", "pass"), NULL},

    {"enabled", ALL, parse_bool, AT(enabled), "true", true, BOOL, NULL},
    {"start", ALL, parse_start, AT(start), "earliest", true, WORDS("earliest", "latest"), NULL},
    {"state.version", ALL, parse_count, AT(state_version), "1", true, NULL, NULL},
    {"commit.interval", ALL, parse_duration, AT(commit_interval_ms), "20ms", true, NULL, NULL},
    {"timestamp", ALL, parse_timestamp, AT(time.timestamp), "record", true, NULL, NULL},
    {"timestamp.format", ALL, parse_text, AT(timestamp_format), "epoch-ms", true, NULL, NULL},
    {"timestamp.tz", ALL, parse_text, AT(timestamp_tz), NULL, true, NULL, NULL},
    {"timestamp.on-missing", ALL, parse_word, AT(time.on_missing), "dlq", true,
     WORDS("dlq", "record"), NULL},
    {"out-of-order", ALL, parse_duration, AT(time.out_of_order_ms), "0", true, NULL, NULL},
    {"max-future", ALL, parse_duration_or_off, AT(time.max_future_ms), "1h", true, NULL, NULL},
    {"watermark.idle", ALL, parse_duration_or_off, AT(time.watermark_idle_ms), "30s", true, NULL,
     NULL},
    {"watermark.scope", ALL, parse_word, AT(watermark_scope), "partition", true, WORDS("partition"),
     WORDS("topic")},

    {"json", VALIDATE, parse_bool, AT(json), "true", false, BOOL, NULL},
    {"json-schema", VALIDATE, parse_schema, AT(schema), NULL, false, NULL, NULL},

    {"id", DEDUP, parse_expressions, AT(id), NULL, false, NULL, NULL},
    {"within", DEDUP, parse_positive_duration, AT(within_ms), NULL, false, NULL, NULL},
    {"clock", DEDUP, parse_word, AT(clock), "event", false, WORDS("event", "processing"), NULL},
    {"refresh", DEDUP, parse_bool, AT(refresh), "false", false, BOOL, NULL},
    {"duplicates", DEDUP, parse_duplicates, AT(duplicates), "drop", false, WORDS("drop", "tag"),
     NULL},
    {"scope", DEDUP, parse_word, AT(scope), "partition", false, WORDS("partition"), WORDS("topic")},
    {"max-ids", DEDUP, parse_count, AT(max_ids), "50000000", false, NULL, NULL},

    {"group-by", AGGREGATE, parse_expressions, AT(group_by), NULL, false, NULL, NULL},
    {"window", AGGREGATE, parse_window, AT(window), NULL, false, NULL, NULL},
    {"select", AGGREGATE, parse_select, AT(select), NULL, false, NULL, NULL},
    {"emit", AGGREGATE, parse_word, AT(emit), "final", false, WORDS("final"),
     WORDS("on-time", "update")},
    {"output.key", AGGREGATE, parse_word, AT(output_key), "json", false,
     WORDS("json", "group", "kafka-windowed"), NULL},
    {"output.timestamp", AGGREGATE, parse_word, AT(output_timestamp), "max-event", false,
     WORDS("max-event", "window-end"), NULL},
    {"window.format", AGGREGATE, parse_word, AT(window_format), "epoch-ms", false,
     WORDS("epoch-ms", "iso"), NULL},
    {"on-type-error", AGGREGATE, parse_word, AT(on_type_error), "dlq", false, WORDS("dlq", "skip"),
     NULL},
    {"on-missing-key", AGGREGATE, parse_word, AT(on_missing_key), "dlq", false,
     WORDS("dlq", "drop", "null"), NULL},
    {"nulls", AGGREGATE, parse_word, AT(nulls), "skip", false, WORDS("skip", "count"), NULL},

    PLANNED("assume-partitioned"),
    PLANNED("backpressure"),
    PLANNED("combine"),
    PLANNED("dlq.compat"),
    PLANNED("dlq.max-rate"),
    PLANNED("early"),
    PLANNED("evict"),
    PLANNED("having"),
    PLANNED("hot-keys.salt"),
    PLANNED("hot-keys.top"),
    PLANNED("into"),
    PLANNED("lag.max"),
    PLANNED("late.panes"),
    PLANNED("max-wait"),
    PLANNED("mode"),
    PLANNED("repartition.partitions"),
    PLANNED("retention.guard"),
    PLANNED("retention.guard.max"),
    PLANNED("retry.max-attempts"),
    PLANNED("schema"),
    PLANNED("shed"),
    PLANNED("state.delete-delay"),
    PLANNED("state.max-bytes"),
    PLANNED("state.ttl"),
    PLANNED("watermark.idle-advance"),
    PLANNED("weight"),
};

const struct parameter *parameter_at(size_t index)
{
    return index < COUNT_OF(table) ? &table[index] : NULL;
}

const char *parameter_name(const struct parameter *p)
{
    return p->name;
}

bool parameter_is_built(const struct parameter *p)
{
    return p->parse != NULL;
}

bool parameter_is_of(const struct parameter *p, enum processor_type type)
{
    return p->types >> type & 1;
}

bool parameter_is_of_chain(const struct parameter *p)
{
    return p->chain;
}

const struct parameter *parameter_find(struct bytes name)
{
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        if (bytes_equal_string(name, table[i].name))
            return &table[i];
    }
    return NULL;
}

static void *field_of(struct processor *p, const struct parameter *parameter)
{
    return (char *)p + parameter->at;
}

void parameters_default(struct processor *p)
{
    struct message why;
    p->late_disposal = DISPOSE_TOPIC;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        const struct parameter *row = &table[i];
        if (!parameter_is_of(row, p->type) || row->otherwise == NULL)
            continue;
        enum error e = row->parse(row, bytes_string(row->otherwise), field_of(p, row), &why);
        ASSERT(e == ERR_OK);
    }
}

enum error parameter_parse_type(struct bytes text, enum processor_type *out, struct message *why)
{
    static const char *const planned[] = {"map",  "route",   "mask",  "sample", "enrich",
                                          "join", "pattern", "retry", "wasm",   NULL};
    const char *names[PROCESSOR_TYPE_COUNT + COUNT_OF(planned)] = {0};
    for (int i = 0; i < PROCESSOR_TYPE_COUNT; i++) {
        names[i] = processor_type_name((enum processor_type)i);
        if (bytes_equal_string(text, names[i])) {
            *out = (enum processor_type)i;
            return ERR_OK;
        }
    }
    for (size_t i = 0; planned[i]; i++) {
        names[PROCESSOR_TYPE_COUNT + i] = planned[i];
        if (bytes_equal_string(text, planned[i])) {
            message_set(why, "%s is not built yet; built are validate, filter, dedup and aggregate",
                        planned[i]);
            return ERR_INVALID;
        }
    }
    const char *near = suggest(text, names);
    message_set(why, "unknown type '%.*s'%s%s%s", BYTES_PRINTF(text),
                near ? "; did you mean " : "; built are validate, filter, dedup and aggregate",
                near ? near : "", near ? "?" : "");
    return ERR_INVALID;
}

static enum error refuse_unknown(enum processor_type type, struct bytes name, struct message *why)
{
    const char *names[COUNT_OF(table) + 2] = {"type"};
    size_t count = 1;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        if (parameter_is_of(&table[i], type))
            names[count++] = table[i].name;
    }
    const char *near = suggest(name, names);
    message_set(why, "unknown parameter%s%s%s", near ? "; did you mean " : "", near ? near : "",
                near ? "?" : "");
    return ERR_INVALID;
}

static enum error refuse_type(const struct parameter *row, enum processor_type type,
                              struct message *why)
{
    struct buffer types;
    buffer_init(&types, 256);
    for (int i = 0; i < PROCESSOR_TYPE_COUNT; i++) {
        if (row->types >> i & 1)
            buffer_printf(&types, "%s%s", types.size ? ", " : "",
                          processor_type_name((enum processor_type)i));
    }
    message_set(why, "not a parameter of type %s, only of %s", processor_type_name(type),
                buffer_c_string(&types));
    buffer_free(&types);
    return ERR_INVALID;
}

enum error parameter_set(struct processor *p, struct bytes name, struct bytes text,
                         struct message *why)
{
    const struct parameter *row = parameter_find(name);
    if (row == NULL)
        return refuse_unknown(p->type, name, why);
    if (row->parse == NULL) {
        message_set(why, "not built yet");
        return ERR_INVALID;
    }
    if (!parameter_is_of(row, p->type))
        return refuse_type(row, p->type, why);
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
    json_schema_free(p->schema);
    expression_list_free(&p->id);
    expression_list_free(&p->group_by);
    select_free(&p->select);
}
