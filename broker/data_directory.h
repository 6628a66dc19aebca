/* Whether the data directory can be used at all, before recovery begins: who may not read or write
 * it hears which path it is, what is missing and for whom, not that a disk refused. */
#ifndef BROKER_DATA_DIRECTORY_H
#define BROKER_DATA_DIRECTORY_H

#include "base/error.h"

/* `path` need not exist yet: then it must be possible to make it. Changes nothing. ERR_INVALID with
 * a message. */
MUST_USE enum error data_directory_check(const char *path, struct message *message);

#endif
