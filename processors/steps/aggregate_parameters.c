#include "processors/steps/aggregate_parameters.h"

static enum error parse_window(const struct parameter *p UNUSED, struct bytes text, void *field,
                               struct message *why)
{
    return window_parse(text, field, why);
}

static enum error parse_select(const struct parameter *p UNUSED, struct bytes text, void *field,
                               struct message *why)
{
    return select_parse(text, field, why);
}

static enum error parse_late_of_window(const struct parameter *p, struct bytes text, void *field,
                                       struct message *why)
{
    if (!bytes_equal_string(text, "pass"))
        return parse_late(p, text, field, why);
    message_set(why, "pass is only for dedup: the windows of a late record are closed");
    return ERR_INVALID;
}

#define FIELD(name) OWN_FIELD(struct aggregate_parameters, name)

const struct parameter aggregate_parameters[] = {
    {"lateness", parse_duration, FIELD(lateness_ms), "0"},
    {"late", parse_late_of_window, PARAMETER_FIELD(late), .words = WORDS("drop")},
    {"group-by", parse_expressions, FIELD(group_by)},
    {"window", parse_window, FIELD(window)},
    {"select", parse_select, FIELD(select)},
    {"emit", parse_word, FIELD(emit), "final", .words = WORDS("final"),
     .planned = WORDS("on-time", "update")},
    {"output.key", parse_word, FIELD(output_key), "json",
     .words = WORDS("json", "group", "kafka-windowed")},
    {"output.timestamp", parse_word, FIELD(output_timestamp), "max-event",
     .words = WORDS("max-event", "window-end")},
    {"window.format", parse_word, FIELD(window_format), "epoch-ms",
     .words = WORDS("epoch-ms", "iso")},
    {"on-type-error", parse_word, FIELD(on_type_error), "dlq", .words = WORDS("dlq", "skip")},
    {"on-missing-key", parse_word, FIELD(on_missing_key), "dlq",
     .words = WORDS("dlq", "drop", "null")},
    {"nulls", parse_word, FIELD(nulls), "skip", .words = WORDS("skip", "count")},
    {0},
};

static bool name_is_taken(const struct aggregate_parameters *own, struct bytes name, size_t parts)
{
    if (bytes_equal_string(name, "window_start") || bytes_equal_string(name, "window_end"))
        return true;
    for (size_t i = 0; i < parts; i++) {
        if (bytes_equal(expression_name(own->group_by.items[i]), name))
            return true;
    }
    return false;
}

static enum error check_names(const struct processor *p, struct message *message)
{
    const struct aggregate_parameters *own = aggregate_parameters_of(p);
    for (size_t i = 0; i < own->group_by.count; i++) {
        struct bytes name = expression_name(own->group_by.items[i]);
        if (name_is_taken(own, name, i))
            return processor_refuse(message, p->name, "group-by",
                                    "the result would have two fields called '%.*s'",
                                    BYTES_PRINTF(name));
    }
    for (size_t i = 0; i < own->select.count; i++) {
        struct bytes name = own->select.items[i].name;
        if (name_is_taken(own, name, own->group_by.count))
            return processor_refuse(message, p->name, "select",
                                    "the result would have two fields called '%.*s'",
                                    BYTES_PRINTF(name));
    }
    return ERR_OK;
}

/* Records of one key must come to one task. */
static enum error check_grouping(const struct processor *p, const struct processor_check *check)
{
    const struct aggregate_parameters *own = aggregate_parameters_of(p);
    if (!own->grouped_by_key && check->partitions > 1)
        return processor_refuse(check->message, p->name, "group-by",
                                "%.*s has %d partitions, and records with the same group-by value "
                                "may be in any of them: repartitioning is not built yet. Group by "
                                "key, or use a topic with one partition",
                                BYTES_PRINTF(check->topic), check->partitions);
    if (own->grouped_by_key && own->on_missing_key == ON_MISSING_KEY_NULL)
        return processor_refuse(check->message, p->name, "on-missing-key",
                                "null is not possible with group-by = key: records without key are "
                                "spread over the partitions");
    return ERR_OK;
}

enum error aggregate_parameters_check(struct processor *p, const struct processor_check *check)
{
    struct aggregate_parameters *own = aggregate_parameters_of(p);
    enum error e = processor_require(p, own->group_by.count > 0, "group-by", check->message);
    if (e == ERR_OK)
        e = processor_require(p, own->window.size_ms > 0, "window", check->message);
    if (e == ERR_OK)
        e = processor_require(p, own->select.count > 0, "select", check->message);
    if (e == ERR_OK)
        e = check_names(p, check->message);
    own->grouped_by_key = expression_list_is_key(&own->group_by);
    return e ? e : check_grouping(p, check);
}

static bool same_window(const struct window *a, const struct window *b)
{
    return a->size_ms == b->size_ms && a->advance_ms == b->advance_ms &&
           a->offset_ms == b->offset_ms;
}

/* An aggregate that keeps its name must keep its meaning. */
static bool same_aggregates(const struct select *a, const struct select *b)
{
    for (size_t i = 0; i < a->count; i++) {
        for (size_t j = 0; j < b->count; j++) {
            if (bytes_equal(a->items[i].name, b->items[j].name) &&
                a->items[i].identity != b->items[j].identity)
                return false;
        }
    }
    return true;
}

/* Existing slices must keep their meaning. Added aggregates begin in windows that open later. */
enum error aggregate_parameters_replace(const struct processor *running,
                                        const struct processor *next, struct message *message)
{
    const struct aggregate_parameters *a = aggregate_parameters_of(running),
                                      *b = aggregate_parameters_of(next);
    if (!expression_list_equal(&a->group_by, &b->group_by))
        return processor_refuse_change(message, next, "group-by");
    if (a->on_missing_key != b->on_missing_key)
        return processor_refuse_change(message, next, "on-missing-key");
    if (!same_window(&a->window, &b->window))
        return processor_refuse_change(message, next, "window");
    if (!same_aggregates(&a->select, &b->select))
        return processor_refuse_change(message, next, "select");
    return expression_equal(running->where, next->where)
               ? ERR_OK
               : processor_refuse_change(message, next, "where");
}

bool aggregate_parameters_read_value(const struct processor *p)
{
    const struct aggregate_parameters *own = aggregate_parameters_of(p);
    return expression_list_reads_value(&own->group_by) || select_reads_value(&own->select);
}

void aggregate_parameters_free(struct processor *p)
{
    expression_list_free(&aggregate_parameters_of(p)->group_by);
    select_free(&aggregate_parameters_of(p)->select);
}
