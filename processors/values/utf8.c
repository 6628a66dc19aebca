#include "processors/values/utf8.h"

#include "base/compiler.h"

static bool is_continuation(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

size_t utf8_decode(const uint8_t *p, const uint8_t *end, uint32_t *code_point)
{
    if (p[0] < 0x80) {
        *code_point = p[0];
        return 1;
    }
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || (size_t)(end - p) < size)
        return 0;
    uint32_t c = p[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if (!is_continuation(p[i]))
            return 0;
        c = c << 6 | (p[i] & 0x3fu);
    }
    if (c < smallest[size] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0;
    *code_point = c;
    return size;
}

size_t utf8_encode(uint32_t c, uint8_t *out)
{
    ASSERT(c <= 0x10ffff);
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    size_t size = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--, c >>= 6)
        out[i] = (uint8_t)(0x80 | (c & 0x3f));
    out[0] = (uint8_t)((0xf00u >> size) | c);
    return size;
}

/* Skips eight ASCII bytes at a time: most keys and messages are ASCII only. */
static const uint8_t *skip_ascii(const uint8_t *p, const uint8_t *end)
{
    while (end - p >= 8) {
        uint64_t eight;
        memcpy(&eight, p, 8);
        if (eight & 0x8080808080808080u)
            break;
        p += 8;
    }
    return p;
}

bool utf8_valid(struct bytes text)
{
    const uint8_t *p = text.data, *end = p + text.size;
    while (p < end) {
        p = skip_ascii(p, end);
        if (p == end)
            break;
        uint32_t c;
        size_t size = utf8_decode(p, end, &c);
        if (size == 0)
            return false;
        p += size;
    }
    return true;
}

size_t utf8_count(struct bytes text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += !is_continuation(text.data[i]);
    return count;
}

size_t utf8_offset(struct bytes text, size_t n)
{
    size_t at = 0;
    for (; at < text.size; at++)
        if (!is_continuation(text.data[at]) && n-- == 0)
            break;
    return at;
}
