/* How a journal looks on disk: groups of entries of parts.
 *
 * A group is what one write makes durable: a header, then parts, padded with zeros to
 * IO_ALIGNMENT. An entry is a run of parts that ends with JOURNAL_ENTRY_END; it never spans two
 * groups, so a group that is there whole gives whole entries. All zeros are no group, and neither
 * is anything that an earlier use of a recycled file left behind: run, sequence and position must
 * be the expected ones. Layout: docs/on-disk-format.md. */
#ifndef STORAGE_JOURNAL_FORMAT_H
#define STORAGE_JOURNAL_FORMAT_H

#include "protocol/reader.h"
#include "storage/io.h"

enum {
    JOURNAL_MAGIC = 0x544d4a31, /* "TMJ1" */
    JOURNAL_HEADER_SIZE = 80,
    /* The most that a part needs besides its key and its bytes. */
    JOURNAL_PART_OVERHEAD = 64,
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

/* Writes the header in front of the parts and the zeros behind them; `data` has journal_padded
 * bytes. */
void journal_group_seal(uint8_t *data, const struct journal_group *group);
/* Decodes a header. False when no group starts here. Says nothing about the parts. */
bool journal_group_read(struct bytes b, struct journal_group *out);
/* Whether the checksum over the whole group (`length` bytes) is right. */
bool journal_group_is_whole(struct bytes group);

enum journal_part_kind {
    JOURNAL_ENTRY_END = 1,
    JOURNAL_BATCH,       /* topic, partition, offset, bytes; `starts_segment` */
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
};

/* Writes a part and returns the byte behind it. There must be room for JOURNAL_PART_OVERHEAD + key
 * + bytes. */
uint8_t *journal_part_write(uint8_t *at, const struct journal_part *part);
/* The next part; false at the end, or when something is wrong (then r->failed). Views point into
 * the group. */
bool journal_part_next(struct reader *r, struct journal_part *out);

#endif
