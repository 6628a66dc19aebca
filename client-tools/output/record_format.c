#include "client-tools/output/record_format.h"

#include "base/trace.h"
#include "base/units.h"
#include "client-tools/output/json_text.h"

#include <inttypes.h>

/* One piece of a format: a literal byte or a verb with its modifier. */
struct piece {
    uint8_t verb; /* 0: literal */
    uint8_t literal;
    struct bytes modifier; /* null: none */
};

static int hex_digit(uint8_t c)
{
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

static bool next_escape(struct bytes format, size_t *at, struct piece *out)
{
    static const char names[] = "ntr0\\", values[] = "\n\t\r\0\\";
    if (*at >= format.size)
        return false;
    uint8_t c = format.data[(*at)++];
    if (c == 'x' && *at + 2 <= format.size) {
        int high = hex_digit(format.data[*at]), low = hex_digit(format.data[*at + 1]);
        *at += 2;
        out->literal = (uint8_t)(high << 4 | low);
        return high >= 0 && low >= 0;
    }
    const char *name = memchr(names, c, sizeof names - 1);
    if (name == NULL)
        return false;
    out->literal = (uint8_t)values[name - names];
    return true;
}

/* Takes "{...}" at *at. Braces may be nested: %h{%v{hex}}. */
static bool next_modifier(struct bytes format, size_t *at, struct bytes *out)
{
    size_t start = *at + 1, depth = 0;
    for (size_t i = *at; i < format.size; i++) {
        depth += format.data[i] == '{';
        if (format.data[i] != '}' || --depth > 0)
            continue;
        *out = bytes_of(format.data + start, i - start);
        *at = i + 1;
        return true;
    }
    return false;
}

/* False at the end, or when the format is not valid (then *at is before the end). */
static bool next_piece(struct bytes format, size_t *at, struct piece *out)
{
    *out = (struct piece){.modifier = BYTES_NULL};
    if (*at >= format.size)
        return false;
    size_t start = *at;
    uint8_t c = format.data[(*at)++];
    out->literal = c;
    bool good = true;
    if (c == '\\') {
        good = next_escape(format, at, out);
    } else if (c == '%') {
        good = *at < format.size;
        if (good && format.data[*at] == '%') {
            (*at)++;
            return true;
        }
        out->verb = good ? format.data[(*at)++] : 0;
        if (good && *at < format.size && format.data[*at] == '{') {
            good = next_modifier(format, at, &out->modifier);
        }
    }
    if (!good)
        *at = start;
    return good;
}

static bool is_encoding(struct bytes modifier)
{
    return bytes_is_null(modifier) || bytes_equal_string(modifier, "hex") ||
           bytes_equal_string(modifier, "base64");
}

static bool verb_is_right(const struct piece *p, const char *verbs)
{
    if (p->verb == 0)
        return true;
    if (strchr(verbs, p->verb) == NULL)
        return false;
    switch (p->verb) {
    case 'k':
    case 'v':
        return is_encoding(p->modifier);
    case 'd':
        return bytes_is_null(p->modifier) || bytes_equal_string(p->modifier, "iso");
    case 'h':
        return true; /* the caller checks the modifier */
    default:
        return bytes_is_null(p->modifier);
    }
}

static bool check(struct bytes format, const char *verbs, struct message *message)
{
    struct piece p;
    size_t at = 0, start = 0;
    for (; next_piece(format, &at, &p); start = at) {
        bool good = verb_is_right(&p, verbs);
        if (!good)
            break;
        if (p.verb == 'h' && !bytes_is_null(p.modifier) && !check(p.modifier, "kv", message))
            return false;
    }
    if (start == format.size)
        return true;
    message_set(message, "unknown %.*s at position %zu; the fields are",
                (int)MIN(format.size - start, (size_t)6), (const char *)format.data + start,
                start + 1);
    for (const char *verb = verbs; *verb; verb++) {
        struct message before = *message;
        message_set(message, "%s %%%c", before.text, *verb);
    }
    return false;
}

bool record_format_check(struct bytes format, struct message *message)
{
    return check(format, "tpodkvheTKVHi", message);
}

static void append_encoded(struct buffer *out, struct bytes text, struct bytes modifier)
{
    if (bytes_equal_string(modifier, "hex"))
        append_hex(out, text);
    else if (bytes_equal_string(modifier, "base64"))
        append_base64(out, text);
    else
        buffer_append_bytes(out, text);
}

static void append_headers(struct buffer *out, struct bytes modifier, const struct record *record)
{
    struct bytes format = bytes_is_null(modifier) ? BYTES_LITERAL("%k=%v ") : modifier;
    struct record_header header;
    for (size_t at = 0; record_header_next(record, &at, &header);) {
        struct piece p;
        for (size_t i = 0; next_piece(format, &i, &p);) {
            if (p.verb == 0)
                buffer_append_u8(out, p.literal);
            else
                append_encoded(out, p.verb == 'k' ? header.key : header.value, p.modifier);
        }
    }
    if (bytes_is_null(modifier) && record->header_count > 0 && out->size > 0)
        out->size--; /* the blank after the last one */
}

static void append_time(struct buffer *out, struct bytes modifier, int64_t timestamp)
{
    char time[40];
    if (bytes_is_null(modifier)) {
        buffer_printf(out, "%" PRId64, timestamp);
        return;
    }
    format_rfc3339(timestamp, time);
    buffer_append_string(out, time);
}

static void append_piece(struct buffer *out, const struct piece *p,
                         const struct record_place *place, const struct record *record,
                         int64_t number)
{
    switch (p->verb) {
    case 0:
        buffer_append_u8(out, p->literal);
        break;
    case 't':
        buffer_append_bytes(out, place->topic);
        break;
    case 'k':
        append_encoded(out, record->key, p->modifier);
        break;
    case 'v':
        append_encoded(out, record->value, p->modifier);
        break;
    case 'h':
        append_headers(out, p->modifier, record);
        break;
    case 'd':
        append_time(out, p->modifier, record->timestamp);
        break;
    default: {
        int64_t value = p->verb == 'p'   ? place->partition
                        : p->verb == 'o' ? record->offset
                        : p->verb == 'e' ? place->leader_epoch
                        : p->verb == 'T' ? (int64_t)place->topic.size
                        : p->verb == 'K' ? (int64_t)record->key.size
                        : p->verb == 'V' ? (int64_t)record->value.size
                        : p->verb == 'H' ? record->header_count
                                         : number;
        buffer_printf(out, "%" PRId64, value);
    }
    }
}

void record_format_append(struct buffer *out, struct bytes format, const struct record_place *place,
                          const struct record *record, int64_t number)
{
    struct piece p;
    for (size_t at = 0; next_piece(format, &at, &p);)
        append_piece(out, &p, place, record, number);
}

static struct bytes without_line_end(struct bytes format)
{
    if (format.size >= 2 && memcmp(format.data + format.size - 2, "\\n", 2) == 0)
        format.size -= 2;
    return format;
}

bool record_format_check_input(struct bytes format, struct message *message)
{
    format = without_line_end(format);
    if (!check(format, "kvtpd", message))
        return false;
    struct piece p;
    bool after_verb = false;
    for (size_t at = 0; next_piece(format, &at, &p); after_verb = p.verb != 0) {
        if (p.verb && after_verb) {
            message_set(message, "%%%c must be separated from the field before it", p.verb);
            return false;
        }
        if (p.verb && !bytes_is_null(p.modifier)) {
            message_set(message, "%%%c accepts no {...} in an input format", p.verb);
            return false;
        }
    }
    return true;
}

/* Takes the literal text at *at, up to the next verb. */
static struct bytes take_literal(struct bytes format, size_t *at, uint8_t *space, size_t capacity)
{
    size_t size = 0;
    struct piece p;
    for (size_t next = *at; next_piece(format, &next, &p) && p.verb == 0; *at = next) {
        if (size < capacity)
            space[size++] = p.literal;
    }
    return bytes_of(space, size);
}

static bool store_field(uint8_t verb, struct bytes text, struct record_place *place,
                        struct record *out)
{
    int64_t number;
    switch (verb) {
    case 'k':
        out->key = text;
        return true;
    case 'v':
        out->value = text;
        return true;
    case 't':
        place->topic = text;
        return true;
    case 'p':
        if (!parse_i64(text, &number) || number < 0 || number > INT32_MAX)
            return false;
        place->partition = (int32_t)number;
        return true;
    default:
        return parse_i64(text, &out->timestamp);
    }
}

bool record_format_parse(struct bytes format, struct bytes line, struct record_place *place,
                         struct record *out, struct message *message)
{
    uint8_t space[256];
    *place = (struct record_place){.partition = -1, .leader_epoch = -1};
    *out = (struct record){.timestamp = -1};
    format = without_line_end(format);
    size_t at = 0;
    struct bytes literal = take_literal(format, &at, space, sizeof space);
    if (!bytes_starts_with(line, literal)) {
        message_set(message, "the line does not begin with \"%.*s\"", BYTES_PRINTF(literal));
        return false;
    }
    line = bytes_from(line, literal.size);
    for (struct piece p; next_piece(format, &at, &p);) {
        literal = take_literal(format, &at, space, sizeof space);
        const uint8_t *end =
            literal.size ? memmem(line.data, line.size, literal.data, literal.size) : NULL;
        if (literal.size > 0 && end == NULL) {
            message_set(message, "\"%.*s\" is missing after %%%c", BYTES_PRINTF(literal), p.verb);
            return false;
        }
        struct bytes text = end ? bytes_of(line.data, (size_t)(end - line.data)) : line;
        if (!store_field(p.verb, text, place, out)) {
            message_set(message, "%%%c: \"%.*s\" is not a number", p.verb, BYTES_PRINTF(text));
            return false;
        }
        line = bytes_from(line, text.size + literal.size);
    }
    return true;
}
