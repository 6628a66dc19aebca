#ifndef BROKER_REQUEST_OPERATIONS_H
#define BROKER_REQUEST_OPERATIONS_H

#include <stdint.h>

/* The operations that a client may use on a resource, as sets of Kafka's operation codes.
 *
 * There is no authorizer, so every set has all operations of its kind of resource, as in Kafka. The
 * codes: READ 3, WRITE 4, CREATE 5, DELETE 6, ALTER 7, DESCRIBE 8, CLUSTER_ACTION 9,
 * DESCRIBE_CONFIGS 10, ALTER_CONFIGS 11, IDEMPOTENT_WRITE 12. */
enum {
    OPERATIONS_NOT_ASKED = INT32_MIN,
    OPERATIONS_OF_TOPIC = 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 11,
    OPERATIONS_OF_GROUP = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11,
    OPERATIONS_OF_CLUSTER = 1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12,
};

#endif
