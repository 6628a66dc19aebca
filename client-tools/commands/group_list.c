#include "client-tools/tool.h"

#include <stdlib.h>

static const struct flag flags[] = {
    {'r', "regex", FLAG_SWITCH, NULL, "the arguments are regular expressions", NULL, NULL},
    {0, NULL, FLAG_SWITCH, NULL, NULL, NULL, NULL},
};

static const struct column columns[] = {
    {"group", CELL_TEXT, false},
    {"state", CELL_TEXT, false},
    {"protocol_type", CELL_TEXT, false},
    {"type", CELL_TEXT, true},
    END_OF_COLUMNS,
};

static int by_name(const void *a, const void *b)
{
    const struct list_groups_response_groups *x = a, *y = b;
    return bytes_compare(x->group_id, y->group_id);
}

static bool run(struct tool *t)
{
    struct table *table = tool_table(t, "groups");
    const struct arguments *a = &t->arguments;
    struct list_groups_request request;
    struct list_groups_response response;
    struct name_filter filter;
    if (!name_filter_init(&filter, a->names, a->name_count,
                          flag_is_set(a, "regex") && a->name_count > 0, &t->arena, &t->failure))
        return false;
    schema_defaults(&list_groups_request_schema, &request);
    bool good = tool_client(t) && client_call(t->client, ANY_NODE, API_LIST_GROUPS, &request,
                                              &t->arena, &response, &t->failure);
    if (good && response.error_code != 0)
        good = fail_kafka(&t->failure, response.error_code, BYTES_NULL, "ListGroups");
    if (good && response.groups_count > 1)
        qsort(response.groups, (size_t)response.groups_count, sizeof *response.groups, by_name);
    for (int32_t i = 0; good && i < response.groups_count; i++) {
        if (!name_filter_matches(&filter, response.groups[i].group_id))
            continue;
        table_row(table);
        table_text(table, response.groups[i].group_id);
        table_text(table, response.groups[i].group_state);
        table_text(table, response.groups[i].protocol_type);
        table_text(table, response.groups[i].group_type);
    }
    name_filter_free(&filter);
    return good;
}

const struct command group_list_command = {
    .noun = "group",
    .verb = "list",
    .arguments = "[GROUP...]",
    .max = -1,
    .sentence = "Lists consumer groups",
    .flags = flags,
    .columns = columns,
    .examples = (const char *const[]){"group list", "group list -r 'billing.*'", NULL},
    .see_also = "group describe",
    .run = run,
};
