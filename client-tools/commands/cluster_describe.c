#include "client-tools/tool.h"

static const struct column columns[] = {
    {"node_id", CELL_INT, false}, {"host", CELL_TEXT, false},       {"port", CELL_INT, false},
    {"rack", CELL_TEXT, true},    {"controller", CELL_BOOL, false}, END_OF_COLUMNS,
};

static bool run(struct tool *t)
{
    struct table *brokers = tool_table(t, "brokers");
    struct describe_cluster_request request;
    struct describe_cluster_response response;
    schema_defaults(&describe_cluster_request_schema, &request);
    if (!tool_client(t) || !client_call(t->client, ANY_NODE, API_DESCRIBE_CLUSTER, &request,
                                        &t->arena, &response, &t->failure))
        return false;
    if (response.error_code != 0)
        return fail_kafka(&t->failure, response.error_code, response.error_message,
                          "DescribeCluster");
    document_text(&t->document, "cluster_id", response.cluster_id);
    document_int(&t->document, "controller_id", CELL_INT, response.controller_id);
    for (int32_t i = 0; i < response.brokers_count; i++) {
        table_row(brokers);
        table_int(brokers, response.brokers[i].broker_id);
        table_text(brokers, response.brokers[i].host);
        table_int(brokers, response.brokers[i].port);
        table_text(brokers, response.brokers[i].rack);
        table_int(brokers, response.brokers[i].broker_id == response.controller_id);
    }
    return true;
}

const struct command cluster_describe_command = {
    .noun = "cluster",
    .verb = "describe",
    .arguments = "",
    .sentence = "Shows the cluster and its brokers",
    .columns = columns,
    .examples = (const char *const[]){"cluster describe", "cluster describe -J", NULL},
    .see_also = "doctor",
    .run = run,
};
