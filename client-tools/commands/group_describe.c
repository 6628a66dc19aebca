#include "client-tools/cluster/group_offsets.h"
#include "client-tools/tool.h"
#include "protocol/consumer_protocol.h"
#include "protocol/kafka_error.h"

static const struct column columns[] = {
    {"group", CELL_TEXT, false},
    {"topic", CELL_TEXT, false},
    {"partition", CELL_INT, false},
    {"committed_offset", CELL_INT, false},
    {"end_offset", CELL_INT, false},
    {"lag_records", CELL_COUNT, false},
    {"member_id", CELL_TEXT, true},
    {"client_id", CELL_TEXT, false},
    {"error", CELL_ERROR, false},
    {"message", CELL_TEXT, false},
    END_OF_COLUMNS,
};

static const struct column group_columns[] = {
    {"group", CELL_TEXT, false},
    {"state", CELL_TEXT, false},
    {"protocol_type", CELL_TEXT, true},
    {"protocol", CELL_TEXT, false},
    {"members", CELL_INT, false},
    {"lag_records", CELL_COUNT, false},
    {"error", CELL_ERROR, false},
    {"message", CELL_TEXT, false},
    END_OF_COLUMNS,
};

static const struct column member_columns[] = {
    {"group", CELL_TEXT, false},
    {"member_id", CELL_TEXT, false},
    {"instance_id", CELL_TEXT, true},
    {"client_id", CELL_TEXT, false},
    {"host", CELL_TEXT, false},
    {"partitions", CELL_INT, false},
    END_OF_COLUMNS,
};

struct tables {
    struct table *groups, *partitions, *members;
};

/* The member that reads a partition; NULL: none. */
static const struct describe_groups_response_groups_members *
reader_of_partition(const struct describe_groups_response_groups *g,
                    const struct consumer_assignment *assignments, struct bytes topic,
                    int32_t partition)
{
    for (int32_t m = 0; m < g->members_count; m++) {
        for (int32_t t = 0; t < assignments[m].topic_count; t++) {
            const struct consumer_partitions *p = &assignments[m].topics[t];
            for (int32_t i = 0; bytes_equal(p->topic, topic) && i < p->count; i++) {
                if (p->partitions[i] == partition)
                    return &g->members[m];
            }
        }
    }
    return NULL;
}

static struct consumer_assignment *read_assignments(struct tool *t,
                                                    const struct describe_groups_response_groups *g)
{
    struct consumer_assignment *a = arena_array(&t->arena, (size_t)g->members_count, sizeof *a);
    for (int32_t m = 0; m < g->members_count; m++) {
        bool known = bytes_equal_string(g->protocol_type, "consumer");
        if (!known ||
            consumer_assignment_decode(g->members[m].member_assignment, &t->arena, &a[m]) != ERR_OK)
            a[m] = (struct consumer_assignment){0};
    }
    return a;
}

static void add_members(struct table *table, const struct describe_groups_response_groups *g,
                        const struct consumer_assignment *assignments)
{
    for (int32_t m = 0; m < g->members_count; m++) {
        int64_t partitions = 0;
        for (int32_t t = 0; t < assignments[m].topic_count; t++)
            partitions += assignments[m].topics[t].count;
        table_row(table);
        table_text(table, g->group_id);
        table_text(table, g->members[m].member_id);
        table_text(table, g->members[m].group_instance_id);
        table_text(table, g->members[m].client_id);
        table_text(table, g->members[m].client_host);
        table_int(table, partitions);
    }
}

/* Committed partitions, and assigned ones that have no commit yet. */
static struct committed_offset *all_partitions(struct tool *t,
                                               const struct describe_groups_response_groups *g,
                                               const struct consumer_assignment *assignments,
                                               struct committed_offset *committed, size_t *count)
{
    size_t most = *count;
    for (int32_t m = 0; m < g->members_count; m++) {
        for (int32_t i = 0; i < assignments[m].topic_count; i++)
            most += (size_t)assignments[m].topics[i].count;
    }
    struct committed_offset *all = arena_array(&t->arena, most, sizeof *all);
    size_t known = *count;
    if (known > 0)
        memcpy(all, committed, known * sizeof *all);
    for (int32_t m = 0; m < g->members_count; m++) {
        for (int32_t i = 0; i < assignments[m].topic_count; i++) {
            const struct consumer_partitions *p = &assignments[m].topics[i];
            for (int32_t n = 0; n < p->count; n++) {
                bool found = false;
                for (size_t k = 0; k < known && !found; k++)
                    found =
                        all[k].partition == p->partitions[n] && bytes_equal(all[k].topic, p->topic);
                if (!found)
                    all[(*count)++] =
                        (struct committed_offset){p->topic, p->partitions[n], -1, -1, BYTES_NULL};
            }
        }
    }
    group_offsets_sort(all, *count);
    return all;
}

static struct offset_query *ask_offsets(struct tool *t, const struct committed_offset *all,
                                        size_t count, int64_t time)
{
    struct offset_query *queries = arena_array(&t->arena, count, sizeof *queries);
    for (size_t i = 0; i < count; i++)
        queries[i] = (struct offset_query){.topic = all[i].topic,
                                           .partition = all[i].partition,
                                           .leader = all[i].leader,
                                           .time = time};
    return cluster_offsets(t->client, queries, count, &t->arena, &t->failure) ? queries : NULL;
}

/* Lag: the end minus the committed offset, or minus the start if there is none. Never negative. */
static bool add_partitions(struct tool *t, struct table *table,
                           const struct describe_groups_response_groups *g,
                           const struct consumer_assignment *assignments,
                           const struct committed_offset *all, size_t count, int64_t *lag)
{
    const struct offset_query *last = ask_offsets(t, all, count, OFFSET_LATEST);
    const struct offset_query *first = last ? ask_offsets(t, all, count, OFFSET_EARLIEST) : NULL;
    if (first == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct describe_groups_response_groups_members *reader =
            reader_of_partition(g, assignments, all[i].topic, all[i].partition);
        int code = all[i].leader < 0 ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : last[i].error_code;
        table_row(table);
        table_text(table, g->group_id);
        table_text(table, all[i].topic);
        table_int(table, all[i].partition);
        if (all[i].offset >= 0)
            table_int(table, all[i].offset);
        else
            table_null(table);
        if (code == 0) {
            int64_t from = all[i].offset >= 0 ? all[i].offset : first[i].offset;
            int64_t behind = MAX(last[i].offset - from, 0);
            *lag += behind;
            table_int(table, last[i].offset);
            table_int(table, behind);
        } else {
            table_null(table);
            table_null(table);
        }
        table_text(table, reader ? reader->member_id : BYTES_NULL);
        table_text(table, reader ? reader->client_id : BYTES_NULL);
        table_error(table, code, BYTES_NULL);
    }
    return true;
}

static bool add_group(struct tool *t, const struct tables *tables,
                      const struct describe_groups_response_groups *g)
{
    struct committed_offset *offsets = NULL;
    size_t count = 0;
    int64_t lag = 0;
    int code = g->error_code;
    if (code == 0 &&
        !group_offsets_fetch(t->client, g->group_id, &t->arena, &offsets, &count, &t->failure))
        return false;
    /* In old versions a group that does not exist is "Dead", without an error. */
    if (code == 0 && count == 0 && bytes_equal_string(g->group_state, "Dead"))
        code = KAFKA_GROUP_ID_NOT_FOUND;
    struct consumer_assignment *assignments = read_assignments(t, g);
    offsets = all_partitions(t, g, assignments, offsets, &count);
    if (count > 0 &&
        (!group_offsets_find_leaders(t->client, offsets, count, &t->arena, &t->failure) ||
         !add_partitions(t, tables->partitions, g, assignments, offsets, count, &lag)))
        return false;
    add_members(tables->members, g, assignments);
    table_row(tables->groups);
    table_text(tables->groups, g->group_id);
    table_text(tables->groups, g->group_state);
    table_text(tables->groups, g->protocol_type);
    table_text(tables->groups, g->protocol_data);
    table_int(tables->groups, g->members_count);
    table_int(tables->groups, lag);
    table_error(tables->groups, code, g->error_message);
    return true;
}

static bool describe(struct tool *t, struct bytes group, const struct tables *tables)
{
    struct describe_groups_request request;
    struct describe_groups_response response;
    int32_t node;
    schema_defaults(&describe_groups_request_schema, &request);
    request.groups = &group;
    request.groups_count = 1;
    if (!cluster_coordinator(t->client, group, &t->arena, &node, &t->failure) ||
        !client_call(t->client, node, API_DESCRIBE_GROUPS, &request, &t->arena, &response,
                     &t->failure))
        return false;
    for (int32_t i = 0; i < response.groups_count; i++) {
        if (!add_group(t, tables, &response.groups[i]))
            return false;
    }
    return true;
}

static bool run(struct tool *t)
{
    struct tables tables;
    tables.groups = document_table(&t->document, "groups", group_columns);
    tables.members = document_table(&t->document, "members", member_columns);
    tables.partitions = tool_table(t, "partitions");
    if (!tool_client(t))
        return false;
    for (size_t i = 0; i < t->arguments.name_count; i++) {
        if (!describe(t, t->arguments.names[i], &tables))
            return false;
    }
    return true;
}

const struct command group_describe_command = {
    .noun = "group",
    .verb = "describe",
    .arguments = "GROUP...",
    .min = 1,
    .max = -1,
    .sentence = "Shows groups with their members, offsets and lag",
    .columns = columns,
    .examples = (const char *const[]){"group describe billing",
                                      "group describe billing --format tsv", NULL},
    .see_also = "group list, group seek",
    .run = run,
};
