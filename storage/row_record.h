/* The records of a row file (row_file.h): pure encoding and decoding.
 *
 * A record is, in big-endian numbers: magic (4 bytes), size of the whole record (4), CRC-32C over
 * everything but this field (4), kind (4), commit number (8), chain (4), payload. The chain is the
 * checksum of the record before, so a missing, repeated, older or swapped record is noticed. A
 * record of zeros is not valid. */
#ifndef STORAGE_ROW_RECORD_H
#define STORAGE_ROW_RECORD_H

#include "base/buffer.h"
#include "protocol/reader.h"
#include "storage/kv.h"

enum { ROW_RECORD_HEADER_SIZE = 28, ROW_RECORD_SIZE_MAX = 1 << 30 };

enum row_record_kind {
    ROW_RECORD_BEGIN = 1, /* of a file: format, generation, identity */
    ROW_RECORD_ROWS,      /* of the snapshot, in key order */
    ROW_RECORD_END,       /* of the snapshot: number of rows, mark of its commit */
    ROW_RECORD_CHANGES,   /* one write */
};

struct row_record {
    enum row_record_kind kind;
    uint64_t commit;
    uint32_t chain, checksum;
    size_t size; /* of the whole record */
    struct bytes payload;
};

/* Begins a record at the end of `out`. The caller appends the payload and ends the record. */
void row_record_begin(struct buffer *out, enum row_record_kind kind, uint64_t commit,
                      uint32_t chain);
/* Appends a pair to the payload. A null value is a deletion. */
void row_record_add(struct buffer *out, struct bytes key, struct bytes value);
/* Ends the record that begins at `start`. Returns its checksum. */
uint32_t row_record_end(struct buffer *out, size_t start);

/* The size that a record's header states. 0: this is no header. Looks at no byte after it. */
size_t row_record_size(const uint8_t header[ROW_RECORD_HEADER_SIZE]);
/* False: `data` does not begin with a whole record. */
bool row_record_decode(struct bytes data, struct row_record *out);
/* The next pair of a payload. False: the end, or the payload is wrong (r->failed). */
bool row_record_next_pair(struct reader *r, struct kv_change *out);

#endif
