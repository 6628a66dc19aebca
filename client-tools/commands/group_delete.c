#include "client-tools/tool.h"

static const struct column columns[] = {
    {"group", CELL_TEXT, false},
    {"error", CELL_ERROR, false},
    {"message", CELL_TEXT, false},
    END_OF_COLUMNS,
};

static bool delete_group(struct tool *t, struct table *table, struct bytes group)
{
    struct delete_groups_request request;
    struct delete_groups_response response;
    int32_t node;
    schema_defaults(&delete_groups_request_schema, &request);
    request.groups_names = &group;
    request.groups_names_count = 1;
    if (!cluster_coordinator(t->client, group, &t->arena, &node, &t->failure) ||
        !client_call(t->client, node, API_DELETE_GROUPS, &request, &t->arena, &response,
                     &t->failure))
        return false;
    for (int32_t i = 0; i < response.results_count; i++) {
        table_row(table);
        table_text(table, response.results[i].group_id);
        table_error(table, response.results[i].error_code, BYTES_NULL);
    }
    return true;
}

static bool run(struct tool *t)
{
    struct table *table = tool_table(t, "groups");
    for (size_t i = 0; i < t->arguments.name_count; i++) {
        table_row(table);
        table_text(table, t->arguments.names[i]);
    }
    if (t->dry_run)
        return true;
    if (!tool_confirm(t, table, "Delete %zu group%s with their offsets?", t->arguments.name_count,
                      t->arguments.name_count == 1 ? "" : "s") ||
        !tool_client(t))
        return false;
    table->row_count = 0;
    for (size_t i = 0; i < t->arguments.name_count; i++) {
        if (!delete_group(t, table, t->arguments.names[i]))
            return false;
    }
    return true;
}

const struct command group_delete_command = {
    .noun = "group",
    .verb = "delete",
    .arguments = "GROUP...",
    .min = 1,
    .max = -1,
    .sentence = "Deletes groups without members, with their offsets",
    .columns = columns,
    .destructive = true,
    .examples = (const char *const[]){"group delete billing", "group delete a b --yes", NULL},
    .see_also = "group list",
    .run = run,
};
