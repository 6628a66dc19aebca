/* The format of a journal on disk: units consist of entries, entries of parts.
 *
 * One write makes one unit durable: a header, then parts, padded with zeros to IO_ALIGNMENT, then
 * blocks. An entry is a sequence of parts that ends with JOURNAL_ENTRY_END. It never spans two
 * units, so a whole unit has whole entries. Zeros are not a unit. Old content of a recycled file is
 * not a unit either: run, sequence and position must be the expected ones. Layout:
 * docs/on-disk-format.md.
 *
 * The blocks are the middle parts of large batches. They are written from the memory into which
 * they were received, without a copy and without a second checksum. The unit's checksum covers
 * header and parts. The checksums of the batches cover the blocks. */
#ifndef STORAGE_JOURNAL_FORMAT_H
#define STORAGE_JOURNAL_FORMAT_H

#include "base/shared_buffer.h"
#include "protocol/reader.h"
#include "storage/io.h"

enum {
    JOURNAL_VERSION = 1,
    JOURNAL_MAGIC = 0x544d4a30 + JOURNAL_VERSION, /* "TMJ1" */
    JOURNAL_HEADER_SIZE = 80,
    /* The most bytes that a part needs in addition to its key, its bytes and its tail. */
    JOURNAL_PART_OVERHEAD = 80,
};

/* No unit is larger, so a larger length is wrong. Its length has 32 bits. */
#define JOURNAL_UNIT_MAX ((size_t)0xf0000000)

/* A position in a shard's journal: the bytes of all units since the run began. It rises across
 * files. Each run starts at zero. */
typedef uint64_t lsn_t;

enum journal_unit_flags {
    JOURNAL_CLOSED = 1, /* the last unit of a run that ended cleanly */
};

struct journal_unit {
    uint32_t length; /* header and parts, without the padding */
    uint32_t blocks; /* of IO_ALIGNMENT bytes, after the padding */
    uint32_t shard, entries, flags;
    uint64_t run;      /* a new random number at each start */
    uint64_t sequence; /* of the file it was written to */
    lsn_t lsn;         /* where this unit starts */
    lsn_t durable;     /* everything below was durable when this was written */
    lsn_t checkpoint;  /* the key-value store was durable up to here */
    uint64_t next;     /* the file that follows this one; 0: not known yet */
};

static inline size_t journal_padded(size_t size)
{
    return (size + IO_ALIGNMENT - 1) & ~(size_t)(IO_ALIGNMENT - 1);
}

/* Bytes of a whole unit. */
static inline size_t journal_unit_size(const struct journal_unit *unit)
{
    return journal_padded(unit->length) + (size_t)unit->blocks * IO_ALIGNMENT;
}

/* Writes the header before the parts and zeros after them. `data` has journal_padded bytes. The
 * caller writes the blocks after them. */
void journal_unit_seal(uint8_t *data, const struct journal_unit *unit);
/* Decodes a header. False: no unit starts here. Does not check the parts. */
bool journal_unit_read(struct bytes b, struct journal_unit *out);
/* The format of the unit that begins here: 1 for "TMJ1"; 0 if none begins. For later formats, too:
 * every format keeps the magic, the length, the checksum and the run at their places. *length is 0
 * if it is impossible. */
int journal_unit_version(struct bytes b, size_t *length, uint64_t *run);
/* Whether the checksum over these bytes, which are *length, is right. */
bool journal_unit_checksum_is_right(struct bytes b);
/* Whether a unit of journal_unit_size bytes is as it was sealed: compares its checksum, and the
 * checksums of the batches that have blocks. */
bool journal_unit_is_whole(struct bytes unit);

enum journal_part_kind {
    JOURNAL_ENTRY_END = 1,
    JOURNAL_BATCH,       /* topic, partition, offset, bytes; `starts_segment`; blocks and tail */
    JOURNAL_PUT,         /* key, bytes */
    JOURNAL_DELETE,      /* key */
    JOURNAL_LOG_START,   /* topic, partition, offset */
    JOURNAL_LOG_REMOVED, /* topic, partition */
    JOURNAL_PART_KINDS,
};

struct journal_part {
    enum journal_part_kind kind;
    struct uuid topic_id;
    int32_t partition;
    int64_t offset;
    bool starts_segment;
    struct bytes key, bytes;
    /* Of a batch: `bytes` is its beginning (at least the header). `blocks` blocks follow, from
     * `first_block` on, counted from the first block of the unit. `tail` is the rest. */
    uint32_t first_block, blocks;
    struct bytes tail;
};

/* Writes a part and returns the position after it. There must be room for JOURNAL_PART_OVERHEAD +
 * key + bytes + tail. */
uint8_t *journal_part_write(uint8_t *at, const struct journal_part *part);
/* The next part. False at the end, or if a part is malformed (then r->failed). Views point into the
 * unit. */
bool journal_part_next(struct reader *r, struct journal_part *out);
/* The parts of a whole unit. */
struct reader journal_unit_parts(struct bytes unit);
/* Copies a batch with blocks from a whole unit into memory of its own. NULL: out of memory. */
struct shared_buffer *journal_batch_join(struct bytes unit, const struct journal_part *part);

#endif
