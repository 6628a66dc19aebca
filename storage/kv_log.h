/* Reads LevelDB's log format, in which its logs and its MANIFEST are written.
 *
 * A file is a sequence of blocks of 32 KiB. A record is one write. It has one fragment (FULL) or
 * several (FIRST, MIDDLE, LAST), and none crosses the end of a block. A fragment begins with 7
 * bytes: CRC-32C over type and data, masked; the data's size; the type. Numbers are little-endian.
 * Zeros fill the end of a block that has no room for these 7 bytes.
 *
 * Every write is synced before the next one begins. So a power cut can tear only the last write. It
 * may lose any page of it and keep any other. MIDDLE and LAST fragments after the lost page may
 * belong to the torn write. A whole FULL or FIRST fragment belongs to a later write and proves that
 * the write that is not whole was durable. */
#ifndef STORAGE_KV_LOG_H
#define STORAGE_KV_LOG_H

#include "base/bytes.h"

enum kv_log_end {
    KV_LOG_WHOLE,
    KV_LOG_TORN,    /* the last write is not whole, and no later write was found */
    KV_LOG_DAMAGED, /* a write that was durable is not whole */
};

/* Calls `each` (unless NULL) for every record before the first one that is not whole. The view is
 * valid during the call. *bad is the position of the first bad fragment. */
enum kv_log_end kv_log_scan(struct bytes file, void (*each)(void *context, struct bytes record),
                            void *context, int64_t *bad);

#endif
