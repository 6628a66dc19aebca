/* How a journal looks on disk: units of entries of parts.
 *
 * A unit is what one write makes durable: a header, then parts, padded with zeros to
 * IO_ALIGNMENT, then blocks. An entry is a sequence of parts that ends with JOURNAL_ENTRY_END; it
 * never spans two units, so a unit that is there whole gives whole entries. All zeros are no unit,
 * and neither is anything that an earlier use of a recycled file left behind: run, sequence and
 * position must be the expected ones. Layout: docs/on-disk-format.md.
 *
 * The blocks are the insides of large batches: whole blocks of memory that are written from where
 * they were received, neither copied nor summed up again. The unit's checksum covers header and
 * parts; what is in the blocks is covered by the checksums of the batches themselves. */
#ifndef STORAGE_JOURNAL_FORMAT_H
#define STORAGE_JOURNAL_FORMAT_H

#include "base/shared_buffer.h"
#include "protocol/reader.h"
#include "storage/io.h"

enum {
    JOURNAL_MAGIC = 0x544d4a31, /* "TMJ1" */
    JOURNAL_HEADER_SIZE = 80,
    /* The most that a part needs besides its key, its bytes and its tail. */
    JOURNAL_PART_OVERHEAD = 80,
    /* Larger units are not written, so a length above is not believed. */
    JOURNAL_UNIT_MAX = 1 << 30,
};

/* A position in a shard's journal: bytes of units since the run began. It only rises, across
 * files; each run starts again at zero. */
typedef uint64_t lsn_t;

enum journal_unit_flags {
    JOURNAL_CLOSED = 1, /* the last unit of a run that ended in order */
};

struct journal_unit {
    uint32_t length; /* header and parts, without the padding */
    uint32_t blocks; /* of IO_ALIGNMENT bytes, behind the padding */
    uint32_t shard, entries, flags;
    uint64_t run;      /* drawn anew at each start */
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

/* Writes the header in front of the parts and the zeros behind them; `data` has journal_padded
 * bytes. The blocks are written behind them by the caller. */
void journal_unit_seal(uint8_t *data, const struct journal_unit *unit);
/* Decodes a header. False when no unit starts here. Says nothing about the parts. */
bool journal_unit_read(struct bytes b, struct journal_unit *out);
/* Whether everything in a unit of journal_unit_size bytes is as it was sealed: its checksum, and
 * those of the batches that have blocks. */
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
    /* Of a batch: `bytes` is its beginning (the header at least), then come `blocks` blocks from
     * `first_block` on, counted from the first one of the unit, then `tail`. */
    uint32_t first_block, blocks;
    struct bytes tail;
};

/* Writes a part and returns the byte behind it. There must be room for JOURNAL_PART_OVERHEAD + key
 * + bytes + tail. */
uint8_t *journal_part_write(uint8_t *at, const struct journal_part *part);
/* The next part; false at the end, or when something is wrong (then r->failed). Views point into
 * the unit. */
bool journal_part_next(struct reader *r, struct journal_part *out);
/* The parts of a whole unit. */
struct reader journal_unit_parts(struct bytes unit);
/* A batch with blocks, put together, in memory of its own; NULL when memory is out. The unit is
 * whole. */
struct shared_buffer *journal_batch_join(struct bytes unit, const struct journal_part *part);

#endif
