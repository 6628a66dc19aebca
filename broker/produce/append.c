#include "broker/produce/append.h"

#include "broker/broker.h"
#include "protocol/record_batch.h"

static const enum kafka_error errors_of_faults[] = {
    [BATCH_OK] = KAFKA_NONE,
    [BATCH_CORRUPT] = KAFKA_CORRUPT_MESSAGE,
    [BATCH_OLD_FORMAT] = KAFKA_INVALID_RECORD,
    [BATCH_INVALID] = KAFKA_INVALID_RECORD,
    [BATCH_INVALID_TIMESTAMP] = KAFKA_INVALID_TIMESTAMP,
    [BATCH_UNSUPPORTED_CODEC] = KAFKA_UNSUPPORTED_COMPRESSION_TYPE,
    [BATCH_TOO_LARGE] = KAFKA_MESSAGE_TOO_LARGE,
};
_Static_assert(COUNT_OF(errors_of_faults) == BATCH_TOO_LARGE + 1, "an error for each fault");

enum {
    ZSTD_SINCE_VERSION = 7,
    BAD_RECORDS_TOLD = 1000, /* reported for one batch */
};

void append_begin(struct append *append, struct shard *shard)
{
    *append = (struct append){.shard = shard};
}

bool append_end(struct append *append, struct commit *commit)
{
    bool waits = commit && append->must_wait;
    /* If the append has no entry (duplicates only), an empty one waits for the entries before it.
     */
    if (waits && !append->entry_open)
        store_begin(append->shard->store);
    if (waits || append->entry_open)
        store_commit(append->shard->store, waits ? commit : NULL);
    append->entry_open = false;
    return waits;
}

static void refuse(struct append_result *out, enum kafka_error error, const char *message,
                   struct arena *messages)
{
    out->error = error;
    if (message)
        out->message = (const char *)arena_copy(messages, bytes_string(message)).data;
}

/* --- compression.type --- */

static enum codec codec_of(enum topic_compression type)
{
    static const enum codec codecs[] = {
        [COMPRESSION_UNCOMPRESSED] = CODEC_NONE, [COMPRESSION_ZSTD] = CODEC_ZSTD,
        [COMPRESSION_LZ4] = CODEC_LZ4,           [COMPRESSION_SNAPPY] = CODEC_SNAPPY,
        [COMPRESSION_GZIP] = CODEC_GZIP,
    };
    _Static_assert(COUNT_OF(codecs) == COMPRESSION_PRODUCER, "a codec for each other value");
    ASSERT((size_t)type < COUNT_OF(codecs));
    return codecs[type];
}

static int level_of(const struct topic_settings *s)
{
    switch (s->compression_type) {
    case COMPRESSION_GZIP:
        return (int)s->compression_gzip_level;
    case COMPRESSION_LZ4:
        return (int)s->compression_lz4_level;
    case COMPRESSION_ZSTD:
        return (int)s->compression_zstd_level;
    default:
        return -1;
    }
}

static bool wants_other_codec(const struct partition *p, const struct batch_header *h)
{
    enum topic_compression type = (enum topic_compression)p->settings.compression_type;
    return type != COMPRESSION_PRODUCER &&
           (int)codec_of(type) != (h->attributes & BATCH_CODEC_MASK);
}

/* Makes the same batch with the topic's codec, in a new buffer. NULL if that is impossible. */
static struct shared_buffer *reencode(struct append *append, const struct partition *p,
                                      struct bytes batch, const struct batch_header *h)
{
    struct shard *shard = append->shard;
    size_t max = (size_t)shard->broker->settings->max_uncompressed_bytes;
    struct record_iterator records;
    struct record record;
    struct buffer out;
    struct batch_builder b;
    if (records_open(batch, &shard->scratch, max, &records) != ERR_OK)
        return NULL;
    buffer_init(&out, max + BATCH_HEADER_SIZE + 4096);
    batch_builder_init(&b, &out, codec_of((enum topic_compression)p->settings.compression_type));
    b.level = level_of(&p->settings);
    b.producer_id = h->producer_id;
    b.producer_epoch = h->producer_epoch;
    b.base_sequence = h->base_sequence;
    b.attributes = (int16_t)(h->attributes & ~BATCH_CODEC_MASK);
    while (records_next(&records, &record))
        batch_builder_add(&b, record.timestamp, record.key, record.value, record.headers,
                          record.header_count);
    struct bytes made = batch_builder_finish(&b);
    arena_reset(&shard->scratch);
    struct shared_buffer *buffer =
        records.failed || made.size == 0 ? NULL : shared_buffer_create(made.size);
    if (buffer)
        memcpy(buffer->data, made.data, made.size);
    buffer_free(&out);
    return buffer;
}

/* --- one batch --- */

static enum batch_fault validate(struct append *append, const struct partition *p,
                                 const struct append_input *input, int64_t *max_timestamp,
                                 struct append_result *out, struct arena *messages,
                                 struct message *message)
{
    struct arena *scratch = &append->shard->scratch;
    int32_t bad_record = -1;
    const struct topic_settings *s = &p->settings;
    struct batch_rules rules = {
        .now_ms = append->shard->stamp_ms,
        .timestamp_before_max_ms = s->timestamp_before_max_ms,
        .timestamp_after_max_ms = s->timestamp_after_max_ms,
        .max_batch_bytes = (size_t)s->max_message_bytes,
        .max_uncompressed_bytes = (size_t)append->shard->broker->settings->max_uncompressed_bytes,
        .keys_required = s->compacted,
        .zstd_allowed = input->api_version >= ZSTD_SINCE_VERSION,
        .log_append_time = s->timestamp_type != 0,
        .bad_record = &bad_record,
    };
    enum batch_fault fault =
        batch_validate(input->records, &rules, scratch, max_timestamp, message);
    if (bad_record >= 0)
        out->bad_record_count = batch_bad_records(input->records, &rules, scratch, messages,
                                                  BAD_RECORDS_TOLD, &out->bad_records);
    return fault;
}

/* True if the batch is new and may be appended. Otherwise it sets the result. */
static bool check_sequence(struct append *append, struct partition *p, const struct batch_header *h,
                           struct append_result *out, struct arena *messages)
{
    int64_t offset = -1, timestamp = -1;
    if (h->producer_id < 0)
        return true;
    switch (producer_check(log_producers(p->log), h, &offset, &timestamp)) {
    case PRODUCER_NEW:
        return true;
    case PRODUCER_DUPLICATE:
        out->base_offset = offset;
        out->append_time_ms = p->settings.timestamp_type != 0 ? timestamp : -1;
        append->must_wait |= offset >= partition_visible_end(p, READ_UNCOMMITTED);
        return false;
    case PRODUCER_OUT_OF_ORDER:
        refuse(out, KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER,
               "the sequence number of the batch does not follow the producer's last one",
               messages);
        return false;
    case PRODUCER_FENCED:
        refuse(out, KAFKA_INVALID_PRODUCER_EPOCH,
               "a producer with the same id and a newer epoch has written already", messages);
        return false;
    }
    return false;
}

/* Sets the broker's timestamps. The checksum covers them, so it is computed again. */
static void stamp(struct append *append, const struct partition *p, uint8_t *batch,
                  const struct batch_header *h, int64_t max_timestamp, struct append_result *out)
{
    if (p->settings.timestamp_type != 0) {
        batch_stamp_append_time(batch, append->shard->stamp_ms);
        out->append_time_ms = append->shard->stamp_ms;
    } else if (h->max_timestamp != max_timestamp) {
        batch_stamp_max_timestamp(batch, max_timestamp);
    }
}

/* The entry of the batch before, which stays open for append_end. */
static void end_entry(struct append *append)
{
    if (append->entry_open)
        store_commit(append->shard->store, NULL);
    append->entry_open = false;
}

static void enter(struct append *append, struct partition *p, struct shared_buffer *buffer,
                  uint8_t *batch, size_t size, struct append_result *out)
{
    store_begin(append->shard->store);
    append->entry_open = true;
    append->must_wait |= !p->settings.asynchronous;
    out->base_offset = partition_append(append->shard, p, buffer, batch, size);
}

static void append_valid(struct append *append, struct partition *p,
                         const struct append_input *input, const struct batch_header *h,
                         int64_t max_timestamp, struct append_result *out, struct arena *messages)
{
    struct shared_buffer *made = NULL, *buffer = input->buffer;
    uint8_t *batch = buffer->data + (input->records.data - buffer->data);
    size_t size = input->records.size;
    if (wants_other_codec(p, h)) {
        buffer = made = reencode(append, p, input->records, h);
        if (made == NULL) {
            refuse(out, KAFKA_MESSAGE_TOO_LARGE, "the batch cannot be re-encoded", messages);
            return;
        }
        batch = made->data;
        size = made->size;
    }
    end_entry(append);
    if (size > (size_t)p->settings.segment_bytes) {
        refuse(out, KAFKA_RECORD_LIST_TOO_LARGE, "the batch is larger than segment.bytes",
               messages);
    } else if (size > store_batch_max(append->shard->store)) {
        refuse(out, KAFKA_MESSAGE_TOO_LARGE, "the batch is larger than one write of the journal",
               messages);
    } else if (!store_has_room(append->shard->store, size)) {
        refuse(out, KAFKA_KAFKA_STORAGE_ERROR,
               "the batch does not fit into the next write of the journal: send it again",
               messages);
    } else {
        stamp(append, p, batch, h, max_timestamp, out);
        enter(append, p, buffer, batch, size, out);
    }
    shared_buffer_unref(made);
}

void append_batch(struct append *append, struct partition *partition,
                  const struct append_input *input, struct arena *messages,
                  struct append_result *out)
{
    *out = (struct append_result){.base_offset = -1, .append_time_ms = -1};
    if (append->shard->stopping) {
        refuse(out, KAFKA_NOT_LEADER_OR_FOLLOWER, "the broker is stopping", messages);
        return;
    }
    enum error lack = store_lack(append->shard->store);
    if (lack != ERR_OK) {
        refuse(out, KAFKA_KAFKA_STORAGE_ERROR, error_text(lack), messages);
        return;
    }
    if (input->records.size == 0) {
        refuse(out, KAFKA_INVALID_RECORD, "expected exactly one batch, found none", messages);
        return;
    }
    int64_t max_timestamp = -1;
    struct message message = {""};
    enum batch_fault fault =
        validate(append, partition, input, &max_timestamp, out, messages, &message);
    if (fault != BATCH_OK) {
        refuse(out, errors_of_faults[fault], message.text, messages);
        return;
    }
    struct batch_header h;
    bool whole = batch_header_read(input->records, &h);
    ASSERT(whole); /* the batch was validated */
    if (h.attributes & BATCH_TRANSACTIONAL)
        refuse(out, KAFKA_INVALID_TXN_STATE, "transactions are not supported", messages);
    else if (check_sequence(append, partition, &h, out, messages))
        append_valid(append, partition, input, &h, max_timestamp, out, messages);
}
