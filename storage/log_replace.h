/* Putting others in the place of a log's closed segments: what a cleaner has made of them.
 *
 * Each of the new ones stands for all offsets from its base to the next one's, as every segment
 * does. The first has the base offset of the first old one, so that no offset is left without a
 * segment; one may be empty. The active segment is never replaced. The cleaner's order, in which a
 * crash at any point leaves something to go on from:
 *
 *   1. shard   The first dirty offset behind the segments is made durable; log_set_first_dirty().
 *   2. worker  The new files are written as <name>.cleaned, all three of each segment, and synced.
 *   3. worker  They are renamed to <name>.swap, the .log of the first segment last; the directory
 *              is synced.
 *   4. worker  new_segments_open().
 *   5. shard   log_replace_segments(). A reader that begins now reads the new ones: they are open
 *              and need no name. A reader that had begun finishes with the old ones, by name.
 *   6. worker  When the last reader from before is done, log_delete_begin() gives the job that
 *              removes the old files whose names are free and syncs the directory, then renames
 *              <name>.swap to <name>, the .log of the first segment last, and syncs it again. If
 *              it fails, it is tried again. The next cleaning starts when it has succeeded.
 *
 * Slices keep the files that they name open, whatever happens to the names. A crash leaves a
 * .cleaned: then nothing was swapped, all .cleaned and .swap files are removed. Or it leaves .swap
 * files alone: then step 6 is done from its start, and an old segment is one that starts inside the
 * offsets of the batches of a .swap. (One behind them has only what the cleaner would have
 * dropped.)
 *
 * No start of a broker looks at .cleaned and .swap yet: that comes with the cleaner. */
#ifndef STORAGE_LOG_REPLACE_H
#define STORAGE_LOG_REPLACE_H

#include "storage/log.h"

/* New segments with their files open, for offsets [base_offsets[0], end_offset). */
struct new_segments;
/* Opens and summarizes the .swap files; base offsets rise. ERR_NOT_FOUND: one of them is missing.
 * ERR_CORRUPT: the batches do not fit the segment or an index does not fit the batches. */
MUST_USE enum error new_segments_open(struct env *env, const char *directory,
                                      const int64_t *base_offsets, size_t count, int64_t end_offset,
                                      struct new_segments **out);
void new_segments_free(struct new_segments *n); /* NULL is fine */

/* The swap. On ERR_OK the new segments belong to the log, else still to the caller and nothing has
 * changed.
 *
 *   ERR_BUSY       the log is not loaded, or the last swap's files have not got their names yet
 *   ERR_NOT_FOUND  the range is not one of whole closed segments, all in files and sound (any more:
 *                  retention may have taken some): remove the .swap files */
MUST_USE enum error log_replace_segments(struct log *log, struct new_segments *n);

#endif
