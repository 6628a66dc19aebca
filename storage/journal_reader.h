/* Reads a shard's journal after a run has ended, from a checkpointed position on.
 *
 * A run writes one unit at a time, and the next one only when the previous one is durable. So a
 * crash can tear only the last unit. A unit that is not whole, with whole units of the same run
 * after it, was damaged after it was durable. So was everything that is missing below the end that
 * the witness names (journal_witness.h). The reader tells these cases apart. It never skips a unit.
 */
#ifndef STORAGE_JOURNAL_READER_H
#define STORAGE_JOURNAL_READER_H

#include "base/env.h"
#include "base/shared_buffer.h"
#include "storage/journal_format.h"

/* The journal's position at a checkpoint: the value of a row of kind ROW_JOURNAL. */
struct journal_mark {
    uint64_t start; /* counts the starts of the broker */
    uint64_t run;
    lsn_t lsn;
    uint64_t sequence; /* of the file that contains lsn; 0: the run had written nothing */
    int64_t position;
};

enum journal_end {
    JOURNAL_ENDED, /* no unit follows */
    JOURNAL_TORN,  /* the last unit is not whole, and nothing says that it was durable */
    JOURNAL_DAMAGED,
};

struct journal_reader;

MUST_USE enum error journal_reader_open(struct env *env, const char *directory, uint32_t shard,
                                        const struct journal_mark *mark,
                                        struct journal_reader **out);
void journal_reader_close(struct journal_reader *r); /* NULL is fine */

/* The next whole unit, with its own reference to the bytes (header included); NULL at the end. */
MUST_USE enum error journal_reader_next(struct journal_reader *r, struct journal_unit *unit,
                                        struct shared_buffer **bytes);
/* How the journal ended, and where it is torn or damaged. Call it after journal_reader_next gave
 * NULL. */
MUST_USE enum error journal_reader_judge(struct journal_reader *r, enum journal_end *end,
                                         struct journal_mark *at, int64_t *cut_bytes);
/* Writes the last unit again, if it has entries, and syncs it. All units before it were durable.
 * Its own sync may have failed: then it is still read from memory, is taken for clean, and is lost
 * at the next power cut. Nothing may be deleted because of it before. */
MUST_USE enum error journal_reader_make_durable(struct journal_reader *r);
/* The key-value store was durable up to here, according to the units that were read. After
 * journal_reader_judge they include those after a damaged unit. */
lsn_t journal_reader_checkpoint(const struct journal_reader *r);
/* Copies the current file and those that were not read to <name>.damaged, and syncs the copies. */
MUST_USE enum error journal_reader_keep_copies(struct journal_reader *r);

#endif
