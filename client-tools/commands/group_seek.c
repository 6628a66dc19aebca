/* group seek: commits other offsets for a group without members. */
#include "base/clock.h"
#include "base/units.h"
#include "client-tools/cluster/group_offsets.h"
#include "client-tools/cluster/offset_spec.h"
#include "client-tools/tool.h"

static const struct flag flags[] = {
    {'o', "offset", FLAG_VALUE, "OFFSET", "new offset: start end +N -N N @TIME", "to", NULL},
    {'t', "topic", FLAG_LIST, "TOPIC",
     "only this topic (default: all topics with committed offsets)", NULL, NULL},
    {'p', "partition", FLAG_VALUE, "N", "only this partition", NULL, NULL},
    {0, NULL, FLAG_SWITCH, NULL, NULL, NULL, NULL},
};

static const struct column columns[] = {
    {"group", CELL_TEXT, false},     {"topic", CELL_TEXT, false},
    {"partition", CELL_INT, false},  {"current_offset", CELL_INT, false},
    {"new_offset", CELL_INT, false}, {"error", CELL_ERROR, false},
    {"message", CELL_TEXT, false},   END_OF_COLUMNS,
};

struct seek {
    struct bytes group;
    struct offset_spec spec;
    int64_t partition; /* -1: all */
    struct committed_offset *current;
    struct offset_target *targets;
    size_t count;
};

static bool read_flags(struct tool *t, struct seek *s)
{
    struct clock *clock = clock_system();
    struct bytes offset = flag_text(&t->arguments, "offset");
    s->group = t->arguments.names[0];
    if (bytes_is_null(offset))
        return fail_usage(&t->failure, "no offset is given: -o start, end, +N, -N, N or @TIME");
    if (!offset_spec_parse(offset, clock->wall_ms(clock), &s->spec, &t->failure) ||
        !flag_int(&t->arguments, "partition", 0, INT32_MAX, -1, &s->partition, &t->failure))
        return false;
    if (s->spec.to.kind != BOUND_NONE)
        return fail_usage(&t->failure, "-o %.*s: expected one offset, not a range",
                          BYTES_PRINTF(offset));
    return true;
}

/* Adds the partitions of the named topics, with the group's committed offsets. */
static bool add_named_topics(struct tool *t, struct seek *s, const struct committed_offset *known,
                             size_t known_count)
{
    struct bytes name;
    for (size_t at = 0; !bytes_is_null(name = flag_next(&t->arguments, "topic", &at));) {
        struct topic_info topic;
        if (!cluster_topic(t->client, name, false, &t->arena, &topic, &t->failure))
            return false;
        struct committed_offset *all =
            arena_array(&t->arena, s->count + (size_t)topic.partition_count, sizeof *all);
        if (s->count > 0)
            memcpy(all, s->current, s->count * sizeof *all);
        for (int32_t p = 0; p < topic.partition_count; p++) {
            struct committed_offset *new = &all[s->count++];
            *new = (struct committed_offset){name, topic.partitions[p].index,
                                             topic.partitions[p].leader, -1, BYTES_NULL};
            for (size_t k = 0; k < known_count; k++) {
                if (known[k].partition == new->partition && bytes_equal(known[k].topic, name))
                    new->offset = known[k].offset;
            }
        }
        s->current = all;
    }
    return true;
}

static bool find_targets(struct tool *t, struct seek *s)
{
    struct committed_offset *known;
    size_t count;
    if (!group_offsets_fetch(t->client, s->group, &t->arena, &known, &count, &t->failure))
        return false;
    if (flag_is_set(&t->arguments, "topic")) {
        if (!add_named_topics(t, s, known, count))
            return false;
    } else {
        s->current = known;
        s->count = count;
        if (!group_offsets_find_leaders(t->client, known, count, &t->arena, &t->failure))
            return false;
    }
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (s->partition < 0 || s->current[i].partition == s->partition)
            s->current[kept++] = s->current[i];
    }
    s->count = kept;
    if (kept > 0)
        return true;
    fail(&t->failure, "GROUP_ID_NOT_FOUND",
         "group %.*s has no committed offsets for these partitions", BYTES_PRINTF(s->group));
    message_set(&t->failure.hint, "name topics with -t");
    return false;
}

static bool commit(struct tool *t, const struct seek *s, struct offset_commit_response *response)
{
    struct offset_commit_request request;
    int32_t node;
    schema_defaults(&offset_commit_request_schema, &request);
    request.group_id = s->group;
    request.generation_id_or_member_epoch = -1;
    request.member_id = BYTES_LITERAL("");
    request.retention_time_ms = -1;
    request.topics = schema_array(&offset_commit_request_topics_schema, s->count, &t->arena);
    struct offset_commit_request_topics *topic = NULL;
    for (size_t i = 0; i < s->count; i++) {
        if (s->targets[i].error_code != 0)
            continue;
        if (topic == NULL || !bytes_equal(topic->name, s->targets[i].topic)) {
            topic = &request.topics[request.topics_count++];
            topic->name = s->targets[i].topic;
            topic->partitions = schema_array(&offset_commit_request_topics_partitions_schema,
                                             s->count - i, &t->arena);
        }
        struct offset_commit_request_topics_partitions *p =
            &topic->partitions[topic->partitions_count++];
        p->partition_index = s->targets[i].partition;
        p->committed_offset = s->targets[i].offset;
        p->committed_leader_epoch = -1;
        p->committed_metadata = BYTES_LITERAL("");
    }
    return cluster_coordinator(t->client, s->group, &t->arena, &node, &t->failure) &&
           client_call(t->client, node, API_OFFSET_COMMIT, &request, &t->arena, response,
                       &t->failure);
}

static void take_errors(struct seek *s, const struct offset_commit_response *response)
{
    for (int32_t t = 0; t < response->topics_count; t++) {
        for (int32_t p = 0; p < response->topics[t].partitions_count; p++) {
            for (size_t i = 0; i < s->count; i++) {
                if (s->targets[i].partition == response->topics[t].partitions[p].partition_index &&
                    bytes_equal(s->targets[i].topic, response->topics[t].name))
                    s->targets[i].error_code = response->topics[t].partitions[p].error_code;
            }
        }
    }
}

static void fill_table(struct table *table, const struct seek *s)
{
    table->row_count = table->errors = 0;
    for (size_t i = 0; i < s->count; i++) {
        table_row(table);
        table_text(table, s->group);
        table_text(table, s->targets[i].topic);
        table_int(table, s->targets[i].partition);
        if (s->current[i].offset >= 0)
            table_int(table, s->current[i].offset);
        else
            table_null(table);
        table_int(table, s->targets[i].offset);
        table_error(table, s->targets[i].error_code, BYTES_NULL);
    }
}

static bool run(struct tool *t)
{
    struct seek s = {0};
    struct table *table = tool_table(t, "partitions");
    if (!read_flags(t, &s) || !tool_client(t) || !find_targets(t, &s))
        return false;
    s.targets = arena_array(&t->arena, s.count, sizeof *s.targets);
    for (size_t i = 0; i < s.count; i++)
        s.targets[i] = (struct offset_target){s.current[i].topic, s.current[i].partition,
                                              s.current[i].leader, 0, 0};
    if (!offset_bound_resolve(t->client, s.spec.from, s.targets, s.count, &t->arena, &t->failure))
        return false;
    fill_table(table, &s);
    if (t->dry_run)
        return true;
    struct offset_commit_response response;
    if (!tool_confirm(t, table, "Commit these offsets for group %.*s?", BYTES_PRINTF(s.group)) ||
        !commit(t, &s, &response))
        return false;
    take_errors(&s, &response);
    fill_table(table, &s);
    return true;
}

const struct command group_seek_command = {
    .noun = "group",
    .verb = "seek",
    .arguments = "GROUP",
    .min = 1,
    .max = 1,
    .sentence = "Sets the committed offsets of a group that has no members",
    .flags = flags,
    .columns = columns,
    .destructive = true,
    .examples = (const char *const[]){"group seek billing -o start --dry-run",
                                      "group seek billing -t orders -o @2026-11-20",
                                      "group seek billing -t orders -p 3 -o 88121 --yes", NULL},
    .see_also = "group describe",
    .run = run,
};
