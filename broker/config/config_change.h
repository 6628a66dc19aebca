/* What a topic's configs may become: single values, then the set as a whole, processors included.
 *
 * Messages are Kafka's where its tools show them; they lie in the arena given. */
#ifndef BROKER_CONFIG_CONFIG_CHANGE_H
#define BROKER_CONFIG_CONFIG_CHANGE_H

#include "base/arena.h"
#include "broker/topics/catalog_draft.h"
#include "protocol/kafka_error.h"

struct env;

struct verdict {
    enum kafka_error error;
    const char *message; /* NULL when there is no error */
};

enum { TOPIC_OVERRIDES_MAX = 1000 }; /* configs of one topic */
struct verdict config_too_many(struct arena *arena);

/* Checks one override and gives its canonical form (plain numbers for 7d or 1MiB). */
struct verdict config_check_value(struct bytes name, struct bytes value, struct arena *arena,
                                  struct bytes *canonical);

/* Checks the whole set of `candidate`, which may be new or replace `before` (NULL): bounds,
 * processors, that state can be kept, that the graph of topics stays free of cycles. */
struct verdict config_check_topic(struct env *env, const struct catalog_draft *catalog,
                                  const struct topic *candidate, const struct topic *before,
                                  struct arena *arena);

#endif
