/* Checks of the whole set of processors: chains, required parameters, outputs. */
#include "processors/topology/topology_internal.h"

#include "base/compiler.h"
#include "base/suggest.h"
#include "processors/topology/parameters.h"

#include <stdio.h>
#include <stdlib.h>

/* Linking. */

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
    return processor_refuse(message, p->name, "after", "there is no processor '%.*s' on %.*s%s%s%s",
                            BYTES_PRINTF(p->after), BYTES_PRINTF(t->topic),
                            near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static enum error check_parent(const struct topology *t, const struct processor *p,
                               struct message *message)
{
    struct processor *parent = topology_find(t, p->after);
    if (parent == NULL)
        return refuse_unknown_parent(t, p, message);
    if (parent->type->no_follower)
        return processor_refuse(
            message, p->name, "after", "%s; declare %.*s on the output topic of %.*s",
            parent->type->no_follower, BYTES_PRINTF(p->name), BYTES_PRINTF(parent->name));
    parent->has_follower = true;
    size_t steps = 0;
    for (const struct processor *at = parent; at && !bytes_is_null(at->after);
         at = topology_find(t, at->after)) {
        if (++steps > t->processor_count)
            return processor_refuse(message, p->name, "after",
                                    "the processors of the chain form a cycle");
    }
    return ERR_OK;
}

/* Adds `p` and all processors that follow it. */
static void add_to_chain(const struct topology *t, struct chain *c, struct processor *p, int parent)
{
    int at = (int)c->count;
    ASSERT(parent == NO_PARENT || parent < at);
    p->parent = parent;
    c->processors[c->count++] = p;
    for (size_t i = 0; i < t->processor_count; i++) {
        if (!bytes_is_null(t->processors[i].after) && bytes_equal(t->processors[i].after, p->name))
            add_to_chain(t, c, &t->processors[i], at);
    }
}

static enum error parse_event_time(struct chain *c, struct message *message)
{
    struct processor *first = c->processors[0];
    struct message why;
    if (timestamp_format_parse(first->timestamp_format, BYTES_NULL, &first->time.format, &why))
        return processor_refuse(message, first->name, "timestamp.format", "%s", why.text);
    if (timestamp_format_parse(first->timestamp_format, first->timestamp_tz, &first->time.format,
                               &why))
        return processor_refuse(message, first->name, "timestamp.tz", "%s", why.text);
    for (size_t i = 1; i < c->count; i++) {
        struct processor *p = c->processors[i];
        if (p->chain_parameter)
            return processor_refuse(
                message, p->name, p->chain_parameter,
                "applies to the whole chain: set it on the first processor, %.*s",
                BYTES_PRINTF(first->name));
        p->time = first->time;
        p->time.timestamp = NULL; /* the first processor owns it */
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
        enum error e = parse_event_time(c, message);
        if (e)
            return e;
    }
    return ERR_OK;
}

/* Checking one processor. */

static enum error check_processor(const struct topology *t, struct processor *p,
                                  struct message *message, struct buffer *warnings)
{
    bool has_output = !bytes_is_null(p->output);
    if (!has_output && !p->has_follower && !p->type->may_lack_output)
        return processor_refuse(
            message, p->name, "output",
            "the processor has no output and no follower: its results would be lost");
    if (!has_output && p->output_partitions > 0)
        return processor_refuse(message, p->name, "output.partitions", "there is no output");
    struct processor_check check = {t->topic, t->partitions, message, warnings};
    return p->type->check ? p->type->check(p, &check) : ERR_OK;
}

enum error topology_check(const struct topology *t, struct message *message,
                          struct buffer *warnings)
{
    for (size_t i = 0; i < t->processor_count; i++) {
        struct processor *p = &t->processors[i];
        if (bytes_starts_with(t->topic, BYTES_LITERAL("dlq.")))
            return processor_refuse(message, p->name, "",
                                    "%.*s is a dead letter topic: its records would have no dead "
                                    "letter topic if they fail again",
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
        return processor_refuse(message, p->name, parameter,
                                "%.*s is the input topic: the processor would read its own output",
                                BYTES_PRINTF(name));
    for (size_t i = 0; i < t->output_count; i++) {
        if (!bytes_equal(t->outputs[i].name, name))
            continue;
        *index = (int)i;
        if (t->outputs[i].is_dead_letter == is_dead_letter)
            return ERR_OK;
        return processor_refuse(message, p->name, parameter,
                                "%.*s cannot receive both results and dead letters",
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
        return processor_refuse(message, p->name, "dlq", "required: the name dlq.%.*s is too long",
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
    ASSERT(p->output_topic != NO_TOPIC);
    struct output_topic *output = &t->outputs[p->output_topic];
    if (output->partitions > 0 && output->partitions != p->output_partitions)
        return processor_refuse(message, p->name, "output.partitions",
                                "another processor wants %d for %.*s", output->partitions,
                                BYTES_PRINTF(output->name));
    output->partitions = (int32_t)p->output_partitions;
    return ERR_OK;
}

enum error topology_route(struct topology *t, struct message *message)
{
    enum { TOPICS_OF_ONE = 4 };
    ASSERT(t->outputs == NULL && t->processor_count <= MAX_PROCESSORS);
    t->outputs = xcalloc(t->processor_count * TOPICS_OF_ONE + 1, sizeof *t->outputs);
    for (size_t c = 0; c < t->chain_count; c++) {
        for (size_t i = 0; i < t->chains[c].count; i++) {
            enum error e = route_processor(t, t->chains[c].processors[i], message);
            if (e)
                return e;
        }
    }
    ASSERT(t->output_count <= t->processor_count * TOPICS_OF_ONE);
    t->output_names = xcalloc(t->output_count + 1, sizeof *t->output_names);
    for (size_t i = 0; i < t->output_count; i++)
        t->output_names[i] = t->outputs[i].name;
    return ERR_OK;
}
