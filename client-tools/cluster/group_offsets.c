#include "client-tools/cluster/group_offsets.h"

#include <stdlib.h>

static int by_place(const void *a, const void *b)
{
    const struct committed_offset *x = a, *y = b;
    int order = bytes_compare(x->topic, y->topic);
    return order ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

void group_offsets_sort(struct committed_offset *offsets, size_t count)
{
    if (count > 1)
        qsort(offsets, count, sizeof *offsets, by_place);
}

static void take_group(const struct offset_fetch_response_groups *g, struct committed_offset *out,
                       size_t *count)
{
    for (int32_t t = 0; t < g->topics_count; t++) {
        for (int32_t p = 0; p < g->topics[t].partitions_count; p++) {
            const struct offset_fetch_response_groups_topics_partitions *in =
                &g->topics[t].partitions[p];
            out[(*count)++] = (struct committed_offset){g->topics[t].name, in->partition_index, -1,
                                                        in->committed_offset, in->metadata};
        }
    }
}

static void take_old(const struct offset_fetch_response *r, struct committed_offset *out,
                     size_t *count)
{
    for (int32_t t = 0; t < r->topics_count; t++) {
        for (int32_t p = 0; p < r->topics[t].partitions_count; p++) {
            const struct offset_fetch_response_topics_partitions *in = &r->topics[t].partitions[p];
            out[(*count)++] = (struct committed_offset){r->topics[t].name, in->partition_index, -1,
                                                        in->committed_offset, in->metadata};
        }
    }
}

static size_t count_all(const struct offset_fetch_response *r)
{
    size_t count = 0;
    for (int32_t t = 0; t < r->topics_count; t++)
        count += (size_t)r->topics[t].partitions_count;
    for (int32_t t = 0; r->groups_count == 1 && t < r->groups[0].topics_count; t++)
        count += (size_t)r->groups[0].topics[t].partitions_count;
    return count;
}

bool group_offsets_fetch(struct client *c, struct bytes group, struct arena *arena,
                         struct committed_offset **out, size_t *count, struct failure *f)
{
    struct offset_fetch_request request;
    struct offset_fetch_response response;
    int32_t node;
    *count = 0;
    if (!cluster_coordinator(c, group, arena, &node, f))
        return false;
    schema_defaults(&offset_fetch_request_schema, &request);
    request.group_id = group;
    request.topics_count = -1;
    request.groups = schema_array(&offset_fetch_request_groups_schema, 1, arena);
    request.groups_count = 1;
    request.groups[0].group_id = group;
    request.groups[0].topics_count = -1;
    if (!client_call(c, node, API_OFFSET_FETCH, &request, arena, &response, f))
        return false;
    int16_t code = response.groups_count == 1 ? response.groups[0].error_code : response.error_code;
    if (code != 0)
        return fail_kafka(f, code, BYTES_NULL, "group %.*s", BYTES_PRINTF(group));
    *out = arena_array(arena, count_all(&response), sizeof **out);
    take_old(&response, *out, count);
    if (response.groups_count == 1)
        take_group(&response.groups[0], *out, count);
    group_offsets_sort(*out, *count);
    return true;
}

bool group_offsets_find_leaders(struct client *c, struct committed_offset *offsets, size_t count,
                                struct arena *arena, struct failure *f)
{
    struct bytes *names = arena_array(arena, count, sizeof *names);
    size_t name_count = 0, topic_count;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || !bytes_equal(offsets[i].topic, offsets[i - 1].topic))
            names[name_count++] = offsets[i].topic;
    }
    struct topic_info *topics;
    if (name_count == 0)
        return true;
    if (!cluster_topics(c, names, name_count, false, arena, &topics, &topic_count, f))
        return false;
    for (size_t i = 0, t = 0; i < count; i++) {
        while (t + 1 < topic_count && !bytes_equal(topics[t].name, offsets[i].topic))
            t++;
        offsets[i].leader = -1;
        for (int32_t p = 0; p < topics[t].partition_count; p++) {
            if (topics[t].partitions[p].index == offsets[i].partition &&
                bytes_equal(topics[t].name, offsets[i].topic))
                offsets[i].leader = topics[t].partitions[p].leader;
        }
    }
    return true;
}
