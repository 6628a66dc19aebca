#include "client-tools/pipeline/processor_file.h"

#include "base/properties.h"

#include <stdlib.h>

static const struct bytes prefix = {(const uint8_t *)"processor.", sizeof "processor." - 1};

bool processor_key_split(struct bytes key, struct bytes *processor, struct bytes *parameter)
{
    if (!bytes_starts_with(key, prefix))
        return false;
    struct bytes rest = bytes_from(key, prefix.size);
    const uint8_t *dot = rest.size ? memchr(rest.data, '.', rest.size) : NULL;
    if (dot == NULL || dot == rest.data || dot + 1 == rest.data + rest.size)
        return false;
    *processor = bytes_of(rest.data, (size_t)(dot - rest.data));
    *parameter = bytes_from(rest, processor->size + 1);
    return true;
}

void declarations_add(struct declarations *d, const struct declared_config *item,
                      struct arena *arena)
{
    if (d->count == d->capacity) {
        size_t capacity = d->capacity ? d->capacity * 2 : 64;
        struct declared_config *items = arena_array(arena, capacity, sizeof *items);
        ASSERT(items != NULL);
        if (d->count > 0)
            memcpy(items, d->items, d->count * sizeof *items);
        d->items = items;
        d->capacity = capacity;
    }
    d->items[d->count++] = *item;
}

static bool is_processor_name(struct bytes name)
{
    if (name.size == 0 || name.size > 63 || name.data[0] == '-')
        return false;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
            return false;
    }
    return true;
}

static bool read_section(const char *path, const struct property *p, struct declared_config *out,
                         struct failure *f)
{
    if (bytes_is_null(p->section)) {
        fail_usage(f, "%s:%d: %.*s is before the first section", path, p->line,
                   BYTES_PRINTF(p->key));
        message_set(&f->hint, "sections are [TOPIC/PROCESSOR] or [TOPIC]");
        return false;
    }
    const uint8_t *slash = memchr(p->section.data, '/', p->section.size);
    *out = (struct declared_config){.topic = p->section,
                                    .processor = BYTES_NULL,
                                    .key = p->key,
                                    .parameter = p->key,
                                    .value = p->value,
                                    .path = path,
                                    .line = p->line};
    if (slash == NULL)
        return p->section.size > 0 ||
               fail_usage(f, "%s:%d: the section names no topic", path, p->line);
    out->topic.size = (size_t)(slash - p->section.data);
    out->processor = bytes_from(p->section, out->topic.size + 1);
    if (out->topic.size == 0 || !is_processor_name(out->processor)) {
        fail_usage(f, "%s:%d: [%.*s] is not [TOPIC/PROCESSOR]", path, p->line,
                   BYTES_PRINTF(p->section));
        message_set(&f->hint, "a processor name has at most 63 characters: a-z, 0-9 and -");
        return false;
    }
    return true;
}

static bool is_declared(const struct declarations *d, const struct declared_config *item)
{
    for (size_t i = 0; i < d->count; i++) {
        if (bytes_equal(d->items[i].key, item->key) && bytes_equal(d->items[i].topic, item->topic))
            return true;
    }
    return false;
}

bool processor_file_parse(const char *path, struct bytes text, struct arena *arena,
                          struct declarations *d, struct failure *f)
{
    struct properties_reader reader = properties_reader_of(text, true);
    struct property p;
    struct message message = {""};
    while (properties_next(&reader, arena, &p, &message)) {
        struct declared_config item;
        if (!read_section(path, &p, &item, f))
            return false;
        if (!bytes_is_null(item.processor))
            item.key = bytes_string(arena_printf(arena, "processor.%.*s.%.*s",
                                                 BYTES_PRINTF(item.processor),
                                                 BYTES_PRINTF(item.parameter)));
        if (is_declared(d, &item))
            return fail_usage(f, "%s:%d: %.*s of topic %.*s is declared twice", path, p.line,
                              BYTES_PRINTF(item.key), BYTES_PRINTF(item.topic));
        declarations_add(d, &item, arena);
    }
    return message.text[0] == '\0' || fail_usage(f, "%s: %s", path, message.text);
}

static bool same_processor(const struct declared_config *a, const struct declared_config *b)
{
    return bytes_equal(a->topic, b->topic) && bytes_equal(a->processor, b->processor) &&
           bytes_is_null(a->processor) == bytes_is_null(b->processor);
}

/* Orders parameters by name, except that `type` comes first. */
static int by_section(const void *a, const void *b)
{
    const struct declared_config *x = a, *y = b;
    int order = bytes_compare(x->topic, y->topic);
    if (order == 0 && bytes_is_null(x->processor) != bytes_is_null(y->processor))
        return bytes_is_null(x->processor) ? -1 : 1;
    if (order == 0)
        order = bytes_compare(x->chain, y->chain);
    if (order == 0 && !bytes_is_null(x->processor)) {
        bool x_type = bytes_equal_string(x->parameter, "type");
        bool y_type = bytes_equal_string(y->parameter, "type");
        if (x_type != y_type)
            return x_type ? -1 : 1;
    }
    return order ? order : bytes_compare(x->parameter, y->parameter);
}

/* The `after` of a processor, among the declarations [from, to) of its topic. */
static struct bytes before_it(const struct declarations *d, size_t from, size_t to,
                              struct bytes processor)
{
    for (size_t i = from; i < to; i++) {
        if (bytes_equal(d->items[i].processor, processor) &&
            bytes_equal_string(d->items[i].parameter, "after"))
            return d->items[i].value;
    }
    return BYTES_NULL;
}

/* The sort key of a processor: "check\1uniq\1m1" for m1 after uniq after check. \1 sorts before the
 * characters of names, so a chain stays together. A circle (no broker accepts one) ends at
 * MAX_DEPTH. */
static struct bytes chain_of(const struct declarations *d, size_t from, size_t to,
                             struct bytes processor, struct arena *arena)
{
    enum { MAX_DEPTH = 32 };
    struct bytes chain = processor, one = processor;
    for (int depth = 0; depth < MAX_DEPTH; depth++) {
        one = before_it(d, from, to, one);
        if (bytes_is_null(one))
            break;
        chain =
            bytes_string(arena_printf(arena, "%.*s\1%.*s", BYTES_PRINTF(one), BYTES_PRINTF(chain)));
    }
    return chain;
}

static void sort(struct declarations *d)
{
    if (d->count > 1)
        qsort(d->items, d->count, sizeof *d->items, by_section);
}

void declarations_sort(struct declarations *d, struct arena *arena)
{
    for (size_t i = 0; i < d->count; i++)
        d->items[i].chain = d->items[i].processor;
    sort(d); /* by name first: brings the declarations of one processor together */
    for (size_t from = 0, to = 0; from < d->count; from = to) {
        while (to < d->count && bytes_equal(d->items[to].topic, d->items[from].topic))
            to++;
        for (size_t i = from; i < to; i++) {
            struct declared_config *c = &d->items[i];
            if (bytes_is_null(c->processor))
                continue;
            c->chain = i > from && same_processor(c - 1, c)
                           ? (c - 1)->chain
                           : chain_of(d, from, to, c->processor, arena);
        }
    }
    sort(d);
}

/* Doubles every backslash, because one before another or before u is special. Writes line ends, and
 * blanks at both ends, as escapes. */
static void append_value(struct buffer *out, struct bytes value)
{
    for (size_t i = 0; i < value.size; i++) {
        uint8_t c = value.data[i];
        bool at_end = i == 0 || i + 1 == value.size;
        if (c == '\\')
            buffer_append_string(out, "\\\\");
        else if (c < ' ' || (c == ' ' && at_end))
            buffer_printf(out, "\\u%04x", c);
        else
            buffer_append_u8(out, c);
    }
}

void processor_file_format(const struct declarations *d, struct buffer *out)
{
    for (size_t i = 0; i < d->count; i++) {
        const struct declared_config *c = &d->items[i], *before = i ? c - 1 : NULL;
        if (before == NULL || !same_processor(before, c)) {
            buffer_printf(out, "%s[%.*s", i ? "\n" : "", BYTES_PRINTF(c->topic));
            if (!bytes_is_null(c->processor))
                buffer_printf(out, "/%.*s", BYTES_PRINTF(c->processor));
            buffer_append_string(out, "]\n");
        }
        buffer_printf(out, "%.*s = ", BYTES_PRINTF(c->parameter));
        append_value(out, c->value);
        buffer_append_u8(out, '\n');
    }
}
