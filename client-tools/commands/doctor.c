/* doctor: checks one after the other what a client needs, and says what to do about the first check
 * that fails. It changes nothing. */
#include "client-tools/cluster/link.h"
#include "client-tools/tool.h"

#include <inttypes.h>
#include <stdio.h>

static const struct column columns[] = {
    {"check", CELL_TEXT, false},
    {"error", CELL_ERROR, false},
    {"message", CELL_TEXT, false},
    END_OF_COLUMNS,
};

static void passed(struct tool *t, struct table *table, const char *check, const char *message)
{
    (void)t;
    table_row(table);
    table_text(table, bytes_string(check));
    table_null(table);
    table_text(table, bytes_string(message));
}

/* Adds the row of a failed check. The run ends there and shows the failure's hint. */
static bool failed(struct tool *t, struct table *table, const char *check)
{
    table_row(table);
    table_text(table, bytes_string(check));
    table_error_named(table, t->failure.name, bytes_string(t->failure.message.text));
    return false;
}

static bool check_connection(struct tool *t, struct table *table)
{
    int64_t before_ms = link_now_ms();
    if (!tool_client(t)) {
        if (t->failure.exit == EXIT_UNREACHABLE)
            message_set(&t->failure.hint,
                        "start the broker (tidemilld) or set --brokers to another one");
        return failed(t, table, "connect");
    }
    passed(t, table, "connect",
           arena_printf(&t->arena, "%s in %" PRId64 " ms", client_address(t->client),
                        link_now_ms() - before_ms));
    return true;
}

static bool check_versions(struct tool *t, struct table *table)
{
    static const int16_t needed[] = {API_METADATA,     API_PRODUCE,       API_FETCH,
                                     API_LIST_OFFSETS, API_CREATE_TOPICS, API_DESCRIBE_CONFIGS,
                                     API_JOIN_GROUP,   API_OFFSET_COMMIT};
    for (size_t i = 0; i < COUNT_OF(needed); i++) {
        if (client_version(t->client, ANY_NODE, needed[i]) >= 0)
            continue;
        fail(&t->failure, "UNSUPPORTED_VERSION",
             "the broker serves no version of %s that this tool supports",
             api_messages(needed[i])->name);
        message_set(&t->failure.hint, "update the broker, or use its own tools");
        return failed(t, table, "versions");
    }
    passed(t, table, "versions",
           arena_printf(&t->arena, "Produce %d, Fetch %d, Metadata %d",
                        client_version(t->client, ANY_NODE, API_PRODUCE),
                        client_version(t->client, ANY_NODE, API_FETCH),
                        client_version(t->client, ANY_NODE, API_METADATA)));
    return true;
}

static bool check_metadata(struct tool *t, struct table *table, struct metadata_response *metadata)
{
    struct metadata_request request;
    schema_defaults(&metadata_request_schema, &request);
    request.topics_count = 0; /* brokers only */
    request.allow_auto_topic_creation = false;
    if (!client_call(t->client, ANY_NODE, API_METADATA, &request, &t->arena, metadata, &t->failure))
        return failed(t, table, "metadata");
    passed(t, table, "metadata",
           arena_printf(&t->arena, "cluster %.*s, %d broker%s, controller %d",
                        BYTES_PRINTF(metadata->cluster_id), metadata->brokers_count,
                        metadata->brokers_count == 1 ? "" : "s", metadata->controller_id));
    return true;
}

/* Checks that the advertised addresses work from here: clients use them after bootstrapping. */
static bool check_advertised(struct tool *t, struct table *table,
                             const struct metadata_response *metadata)
{
    for (int32_t i = 0; i < metadata->brokers_count; i++) {
        const struct metadata_response_brokers *b = &metadata->brokers[i];
        const char *check = arena_printf(&t->arena, "broker-%d", b->node_id);
        client_learn(t->client, b->node_id, b->host, b->port);
        if (!client_reach(t->client, b->node_id, &t->failure))
            return failed(t, table, check);
        passed(t, table, check,
               arena_printf(&t->arena, "advertised as %.*s:%d, reachable", BYTES_PRINTF(b->host),
                            b->port));
    }
    return true;
}

static bool check_coordinator(struct tool *t, struct table *table)
{
    int32_t node;
    if (!cluster_coordinator(t->client, BYTES_LITERAL("tidemill-doctor"), &t->arena, &node,
                             &t->failure))
        return failed(t, table, "groups");
    passed(t, table, "groups", arena_printf(&t->arena, "broker %d is the coordinator", node));
    return true;
}

static bool run(struct tool *t)
{
    struct table *table = tool_table(t, "checks");
    struct metadata_response metadata;
    const struct client_setting *brokers = &t->settings.values[KEY_BOOTSTRAP_SERVERS];
    passed(t, table, "settings",
           arena_printf(&t->arena, "brokers %.*s, from %s", BYTES_PRINTF(brokers->value),
                        brokers->from));
    bool good = check_connection(t, table) && check_versions(t, table) &&
                check_metadata(t, table, &metadata) && check_advertised(t, table, &metadata) &&
                check_coordinator(t, table);
    if (!good && t->format != OUTPUT_JSON) { /* show the passed checks too */
        struct buffer text;
        buffer_init(&text, 1 << 20);
        document_render(&t->document, NULL, t->format, t->color, &text);
        fwrite(text.data, 1, text.size, stdout);
        fflush(stdout);
        buffer_free(&text);
    }
    return good;
}

const struct command doctor_command = {
    .noun = "doctor",
    .arguments = "",
    .sentence = "Checks that this host can use the broker",
    .columns = columns,
    .examples = (const char *const[]){"doctor", "doctor -b kafka-1:9092", NULL},
    .see_also = "cluster describe",
    .run = run,
};
