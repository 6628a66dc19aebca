/* Creates, grows, configures and removes topics, within a change of the controller. Each function
 * checks everything first: on an error it has changed nothing. Messages are in the given arena. */
#ifndef BROKER_TOPICS_TOPIC_CHANGE_H
#define BROKER_TOPICS_TOPIC_CHANGE_H

#include "broker/config/config_change.h"
#include "broker/topics/controller.h"

struct topic_assignment {
    int32_t partition;
    const int32_t *brokers;
    int32_t broker_count;
};

struct topic_spec {
    struct bytes name;
    int32_t partitions;                         /* -1: the broker's num.partitions */
    int32_t replication_factor;                 /* -1: the broker's default */
    const struct topic_assignment *assignments; /* then both fields above are -1 */
    int32_t assignment_count;
    const struct topic_config *configs; /* a null value is refused */
    size_t config_count;
};

/* *out gets a reference to the topic, also if the topic is only checked. */
struct api_error topic_change_create(struct controller *c, const struct topic_spec *spec,
                                     bool only_check, struct arena *arena, struct topic **out);

/* Raises the number of partitions to `count`. */
struct api_error topic_change_grow(struct controller *c, struct topic *topic, int32_t count,
                                   const struct topic_assignment *assignments,
                                   int32_t assignment_count, bool only_check, struct arena *arena);

/* Gives the topic exactly these overrides, which were checked one by one. */
struct api_error topic_change_configure(struct controller *c, const struct topic *topic,
                                        const struct topic_config *configs, size_t config_count,
                                        bool only_check, struct arena *arena);

#endif
