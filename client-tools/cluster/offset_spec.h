/* Offsets as people write them: start end +N -N N N:M :end start:end @T @T1:T2.
 *
 * +N is N after the start, -N is N before the end, @T is the first record at or after a time. The
 * part after the colon says where to stop: before that offset, or at the present end. */
#ifndef CLIENT_TOOLS_CLUSTER_OFFSET_SPEC_H
#define CLIENT_TOOLS_CLUSTER_OFFSET_SPEC_H

#include "client-tools/cluster/cluster.h"

enum bound_kind {
    BOUND_NONE, /* only as a stop: never stops */
    BOUND_START,
    BOUND_END,
    BOUND_AFTER_START,
    BOUND_BEFORE_END,
    BOUND_OFFSET,
    BOUND_TIME,
};

struct offset_bound {
    enum bound_kind kind;
    int64_t value;
};

struct offset_spec {
    struct offset_bound from, to;
};

bool offset_spec_parse(struct bytes text, int64_t now_ms, struct offset_spec *out,
                       struct failure *f);

/* One partition and the offset of a bound in it, limited to its start and end. */
struct offset_target {
    struct bytes topic;
    int32_t partition, leader;
    int64_t offset;
    int16_t error_code;
};

bool offset_bound_resolve(struct client *c, struct offset_bound bound,
                          struct offset_target *targets, size_t count, struct arena *arena,
                          struct failure *f);

#endif
