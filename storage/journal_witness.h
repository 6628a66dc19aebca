/* A witness of a shard's journal, outside its ring of files: <data>/shard-<n>/durable.
 *
 * A unit says what was durable before it, so no unit says it of the last ones. The witness does: it
 * is written in the background, about once a second while there is news. Recovery compares the end
 * of the journal with it. A missing or damaged witness only weakens this check.
 *
 * The file has two slots of one block, written in turn, so that a torn write leaves the other slot.
 * Layout: docs/on-disk-format.md. */
#ifndef STORAGE_JOURNAL_WITNESS_H
#define STORAGE_JOURNAL_WITNESS_H

#include "base/env.h"
#include "storage/journal_format.h"

/* The name of the file in the shard's directory. */
#define JOURNAL_WITNESS_NAME "durable"

struct journal_witness {
    uint64_t count; /* of the writes so far; the slot with the larger one is valid */
    uint64_t run;
    lsn_t durable;      /* everything below was durable */
    lsn_t checkpoint;   /* the key-value store was durable up to here */
    uint64_t sequence;  /* of the journal file that contains the last byte below `durable` */
    int64_t position;   /* in that file, after this byte */
    int64_t file_bytes; /* each file of the run had at least this size before its first unit */
};

/* ERR_NOT_FOUND: there is none, or both slots are damaged. */
MUST_USE enum error journal_witness_read(struct env *env, const char *directory,
                                         struct journal_witness *out);
/* Blocks: makes the witness durable in the slot of its count. */
MUST_USE enum error journal_witness_write(struct env *env, const char *directory,
                                          const struct journal_witness *witness);

#endif
