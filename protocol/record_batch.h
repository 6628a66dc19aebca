/* Kafka's record batch, format v2 (KIP-98): reading, checking and building it.
 *
 * A batch is a view of bytes in a frame or a segment. The checksum does not cover offsets and the
 * leader epoch, so a log may set them in place. Any other change needs a new checksum. Layout:
 * docs/on-disk-format.md. */
#ifndef PROTOCOL_RECORD_BATCH_H
#define PROTOCOL_RECORD_BATCH_H

#include "base/arena.h"
#include "base/error.h"
#include "protocol/compression.h"

enum {
    BATCH_HEADER_SIZE = 61,
    BATCH_OVERHEAD = 12, /* base offset and length, which batch_length does not count */
    BATCH_CRC_FROM = 21, /* the checksum covers the bytes from here to the end */
    BATCH_MAGIC = 2,
};

enum batch_attributes {
    BATCH_CODEC_MASK = 0x07,
    BATCH_LOG_APPEND_TIME = 0x08,
    BATCH_TRANSACTIONAL = 0x10,
    BATCH_CONTROL = 0x20,
    BATCH_DELETE_HORIZON = 0x40,
};

/* The header's fields, decoded. */
struct batch_header {
    int64_t base_offset;
    int32_t batch_length;
    int32_t leader_epoch;
    int8_t magic;
    uint32_t crc;
    int16_t attributes;
    int32_t last_offset_delta;
    int64_t base_timestamp, max_timestamp;
    int64_t producer_id; /* -1: none */
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t record_count;
};

/* One record, as views of the batch (or of the arena, if the batch is compressed). */
struct record {
    int64_t offset, timestamp; /* absolute */
    struct bytes key, value;   /* null allowed */
    int32_t header_count;
    struct bytes headers; /* the encoded headers; walk them with record_header_next */
};

struct record_header {
    struct bytes key, value; /* the value may be null */
};

/* Decodes the header of the batch at the start of `b`. False if `b` has fewer than
 * BATCH_HEADER_SIZE bytes. Checks nothing else. */
bool batch_header_read(struct bytes b, struct batch_header *out);
/* Total size of the batch that starts here, from its length field. 0 if the length field is missing
 * or too small for a batch. */
size_t batch_size(struct bytes b);
static inline int64_t batch_last_offset(const struct batch_header *h)
{
    return h->base_offset + h->last_offset_delta;
}
bool batch_crc_is_right(struct bytes batch);

/* Sets the fields that the checksum does not cover. */
void batch_stamp(uint8_t *batch, int64_t base_offset, int32_t leader_epoch);
/* LogAppendTime: sets the attribute bit and max_timestamp, and computes the checksum again. */
void batch_stamp_append_time(uint8_t *batch, int64_t now_ms);
/* Sets max_timestamp (if a client's was wrong), and computes the checksum again. */
void batch_stamp_max_timestamp(uint8_t *batch, int64_t max_timestamp);

/* Walks the records of one batch. If needed, it first decompresses into `arena`, at most
 * `max_uncompressed` bytes (a bomb gives ERR_TOO_LARGE). */
struct record_iterator {
    struct batch_header header;
    const uint8_t *at, *end;
    int32_t left;
    bool failed;
};
MUST_USE enum error records_open(struct bytes batch, struct arena *arena, size_t max_uncompressed,
                                 struct record_iterator *out);
/* False at the end or on damage (then `failed`). */
bool records_next(struct record_iterator *i, struct record *out);
/* Walks one record's headers: start with *at = 0. */
bool record_header_next(const struct record *r, size_t *at, struct record_header *out);
/* The last header with this name, or false. */
bool record_header_find(const struct record *r, struct bytes name, struct record_header *out);

/* The broker's checks of a client's batch (Kafka's LogValidator, or stricter). The results are
 * named after Kafka's errors. `message` names the record and the reason. */
enum batch_fault {
    BATCH_OK,
    BATCH_CORRUPT,           /* CORRUPT_MESSAGE: length or checksum */
    BATCH_OLD_FORMAT,        /* magic 0 or 1 */
    BATCH_INVALID,           /* INVALID_RECORD: counts, deltas, control bit, keyless... */
    BATCH_INVALID_TIMESTAMP, /* INVALID_TIMESTAMP */
    BATCH_UNSUPPORTED_CODEC, /* UNSUPPORTED_COMPRESSION_TYPE */
    BATCH_TOO_LARGE,         /* MESSAGE_TOO_LARGE */
};
struct batch_rules {
    int64_t now_ms;                                          /* wall clock */
    int64_t timestamp_before_max_ms, timestamp_after_max_ms; /* INT64_MAX: not checked */
    size_t max_batch_bytes;                                  /* max.message.bytes */
    size_t max_uncompressed_bytes;
    bool keys_required;   /* a compacted topic */
    bool zstd_allowed;    /* Produce v7 and later */
    bool log_append_time; /* the topic's message.timestamp.type */
    int32_t *bad_record;  /* may be NULL; gets the index of the invalid record, if any */
};
/* Checks one whole batch. `true_max_timestamp` gets the largest record timestamp. Uncompressed
 * batches are walked without any allocation; compressed ones are decompressed into `scratch`
 * (reset afterwards). */
enum batch_fault batch_validate(struct bytes batch, const struct batch_rules *rules,
                                struct arena *scratch, int64_t *true_max_timestamp,
                                struct message *message);

/* An invalid record, and the reason. */
struct bad_record {
    int32_t index;
    struct bytes text;
};
/* Lists the invalid records, in order, of a batch that batch_validate() refused for one of them
 * (rules->bad_record was set). It stops where it cannot read further, and after `max` records. The
 * list and its texts are in `out`; if that is full, the list is shorter. Returns their number. */
int32_t batch_bad_records(struct bytes batch, const struct batch_rules *rules,
                          struct arena *scratch, struct arena *out, int32_t max,
                          struct bad_record **list);

/* Builds a batch. The codec is applied at finish. */
struct batch_builder {
    struct buffer *out; /* the batch is appended here */
    size_t start;
    struct buffer records;
    enum codec codec;
    int level; /* of the codec; negative: its default */
    int64_t base_timestamp, max_timestamp;
    int32_t count;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int16_t attributes;        /* besides the codec */
    int32_t last_offset_delta; /* -1: the number of records - 1 */
    bool overflowed;           /* the difference of two timestamps: the batch cannot be built */
};
void batch_builder_init(struct batch_builder *b, struct buffer *out, enum codec codec);
/* Appends a record. Its offset is the count so far. `headers` are encoded (see
 * record_headers_append), and header_count is their number. */
void batch_builder_add(struct batch_builder *b, int64_t timestamp, struct bytes key,
                       struct bytes value, struct bytes headers, int32_t header_count);
/* The same with an offset delta, which must rise; last_offset_delta is set. With
 * BATCH_DELETE_HORIZON in the attributes the base timestamp is the horizon, and is set before the
 * first record. */
void batch_builder_add_at(struct batch_builder *b, int32_t offset_delta, int64_t timestamp,
                          struct bytes key, struct bytes value, struct bytes headers,
                          int32_t header_count);
/* The size that the batch would have now, uncompressed. */
size_t batch_builder_size(const struct batch_builder *b);
/* Writes the batch (base offset 0) to `out` and frees the builder. Returns a view of the batch,
 * which is empty if `out` is full. */
struct bytes batch_builder_finish(struct batch_builder *b);
/* Frees the builder without writing. */
void batch_builder_free(struct batch_builder *b);
/* Writes a batch without records, which keeps the offsets and the producer's sequence of `h`. */
void batch_write_empty(const struct batch_header *h, uint8_t out[BATCH_HEADER_SIZE]);
/* Appends one header in its encoded form. */
void record_headers_append(struct buffer *out, struct bytes key, struct bytes value);

#endif
