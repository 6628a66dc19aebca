/* Checks before recovery whether the data directory can be used. The message names the path, the
 * missing permission and the user, so that the fault does not look like a failed disk. */
#ifndef BROKER_DATA_DIRECTORY_H
#define BROKER_DATA_DIRECTORY_H

#include "base/error.h"

/* If `path` does not exist yet, it must be possible to make it. Changes nothing. ERR_INVALID with a
 * message. */
MUST_USE enum error data_directory_check(const char *path, struct message *message);

/* The absolute path of a data directory that exists; the caller frees it. */
char *data_directory_path(const char *path);

#endif
