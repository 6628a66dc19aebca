/* Dead letters: records that could not be processed, with the reason in headers of Kafka's own
 * family for broker dead letter queues (KIP-1191). Section 9 of the semantics.
 *
 * The key, value, timestamp and headers of the original record stay as they are. A record that
 * comes back from a dead letter topic and fails again keeps the time of its first failure, and its
 * count of failures increases. */
#ifndef PROCESSORS_TASK_DEAD_LETTER_H
#define PROCESSORS_TASK_DEAD_LETTER_H

#include "base/error.h"
#include "processors/task/outbox.h"

/* code, class */
#define DEAD_LETTER_CODES(X)               \
    X(MALFORMED_JSON, "permanent-data")    \
    X(SCHEMA_VIOLATION, "permanent-data")  \
    X(TIMESTAMP_MISSING, "permanent-data") \
    X(TIMESTAMP_INVALID, "permanent-data") \
    X(TIMESTAMP_FUTURE, "permanent-data")  \
    X(KEY_MISSING, "permanent-data")       \
    X(DEDUP_ID_MISSING, "permanent-data")  \
    X(TYPE_MISMATCH, "permanent-data")     \
    X(EXPR_ERROR, "permanent-code")        \
    X(OUTPUT_TOO_LARGE, "permanent-code")  \
    X(LATE, "late")

enum dead_letter_code {
#define X(code, class) DEAD_##code,
    DEAD_LETTER_CODES(X)
#undef X
        DEAD_LETTER_CODE_COUNT
};

const char *dead_letter_code_name(enum dead_letter_code code);
const char *dead_letter_class(enum dead_letter_code code);

enum { DEAD_LETTER_MESSAGE_MAX = 1024 };

struct dead_letter_reason {
    enum dead_letter_code code;
    char path[256];         /* where in the value: a JSON pointer, or empty */
    struct message message; /* for people; contains no part of the record */
};

/* Where the dead letter comes from: the processor and the record. */
struct dead_letter_origin {
    struct bytes topic, processor, version;
    int32_t partition;
    int64_t wall_ms;   /* now: the time of this failure */
    int64_t watermark; /* for LATE: its value before the record */
};

/* Adds the record with its headers to the outbox. */
void dead_letter_add(struct outbox *o, struct route route, const struct record *record,
                     const struct dead_letter_origin *origin,
                     const struct dead_letter_reason *reason);

#endif
