#include "processors/task/dead_letter.h"

#include "base/compiler.h"
#include "base/units.h"
#include "processors/time/civil_time.h"

#include <stdio.h>

#define PREFIX "__dlq.errors."

static const struct {
    const char *name, *class;
} codes[] = {
#define X(code, class) {#code, class},
    DEAD_LETTER_CODES(X)
#undef X
};

const char *dead_letter_code_name(enum dead_letter_code code)
{
    ASSERT(code < DEAD_LETTER_CODE_COUNT);
    return codes[code].name;
}

const char *dead_letter_class(enum dead_letter_code code)
{
    ASSERT(code < DEAD_LETTER_CODE_COUNT);
    return codes[code].class;
}

static const size_t MAX_HEADERS_BYTES = UINT32_MAX; /* more than a record can have */

/* Headers under construction. */
struct headers {
    struct buffer bytes;
    int32_t count;
};

static void add_header(struct headers *h, const char *name, struct bytes value)
{
    record_headers_append(&h->bytes, bytes_string(name), value);
    h->count++;
}

static void add_int_header(struct headers *h, const char *name, int64_t value)
{
    char text[24];
    int size = snprintf(text, sizeof text, "%lld", (long long)value);
    add_header(h, name, bytes_of(text, (size_t)size));
}

static void add_time_header(struct headers *h, const char *name, int64_t time_ms)
{
    struct buffer text;
    buffer_init(&text, 64);
    rfc3339_append(&text, time_ms);
    add_header(h, name, buffer_view(&text));
    buffer_free(&text);
}

/* The original record's headers, without those of an earlier failure, which ours replace. */
static void add_original(struct headers *h, const struct record *record)
{
    struct record_header header;
    for (size_t at = 0; record_header_next(record, &at, &header);) {
        if (bytes_starts_with(header.key, BYTES_LITERAL(PREFIX)) ||
            bytes_equal_string(header.key, "sp.watermark"))
            continue;
        record_headers_append(&h->bytes, header.key, header.value);
        h->count++;
    }
}

static int64_t failures_before(const struct record *record)
{
    struct record_header header;
    int64_t count = 0;
    if (!record_header_find(record, BYTES_LITERAL(PREFIX "delivery.count"), &header) ||
        !parse_i64(header.value, &count) || count < 0 || count > INT32_MAX)
        return 0;
    return count;
}

static void add_history(struct headers *h, const struct record *record, int64_t wall_ms)
{
    struct record_header first;
    add_int_header(h, PREFIX "delivery.count", failures_before(record) + 1);
    if (record_header_find(record, BYTES_LITERAL(PREFIX "first.failure"), &first))
        add_header(h, PREFIX "first.failure", first.value);
    else
        add_time_header(h, PREFIX "first.failure", wall_ms);
    add_time_header(h, PREFIX "last.failure", wall_ms);
}

void dead_letter_add(struct outbox *o, struct route route, const struct record *record,
                     const struct dead_letter_origin *origin,
                     const struct dead_letter_reason *reason)
{
    struct headers h = {.count = 0};
    buffer_init(&h.bytes, MAX_HEADERS_BYTES);
    struct bytes message = bytes_string(reason->message.text);
    message.size = MIN(message.size, (size_t)DEAD_LETTER_MESSAGE_MAX);
    add_original(&h, record);
    add_header(&h, PREFIX "topic", origin->topic);
    add_int_header(&h, PREFIX "partition", origin->partition);
    add_int_header(&h, PREFIX "offset", record->offset);
    add_header(&h, PREFIX "group", origin->processor);
    add_header(&h, PREFIX "message", message);
    add_header(&h, PREFIX "class", bytes_string(dead_letter_class(reason->code)));
    add_header(&h, PREFIX "code", bytes_string(dead_letter_code_name(reason->code)));
    add_header(&h, PREFIX "processor", origin->processor);
    add_header(&h, PREFIX "processor.version", origin->version);
    add_header(&h, PREFIX "path", bytes_string(reason->path));
    add_int_header(&h, PREFIX "timestamp", record->timestamp);
    add_history(&h, record, origin->wall_ms);
    if (reason->code == DEAD_LATE)
        add_int_header(&h, "sp.watermark", origin->watermark);
    ASSERT(!h.bytes.overflowed);
    struct record letter = *record;
    letter.headers = buffer_view(&h.bytes);
    letter.header_count = h.count;
    outbox_add(o, route, &letter);
    buffer_free(&h.bytes);
}
