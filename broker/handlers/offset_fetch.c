/* OffsetFetch: one group (up to version 7) or several. Internally there are always several. */
#include "broker/groups/answer.h"
#include "broker/handlers/handlers.h"

enum { FIRST_WITH_GROUPS = 8 };

struct offset_fetch_visits {
    struct group_visits visits;
    struct offset_fetch_request_groups *groups;
    struct offset_fetch_response_groups *results;
    size_t count;
};

static struct offset_fetch_response_groups_topics_partitions
show(int32_t partition, const struct committed_offset *committed, struct arena *arena)
{
    if (committed == NULL)
        return (struct offset_fetch_response_groups_topics_partitions){.partition_index = partition,
                                                                       .committed_offset = -1,
                                                                       .committed_leader_epoch = -1,
                                                                       .metadata =
                                                                           BYTES_LITERAL("")};
    struct bytes metadata = committed->metadata;
    return (struct offset_fetch_response_groups_topics_partitions){
        .partition_index = partition,
        .committed_offset = committed->offset,
        .committed_leader_epoch = committed->leader_epoch,
        .metadata = metadata.size > 0 ? arena_copy(arena, metadata) : BYTES_LITERAL(""),
    };
}

static void show_asked(const struct offsets *offsets,
                       const struct offset_fetch_request_groups_topics *in,
                       struct offset_fetch_response_groups_topics *out, struct arena *arena)
{
    size_t count = (size_t)in->partition_indexes_count;
    out->name = in->name;
    out->partitions = arena_array(arena, count, sizeof *out->partitions);
    out->partitions_count = in->partition_indexes_count;
    for (size_t i = 0; i < count; i++) {
        int32_t partition = in->partition_indexes[i];
        const struct committed_offset *committed =
            offsets ? offsets_get(offsets, in->name, partition) : NULL;
        out->partitions[i] = show(partition, committed, arena);
    }
}

static void show_topic(const struct topic_offsets *t,
                       struct offset_fetch_response_groups_topics *out, struct arena *arena)
{
    out->name = arena_copy(arena, t->topic);
    out->partitions = arena_array(arena, t->count, sizeof *out->partitions);
    for (int32_t i = 0; i < t->capacity; i++) {
        if (t->partitions[i].is_set)
            out->partitions[out->partitions_count++] = show(i, &t->partitions[i], arena);
    }
}

static void show_all(const struct offsets *offsets, struct offset_fetch_response_groups *out,
                     struct arena *arena)
{
    if (offsets == NULL)
        return;
    out->topics = arena_array(arena, offsets->topics.count, sizeof *out->topics);
    size_t at = 0;
    for (const struct topic_offsets *t; (t = offsets_next(offsets, &at));)
        show_topic(t, &out->topics[out->topics_count++], arena);
}

static void visit(struct group_visits *visits, struct shard *shard, uint32_t item,
                  struct arena *arena)
{
    struct offset_fetch_visits *v = CONTAINER_OF(visits, struct offset_fetch_visits, visits);
    const struct offset_fetch_request_groups *in = &v->groups[item];
    struct offset_fetch_response_groups *out = &v->results[item];
    const struct offsets *offsets = coordinator_offsets(shard->coordinator, in->group_id);
    out->group_id = in->group_id;
    if (group_visit_is_excessive(visits, item, arena)) {
        out->error_code = KAFKA_INVALID_REQUEST;
        return;
    }
    if (in->topics_count < 0) {
        show_all(offsets, out, arena);
        return;
    }
    out->topics = arena_array(arena, (size_t)in->topics_count, sizeof *out->topics);
    out->topics_count = in->topics_count;
    for (int32_t i = 0; i < in->topics_count; i++)
        show_asked(offsets, &in->topics[i], &out->topics[i], arena);
}

/* Copies a topic into its old form, which has the same parts. */
static void copy_topic(struct request *request,
                       const struct offset_fetch_response_groups_topics *from,
                       struct offset_fetch_response_topics *to)
{
    size_t count = (size_t)from->partitions_count;
    to->name = from->name;
    to->partitions = request_alloc(request, count, sizeof *to->partitions);
    to->partitions_count = from->partitions_count;
    for (size_t i = 0; i < count; i++) {
        const struct offset_fetch_response_groups_topics_partitions *p = &from->partitions[i];
        to->partitions[i] = (struct offset_fetch_response_topics_partitions){
            .partition_index = p->partition_index,
            .committed_offset = p->committed_offset,
            .committed_leader_epoch = p->committed_leader_epoch,
            .metadata = p->metadata,
            .error_code = p->error_code,
        };
    }
}

static void finish(struct group_visits *visits)
{
    struct offset_fetch_visits *v = CONTAINER_OF(visits, struct offset_fetch_visits, visits);
    struct request *request = visits->request;
    struct offset_fetch_response out;
    schema_defaults(&offset_fetch_response_schema, &out);
    if (request->header.api_version >= FIRST_WITH_GROUPS) {
        out.groups = v->results;
        out.groups_count = (int32_t)v->count;
    } else {
        const struct offset_fetch_response_groups *group = &v->results[0];
        out.topics = request_alloc(request, (size_t)group->topics_count, sizeof *out.topics);
        out.topics_count = group->topics_count;
        for (int32_t i = 0; i < group->topics_count; i++)
            copy_topic(request, &group->topics[i], &out.topics[i]);
    }
    request_reply(request, &out);
}

/* The old form of the request as one group. */
static struct offset_fetch_request_groups *single_group(struct request *request)
{
    const struct offset_fetch_request *in = request->body;
    struct offset_fetch_request_groups *group = request_alloc(request, 1, sizeof *group);
    group->group_id = in->group_id;
    group->topics_count = in->topics_count;
    if (in->topics_count < 0)
        return group;
    group->topics = request_alloc(request, (size_t)in->topics_count, sizeof *group->topics);
    for (int32_t i = 0; i < in->topics_count; i++) {
        group->topics[i].name = in->topics[i].name;
        group->topics[i].partition_indexes = in->topics[i].partition_indexes;
        group->topics[i].partition_indexes_count = in->topics[i].partition_indexes_count;
    }
    return group;
}

void offset_fetch_handle(struct shard *shard, struct request *request)
{
    const struct offset_fetch_request *in = request->body;
    bool several = request->header.api_version >= FIRST_WITH_GROUPS;
    struct offset_fetch_visits *v = request_alloc(request, 1, sizeof *v);
    v->visits = (struct group_visits){.request = request, .visit = visit, .finish = finish};
    v->count = several ? (size_t)in->groups_count : 1;
    v->groups = several ? in->groups : single_group(request);
    v->results = request_alloc(request, v->count, sizeof *v->results);
    struct bytes *names = request_alloc(request, v->count, sizeof *names);
    for (size_t i = 0; i < v->count; i++)
        names[i] = v->groups[i].group_id;
    group_visits_run(&v->visits, shard, names, v->count);
}
