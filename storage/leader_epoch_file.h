/* A log's leader-epoch-checkpoint, as Kafka writes it: a text file with a version (0), the number
 * of entries, and a line "epoch start-offset" for each. One node leads all partitions, so there is
 * one epoch, 0, from offset 0 on. The broker does not read the file: its batches say the same.
 * Kafka and its tools need it. */
#ifndef STORAGE_LEADER_EPOCH_FILE_H
#define STORAGE_LEADER_EPOCH_FILE_H

#include "storage/io.h"

#define LEADER_EPOCH_FILE "leader-epoch-checkpoint"

/* Writes the file, blocking. The content is always the same: writing it again harms nothing, and
 * repairs a file that a power failure has torn. With `sync` the content is durable on return. */
MUST_USE enum error leader_epoch_file_write(struct io *io, const char *directory, bool sync);
/* Whether this is the content of such a file. */
bool leader_epoch_file_is_right(struct bytes file);

#endif
