#include "client-tools/processor_file.h"

#include "base/properties.h"

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
        fail_usage(f, "%s:%d: %.*s stands before the first section", path, p->line,
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
                                    .line = p->line};
    if (slash == NULL)
        return p->section.size > 0 ||
               fail_usage(f, "%s:%d: a section without a topic", path, p->line);
    out->topic.size = (size_t)(slash - p->section.data);
    out->processor = bytes_from(p->section, out->topic.size + 1);
    if (out->topic.size == 0 || !is_processor_name(out->processor)) {
        fail_usage(f, "%s:%d: [%.*s] is not [TOPIC/PROCESSOR]", path, p->line,
                   BYTES_PRINTF(p->section));
        message_set(&f->hint, "a processor's name has a-z, 0-9 and -, at most 63 of them");
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
            return fail_usage(f, "%s:%d: %.*s of topic %.*s stands twice", path, p.line,
                              BYTES_PRINTF(item.key), BYTES_PRINTF(item.topic));
        declarations_add(d, &item, arena);
    }
    return message.text[0] == '\0' || fail_usage(f, "%s: %s", path, message.text);
}

/* Every backslash is doubled, since one before another or before u is special; blanks at the ends
 * and line ends are written as escapes. */
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
        bool same = before && bytes_equal(before->topic, c->topic) &&
                    bytes_equal(before->processor, c->processor);
        if (!same) {
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
