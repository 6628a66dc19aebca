#include "processors/topology/topology_internal.h"

#include "base/compiler.h"
#include "base/crc32c.h"
#include "processors/topology/config_text.h"
#include "processors/topology/parameters.h"

#include <stdio.h>
#include <stdlib.h>

#define PREFIX "processor."

/* A topic's configs are bounded by the request that carries them. */
static const size_t MAX_TEXT_BYTES = 64 << 20;

bool topology_is_processor_key(struct bytes config_name)
{
    return bytes_starts_with(config_name, BYTES_LITERAL(PREFIX));
}

/* Splits processor.<name>.<parameter>. */
static enum error split_config_name(struct bytes config_name, struct bytes *processor,
                                    struct bytes *parameter, struct message *message)
{
    struct bytes rest = bytes_from(config_name, strlen(PREFIX));
    const uint8_t *dot = rest.size ? memchr(rest.data, '.', rest.size) : NULL;
    if (dot == NULL) {
        message_set(message, "%.*s: a processor's config is " PREFIX "<name>.<parameter>",
                    BYTES_PRINTF(config_name));
        return ERR_INVALID;
    }
    *processor = bytes_of(rest.data, (size_t)(dot - rest.data));
    *parameter = bytes_from(rest, processor->size + 1);
    if (config_is_processor_name(*processor))
        return ERR_OK;
    message_set(message,
                "%.*s: '%.*s' is not a processor name: at most 63 lower-case letters, digits and "
                "'-', not starting with '-'",
                BYTES_PRINTF(config_name), BYTES_PRINTF(*processor));
    return ERR_INVALID;
}

struct processor *topology_find(const struct topology *t, struct bytes name)
{
    for (size_t i = 0; i < t->processor_count; i++) {
        if (bytes_equal(t->processors[i].name, name))
            return &t->processors[i];
    }
    return NULL;
}

static enum error add_processor(struct topology *t, struct bytes name, struct processor **out,
                                struct message *message)
{
    *out = topology_find(t, name);
    if (*out)
        return ERR_OK;
    if (t->processor_count == MAX_PROCESSORS)
        return processor_refuse(message, name, "", "more than %d processors on one topic",
                                MAX_PROCESSORS);
    *out = &t->processors[t->processor_count++];
    (*out)->name = arena_copy(&t->arena, name);
    return ERR_OK;
}

static enum error refuse_without_type(const struct processor *p, struct message *message)
{
    struct buffer types;
    buffer_init(&types, PROCESSOR_TYPES_TEXT_MAX);
    processor_types_append(&types, "or");
    processor_refuse(message, p->name, "type", "required: %s", buffer_c_string(&types));
    buffer_free(&types);
    return ERR_INVALID;
}

/* First pass: the processors and their types. */
static enum error read_types(struct topology *t, const struct config_pair *pairs, size_t count,
                             struct message *message)
{
    for (size_t i = 0; i < count; i++) {
        struct bytes name, parameter;
        struct processor *p;
        struct message why;
        if (!topology_is_processor_key(pairs[i].name))
            continue;
        enum error e = split_config_name(pairs[i].name, &name, &parameter, message);
        if (e == ERR_OK)
            e = add_processor(t, name, &p, message);
        if (e)
            return e;
        if (!bytes_equal_string(parameter, "type"))
            continue;
        if (parameter_parse_type(config_trim(pairs[i].value), &p->type, &why))
            return processor_refuse(message, name, "type", "%s", why.text);
    }
    for (size_t i = 0; i < t->processor_count; i++) {
        struct processor *p = &t->processors[i];
        if (p->type == NULL)
            return refuse_without_type(p, message);
        parameters_default(p);
    }
    return ERR_OK;
}

/* The caller combines the digests by XOR, so the order of the pairs does not matter. */
static uint32_t digest_of(struct bytes parameter, struct bytes value)
{
    uint32_t crc = crc32c(0, parameter.data, parameter.size);
    crc = crc32c(crc, "=", 1);
    return value.size > 0 ? crc32c(crc, value.data, value.size) : crc;
}

static enum error set_parameter(struct topology *t, struct processor *p, struct bytes parameter,
                                struct bytes value, struct message *message)
{
    struct message why;
    char name[128];
    snprintf(name, sizeof name, "%.*s", BYTES_PRINTF(parameter));
    bool had_dead_letters = !bytes_is_null(p->dead_letters);
    if (parameter_set(p, parameter, config_trim(arena_copy(&t->arena, value)), &why))
        return processor_refuse(message, p->name, name, "%s", why.text);
    const char *of_chain = parameter_of_chain(parameter);
    if (of_chain)
        p->chain_parameter = of_chain;
    if (had_dead_letters && (bytes_equal_string(parameter, "dlq") ||
                             bytes_equal_string(parameter, "errors.deadletterqueue.topic.name")))
        return processor_refuse(
            message, p->name, name,
            "dlq and errors.deadletterqueue.topic.name mean the same; set only one");
    return ERR_OK;
}

/* Second pass: everything else. */
static enum error read_parameters(struct topology *t, const struct config_pair *pairs, size_t count,
                                  struct message *message)
{
    for (size_t i = 0; i < count; i++) {
        struct bytes name, parameter;
        if (!topology_is_processor_key(pairs[i].name))
            continue;
        enum error e = split_config_name(pairs[i].name, &name, &parameter, message);
        if (e)
            return e;
        struct processor *p = topology_find(t, name);
        ASSERT(p && p->type);
        p->digest ^= digest_of(parameter, pairs[i].value);
        if (bytes_equal_string(parameter, "type"))
            continue;
        for (size_t j = 0; j < i; j++) {
            if (bytes_equal(pairs[i].name, pairs[j].name))
                return processor_refuse(message, name, "", "%.*s is set twice",
                                        BYTES_PRINTF(parameter));
        }
        e = set_parameter(t, p, parameter, pairs[i].value, message);
        if (e)
            return e;
    }
    return ERR_OK;
}

/* The version that dead letters name: the version of the state, and a digest that changes with
 * every change of the configuration. */
static void set_versions(struct topology *t)
{
    for (size_t c = 0; c < t->chain_count; c++) {
        const struct chain *chain = &t->chains[c];
        int64_t version = chain_first(chain)->state_version;
        for (size_t i = 0; i < chain->count; i++) {
            struct processor *p = chain->processors[i];
            p->version =
                bytes_string(arena_printf(&t->arena, "%lld-%08x", (long long)version, p->digest));
        }
    }
}

static void topology_free(struct topology *t)
{
    for (size_t i = 0; i < t->processor_count; i++)
        parameters_free(&t->processors[i]);
    for (size_t i = 0; i < t->chain_count; i++)
        free(t->chains[i].processors);
    free(t->processors);
    free(t->chains);
    free(t->outputs);
    free(t->output_names);
    arena_free(&t->arena);
    free(t);
}

static struct topology *topology_create(const struct topology_topic *topic)
{
    struct topology *t = xcalloc(1, sizeof *t);
    atomic_init(&t->references, 1);
    arena_init(&t->arena, MAX_TEXT_BYTES);
    t->topic = arena_copy(&t->arena, topic->name);
    t->partitions = topic->partitions;
    t->processors = xcalloc(MAX_PROCESSORS, sizeof *t->processors);
    return t;
}

enum error topology_parse(const struct topology_topic *topic, const struct config_pair *pairs,
                          size_t count, struct topology **out, struct message *message,
                          struct buffer *warnings)
{
    *out = NULL;
    struct topology *t = topology_create(topic);
    enum error e = read_types(t, pairs, count, message);
    if (e == ERR_OK)
        e = read_parameters(t, pairs, count, message);
    if (e == ERR_OK)
        e = topology_link(t, message);
    if (e == ERR_OK)
        e = topology_check(t, message, warnings);
    if (e == ERR_OK)
        e = topology_route(t, message);
    if (e == ERR_OK && t->arena.exhausted) {
        message_set(message, "the configs are larger than %zu bytes", MAX_TEXT_BYTES);
        e = ERR_TOO_LARGE;
    }
    if (e || t->processor_count == 0) {
        topology_free(t);
        return e;
    }
    set_versions(t);
    *out = t;
    return ERR_OK;
}

struct topology *topology_ref(struct topology *t)
{
    atomic_fetch_add_explicit(&t->references, 1, memory_order_relaxed);
    return t;
}

void topology_unref(struct topology *t)
{
    if (t && atomic_fetch_sub_explicit(&t->references, 1, memory_order_acq_rel) == 1)
        topology_free(t);
}

bool topology_output(const struct topology *t, size_t index, struct bytes *topic,
                     bool *is_dead_letter)
{
    if (index >= t->output_count)
        return false;
    *topic = t->outputs[index].name;
    *is_dead_letter = t->outputs[index].is_dead_letter;
    return true;
}

struct bytes topology_output_parameter(const struct topology *t, size_t index)
{
    ASSERT(index < t->output_count);
    return t->outputs[index].parameter;
}

const struct bytes *topology_output_names(const struct topology *t, size_t *count)
{
    *count = t->output_count;
    return t->output_names;
}

int32_t topology_output_partitions(const struct topology *t, struct bytes topic)
{
    for (size_t i = 0; i < t->output_count; i++) {
        if (bytes_equal(t->outputs[i].name, topic) && t->outputs[i].partitions > 0)
            return t->outputs[i].partitions;
    }
    return t->partitions;
}

size_t topology_chain_count(const struct topology *t)
{
    return t->chain_count;
}

const struct chain *topology_chain(const struct topology *t, size_t index)
{
    ASSERT(index < t->chain_count);
    return &t->chains[index];
}
