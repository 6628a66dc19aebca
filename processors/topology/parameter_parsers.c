#include "processors/topology/parameter_parsers.h"

#include "base/compiler.h"
#include "base/suggest.h"
#include "base/units.h"
#include "processors/topology/config_text.h"

enum { MAX_COUNT = 50000000, MAX_PARTITIONS = 10000 };

static enum error refuse_word(const struct parameter *p, struct bytes text, struct message *why)
{
    for (size_t i = 0; p->planned && p->planned[i]; i++) {
        if (bytes_equal_string(text, p->planned[i])) {
            message_set(why, "%s is not built yet", p->planned[i]);
            return ERR_INVALID;
        }
    }
    struct buffer list;
    buffer_init(&list, 512);
    for (size_t i = 0; p->words[i]; i++)
        buffer_printf(&list, "%s%s", i ? ", " : "", p->words[i]);
    if (p->parse == parse_start)
        buffer_append_string(&list, ", @<time>");
    const char *near = suggest(text, p->words);
    const char *later = near || !p->planned ? NULL : suggest(text, p->planned);
    if (near || later)
        buffer_printf(&list, "; did you mean %s?%s", near ? near : later,
                      near ? "" : " It is not built yet");
    message_set(why, "'%.*s' is not allowed; allowed: %s", BYTES_PRINTF(text),
                buffer_c_string(&list));
    buffer_free(&list);
    return ERR_INVALID;
}

enum error parse_word(const struct parameter *p, struct bytes text, void *field,
                      struct message *why)
{
    ASSERT(p->words && p->words[0]);
    for (int i = 0; p->words[i]; i++) {
        if (bytes_equal_string(text, p->words[i])) {
            *(int *)field = i;
            return ERR_OK;
        }
    }
    return refuse_word(p, text, why);
}

enum error parse_bool(const struct parameter *p, struct bytes text, void *field,
                      struct message *why)
{
    int value = 0;
    enum error e = parse_word(p, text, &value, why);
    *(bool *)field = value == 1;
    return e;
}

enum error parse_duration(const struct parameter *p UNUSED, struct bytes text, void *field,
                          struct message *why)
{
    if (config_duration(text, field))
        return ERR_OK;
    config_refuse_duration(text, why);
    return ERR_INVALID;
}

enum error parse_duration_or_off(const struct parameter *p, struct bytes text, void *field,
                                 struct message *why)
{
    if (!bytes_equal_string(text, "off"))
        return parse_duration(p, text, field, why);
    *(int64_t *)field = -1;
    return ERR_OK;
}

enum error parse_positive_duration(const struct parameter *p, struct bytes text, void *field,
                                   struct message *why)
{
    enum error e = parse_duration(p, text, field, why);
    if (e == ERR_OK && *(int64_t *)field == 0) {
        message_set(why, "must be longer than 0");
        return ERR_INVALID;
    }
    return e;
}

enum error parse_size(const struct parameter *p UNUSED, struct bytes text, void *field,
                      struct message *why)
{
    if (parse_size_bytes(text, field) && *(int64_t *)field >= 0)
        return ERR_OK;
    message_set(why, "'%.*s' is not a size such as 512MiB or 10GiB", BYTES_PRINTF(text));
    return ERR_INVALID;
}

static enum error parse_number(struct bytes text, int64_t max, int64_t *out, struct message *why)
{
    if (parse_i64(text, out) && *out >= 1 && *out <= max)
        return ERR_OK;
    message_set(why, "'%.*s' is not a number from 1 to %lld", BYTES_PRINTF(text), (long long)max);
    return ERR_INVALID;
}

enum error parse_count(const struct parameter *p UNUSED, struct bytes text, void *field,
                       struct message *why)
{
    return parse_number(text, MAX_COUNT, field, why);
}

enum error parse_partitions(const struct parameter *p UNUSED, struct bytes text, void *field,
                            struct message *why)
{
    return parse_number(text, MAX_PARTITIONS, field, why);
}

enum error parse_topic(const struct parameter *p UNUSED, struct bytes text, void *field,
                       struct message *why)
{
    if (!config_is_topic_name(text)) {
        message_set(why,
                    "'%.*s' is not a topic name (letters, digits, '.', '_' and '-', at most "
                    "249)",
                    BYTES_PRINTF(text));
        return ERR_INVALID;
    }
    *(struct bytes *)field = text;
    return ERR_OK;
}

enum error parse_processor_name(const struct parameter *p UNUSED, struct bytes text, void *field,
                                struct message *why)
{
    if (!config_is_processor_name(text)) {
        message_set(why, "'%.*s' is not a processor name", BYTES_PRINTF(text));
        return ERR_INVALID;
    }
    *(struct bytes *)field = text;
    return ERR_OK;
}

enum error parse_text(const struct parameter *p UNUSED, struct bytes text, void *field,
                      struct message *why UNUSED)
{
    *(struct bytes *)field = text;
    return ERR_OK;
}

enum error parse_expression(const struct parameter *p UNUSED, struct bytes text, void *field,
                            struct message *why)
{
    struct expression **e = field;
    expression_free(*e);
    *e = NULL;
    return expression_compile(text, e, why);
}

enum error parse_condition(const struct parameter *p UNUSED, struct bytes text, void *field,
                           struct message *why)
{
    struct expression **e = field;
    expression_free(*e);
    *e = NULL;
    return expression_compile_condition(text, e, why);
}

enum error parse_expressions(const struct parameter *p UNUSED, struct bytes text, void *field,
                             struct message *why)
{
    return expression_list_compile(text, field, why);
}

enum error parse_timestamp(const struct parameter *p, struct bytes text, void *field,
                           struct message *why)
{
    return bytes_equal_string(text, "record") ? ERR_OK : parse_expression(p, text, field, why);
}

enum error parse_start(const struct parameter *p, struct bytes text, void *field,
                       struct message *why)
{
    struct processor *processor = CONTAINER_OF((enum chain_start *)field, struct processor, start);
    int word = 0;
    if (text.size > 0 && text.data[0] == '@') {
        processor->start = START_TIME;
        /* The parser has no clock, so it takes absolute times only. */
        if (text.size > 1 && text.data[1] != '-' && text.data[1] != '+' &&
            parse_time_ms(bytes_from(text, 1), 0, &processor->start_ms))
            return ERR_OK;
        message_set(why, "'%.*s' is not a time such as @2026-11-20 or @1795132800000",
                    BYTES_PRINTF(text));
        return ERR_INVALID;
    }
    if (bytes_starts_with(text, BYTES_LITERAL("savepoint:"))) {
        message_set(why, "savepoints are not built yet");
        return ERR_INVALID;
    }
    enum error e = parse_word(p, text, &word, why);
    processor->start = word == 0 ? START_EARLIEST : START_LATEST;
    return e;
}

/* drop, pass and tag are words where the table allows them; anything else is a topic. */
static enum error parse_disposal(const struct parameter *p, struct bytes text, int *disposal,
                                 struct bytes *topic, struct message *why)
{
    static const char *const names[] = {
        [DISPOSE_DROP] = "drop", [DISPOSE_PASS] = "pass", [DISPOSE_TAG] = "tag"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (!bytes_equal_string(text, names[i]))
            continue;
        for (size_t w = 0; p->words[w]; w++) {
            if (strcmp(p->words[w], names[i]) == 0) {
                *disposal = (int)i;
                return ERR_OK;
            }
        }
        message_set(why, "'%s' is not allowed here", names[i]);
        return ERR_INVALID;
    }
    *disposal = DISPOSE_TOPIC;
    return parse_topic(p, text, topic, why);
}

enum error parse_late(const struct parameter *p, struct bytes text, void *field,
                      struct message *why)
{
    struct processor *processor = CONTAINER_OF((struct bytes *)field, struct processor, late);
    return parse_disposal(p, text, &processor->late_disposal, field, why);
}

enum error parse_duplicates(const struct parameter *p, struct bytes text, void *field,
                            struct message *why)
{
    struct processor *processor = CONTAINER_OF((struct bytes *)field, struct processor, duplicates);
    return parse_disposal(p, text, &processor->duplicates_disposal, field, why);
}
