/* Refuses rows and journals that a newer version of Tidemill wrote.
 *
 * `format` in tidemill.meta is the first protection: a version that changes a format raises it, and
 * an older version stops there. This check is the second one, for files that were mixed. It must
 * run before anything else reads the rows, because a row that cannot be read looks damaged. */
#ifndef STORAGE_DATA_VERSIONS_H
#define STORAGE_DATA_VERSIONS_H

#include "base/env.h"
#include "storage/kv.h"

/* ERR_UNSUPPORTED: the message has the file, the version found, the versions known, and what to do.
 */
MUST_USE enum error data_versions_check(struct env *env, const char *data_directory, struct kv *kv,
                                        struct message *message);

#endif
