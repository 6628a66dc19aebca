/* The overrides of one resource while a request changes them. Topics and the broker share this;
 * they differ in the table and in the check of a value. */
#ifndef BROKER_CONFIG_OVERRIDES_H
#define BROKER_CONFIG_OVERRIDES_H

#include "broker/config/config_change.h"
#include "broker/config/live_settings.h"

/* Kafka's codes. */
enum alter_operation { ALTER_SET, ALTER_DELETE, ALTER_APPEND, ALTER_SUBTRACT };

/* One key of a request. */
struct alter_key {
    struct bytes name, value; /* the value may be null */
    int8_t operation;
};

struct overrides {
    const struct setting *table; /* says which keys are lists: only these can be appended to */
    const void *effective;       /* values of the table: the start of a list without an override */
    /* Checks one value and gives its canonical form. */
    struct api_error (*check)(struct bytes name, struct bytes value, struct arena *arena,
                              struct bytes *canonical);
    struct arena *arena;
    struct topic_config *configs; /* the result */
    size_t count;
};

/* Starts from `before` (NULL: from nothing) and applies the keys of one resource. */
struct api_error overrides_apply(struct overrides *o, const struct override_list *before,
                                 const struct alter_key *keys, int32_t key_count);

#endif
