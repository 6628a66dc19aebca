#include "client-tools/data/data_lines.h"

#include "client-tools/files.h"
#include "client-tools/output/json_text.h"

#include <errno.h>
#include <inttypes.h>

enum { FLUSH_SIZE = 64 << 10, MAX_HELD = 1 << 30, SHOWN_BYTES = 64 };

void data_lines_init(struct data_lines *l, bool json)
{
    *l = (struct data_lines){.json = json};
    buffer_init(&l->out, MAX_HELD);
}

static void flush(struct data_lines *l)
{
    if (!l->reader_gone && !write_stdout(buffer_view(&l->out))) {
        l->reader_gone = true;
        l->write_error = errno != EPIPE ? errno : 0;
    }
    buffer_clear(&l->out);
}

void data_lines_end(struct data_lines *l)
{
    flush(l);
    buffer_free(&l->out);
}

void data_line_begin(struct data_lines *l, const char *kind)
{
    if (l->json)
        buffer_printf(&l->out, "{\"kind\":\"%s\"", kind);
    else
        buffer_append_string(&l->out, kind);
}

static void begin_field(struct data_lines *l, const char *key)
{
    buffer_printf(&l->out, l->json ? ",\"%s\":" : " %s=", key);
}

void data_line_int(struct data_lines *l, const char *key, int64_t value)
{
    begin_field(l, key);
    buffer_printf(&l->out, "%" PRId64, value);
}

void data_line_bool(struct data_lines *l, const char *key, bool value)
{
    begin_field(l, key);
    buffer_append_string(&l->out, value ? "true" : "false");
}

static bool is_plain(struct bytes text, bool spaces)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < (spaces ? ' ' : '!') || text.data[i] > '~' || text.data[i] == '"')
            return false;
    }
    return text.size > 0;
}

void data_line_text(struct data_lines *l, const char *key, struct bytes text)
{
    begin_field(l, key);
    if (!l->json && is_plain(text, false))
        buffer_append_bytes(&l->out, text);
    else
        append_json_text(&l->out, text);
}

void data_line_bytes(struct data_lines *l, const char *key, struct bytes bytes)
{
    struct bytes shown = bytes_of(bytes.data, MIN(bytes.size, (size_t)SHOWN_BYTES));
    if (is_plain(shown, true)) {
        data_line_text(l, key, shown);
        return;
    }
    begin_field(l, key);
    buffer_append_string(&l->out, l->json ? "\"0x" : "0x");
    append_hex(&l->out, shown);
    if (l->json)
        buffer_append_string(&l->out, "\"");
}

void data_line_uuid(struct data_lines *l, const char *key, struct uuid id)
{
    begin_field(l, key);
    if (l->json)
        buffer_append_string(&l->out, "\"");
    for (int i = 0; i < 16; i++)
        buffer_printf(&l->out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
                      id.bytes[i]);
    if (l->json)
        buffer_append_string(&l->out, "\"");
}

void data_line_end(struct data_lines *l)
{
    buffer_append_string(&l->out, l->json ? "}\n" : "\n");
    if (l->out.size >= FLUSH_SIZE)
        flush(l);
}
