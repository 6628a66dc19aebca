#include "broker/groups/subscription.h"

#include "protocol/consumer_protocol.h"

bool group_is_of_consumers(const struct group *g)
{
    return bytes_equal_string(g->protocol_type, "consumer");
}

static bool metadata_names(struct bytes metadata, struct bytes topic, struct arena *arena)
{
    struct consumer_subscription subscription;
    arena_reset(arena);
    if (consumer_subscription_decode(metadata, arena, &subscription))
        return true;
    for (int32_t i = 0; i < subscription.topic_count; i++) {
        if (bytes_equal(subscription.topics[i], topic))
            return true;
    }
    return false;
}

bool group_subscribes(const struct group *g, struct bytes topic)
{
    bool found = false;
    struct arena arena;
    arena_init(&arena, GROUP_BYTES_MAX);
    LIST_FOR_EACH (node, &g->members) {
        const struct group_member *m = CONTAINER_OF(node, struct group_member, node);
        for (size_t i = 0; i < m->protocol_count && !found; i++)
            found = metadata_names(m->protocols[i].metadata, topic, &arena);
    }
    arena_free(&arena);
    return found;
}
