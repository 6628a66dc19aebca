/* Replaces closed segments of a log by those that a cleaner has made from them.
 *
 * As every segment, a new one covers all offsets from its base to the base of the next one. The
 * first one has the base offset of the first old one, so that every offset has a segment. A new
 * segment may be empty. The active segment is never replaced. A cleaner keeps this order, so that
 * the broker can continue after a crash at any point:
 *
 *   1. shard   A first dirty offset after the segments is made durable; log_set_first_dirty().
 *   2. worker  An empty swap list is made durable (swap_list.h). The new files are written as
 *              <name>.swap, all three of each segment, and synced with their directory.
 *   3. worker  new_segments_open().
 *   4. shard   log_replace_segments(). A reader that begins now reads the new ones: they are open
 *              and need no name. A reader that had begun finishes with the old ones, by name.
 *   5. worker  When the last of these old readers is done, log_delete_begin() gives the job that
 *              writes the new segments to the swap list. With this step the swap is durable. Then
 *              it removes the old files whose names are free, syncs the directory, renames
 *              <name>.swap to <name>, syncs it again, and removes the list. If it fails, it is
 *              tried again. The next cleaning starts when it has succeeded: a tombstone may only
 *              go after the records that it has replaced are gone for good.
 *
 * Slices keep their files open, also when the names change. A start looks at the lists before it
 * opens a log. It syncs them first: after a kill they may not be durable yet. An empty list: the
 * .swap files are removed, the old segments stay. Otherwise step 5 is done from its start, so all
 * old segments of the range go and all new ones get their names. */
#ifndef STORAGE_LOG_REPLACE_H
#define STORAGE_LOG_REPLACE_H

#include "storage/log.h"

/* New segments with their files open, for offsets [base_offsets[0], end_offset). */
struct new_segments;
/* Opens and summarizes the .swap files. Base offsets rise. ERR_NOT_FOUND: a file is missing.
 * ERR_CORRUPT: the batches do not fit the segment, or an index does not fit the batches. */
MUST_USE enum error new_segments_open(struct env *env, const char *directory,
                                      const int64_t *base_offsets, size_t count, int64_t end_offset,
                                      struct new_segments **out);
void new_segments_free(struct new_segments *n); /* NULL is fine */
/* Where the swap writes its list (swap_list.h). Without it a crash may leave .swap files that a
 * start does not see. */
void new_segments_list_in(struct new_segments *n, const char *list_path);

/* The swap. On ERR_OK the new segments belong to the log. Otherwise they still belong to the
 * caller, and nothing has changed. The tail loses the batches of these segments.
 *
 *   ERR_BUSY       the log is not loaded, or the last swap's files have not got their names yet
 *   ERR_NOT_FOUND  the range does not consist of whole closed segments that are flushed and sound
 *                  (retention may have deleted some): remove the .swap files */
MUST_USE enum error log_replace_segments(struct log *log, struct new_segments *n);

#endif
