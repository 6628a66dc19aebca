#include "base/properties.h"

struct properties_reader properties_reader_of(struct bytes text, bool sections)
{
    return (struct properties_reader){.text = text, .sections = sections};
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f';
}

static struct bytes trim(struct bytes b)
{
    while (b.size && is_blank(b.data[0]))
        b = bytes_from(b, 1);
    while (b.size && is_blank(b.data[b.size - 1]))
        b.size--;
    return b;
}

/* One physical line, without its end. */
static bool next_line(struct properties_reader *r, struct bytes *line)
{
    if (r->at >= r->text.size)
        return false;
    const uint8_t *start = r->text.data + r->at;
    const uint8_t *end = memchr(start, '\n', r->text.size - r->at);
    size_t size = end ? (size_t)(end - start) : r->text.size - r->at;
    r->at += size + (end != NULL);
    r->line++;
    *line = bytes_of(start, size);
    return true;
}

/* A line with an odd number of backslashes at its end continues in the next line. */
static bool continues(struct bytes line)
{
    size_t slashes = 0;
    while (line.size && line.data[line.size - 1] == '\r')
        line.size--;
    while (slashes < line.size && line.data[line.size - 1 - slashes] == '\\')
        slashes++;
    return slashes % 2 == 1;
}

/* A logical line: continuations joined, leading blanks of each part dropped. */
static bool logical_line(struct properties_reader *r, struct arena *arena, struct bytes *out,
                         int *first_line)
{
    struct bytes part;
    if (!next_line(r, &part))
        return false;
    *first_line = r->line;
    part = trim(part);
    bool comment = part.size == 0 || part.data[0] == '#' || part.data[0] == '!';
    *out = part;
    while (!comment && continues(part)) {
        struct bytes more = BYTES_LITERAL("");
        next_line(r, &more);
        more = trim(more);
        uint8_t *joined = arena_alloc(arena, out->size - 1 + more.size + 1);
        if (joined == NULL)
            return false;
        memcpy(joined, out->data, out->size - 1);
        if (more.size)
            memcpy(joined + out->size - 1, more.data, more.size);
        *out = bytes_of(joined, out->size - 1 + more.size);
        part = more;
    }
    return true;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t put_utf8(uint8_t *out, unsigned code)
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (uint8_t)(0xc0 | code >> 6);
        out[1] = (uint8_t)(0x80 | (code & 0x3f));
        return 2;
    }
    out[0] = (uint8_t)(0xe0 | code >> 12);
    out[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
    out[2] = (uint8_t)(0x80 | (code & 0x3f));
    return 3;
}

/* Resolves \\ and \uXXXX; an escape is never longer when resolved. */
static struct bytes unescape(struct bytes b, struct arena *arena)
{
    if (b.size == 0 || memchr(b.data, '\\', b.size) == NULL)
        return b.size ? b : BYTES_LITERAL("");
    uint8_t *out = arena_alloc(arena, b.size);
    if (out == NULL)
        return BYTES_NULL;
    size_t size = 0;
    for (size_t i = 0; i < b.size; i++) {
        bool escape = b.data[i] == '\\' && i + 1 < b.size;
        if (escape && b.data[i + 1] == '\\') {
            out[size++] = '\\';
            i++;
        } else if (escape && b.data[i + 1] == 'u' && i + 5 < b.size) {
            unsigned code = 0;
            bool valid = true;
            for (size_t d = i + 2; d < i + 6; d++) {
                int digit = hex_digit(b.data[d]);
                valid = valid && digit >= 0;
                code = code << 4 | (unsigned)(digit & 15);
            }
            if (valid) {
                size += put_utf8(out + size, code);
                i += 5;
            } else {
                out[size++] = b.data[i];
            }
        } else {
            out[size++] = b.data[i];
        }
    }
    return bytes_of(out, size);
}

static bool fault(struct message *message, int line, const char *why, struct bytes text)
{
    message_set(message, "line %d: %s: %.*s", line, why, (int)MIN(text.size, (size_t)80),
                text.data);
    return false;
}

bool properties_next(struct properties_reader *r, struct arena *arena, struct property *out,
                     struct message *message)
{
    struct bytes line;
    message->text[0] = '\0';
    for (int at; logical_line(r, arena, &line, &at);) {
        if (line.size == 0 || line.data[0] == '#' || line.data[0] == '!')
            continue;
        if (r->sections && line.data[0] == '[') {
            if (line.data[line.size - 1] != ']' || line.size < 3)
                return fault(message, at, "expected a section [name]", line);
            r->section = trim(bytes_of(line.data + 1, line.size - 2));
            continue;
        }
        const uint8_t *equals = memchr(line.data, '=', line.size);
        if (equals == NULL)
            return fault(message, at, "expected key = value", line);
        struct bytes key = trim(bytes_of(line.data, (size_t)(equals - line.data)));
        if (key.size == 0)
            return fault(message, at, "the key before = is missing", line);
        struct bytes value = trim(bytes_from(line, (size_t)(equals - line.data) + 1));
        *out = (struct property){r->section, unescape(key, arena), unescape(value, arena), at};
        if (arena->exhausted)
            break;
        return true;
    }
    if (arena->exhausted)
        message_set(message, "the file is too large");
    return false;
}
