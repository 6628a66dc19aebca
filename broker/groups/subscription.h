/* Which topics a group's members subscribe to: the one place where the broker looks into what the
 * members of a "consumer" group tell each other. */
#ifndef BROKER_GROUPS_SUBSCRIPTION_H
#define BROKER_GROUPS_SUBSCRIPTION_H

#include "broker/groups/group.h"

/* Whether the members speak the consumer protocol, so that subscriptions can be known. */
bool group_is_of_consumers(const struct group *g);

/* Whether a member of the group subscribes to the topic. What cannot be read counts as subscribed
 * to everything; a group without members to nothing. */
bool group_subscribes(const struct group *g, struct bytes topic);

#endif
