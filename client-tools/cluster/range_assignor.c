#include "client-tools/cluster/range_assignor.h"

#include "protocol/consumer_protocol.h"

enum { MAX_ASSIGNMENT = 64 << 20 };

static bool subscribes(const struct range_member *m, struct bytes topic)
{
    for (size_t i = 0; i < m->topic_count; i++) {
        if (bytes_equal(m->topics[i], topic))
            return true;
    }
    return false;
}

struct range_share range_assign(const struct range_member *members, size_t count, size_t member,
                                struct bytes topic, int32_t partitions)
{
    int32_t subscribers = 0, rank = 0;
    if (!subscribes(&members[member], topic))
        return (struct range_share){0, 0};
    for (size_t i = 0; i < count; i++) {
        if (!subscribes(&members[i], topic))
            continue;
        subscribers++;
        rank += bytes_compare(members[i].id, members[member].id) < 0;
    }
    int32_t each = partitions / subscribers, extra = partitions % subscribers;
    return (struct range_share){rank * each + MIN(rank, extra), each + (rank < extra)};
}

static bool read_members(const struct join_group_response *joined, struct arena *arena,
                         struct range_member *members, struct failure *f)
{
    for (int32_t i = 0; i < joined->members_count; i++) {
        struct consumer_subscription s;
        if (consumer_subscription_decode(joined->members[i].metadata, arena, &s) != ERR_OK)
            return fail(f, "INCONSISTENT_GROUP_PROTOCOL",
                        "the subscription of member %.*s is malformed",
                        BYTES_PRINTF(joined->members[i].member_id));
        members[i] =
            (struct range_member){joined->members[i].member_id, s.topics, (size_t)s.topic_count};
    }
    return true;
}

/* The topics that members subscribe to, each once. */
static struct bytes *all_topics(const struct range_member *members, size_t count,
                                struct arena *arena, size_t *topic_count)
{
    size_t most = 0;
    for (size_t i = 0; i < count; i++)
        most += members[i].topic_count;
    struct bytes *topics = arena_array(arena, most, sizeof *topics);
    *topic_count = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t t = 0; t < members[i].topic_count; t++) {
            struct range_member known = {.topics = topics, .topic_count = *topic_count};
            if (!subscribes(&known, members[i].topics[t]))
                topics[(*topic_count)++] = members[i].topics[t];
        }
    }
    return topics;
}

static struct bytes encode_assignment(const struct range_member *members, size_t count,
                                      size_t member, const struct topic_info *topics,
                                      size_t topic_count, struct arena *arena)
{
    struct consumer_assignment a = {.user_data = BYTES_NULL};
    a.topics = arena_array(arena, topic_count, sizeof *a.topics);
    for (size_t t = 0; t < topic_count; t++) {
        struct range_share share =
            range_assign(members, count, member, topics[t].name, topics[t].partition_count);
        if (share.count == 0)
            continue;
        struct consumer_partitions *p = &a.topics[a.topic_count++];
        p->topic = topics[t].name;
        p->count = share.count;
        p->partitions = arena_array(arena, (size_t)share.count, sizeof *p->partitions);
        for (int32_t i = 0; i < share.count; i++)
            p->partitions[i] = topics[t].partitions[share.first + i].index;
    }
    struct buffer out;
    buffer_init(&out, MAX_ASSIGNMENT);
    consumer_assignment_encode(&a, &out);
    struct bytes encoded = arena_copy(arena, buffer_view(&out));
    buffer_free(&out);
    return encoded;
}

bool range_assign_members(struct client *client, const struct join_group_response *joined,
                          struct arena *arena, struct sync_group_request *request,
                          struct failure *f)
{
    size_t count = (size_t)joined->members_count, topic_count;
    struct range_member *members = arena_array(arena, count, sizeof *members);
    struct topic_info *topics;
    if (!read_members(joined, arena, members, f))
        return false;
    struct bytes *names = all_topics(members, count, arena, &topic_count);
    if (!cluster_topics(client, names, topic_count, false, arena, &topics, &topic_count, f))
        return false;
    request->assignments = schema_array(&sync_group_request_assignments_schema, count, arena);
    request->assignments_count = (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        request->assignments[i].member_id = members[i].id;
        request->assignments[i].assignment =
            encode_assignment(members, count, i, topics, topic_count, arena);
    }
    return true;
}
