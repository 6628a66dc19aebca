/* Checks of a topic's new configs: single values, then the whole set, with its processors.
 *
 * Messages are Kafka's where its tools show them. They are in the given arena. */
#ifndef BROKER_CONFIG_CONFIG_CHANGE_H
#define BROKER_CONFIG_CONFIG_CHANGE_H

#include "base/arena.h"
#include "broker/request/api_error.h"
#include "broker/topics/catalog_draft.h"

struct env;

enum { TOPIC_OVERRIDES_MAX = 1000 }; /* configs of one topic */
struct api_error config_too_many(struct arena *arena);

/* Checks one override and gives its canonical form (plain numbers instead of 7d or 1MiB). */
struct api_error config_check_value(struct bytes name, struct bytes value, struct arena *arena,
                                    struct bytes *canonical);

/* Checks the whole set of `candidate`, which may be new or replace `before` (NULL): bounds,
 * processors, that state can be kept, that the graph of topics stays free of cycles. */
struct api_error config_check_topic(struct env *env, const struct catalog_draft *catalog,
                                    const struct topic *candidate, const struct topic *before,
                                    struct arena *arena);

#endif
