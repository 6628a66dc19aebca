/* The files of deleted segments and logs. As Kafka does, the broker first renames them to
 * <name>.deleted, and removes them after file.delete.delay.ms. No opening takes a renamed file for
 * a part of a log. All calls block. */
#ifndef STORAGE_DELETED_FILES_H
#define STORAGE_DELETED_FILES_H

#include "storage/io.h"

/* Renames the files of a segment, the .log last: by the .log a later opening finds the segment.
 * Missing files are fine. */
MUST_USE enum error deleted_files_rename(struct io *io, const char *directory, int64_t base_offset);
/* Removes the renamed files of a segment. Missing files are fine. */
MUST_USE enum error deleted_files_unlink(struct io *io, const char *directory, int64_t base_offset);
/* Removes the renamed files of all segments. ERR_OK when there is no such directory. */
MUST_USE enum error deleted_files_unlink_all(struct io *io, const char *directory);
/* "<directory>.deleted"; the caller frees it. */
char *deleted_directory(const char *directory);

#endif
