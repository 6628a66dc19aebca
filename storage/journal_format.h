/* How a journal looks on disk: groups of entries of parts.
 *
 * A group is what one write makes durable: a header, then parts, padded with zeros to
 * IO_ALIGNMENT, then blocks. An entry is a run of parts that ends with JOURNAL_ENTRY_END; it never
 * spans two groups, so a group that is there whole gives whole entries. All zeros are no group, and
 * neither is anything that an earlier use of a recycled file left behind: run, sequence and
 * position must be the expected ones. Layout: docs/on-disk-format.md.
 *
 * The blocks are the insides of large batches: whole blocks of memory that are written from where
 * they were received, neither copied nor summed up again. The group's checksum covers header and
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
    /* Larger groups are not written, so a length above is not believed. */
    JOURNAL_GROUP_MAX = 1 << 30,
};

/* A position in a shard's journal: bytes of groups since the run began. It only rises, across
 * files; each run starts again at zero. */
typedef uint64_t lsn_t;

enum journal_group_flags {
    JOURNAL_CLOSED = 1, /* the last group of a run that ended in order */
};

struct journal_group {
    uint32_t length; /* header and parts, without the padding */
    uint32_t blocks; /* of IO_ALIGNMENT bytes, behind the padding */
    uint32_t shard, entries, flags;
    uint64_t run;      /* drawn anew at each start */
    uint64_t sequence; /* of the file it was written to */
    lsn_t lsn;         /* where this group starts */
    lsn_t durable;     /* everything below was durable when this was written */
    lsn_t checkpoint;  /* the key-value store was durable up to here */
    uint64_t next;     /* the file that follows this one; 0: not known yet */
};

static inline size_t journal_padded(size_t size)
{
    return (size + IO_ALIGNMENT - 1) & ~(size_t)(IO_ALIGNMENT - 1);
}

/* Bytes of a whole group. */
static inline size_t journal_group_size(const struct journal_group *group)
{
    return journal_padded(group->length) + (size_t)group->blocks * IO_ALIGNMENT;
}

/* Writes the header in front of the parts and the zeros behind them; `data` has journal_padded
 * bytes. The blocks are written behind them by the caller. */
void journal_group_seal(uint8_t *data, const struct journal_group *group);
/* Decodes a header. False when no group starts here. Says nothing about the parts. */
bool journal_group_read(struct bytes b, struct journal_group *out);
/* Whether everything in a group of journal_group_size bytes is as it was sealed: its checksum, and
 * those of the batches that have blocks. */
bool journal_group_is_whole(struct bytes group);

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
     * `first_block` on, counted from the first one of the group, then `tail`. */
    uint32_t first_block, blocks;
    struct bytes tail;
};

/* Writes a part and returns the byte behind it. There must be room for JOURNAL_PART_OVERHEAD + key
 * + bytes + tail. */
uint8_t *journal_part_write(uint8_t *at, const struct journal_part *part);
/* The next part; false at the end, or when something is wrong (then r->failed). Views point into
 * the group. */
bool journal_part_next(struct reader *r, struct journal_part *out);
/* The parts of a whole group. */
struct reader journal_group_parts(struct bytes group);
/* A batch with blocks, put together, in memory of its own; NULL when memory is out. The group is
 * whole. */
struct shared_buffer *journal_batch_join(struct bytes group, const struct journal_part *part);

#endif
