/* The topics that a group's members subscribe to. Only this file reads the metadata that the
 * members of a "consumer" group send to each other. */
#ifndef BROKER_GROUPS_SUBSCRIPTION_H
#define BROKER_GROUPS_SUBSCRIPTION_H

#include "broker/groups/group.h"

/* Whether the members use the consumer protocol, so that subscriptions are known. */
bool group_is_of_consumers(const struct group *g);

/* Whether a member of the group subscribes to the topic. Metadata that cannot be read counts as
 * subscribed to everything. A group without members subscribes to nothing. */
bool group_subscribes(const struct group *g, struct bytes topic);

#endif
