/* LevelDB's log format, read without LevelDB: its logs and its MANIFEST have it.
 *
 * A file is a row of blocks of 32 KiB. A record is one write, in one fragment (FULL) or in several
 * (FIRST, MIDDLE, LAST), none of which crosses the end of a block. A fragment has 7 bytes in front:
 * CRC-32C over type and data, masked; the data's size; the type. Numbers are little-endian. A block
 * whose end has no room for these 7 bytes ends with zeros.
 *
 * Every write is synced before the next one begins. So only the last one may be torn: by a power
 * cut, which may have lost any of its pages and kept any other. MIDDLE and LAST fragments behind
 * the hole may be its own; a whole FULL or FIRST one belongs to a later write and proves that what
 * is not whole was durable. */
#ifndef STORAGE_KV_LOG_H
#define STORAGE_KV_LOG_H

#include "base/bytes.h"

enum kv_log_end {
    KV_LOG_WHOLE,
    KV_LOG_TORN,    /* the last write is not whole: nothing later was found */
    KV_LOG_DAMAGED, /* a write that was durable is not whole */
};

/* Calls `each` (unless NULL) for every record before the first that is not whole; the view is valid
 * during the call. *bad is the byte where that one's first bad fragment stands. */
enum kv_log_end kv_log_scan(struct bytes file, void (*each)(void *context, struct bytes record),
                            void *context, int64_t *bad);

#endif
