/* The checks of a client's batch, from the cheapest to the walk over all records. A fault of the
 * envelope (length, magic, checksum) is damage on the way. If the checksum is correct, the client
 * itself wrote any other fault, and to send the batch again would not help. */
#include "protocol/record_batch.h"
#include "protocol/record_wire.h"

#include <inttypes.h>

enum {
    AT_MAGIC = 16,
    KNOWN_ATTRIBUTES = BATCH_CODEC_MASK | BATCH_LOG_APPEND_TIME | BATCH_TRANSACTIONAL,
    NO_TIMESTAMP = -1,
};

static enum batch_fault check_envelope(struct bytes batch, const struct batch_rules *rules,
                                       struct batch_header *h, struct message *message)
{
    /* All formats have the magic at the same place, and batches of the old formats can be
     * shorter. */
    if (batch.size > AT_MAGIC && batch.data[AT_MAGIC] < BATCH_MAGIC) {
        message_set(message, "message format v%d is not supported, only v2", batch.data[AT_MAGIC]);
        return BATCH_OLD_FORMAT;
    }
    size_t size = batch_size(batch);
    if (size == 0 || size > batch.size) {
        message_set(message, "the batch length field does not match its %zu bytes", batch.size);
        return BATCH_CORRUPT;
    }
    if (!batch_header_read(batch, h) || h->magic != BATCH_MAGIC) {
        message_set(message, "invalid magic %d", h->magic);
        return BATCH_CORRUPT;
    }
    if (size > rules->max_batch_bytes) {
        message_set(message, "the batch has %zu bytes, the maximum is %zu", size,
                    rules->max_batch_bytes);
        return BATCH_TOO_LARGE;
    }
    if (size < batch.size) {
        message_set(message, "expected exactly one batch, but %zu bytes follow it",
                    batch.size - size);
        return BATCH_INVALID;
    }
    if (!batch_crc_is_right(batch)) {
        message_set(message, "the batch's checksum is wrong");
        return BATCH_CORRUPT;
    }
    return BATCH_OK;
}

static enum batch_fault check_producer(const struct batch_header *h, struct message *message)
{
    if (h->producer_id < -1) {
        message_set(message, "invalid producer id %" PRId64, h->producer_id);
        return BATCH_INVALID;
    }
    if (h->producer_id >= 0 && (h->base_sequence < 0 || h->producer_epoch < 0)) {
        message_set(message, "producer id %" PRId64 " comes with sequence %d and epoch %d",
                    h->producer_id, h->base_sequence, h->producer_epoch);
        return BATCH_INVALID;
    }
    if (h->producer_id < 0 && (h->attributes & BATCH_TRANSACTIONAL)) {
        message_set(message, "a transactional batch needs a producer id");
        return BATCH_INVALID;
    }
    return BATCH_OK;
}

static enum batch_fault check_header(const struct batch_header *h, const struct batch_rules *rules,
                                     struct message *message)
{
    int codec = h->attributes & BATCH_CODEC_MASK;
    if (codec >= CODEC_COUNT || (codec == CODEC_ZSTD && !rules->zstd_allowed)) {
        message_set(message, "compression type %d is not supported in this version", codec);
        return BATCH_UNSUPPORTED_CODEC;
    }
    if (h->attributes & BATCH_LOG_APPEND_TIME) {
        message_set(message, "a producer may not set the timestamp type to LogAppendTime");
        return BATCH_INVALID_TIMESTAMP;
    }
    if (h->attributes & ~KNOWN_ATTRIBUTES) {
        message_set(message, "a producer may not set attributes 0x%04x",
                    (unsigned)(uint16_t)h->attributes);
        return BATCH_INVALID;
    }
    if (h->record_count <= 0 || h->last_offset_delta != h->record_count - 1) {
        message_set(message, "%d records, but the last has offset delta %d", h->record_count,
                    h->last_offset_delta);
        return BATCH_INVALID;
    }
    return check_producer(h, message);
}

/* The allowed timestamps: [from, to], computed once per batch so that a record costs two
 * comparisons. -1, "no timestamp", is always allowed. */
struct time_range {
    int64_t from, to;
};

static struct time_range allowed_times(const struct batch_rules *rules)
{
    struct time_range range = {0, INT64_MAX};
    if (rules->log_append_time)
        return range;
    int64_t edge;
    if (!__builtin_sub_overflow(rules->now_ms, rules->timestamp_before_max_ms, &edge))
        range.from = MAX(edge, 0);
    if (!__builtin_add_overflow(rules->now_ms, rules->timestamp_after_max_ms, &edge))
        range.to = edge;
    return range;
}

static bool headers_are_right(const struct wire_record *r)
{
    const uint8_t *at = r->headers.data, *end = at + r->headers.size;
    struct bytes key, value;
    for (int64_t i = 0; i < r->header_count; i++) {
        at = wire_header_read(at, end, &key, &value);
        if (at == NULL)
            return false;
    }
    return at == end;
}

static void note_bad_record(const struct batch_rules *rules, int32_t index)
{
    if (rules->bad_record)
        *rules->bad_record = index;
}

/* Finds the reason why a record is invalid, outside of the fast loop. */
static enum batch_fault explain_record(int32_t index, const struct wire_record *r,
                                       int64_t timestamp, const struct time_range *times,
                                       const struct batch_rules *rules, struct message *message)
{
    note_bad_record(rules, index);
    if (r->offset_delta != index) {
        message_set(message, "record %d has offset delta %" PRId64, index, r->offset_delta);
        return BATCH_INVALID;
    }
    if (rules->keys_required && bytes_is_null(r->key)) {
        message_set(message, "record %d has no key, which a compacted topic requires", index);
        return BATCH_INVALID;
    }
    if (!headers_are_right(r)) {
        message_set(message, "record %d has malformed headers", index);
        return BATCH_INVALID;
    }
    message_set(message,
                "timestamp %" PRId64 " of record %d is outside the allowed range %" PRId64
                " to %" PRId64,
                timestamp, index, times->from, times->to);
    return BATCH_INVALID_TIMESTAMP;
}

static enum batch_fault explain_lengths(int32_t index, const struct batch_header *h,
                                        const struct batch_rules *rules, struct message *message)
{
    note_bad_record(rules, index);
    message_set(message, "record %d of %d has inconsistent lengths", index, h->record_count);
    return BATCH_INVALID;
}

static inline bool is_wrong(const struct batch_header *h, int32_t index,
                            const struct wire_record *r, const struct time_range *times,
                            bool keys_required, int64_t *timestamp)
{
    bool wrong = __builtin_add_overflow(h->base_timestamp, r->timestamp_delta, timestamp);
    wrong |= (*timestamp < times->from || *timestamp > times->to) && *timestamp != NO_TIMESTAMP;
    wrong |= r->offset_delta != index;
    wrong |= keys_required && bytes_is_null(r->key);
    return wrong || (r->headers.size > 0 && !headers_are_right(r));
}

static enum batch_fault check_records(const struct batch_header *h, struct bytes records,
                                      const struct batch_rules *rules, int64_t *true_max_timestamp,
                                      struct message *message)
{
    const uint8_t *at = records.data, *end = at + records.size;
    const struct time_range times = allowed_times(rules);
    const bool keys_required = rules->keys_required;
    int64_t max = NO_TIMESTAMP;
    for (int32_t i = 0; i < h->record_count; i++) {
        struct wire_record r;
        at = wire_record_read(at, end, &r);
        if (at == NULL)
            return explain_lengths(i, h, rules, message);
        int64_t timestamp;
        if (is_wrong(h, i, &r, &times, keys_required, &timestamp))
            return explain_record(i, &r, timestamp, &times, rules, message);
        max = MAX(max, timestamp);
    }
    if (at != end) {
        message_set(message, "%zu bytes follow the last of %d records", (size_t)(end - at),
                    h->record_count);
        return BATCH_INVALID;
    }
    *true_max_timestamp = max;
    return BATCH_OK;
}

static enum batch_fault explain_decompression(enum error e, enum codec codec,
                                              const struct batch_rules *rules,
                                              struct message *message)
{
    if (e == ERR_TOO_LARGE || e == ERR_NO_MEMORY) {
        message_set(message, "the batch is larger than %zu bytes uncompressed",
                    rules->max_uncompressed_bytes);
        return BATCH_TOO_LARGE;
    }
    message_set(message, "the records are not valid %s", codec_name(codec));
    return BATCH_INVALID;
}

enum batch_fault batch_validate(struct bytes batch, const struct batch_rules *rules,
                                struct arena *scratch, int64_t *true_max_timestamp,
                                struct message *message)
{
    struct batch_header h = {0};
    enum batch_fault fault = check_envelope(batch, rules, &h, message);
    if (fault == BATCH_OK)
        fault = check_header(&h, rules, message);
    if (fault != BATCH_OK)
        return fault;
    struct bytes records = bytes_from(batch, BATCH_HEADER_SIZE);
    enum codec codec = (enum codec)(h.attributes & BATCH_CODEC_MASK);
    if (codec == CODEC_NONE)
        return check_records(&h, records, rules, true_max_timestamp, message);
    enum error e =
        codec_decompress(codec, records, rules->max_uncompressed_bytes, scratch, &records);
    if (e == ERR_OK)
        fault = check_records(&h, records, rules, true_max_timestamp, message);
    else
        fault = explain_decompression(e, codec, rules, message);
    arena_reset(scratch);
    return fault;
}

/* --- a second walk, over a batch that was refused --- */

static int32_t list_bad_records(const struct batch_header *h, struct bytes records,
                                const struct batch_rules *rules, struct arena *out, int32_t max,
                                struct bad_record *list)
{
    const uint8_t *at = records.data, *end = at + records.size;
    const struct time_range times = allowed_times(rules);
    int32_t count = 0;
    for (int32_t i = 0; i < h->record_count && count < max && at != NULL; i++) {
        struct wire_record r;
        struct message message = {""};
        int64_t timestamp;
        at = wire_record_read(at, end, &r);
        if (at == NULL)
            (void)explain_lengths(i, h, rules, &message);
        else if (is_wrong(h, i, &r, &times, rules->keys_required, &timestamp))
            (void)explain_record(i, &r, timestamp, &times, rules, &message);
        else
            continue;
        struct bytes text = arena_copy(out, bytes_string(message.text));
        if (text.data == NULL)
            break;
        list[count++] = (struct bad_record){i, text};
    }
    return count;
}

int32_t batch_bad_records(struct bytes batch, const struct batch_rules *rules,
                          struct arena *scratch, struct arena *out, int32_t max,
                          struct bad_record **list)
{
    struct batch_header h;
    struct batch_rules quiet = *rules;
    quiet.bad_record = NULL; /* the first invalid record is known */
    if (!batch_header_read(batch, &h) || h.record_count <= 0)
        return 0;
    max = MIN(max, h.record_count);
    *list = arena_array(out, (size_t)max, sizeof **list);
    if (*list == NULL)
        return 0;
    struct bytes records = bytes_from(batch, BATCH_HEADER_SIZE);
    enum codec codec = (enum codec)(h.attributes & BATCH_CODEC_MASK);
    int32_t count = 0;
    if (codec == CODEC_NONE || codec_decompress(codec, records, rules->max_uncompressed_bytes,
                                                scratch, &records) == ERR_OK)
        count = list_bad_records(&h, records, &quiet, out, max, *list);
    arena_reset(scratch);
    return count;
}
