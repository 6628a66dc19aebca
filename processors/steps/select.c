#include "processors/steps/select.h"

#include "base/compiler.h"
#include "base/crc32c.h"
#include "base/suggest.h"
#include "processors/topology/config_text.h"

#include <stdlib.h>

/* Splits "fn(...) as name". */
static enum error split_item(struct bytes item, struct bytes *call, struct bytes *name,
                             struct message *message)
{
    size_t as = config_find_word(item, "as");
    if (as == item.size) {
        message_set(message, "'%.*s' has no name: write '%.*s as <name>'", BYTES_PRINTF(item),
                    BYTES_PRINTF(item));
        return ERR_INVALID;
    }
    *call = config_trim(bytes_of(item.data, as));
    *name = config_trim(bytes_from(item, as + strlen("as")));
    if (!config_is_identifier(*name)) {
        message_set(message,
                    "'%.*s' is not a name (letters, digits and _, not starting with a "
                    "digit)",
                    BYTES_PRINTF(*name));
        return ERR_INVALID;
    }
    return ERR_OK;
}

static enum error find_function(struct bytes name, const struct accumulator_type **out,
                                struct message *message)
{
    *out = accumulator_find(name);
    if (*out)
        return ERR_OK;
    if (accumulator_is_planned(name)) {
        message_set(message,
                    "%.*s() is not built yet; built are count, sum, avg, min, max, first "
                    "and last",
                    BYTES_PRINTF(name));
        return ERR_INVALID;
    }
    const char *near = suggest(name, accumulator_names());
    message_set(message, "unknown function '%.*s'%s%s%s", BYTES_PRINTF(name),
                near ? "; did you mean " : "; allowed are count, sum, avg, min, max, first, last",
                near ? near : "", near ? "?" : "");
    return ERR_INVALID;
}

static enum error compile(struct bytes source, const char *what, bool is_condition,
                          struct expression **out, struct message *message)
{
    struct message why = {{0}};
    if (source.size == 0) {
        message_set(message, "%s is empty", what);
        return ERR_INVALID;
    }
    enum error e = is_condition ? expression_compile_condition(source, out, &why)
                                : expression_compile(source, out, &why);
    if (e)
        message_set(message, "in '%.*s': %s", BYTES_PRINTF(source), why.text);
    return e;
}

/* Parses "[expression] [where expression]". */
static enum error parse_call_arguments(struct bytes text, struct select_item *a,
                                       struct message *message)
{
    size_t where = config_find_word(text, "where");
    struct bytes argument = config_trim(bytes_of(text.data, where)), rest = argument, part;
    if (argument.size > 0) {
        config_next_part(&rest, ',', &part);
        if (!bytes_is_null(rest)) {
            message_set(message, "%s() takes one argument", a->type->name);
            return ERR_INVALID;
        }
        enum error e = compile(argument, "the argument", false, &a->argument, message);
        if (e)
            return e;
    } else if (a->type->argument_wanted) {
        message_set(message, "%s() needs an argument", a->type->name);
        return ERR_INVALID;
    }
    if (where == text.size)
        return ERR_OK;
    struct bytes condition = config_trim(bytes_from(text, where + strlen("where")));
    return compile(condition, "the condition after where", true, &a->where, message);
}

static uint32_t identity_of(const struct select_item *a)
{
    uint32_t crc = crc32c(0, a->type->name, strlen(a->type->name));
    const struct expression *parts[] = {a->argument, a->where};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        struct bytes source = parts[i] ? expression_source(parts[i]) : BYTES_NULL;
        crc = crc32c(crc, "|", 1);
        if (source.size > 0)
            crc = crc32c(crc, source.data, source.size);
    }
    return crc;
}

static enum error parse_item(struct bytes item, struct select_item *a, struct message *message)
{
    struct bytes call, function, arguments;
    enum error e = split_item(item, &call, &a->name, message);
    if (e)
        return e;
    if (!config_call(call, &function, &arguments) || bytes_is_null(arguments)) {
        message_set(message, "'%.*s' is not of the form function(argument) as name",
                    BYTES_PRINTF(item));
        return ERR_INVALID;
    }
    e = find_function(function, &a->type, message);
    if (e)
        return e;
    e = parse_call_arguments(arguments, a, message);
    if (e)
        return e;
    a->identity = identity_of(a);
    return ERR_OK;
}

static bool has_name(const struct select *a, struct bytes name)
{
    for (size_t i = 0; i < a->count; i++) {
        if (bytes_equal(a->items[i].name, name))
            return true;
    }
    return false;
}

static enum error parse_items(struct bytes text, struct select *out, struct message *message)
{
    struct bytes item;
    while (config_next_part(&text, ';', &item)) {
        if (item.size == 0 && bytes_is_null(text) && out->count > 0)
            break; /* a final ; is fine */
        if (out->count == SELECT_MAX) {
            message_set(message, "more than %d aggregates", SELECT_MAX);
            return ERR_INVALID;
        }
        struct select_item a = {.at = out->row_size};
        enum error e = parse_item(item, &a, message);
        if (e == ERR_OK && has_name(out, a.name)) {
            message_set(message, "two aggregates have the name '%.*s'", BYTES_PRINTF(a.name));
            e = ERR_INVALID;
        }
        if (e) {
            expression_free(a.argument);
            expression_free(a.where);
            return e;
        }
        out->items[out->count++] = a;
        out->row_size += a.type->size;
        ASSERT(out->row_size % 8 == 0);
    }
    return ERR_OK;
}

enum error select_parse(struct bytes text, struct select *out, struct message *message)
{
    *out = (struct select){.items = xcalloc(SELECT_MAX, sizeof(struct select_item))};
    enum error e = parse_items(text, out, message);
    if (e)
        select_free(out);
    return e;
}

void select_free(struct select *a)
{
    for (size_t i = 0; i < a->count; i++) {
        expression_free(a->items[i].argument);
        expression_free(a->items[i].where);
    }
    free(a->items);
    *a = (struct select){0};
}

bool select_reads_value(const struct select *a)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct select_item *item = &a->items[i];
        if ((item->argument && expression_reads_value(item->argument)) ||
            (item->where && expression_reads_value(item->where)))
            return true;
    }
    return false;
}
