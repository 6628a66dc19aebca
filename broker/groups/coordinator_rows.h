/* The rows that groups are stored in.
 *
 *   'G' group                                the group: state, generation, members
 *   'O' group 0 topic 0 partition (be32)     one committed offset
 *
 * Values begin with a format version: 1, or 2 for an offset whose commit brought a retention time
 * (OffsetCommit v2 to v4). A topic name has no zero byte, so the end of an offset's key shows where
 * the group's name ends, whatever bytes that name has. Numbers are big endian, texts are compact
 * strings as in protocol/writer.h (null stays null):
 *
 *   group         version i8, state i8, generation i32, empty since i64 (steady ms),
 *                 protocol type, protocol name, leader's member id, members uvarint
 *   per member    id, instance id, client id, client host, session timeout i32,
 *                 rebalance timeout i32, assignment, protocols uvarint
 *   per protocol  name, metadata
 *
 *   offset        version i8, offset i64, leader epoch i32, commit time i64 (steady ms),
 *                 version 2: retention time i64 (ms), metadata (the rest)
 *
 * Members that were never in a generation are not stored: no answer has admitted them yet. */
#ifndef BROKER_GROUPS_COORDINATOR_ROWS_H
#define BROKER_GROUPS_COORDINATOR_ROWS_H

#include "base/error.h"
#include "broker/groups/group.h"
#include "broker/groups/offsets.h"

enum { GROUP_ROW_FORMAT = 1 }; /* of both kinds */

/* Keys and values are appended to buffers. */
void group_row_key(struct bytes group_id, struct buffer *key);
void group_row_value(const struct group *g, struct buffer *value);
/* The group's name in a key; null when the key is not one of a group. */
struct bytes group_row_group(struct bytes key);
/* Makes a group that must still be resumed (group_resume). ERR_CORRUPT, ERR_UNSUPPORTED (newer
 * format). */
MUST_USE enum error group_from_row(struct bytes key, struct bytes value,
                                   const struct group_limits *limits, struct group **out);

void offset_row_key(struct bytes group_id, struct bytes topic, int32_t partition,
                    struct buffer *key);
void offset_row_value(const struct committed_offset *offset, struct buffer *value);

struct offset_row {
    struct bytes group_id, topic;
    int32_t partition;
    struct committed_offset offset;
};
/* Views of the row. ERR_CORRUPT, ERR_UNSUPPORTED. */
MUST_USE enum error offset_from_row(struct bytes key, struct bytes value, struct offset_row *out);

#endif
