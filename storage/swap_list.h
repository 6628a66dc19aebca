/* The list of a cleaning's new files, so that a start can finish the swap or undo it.
 *
 * <data>/cleaning/<topic id>-<partition> exists while a partition has .swap files. An empty list
 * says that they are not wanted yet: a start removes them. When the swap begins, the list gets the
 * base offsets of the new segments and the offset where they end. From then on a start finishes the
 * swap: it removes the old segments of that range and renames the .swap files. The list is removed
 * when all files have their names. Each of its changes is one durable step. */
#ifndef STORAGE_SWAP_LIST_H
#define STORAGE_SWAP_LIST_H

#include "base/env.h"
#include "base/error.h"

struct uuid;

struct swap_list {
    const int64_t *bases; /* rising; the new segments cover [bases[0], end_offset) */
    size_t count;
    int64_t end_offset;
};

/* The caller frees it. */
char *swap_list_path(const char *data_directory, struct uuid topic_id, int32_t partition);
/* False: the file is no list, but the copy of one that was not complete. */
bool swap_list_parse_name(const char *name, struct uuid *topic_id, int32_t *partition);
/* ERR_CORRUPT: it is damaged. The caller frees *bases, to which `out` points. */
MUST_USE enum error swap_list_read(struct io *io, const char *path, struct swap_list *out,
                                   int64_t **bases);
/* Writes a list; an empty one before the first .swap file is made. */
MUST_USE enum error swap_list_write(struct io *io, const char *path, const struct swap_list *list);
/* After the last .swap file is gone. ERR_OK when there is no list. */
MUST_USE enum error swap_list_remove(struct io *io, const char *path);
/* Removes all .swap files of a partition's directory, and the list. */
MUST_USE enum error swap_list_undo(struct io *io, const char *path, const char *directory);

/* Recovery, blocking, before any log is opened: finishes or undoes every swap that a crash has cut
 * off. ERR_CORRUPT: a list is damaged; the message names it. */
MUST_USE enum error swap_lists_recover(struct env *env, const char *data_directory,
                                       struct message *message);

#endif
