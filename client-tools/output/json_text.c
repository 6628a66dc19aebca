#include "client-tools/output/json_text.h"

#include "processors/json/json.h"
#include "processors/values/utf8.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void append_json_text(struct buffer *out, struct bytes text)
{
    if (utf8_valid(text)) {
        json_append_string(out, text);
        return;
    }
    struct buffer mended;
    buffer_init(&mended, text.size * 3);
    const uint8_t *end = text.data + text.size;
    for (const uint8_t *p = text.data; p < end;) {
        uint32_t code_point;
        size_t size = utf8_decode(p, end, &code_point);
        if (size > 0)
            buffer_append(&mended, p, size);
        else
            buffer_append_string(&mended, "\xef\xbf\xbd");
        p += MAX(size, (size_t)1);
    }
    json_append_string(out, buffer_view(&mended));
    buffer_free(&mended);
}

void append_base64(struct buffer *out, struct bytes bytes)
{
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        uint32_t group = (uint32_t)bytes.data[i] << 16;
        if (left > 1)
            group |= (uint32_t)bytes.data[i + 1] << 8;
        if (left > 2)
            group |= bytes.data[i + 2];
        char quad[4] = {digits[group >> 18], digits[group >> 12 & 63],
                        left > 1 ? digits[group >> 6 & 63] : '=',
                        left > 2 ? digits[group & 63] : '='};
        buffer_append(out, quad, sizeof quad);
    }
}

struct bytes decode_base64(struct bytes text, struct arena *arena)
{
    if (text.size % 4 != 0)
        return BYTES_NULL;
    size_t padding = 0;
    while (padding < 2 && padding < text.size && text.data[text.size - 1 - padding] == '=')
        padding++;
    uint8_t *out = arena_alloc(arena, text.size / 4 * 3 + 1);
    if (out == NULL)
        return BYTES_NULL;
    size_t size = 0;
    for (size_t i = 0; i < text.size; i += 4) {
        uint32_t group = 0;
        for (size_t j = i; j < i + 4; j++) {
            bool is_padding = j >= text.size - padding;
            const char *digit = is_padding ? digits : memchr(digits, text.data[j], 64);
            if (digit == NULL)
                return BYTES_NULL;
            group = group << 6 | (uint32_t)(digit - digits);
        }
        out[size++] = (uint8_t)(group >> 16);
        out[size++] = (uint8_t)(group >> 8);
        out[size++] = (uint8_t)group;
    }
    return bytes_of(out, size - padding);
}

void append_hex(struct buffer *out, struct bytes bytes)
{
    for (size_t i = 0; i < bytes.size; i++)
        buffer_printf(out, "%02x", bytes.data[i]);
}
