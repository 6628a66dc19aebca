/* Functions over text, and size. Text is UTF-8 and counted in code points. Only ASCII letters have
 * a case and only ASCII white space is trimmed, so results never depend on a locale. */
#include "base/crypto.h"
#include "processors/expression/expression_internal.h"
#include "processors/values/utf8.h"

static bool is_text(const struct value *v)
{
    return v->type == VALUE_STRING || v->type == VALUE_BYTES;
}

static bool need_text(struct call *c, size_t argument)
{
    return c->arguments[argument].type == VALUE_STRING || call_fail_type(c, argument, "text");
}

/* The text of the first two arguments. A key or header may also be bytes. */
static bool need_two(struct call *c, struct bytes *text, struct bytes *part)
{
    *text = c->arguments[0].bytes;
    *part = c->arguments[1].bytes;
    for (size_t i = 0; i < 2; i++)
        if (!is_text(&c->arguments[i]))
            return call_fail_type(c, i, "text");
    return evaluation_spend(c->evaluation, c->node, text->size / 64);
}

/* Where `part` begins in `text` from `start` on, or the size. */
static size_t find_text(struct bytes text, size_t start, struct bytes part)
{
    if (part.size == 0)
        return start;
    const uint8_t *found = memmem(text.data + start, text.size - start, part.data, part.size);
    return found ? (size_t)(found - text.data) : text.size;
}

bool function_size(struct call *c, struct value *out)
{
    const struct value *v = &c->arguments[0];
    size_t size;
    if (v->type == VALUE_STRING)
        size = utf8_count(v->bytes);
    else if (v->type == VALUE_BYTES)
        size = v->bytes.size;
    else if (value_is_list(v) || value_is_map(v))
        size = list_count(v);
    else
        return call_fail_type(c, 0, "text, a list or a map");
    *out = value_int((int64_t)size);
    return evaluation_spend(c->evaluation, c->node, v->type == VALUE_JSON ? v->bytes.size / 64 : 0);
}

bool function_starts_with(struct call *c, struct value *out)
{
    struct bytes text, part;
    if (!need_two(c, &text, &part))
        return false;
    *out = value_bool(bytes_starts_with(text, part));
    return true;
}

bool function_ends_with(struct call *c, struct value *out)
{
    struct bytes text, part;
    if (!need_two(c, &text, &part))
        return false;
    *out = value_bool(part.size <= text.size &&
                      bytes_equal(bytes_from(text, text.size - part.size), part));
    return true;
}

bool function_contains(struct call *c, struct value *out)
{
    struct bytes text, part;
    if (!need_two(c, &text, &part))
        return false;
    *out = value_bool(part.size == 0 || find_text(text, 0, part) < text.size);
    return true;
}

bool prepare_matches(struct parser *p, struct expression_node *n)
{
    const struct expression_node *pattern = n->first->next;
    struct message message;
    if (pattern->kind != NODE_CONSTANT || pattern->constant.type != VALUE_STRING)
        return true;
    if (regex_compile(pattern->constant.bytes, p->arena, &n->regex, &message) == ERR_OK)
        return true;
    return parser_refuse(p, pattern, "%s", message.text);
}

bool function_matches(struct call *c, struct value *out)
{
    struct bytes text, pattern;
    const struct regex *regex = c->node->regex;
    struct message message;
    if (!need_two(c, &text, &pattern))
        return false;
    if (regex == NULL) {
        /* A pattern from the record is compiled for it, which costs as much as a long text. */
        if (!evaluation_spend(c->evaluation, c->node, 50 + pattern.size))
            return false;
        if (regex_compile(pattern, c->evaluation->arena, &regex, &message) != ERR_OK)
            return evaluation_fail(c->evaluation, c->node, "the pattern is not valid");
    }
    if (!evaluation_spend(c->evaluation, c->node, text.size * regex_size(regex) / 256))
        return false;
    *out = value_bool(regex_search(regex, text));
    return true;
}

static bool change_case(struct call *c, char first, char last, struct value *out)
{
    if (!need_text(c, 0))
        return false;
    struct bytes text = c->arguments[0].bytes;
    uint8_t *copy = evaluation_spend(c->evaluation, c->node, text.size / 64)
                        ? evaluation_alloc(c->evaluation, c->node, text.size, 1)
                        : NULL;
    if (copy == NULL)
        return false;
    for (size_t i = 0; i < text.size; i++)
        copy[i] = text.data[i] ^ (text.data[i] >= first && text.data[i] <= last ? 0x20 : 0);
    *out = value_string(bytes_of(copy, text.size));
    return true;
}

bool function_lower(struct call *c, struct value *out)
{
    return change_case(c, 'A', 'Z', out);
}

bool function_upper(struct call *c, struct value *out)
{
    return change_case(c, 'a', 'z', out);
}

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool function_trim(struct call *c, struct value *out)
{
    if (!need_text(c, 0))
        return false;
    struct bytes text = c->arguments[0].bytes;
    while (text.size > 0 && is_space(text.data[0]))
        text = bytes_from(text, 1);
    while (text.size > 0 && is_space(text.data[text.size - 1]))
        text.size--;
    *out = value_string(text);
    return true;
}

static size_t count_parts(struct bytes text, struct bytes separator)
{
    size_t count = 0;
    for (size_t at = 0; (at = find_text(text, at, separator)) < text.size; at += separator.size)
        count++;
    return count;
}

bool function_split(struct call *c, struct value *out)
{
    if (!need_text(c, 0) || !need_text(c, 1))
        return false;
    struct bytes text = c->arguments[0].bytes, separator = c->arguments[1].bytes;
    if (separator.size == 0)
        return evaluation_fail(c->evaluation, c->node, "split needs a separator that is not empty");
    size_t count = count_parts(text, separator) + 1, start = 0;
    if (!evaluation_spend(c->evaluation, c->node, count + text.size / 64))
        return false;
    struct value *items = evaluation_alloc(c->evaluation, c->node, count, sizeof *items);
    if (items == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t end = find_text(text, start, separator);
        items[i] = value_string(bytes_of(text.data + start, end - start));
        start = end + separator.size;
    }
    *out = (struct value){.type = VALUE_LIST, .list = {items, count}};
    return true;
}

/* The elements' texts; a null is empty. */
static bool join_parts(struct call *c, struct bytes *parts, size_t count, size_t *size)
{
    struct list_walk walk = {.list = &c->arguments[0]};
    struct value item;
    *size = 0;
    for (size_t i = 0; i < count && list_next(c->evaluation, &walk, &item); i++) {
        parts[i] = BYTES_LITERAL("");
        if (item.type != VALUE_NULL && !text_of(c, &item, &parts[i]))
            return false;
        *size += parts[i].size;
    }
    return true;
}

bool function_join(struct call *c, struct value *out)
{
    if (!value_is_list(&c->arguments[0]))
        return call_fail_type(c, 0, "a list");
    if (c->count > 1 && !need_text(c, 1))
        return false;
    struct bytes separator = c->count > 1 ? c->arguments[1].bytes : BYTES_LITERAL("");
    size_t count = list_count(&c->arguments[0]), size;
    if (!evaluation_spend(c->evaluation, c->node, count))
        return false;
    struct bytes *parts = evaluation_alloc(c->evaluation, c->node, count, sizeof *parts);
    if (parts == NULL || !join_parts(c, parts, count, &size))
        return false;
    size += count > 0 ? separator.size * (count - 1) : 0;
    uint8_t *text = evaluation_spend(c->evaluation, c->node, size / 64)
                        ? evaluation_alloc(c->evaluation, c->node, size, 1)
                        : NULL;
    if (text == NULL)
        return false;
    uint8_t *at = text;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            at = (uint8_t *)mempcpy(at, separator.data, separator.size);
        at = (uint8_t *)mempcpy(at, parts[i].data, parts[i].size);
    }
    *out = value_string(bytes_of(text, size));
    return true;
}

/* A position in a text, at most its end. A negative one counts from the end. */
static size_t clamp_position(int64_t position, size_t count)
{
    if (position < 0)
        return position < -(int64_t)count ? 0 : count - (size_t)-position;
    return (uint64_t)position > count ? count : (size_t)position;
}

bool function_substr(struct call *c, struct value *out)
{
    if (!need_text(c, 0))
        return false;
    for (size_t i = 1; i < c->count; i++)
        if (c->arguments[i].type != VALUE_INT)
            return call_fail_type(c, i, "an int");
    struct bytes text = c->arguments[0].bytes;
    size_t count = utf8_count(text), start = clamp_position(c->arguments[1].integer, count);
    int64_t length = c->count > 2 ? MAX(c->arguments[2].integer, 0) : INT64_MAX;
    size_t first = utf8_offset(text, start);
    struct bytes rest = bytes_from(text, first);
    if ((uint64_t)length < count - start)
        rest.size = utf8_offset(rest, (size_t)length);
    *out = value_string(rest);
    return evaluation_spend(c->evaluation, c->node, text.size / 64);
}

bool function_replace(struct call *c, struct value *out)
{
    for (size_t i = 0; i < 3; i++)
        if (!need_text(c, i))
            return false;
    struct bytes text = c->arguments[0].bytes, from = c->arguments[1].bytes;
    struct bytes to = c->arguments[2].bytes;
    size_t count = from.size > 0 ? count_parts(text, from) : 0;
    size_t size = text.size - count * from.size + count * to.size, start = 0;
    *out = c->arguments[0];
    if (count == 0)
        return evaluation_spend(c->evaluation, c->node, text.size / 64);
    uint8_t *copy = evaluation_spend(c->evaluation, c->node, count + size / 64)
                        ? evaluation_alloc(c->evaluation, c->node, size, 1)
                        : NULL;
    if (copy == NULL)
        return false;
    uint8_t *at = copy;
    for (; count > 0; count--) {
        size_t end = find_text(text, start, from);
        at = (uint8_t *)mempcpy(at, text.data + start, end - start);
        at = (uint8_t *)mempcpy(at, to.data, to.size);
        start = end + from.size;
    }
    memcpy(at, text.data + start, text.size - start);
    *out = value_string(bytes_of(copy, size));
    return true;
}

/* The first 128 bits of SHA-256, as text. */
bool function_hash(struct call *c, struct value *out)
{
    enum { KEPT = 16 };
    struct bytes text = c->arguments[0].bytes;
    uint8_t digest[SHA256_SIZE];
    if (!is_text(&c->arguments[0]) && !text_of(c, &c->arguments[0], &text))
        return false;
    char *hex = evaluation_spend(c->evaluation, c->node, 10 + text.size / 64)
                    ? evaluation_alloc(c->evaluation, c->node, KEPT, 2)
                    : NULL;
    if (hex == NULL)
        return false;
    sha256(text, digest);
    for (size_t i = 0; i < KEPT; i++) {
        hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    *out = value_string(bytes_of(hex, (size_t)KEPT * 2));
    return true;
}

/* Hides the whole text if it is not longer than the part that may stay visible. */
bool function_mask(struct call *c, struct value *out)
{
    struct bytes text;
    if (c->arguments[1].type != VALUE_INT || c->arguments[1].integer < 0)
        return evaluation_fail(c->evaluation, c->node,
                               "mask needs the number of characters to keep, at least 0");
    if (!text_of(c, &c->arguments[0], &text))
        return false;
    size_t count = utf8_count(text);
    size_t keep = (uint64_t)c->arguments[1].integer < count ? (size_t)c->arguments[1].integer : 0;
    struct bytes tail = bytes_from(text, utf8_offset(text, count - keep));
    size_t size = count - keep + tail.size;
    uint8_t *masked = evaluation_spend(c->evaluation, c->node, size / 64)
                          ? evaluation_alloc(c->evaluation, c->node, size, 1)
                          : NULL;
    if (masked == NULL)
        return false;
    memset(masked, '*', count - keep);
    memcpy(masked + (count - keep), tail.data, tail.size);
    *out = value_string(bytes_of(masked, size));
    return true;
}
