/* What only the whole set of processors shows: chains, required parameters, outputs. */
#include "processors/topology/topology_internal.h"

#include "base/compiler.h"
#include "base/suggest.h"
#include "processors/topology/parameters.h"

#include <stdio.h>
#include <stdlib.h>

/* Linking. */

static struct processor *find(const struct topology *t, struct bytes name)
{
    for (size_t i = 0; i < t->processor_count; i++) {
        if (bytes_equal(t->processors[i].name, name))
            return &t->processors[i];
    }
    return NULL;
}

static enum error refuse_unknown_parent(const struct topology *t, const struct processor *p,
                                        struct message *message)
{
    const char *names[MAX_PROCESSORS + 1] = {NULL};
    char texts[MAX_PROCESSORS][64];
    size_t count = 0;
    for (size_t i = 0; i < t->processor_count; i++) {
        if (&t->processors[i] == p)
            continue;
        snprintf(texts[count], sizeof texts[count], "%.*s", BYTES_PRINTF(t->processors[i].name));
        names[count] = texts[count];
        count++;
    }
    const char *near = suggest(p->after, names);
    return topology_refuse(message, p->name, "after", "there is no processor '%.*s' on %.*s%s%s%s",
                           BYTES_PRINTF(p->after), BYTES_PRINTF(t->topic),
                           near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static enum error check_parent(const struct topology *t, const struct processor *p,
                               struct message *message)
{
    struct processor *parent = find(t, p->after);
    if (parent == NULL)
        return refuse_unknown_parent(t, p, message);
    if (parent->type == PROCESSOR_AGGREGATE)
        return topology_refuse(message, p->name, "after",
                               "following an aggregate is not built yet; declare %.*s on the "
                               "output topic of %.*s",
                               BYTES_PRINTF(p->name), BYTES_PRINTF(parent->name));
    parent->has_follower = true;
    size_t steps = 0;
    for (const struct processor *at = parent; at && !bytes_is_null(at->after);
         at = find(t, at->after)) {
        if (++steps > t->processor_count)
            return topology_refuse(message, p->name, "after", "the chain leads back to itself");
    }
    return ERR_OK;
}

/* Adds `p` and, one after the other, all that follow it. */
static void add_to_chain(const struct topology *t, struct chain *c, struct processor *p, int parent)
{
    int at = (int)c->count;
    p->parent = parent;
    c->processors[c->count++] = p;
    for (size_t i = 0; i < t->processor_count; i++) {
        if (!bytes_is_null(t->processors[i].after) && bytes_equal(t->processors[i].after, p->name))
            add_to_chain(t, c, &t->processors[i], at);
    }
}

static enum error parse_time(struct chain *c, struct message *message)
{
    struct processor *first = c->processors[0];
    struct message why;
    if (timestamp_format_parse(first->timestamp_format, BYTES_NULL, &first->time.format, &why))
        return topology_refuse(message, first->name, "timestamp.format", "%s", why.text);
    if (timestamp_format_parse(first->timestamp_format, first->timestamp_tz, &first->time.format,
                               &why))
        return topology_refuse(message, first->name, "timestamp.tz", "%s", why.text);
    for (size_t i = 1; i < c->count; i++) {
        struct processor *p = c->processors[i];
        if (p->chain_parameter)
            return topology_refuse(message, p->name, p->chain_parameter,
                                   "holds for the whole chain: set it on its first processor, %.*s",
                                   BYTES_PRINTF(first->name));
        p->time = first->time;
        p->time.timestamp = NULL; /* the first one's */
    }
    return ERR_OK;
}

enum error topology_link(struct topology *t, struct message *message)
{
    t->chains = xcalloc(MAX(t->processor_count, (size_t)1), sizeof *t->chains);
    for (size_t i = 0; i < t->processor_count; i++) {
        const struct processor *p = &t->processors[i];
        enum error e = bytes_is_null(p->after) ? ERR_OK : check_parent(t, p, message);
        if (e)
            return e;
    }
    for (size_t i = 0; i < t->processor_count; i++) {
        if (!bytes_is_null(t->processors[i].after))
            continue;
        struct chain *c = &t->chains[t->chain_count++];
        c->topic = t->topic;
        c->processors = xcalloc(t->processor_count, sizeof(struct processor *));
        add_to_chain(t, c, &t->processors[i], NO_PARENT);
        enum error e = parse_time(c, message);
        if (e)
            return e;
    }
    return ERR_OK;
}

/* Checking one processor. */

static enum error require(const struct processor *p, bool given, const char *parameter,
                          struct message *message)
{
    if (given)
        return ERR_OK;
    return topology_refuse(message, p->name, parameter, "required for type %s",
                           processor_type_name(p->type));
}

static enum error check_validate(const struct processor *p, struct message *message)
{
    if (!p->json && p->schema == NULL)
        return topology_refuse(message, p->name, "json", "nothing is left to validate");
    if (!p->json)
        return topology_refuse(message, p->name, "json", "a json-schema needs json=true");
    return ERR_OK;
}

static enum error check_dedup(const struct topology *t, const struct processor *p,
                              struct message *message, struct buffer *warnings)
{
    enum error e = require(p, p->id.count > 0, "id", message);
    if (e == ERR_OK)
        e = require(p, p->within_ms > 0, "within", message);
    if (e)
        return e;
    bool late_given = !bytes_is_null(p->late) || p->late_disposal != DISPOSE_TOPIC;
    if (p->clock == CLOCK_PROCESSING && (late_given || p->lateness_ms > 0))
        return topology_refuse(message, p->name, late_given ? "late" : "lateness",
                               "nothing is late by the processing clock");
    if (warnings && t->partitions > 1 && !expression_list_has_key(&p->id))
        buffer_printf(warnings,
                      "processor.%.*s.id: without key, records with the same id may lie in "
                      "different partitions; each partition is deduplicated on its own\n",
                      BYTES_PRINTF(p->name));
    return ERR_OK;
}

static bool name_is_taken(const struct processor *p, struct bytes name, size_t parts)
{
    if (bytes_equal_string(name, "window_start") || bytes_equal_string(name, "window_end"))
        return true;
    for (size_t i = 0; i < parts; i++) {
        if (bytes_equal(expression_name(p->group_by.items[i]), name))
            return true;
    }
    return false;
}

static enum error check_names(const struct processor *p, struct message *message)
{
    for (size_t i = 0; i < p->group_by.count; i++) {
        struct bytes name = expression_name(p->group_by.items[i]);
        if (name_is_taken(p, name, i))
            return topology_refuse(message, p->name, "group-by",
                                   "the result would have two fields called '%.*s'",
                                   BYTES_PRINTF(name));
    }
    for (size_t i = 0; i < p->select.count; i++) {
        struct bytes name = p->select.items[i].name;
        if (name_is_taken(p, name, p->group_by.count))
            return topology_refuse(message, p->name, "select",
                                   "the result would have two fields called '%.*s'",
                                   BYTES_PRINTF(name));
    }
    return ERR_OK;
}

static enum error check_aggregate(const struct topology *t, struct processor *p,
                                  struct message *message)
{
    enum error e = require(p, p->group_by.count > 0, "group-by", message);
    if (e == ERR_OK)
        e = require(p, p->window.size_ms > 0, "window", message);
    if (e == ERR_OK)
        e = require(p, p->select.count > 0, "select", message);
    if (e == ERR_OK)
        e = check_names(p, message);
    if (e)
        return e;
    p->grouped_by_key = expression_list_is_key(&p->group_by);
    if (!p->grouped_by_key && t->partitions > 1)
        return topology_refuse(message, p->name, "group-by",
                               "%.*s has %d partitions, and records of one group may lie in all of "
                               "them: repartitioning is not built yet. Group by key, or use a "
                               "topic with one partition",
                               BYTES_PRINTF(t->topic), t->partitions);
    if (p->grouped_by_key && p->on_missing_key == ON_MISSING_KEY_NULL)
        return topology_refuse(message, p->name, "on-missing-key",
                               "null is not possible with group-by = key: records without key are "
                               "spread over the partitions");
    return ERR_OK;
}

static enum error check_processor(const struct topology *t, struct processor *p,
                                  struct message *message, struct buffer *warnings)
{
    bool has_output = !bytes_is_null(p->output);
    if (!has_output && !p->has_follower && p->type != PROCESSOR_VALIDATE)
        return topology_refuse(message, p->name, "output",
                               "neither an output nor a processor after it: its results would go "
                               "nowhere");
    if (!has_output && p->output_partitions > 0)
        return topology_refuse(message, p->name, "output.partitions", "there is no output");
    switch (p->type) {
    case PROCESSOR_VALIDATE:
        return check_validate(p, message);
    case PROCESSOR_FILTER:
        return require(p, p->where != NULL, "where", message);
    case PROCESSOR_DEDUP:
        return check_dedup(t, p, message, warnings);
    case PROCESSOR_AGGREGATE:
        return check_aggregate(t, p, message);
    case PROCESSOR_TYPE_COUNT:
        break;
    }
    return ERR_INVALID;
}

enum error topology_check(const struct topology *t, struct message *message,
                          struct buffer *warnings)
{
    for (size_t i = 0; i < t->processor_count; i++) {
        struct processor *p = &t->processors[i];
        if (bytes_starts_with(t->topic, BYTES_LITERAL("dlq.")))
            return topology_refuse(message, p->name, "",
                                   "%.*s is a dead letter topic; its records would have nowhere to "
                                   "go when they fail again",
                                   BYTES_PRINTF(t->topic));
        enum error e = check_processor(t, p, message, warnings);
        if (e)
            return e;
    }
    return ERR_OK;
}

/* Outputs. */

static enum error add_output(struct topology *t, const struct processor *p, const char *parameter,
                             struct bytes name, int *index, struct message *message)
{
    bool is_dead_letter = strcmp(parameter, "dlq") == 0 || strcmp(parameter, "late") == 0;
    if (bytes_equal(name, t->topic))
        return topology_refuse(message, p->name, parameter,
                               "%.*s is the input: it would read its own output",
                               BYTES_PRINTF(name));
    for (size_t i = 0; i < t->output_count; i++) {
        if (!bytes_equal(t->outputs[i].name, name))
            continue;
        *index = (int)i;
        if (t->outputs[i].is_dead_letter == is_dead_letter)
            return ERR_OK;
        return topology_refuse(message, p->name, parameter,
                               "%.*s cannot be for both results and dead letters",
                               BYTES_PRINTF(name));
    }
    *index = (int)t->output_count;
    t->outputs[t->output_count++] = (struct output_topic){
        .name = name,
        .parameter = bytes_string(
            arena_printf(&t->arena, "processor.%.*s.%s", BYTES_PRINTF(p->name), parameter)),
        .is_dead_letter = is_dead_letter};
    return ERR_OK;
}

static struct bytes default_dead_letters(struct topology *t)
{
    return bytes_string(arena_printf(&t->arena, "dlq.%.*s", BYTES_PRINTF(t->topic)));
}

static enum error route_processor(struct topology *t, struct processor *p, struct message *message)
{
    enum error e = ERR_OK;
    if (bytes_is_null(p->dead_letters) && t->topic.size > 249 - strlen("dlq."))
        return topology_refuse(message, p->name, "dlq", "required: dlq.%.*s is too long a name",
                               BYTES_PRINTF(t->topic));
    p->output_topic = p->late_topic = p->duplicates_topic = NO_TOPIC;
    if (bytes_is_null(p->dead_letters))
        p->dead_letters = default_dead_letters(t);
    if (p->late_disposal == DISPOSE_TOPIC && bytes_is_null(p->late))
        p->late = p->dead_letters;
    if (!bytes_is_null(p->output))
        e = add_output(t, p, "output", p->output, &p->output_topic, message);
    if (e == ERR_OK && !bytes_is_null(p->duplicates))
        e = add_output(t, p, "duplicates", p->duplicates, &p->duplicates_topic, message);
    if (e == ERR_OK)
        e = add_output(t, p, "dlq", p->dead_letters, &p->dead_letter_topic, message);
    if (e == ERR_OK && !bytes_is_null(p->late))
        e = add_output(t, p, "late", p->late, &p->late_topic, message);
    if (e || p->output_partitions == 0)
        return e;
    struct output_topic *output = &t->outputs[p->output_topic];
    if (output->partitions > 0 && output->partitions != p->output_partitions)
        return topology_refuse(message, p->name, "output.partitions",
                               "another processor wants %d for %.*s", output->partitions,
                               BYTES_PRINTF(output->name));
    output->partitions = (int32_t)p->output_partitions;
    return ERR_OK;
}

enum error topology_route(struct topology *t, struct message *message)
{
    enum { TOPICS_OF_ONE = 4 };
    t->outputs = xcalloc(t->processor_count * TOPICS_OF_ONE + 1, sizeof *t->outputs);
    for (size_t c = 0; c < t->chain_count; c++) {
        for (size_t i = 0; i < t->chains[c].count; i++) {
            enum error e = route_processor(t, t->chains[c].processors[i], message);
            if (e)
                return e;
        }
    }
    t->output_names = xcalloc(t->output_count + 1, sizeof *t->output_names);
    for (size_t i = 0; i < t->output_count; i++)
        t->output_names[i] = t->outputs[i].name;
    return ERR_OK;
}
