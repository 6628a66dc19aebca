#include "processors/steps/pane.h"

#include "base/compiler.h"
#include "processors/json/json.h"
#include "processors/steps/aggregate_parameters.h"
#include "processors/task/dead_letter.h"
#include "processors/task/outbox.h"
#include "processors/time/civil_time.h"
#include "processors/values/number.h"
#include "processors/values/utf8.h"

/* More than a group's key, names and offsets need. */
enum { MAX_PANE_BYTES = 64 << 20 };

void pane_writer_init(struct pane_writer *w)
{
    buffer_init(&w->key, MAX_PANE_BYTES);
    buffer_init(&w->value, STEP_WRITE_MAX);
    buffer_init(&w->headers, MAX_PANE_BYTES);
    buffer_init(&w->text, MAX_PANE_BYTES);
    arena_init(&w->arena, STEP_WRITE_MAX);
}

void pane_writer_free(struct pane_writer *w)
{
    buffer_free(&w->key);
    buffer_free(&w->value);
    buffer_free(&w->headers);
    buffer_free(&w->text);
    arena_free(&w->arena);
}

/* A record key as a JSON string: text as it is, other bytes in base64. */
static void append_raw_key(struct buffer *out, struct bytes key, struct arena *arena)
{
    struct value v = {.type = utf8_valid(key) ? VALUE_STRING : VALUE_BYTES, .bytes = key};
    json_append_value(out, &v, arena);
}

static void append_key_fields(struct pane_writer *w, const struct aggregate_parameters *own,
                              struct bytes key)
{
    struct bytes name, part;
    size_t at = 0;
    for (size_t i = 0; i < own->group_by.count; i++) {
        json_append_string(&w->value, expression_name(own->group_by.items[i]));
        buffer_append_u8(&w->value, ':');
        if (own->grouped_by_key)
            append_raw_key(&w->value, key, &w->arena);
        else if (json_next(key, &at, &name, &part))
            buffer_append_bytes(&w->value, part);
        buffer_append_u8(&w->value, ',');
    }
}

static void append_time(struct buffer *out, int64_t time_ms, int format)
{
    if (format == WINDOW_FORMAT_EPOCH_MS) {
        number_append_int128(out, time_ms, 0);
        return;
    }
    buffer_append_u8(out, '"');
    rfc3339_append(out, time_ms);
    buffer_append_u8(out, '"');
}

/* Returns whether an integer beyond int64 is among the results. */
static bool write_value(struct pane_writer *w, const struct aggregate_parameters *own,
                        const struct pane *pane)
{
    bool wide = false;
    buffer_clear(&w->value);
    buffer_append_u8(&w->value, '{');
    append_key_fields(w, own, pane->key);
    buffer_append_string(&w->value, "\"window_start\":");
    append_time(&w->value, pane->start, own->window_format);
    buffer_append_string(&w->value, ",\"window_end\":");
    append_time(&w->value, pane->end, own->window_format);
    for (size_t i = 0; i < own->select.count; i++) {
        const struct select_item *a = &own->select.items[i];
        buffer_append_u8(&w->value, ',');
        json_append_string(&w->value, a->name);
        buffer_append_u8(&w->value, ':');
        if (pane->extent->absent >> i & 1)
            buffer_append_string(&w->value, "null");
        else
            a->type->result(pane->row + a->at, &w->value, &wide, &w->arena);
    }
    buffer_append_u8(&w->value, '}');
    return wide;
}

static void write_key(struct pane_writer *w, const struct aggregate_parameters *own,
                      const struct pane *pane)
{
    buffer_clear(&w->key);
    if (own->output_key != OUTPUT_KEY_JSON) {
        buffer_append_bytes(&w->key, pane->key);
        if (own->output_key == OUTPUT_KEY_KAFKA_WINDOWED)
            buffer_append_be64(&w->key, (uint64_t)pane->start);
        return;
    }
    buffer_append_string(&w->key, "{\"e\":");
    number_append_int128(&w->key, pane->end, 0);
    buffer_append_string(&w->key, ",\"key\":");
    if (own->grouped_by_key) {
        buffer_append_u8(&w->key, '[');
        append_raw_key(&w->key, pane->key, &w->arena);
        buffer_append_u8(&w->key, ']');
    } else {
        buffer_append_bytes(&w->key, pane->key);
    }
    buffer_append_string(&w->key, ",\"s\":");
    number_append_int128(&w->key, pane->start, 0);
    buffer_append_u8(&w->key, '}');
}

/* topic/partition:first-last */
static void write_source(struct buffer *out, const struct chain_step *s,
                         const struct extent *extent)
{
    buffer_clear(out);
    buffer_append_bytes(out, s->topic);
    buffer_append_u8(out, '/');
    number_append_int128(out, s->partition, 0);
    buffer_append_u8(out, ':');
    number_append_int128(out, extent->first_offset, 0);
    buffer_append_u8(out, '-');
    number_append_int128(out, extent->last_offset, 0);
}

static int32_t write_headers(struct pane_writer *w, const struct chain_step *s,
                             const struct pane *pane, bool wide)
{
    struct buffer *h = &w->headers;
    buffer_clear(h);
    record_headers_append(h, BYTES_LITERAL("sp.processor"), s->processor->name);
    record_headers_append(h, BYTES_LITERAL("sp.pane"), BYTES_LITERAL("final"));
    record_headers_append(h, BYTES_LITERAL("sp.pane.index"), BYTES_LITERAL("0"));
    record_headers_append(h, BYTES_LITERAL("sp.final"), BYTES_LITERAL("1"));
    write_source(&w->text, s, pane->extent);
    record_headers_append(h, BYTES_LITERAL("sp.source"), buffer_view(&w->text));
    if (!wide)
        return 5;
    record_headers_append(h, BYTES_LITERAL("sp.wide"), BYTES_LITERAL("1"));
    return 6;
}

/* Replaces a result that no step can hold: the window's key without a value, and the reason. The
 * state of a window can be this large if it was open before an aggregate was added. */
static void write_dead_letter(struct pane_writer *w, const struct chain_step *s,
                              const struct pane *pane)
{
    const struct processor *p = s->processor;
    struct record record = {
        .offset = pane->extent->last_offset,
        .timestamp = pane->extent->max_time,
        .key = buffer_view(&w->key),
        .value = BYTES_NULL,
    };
    struct dead_letter_origin origin = {
        .topic = s->topic,
        .processor = p->name,
        .version = p->version,
        .partition = s->partition,
        .wall_ms = pane->extent->max_time, /* a step reads no clock */
    };
    struct dead_letter_reason reason = {.code = DEAD_OUTPUT_TOO_LARGE};
    message_set(&reason.message,
                "the result of %.*s for the window from %lld to %lld is larger than the limit of "
                "%zu bytes: select fewer or smaller values",
                BYTES_PRINTF(p->name), (long long)pane->start, (long long)pane->end,
                STEP_WRITE_MAX);
    dead_letter_add(s->outbox, route_to(p->dead_letter_topic, s->partition), &record, &origin,
                    &reason);
}

void pane_write(struct pane_writer *w, const struct chain_step *s, const struct pane *pane)
{
    const struct aggregate_parameters *own = aggregate_parameters_of(s->processor);
    ASSERT(pane->start < pane->end && pane->extent->last_offset >= 0);
    arena_reset(&w->arena);
    bool wide = write_value(w, own, pane);
    write_key(w, own, pane);
    if (w->value.overflowed) {
        write_dead_letter(w, s, pane);
        return;
    }
    struct record record = {
        .timestamp = own->output_timestamp == OUTPUT_TIME_WINDOW_END ? pane->end - 1
                                                                     : pane->extent->max_time,
        .key = buffer_view(&w->key),
        .value = buffer_view(&w->value),
        .header_count = write_headers(w, s, pane, wide),
    };
    record.headers = buffer_view(&w->headers);
    outbox_add(s->outbox, route_by_key(s->processor->output_topic, pane->key), &record);
}
