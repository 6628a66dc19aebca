#include "client-tools/cluster/cluster.h"

#include "base/map.h"
#include "base/suggest.h"
#include "protocol/kafka_error.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int by_name(const void *a, const void *b)
{
    const struct topic_info *x = a, *y = b;
    return bytes_compare(x->name, y->name);
}

static int by_index(const void *a, const void *b)
{
    const struct partition_info *x = a, *y = b;
    return (x->index > y->index) - (x->index < y->index);
}

static void read_topic(const struct metadata_response_topics *in, struct arena *arena,
                       struct topic_info *out)
{
    *out = (struct topic_info){.name = in->name,
                               .id = in->topic_id,
                               .error_code = in->error_code,
                               .internal = in->is_internal,
                               .partition_count = in->partitions_count};
    out->partitions = arena_array(arena, (size_t)in->partitions_count, sizeof *out->partitions);
    for (int32_t i = 0; i < in->partitions_count; i++) {
        const struct metadata_response_topics_partitions *p = &in->partitions[i];
        out->partitions[i] = (struct partition_info){.index = p->partition_index,
                                                     .leader = p->leader_id,
                                                     .leader_epoch = p->leader_epoch,
                                                     .error_code = p->error_code,
                                                     .replicas = p->replica_nodes,
                                                     .isr = p->isr_nodes,
                                                     .replica_count = p->replica_nodes_count,
                                                     .isr_count = p->isr_nodes_count,
                                                     .size_bytes = -1};
    }
    if (in->partitions_count > 1)
        qsort(out->partitions, (size_t)in->partitions_count, sizeof *out->partitions, by_index);
}

bool cluster_topics(struct client *c, const struct bytes *names, size_t count, bool may_create,
                    struct arena *arena, struct topic_info **out, size_t *out_count,
                    struct failure *f)
{
    struct metadata_request request;
    struct metadata_response response;
    schema_defaults(&metadata_request_schema, &request);
    request.allow_auto_topic_creation = may_create;
    request.topics_count = names ? (int32_t)count : -1;
    request.topics = schema_array(&metadata_request_topics_schema, count, arena);
    for (size_t i = 0; names && i < count; i++)
        request.topics[i].name = names[i];
    if (!client_call(c, ANY_NODE, API_METADATA, &request, arena, &response, f))
        return false;
    for (int32_t i = 0; i < response.brokers_count; i++)
        client_learn(c, response.brokers[i].node_id, response.brokers[i].host,
                     response.brokers[i].port);
    *out_count = (size_t)MAX(response.topics_count, 0);
    *out = arena_array(arena, *out_count, sizeof **out);
    for (size_t i = 0; i < *out_count; i++)
        read_topic(&response.topics[i], arena, &(*out)[i]);
    if (names == NULL && *out_count > 1)
        qsort(*out, *out_count, sizeof **out, by_name);
    return true;
}

/* Asks for the names of all topics, to suggest one; only called when a topic is missing. */
static void suggest_topic(struct client *c, struct bytes name, struct arena *arena,
                          struct failure *f)
{
    struct topic_info *all;
    size_t count;
    struct failure ignored;
    message_set(&f->hint, "tidemill topic create %.*s", BYTES_PRINTF(name));
    if (!cluster_topics(c, NULL, 0, false, arena, &all, &count, &ignored))
        return;
    const char **names = arena_array(arena, count + 1, sizeof *names);
    for (size_t i = 0; i < count; i++)
        names[i] = arena_printf(arena, "%.*s", BYTES_PRINTF(all[i].name));
    const char *near = suggest(name, names);
    if (near)
        message_set(&f->hint, "did you mean %s?", near);
}

bool cluster_topic(struct client *c, struct bytes name, bool may_create, struct arena *arena,
                   struct topic_info *out, struct failure *f)
{
    enum { CREATION_ROUNDS = 20, ROUND_MS = 50 };
    struct topic_info *topics = NULL;
    size_t count = 0;
    for (int round = 0;; round++) {
        if (!cluster_topics(c, &name, 1, may_create, arena, &topics, &count, f))
            return false;
        bool pending = count == 1 && may_create &&
                       (topics[0].error_code == KAFKA_LEADER_NOT_AVAILABLE ||
                        topics[0].error_code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        if (!pending || round == CREATION_ROUNDS)
            break;
        struct timespec pause = {.tv_nsec = ROUND_MS * 1000000L};
        nanosleep(&pause, NULL);
        /* A broker that does not create topics gives this error every time. */
        if (topics[0].error_code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION && round >= 2)
            break;
    }
    if (count != 1)
        return fail(f, "UNKNOWN_SERVER_ERROR", "the response does not contain topic %.*s",
                    BYTES_PRINTF(name));
    *out = topics[0];
    if (out->error_code == 0)
        return true;
    fail_kafka(f, out->error_code, BYTES_NULL, "topic %.*s", BYTES_PRINTF(name));
    if (out->error_code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION)
        suggest_topic(c, name, arena, f);
    return false;
}

/* --- sizes --- */

static int compare_index(const void *key, const void *element)
{
    int32_t index = *(const int32_t *)key, other = ((const struct partition_info *)element)->index;
    return (index > other) - (index < other);
}

static void take_sizes(const struct describe_log_dirs_response_results *in, const struct map *known,
                       int32_t leader)
{
    for (int32_t t = 0; t < in->topics_count; t++) {
        const struct topic_info *topic = map_get(known, in->topics[t].name);
        for (int32_t i = 0; topic && i < in->topics[t].partitions_count; i++) {
            const struct describe_log_dirs_response_results_topics_partitions *p =
                &in->topics[t].partitions[i];
            struct partition_info *info =
                bsearch(&p->partition_index, topic->partitions, (size_t)topic->partition_count,
                        sizeof *info, compare_index);
            if (info && info->leader == leader && !p->is_future_key)
                info->size_bytes = p->partition_size;
        }
    }
}

/* The partitions that this node leads. */
static void fill_sizes_request(struct describe_log_dirs_request *request,
                               const struct topic_info *topics, size_t count, int32_t leader,
                               struct arena *arena)
{
    schema_defaults(&describe_log_dirs_request_schema, request);
    request->topics = schema_array(&describe_log_dirs_request_topics_schema, count, arena);
    for (size_t i = 0; i < count; i++) {
        struct describe_log_dirs_request_topics *t = &request->topics[request->topics_count];
        t->topic = topics[i].name;
        t->partitions =
            arena_array(arena, (size_t)topics[i].partition_count, sizeof *t->partitions);
        for (int32_t p = 0; p < topics[i].partition_count; p++) {
            if (topics[i].partitions[p].leader == leader)
                t->partitions[t->partitions_count++] = topics[i].partitions[p].index;
        }
        request->topics_count += t->partitions_count > 0;
    }
}

static bool ask_for_sizes(struct client *c, const struct topic_info *topics, size_t count,
                          int32_t leader, const struct map *known, struct arena *arena,
                          struct failure *f)
{
    struct describe_log_dirs_request request;
    struct describe_log_dirs_response response;
    if (!client_reach(c, leader, f))
        return false;
    if (client_version(c, leader, API_DESCRIBE_LOG_DIRS) < 0)
        return true;
    fill_sizes_request(&request, topics, count, leader, arena);
    if (!client_call(c, leader, API_DESCRIBE_LOG_DIRS, &request, arena, &response, f))
        return false;
    for (int32_t i = 0; i < response.results_count; i++)
        take_sizes(&response.results[i], known, leader);
    return true;
}

/* The smallest node above `after` that leads a partition, or -1. */
static int32_t next_leader(const struct topic_info *topics, size_t count, int32_t after)
{
    int32_t next = -1;
    for (size_t i = 0; i < count; i++) {
        for (int32_t p = 0; p < topics[i].partition_count; p++) {
            int32_t leader = topics[i].partitions[p].leader;
            if (leader > after && (next < 0 || leader < next))
                next = leader;
        }
    }
    return next;
}

bool cluster_sizes(struct client *c, struct topic_info *topics, size_t count, struct arena *arena,
                   struct failure *f)
{
    struct map known = MAP_EMPTY;
    bool good = true;
    for (size_t i = 0; i < count; i++)
        map_put(&known, topics[i].name, &topics[i]);
    for (int32_t leader = -1; good && (leader = next_leader(topics, count, leader)) >= 0;)
        good = ask_for_sizes(c, topics, count, leader, &known, arena, f);
    map_free(&known);
    return good;
}

bool cluster_coordinator(struct client *c, struct bytes group, struct arena *arena, int32_t *node,
                         struct failure *f)
{
    struct find_coordinator_request request;
    struct find_coordinator_response response;
    schema_defaults(&find_coordinator_request_schema, &request);
    request.key = group;
    request.coordinator_keys = &group;
    request.coordinator_keys_count = 1;
    enum { ROUNDS = 20, ROUND_MS = 100 };
    int16_t code = 0;
    for (int round = 0; round < ROUNDS; round++) {
        if (!client_call(c, ANY_NODE, API_FIND_COORDINATOR, &request, arena, &response, f))
            return false;
        if (response.coordinators_count == 1) {
            const struct find_coordinator_response_coordinators *k = &response.coordinators[0];
            response.error_code = k->error_code;
            response.node_id = k->node_id;
            response.host = k->host;
            response.port = k->port;
        }
        code = response.error_code;
        if (code == 0) {
            *node = response.node_id;
            client_learn(c, *node, response.host, response.port);
            return true;
        }
        if (code != KAFKA_COORDINATOR_NOT_AVAILABLE && code != KAFKA_COORDINATOR_LOAD_IN_PROGRESS)
            break;
        struct timespec pause = {.tv_nsec = ROUND_MS * 1000000L};
        nanosleep(&pause, NULL);
    }
    return fail_kafka(f, code, BYTES_NULL, "group %.*s", BYTES_PRINTF(group));
}

/* Fills in the queries of one leader, grouped by topic as the request needs them. */
static void fill_offsets_request(struct list_offsets_request *request,
                                 const struct offset_query *queries, size_t count, int32_t leader,
                                 struct arena *arena)
{
    schema_defaults(&list_offsets_request_schema, request);
    request->replica_id = -1;
    request->topics = schema_array(&list_offsets_request_topics_schema, count, arena);
    for (size_t i = 0; i < count; i++) {
        if (queries[i].leader != leader)
            continue;
        struct list_offsets_request_topics *t =
            request->topics_count ? &request->topics[request->topics_count - 1] : NULL;
        if (t == NULL || !bytes_equal(t->name, queries[i].topic)) {
            t = &request->topics[request->topics_count++];
            t->name = queries[i].topic;
            t->partitions =
                schema_array(&list_offsets_request_topics_partitions_schema, count - i, arena);
        }
        struct list_offsets_request_topics_partitions *p = &t->partitions[t->partitions_count++];
        p->partition_index = queries[i].partition;
        p->current_leader_epoch = -1;
        p->timestamp = queries[i].time;
    }
}

static void take_offsets(const struct list_offsets_response *response, int32_t leader,
                         struct offset_query *queries, size_t count)
{
    size_t next = 0; /* results usually have the order of the queries; if not, all are searched */
    for (int32_t t = 0; t < response->topics_count; t++) {
        const struct list_offsets_response_topics *topic = &response->topics[t];
        for (int32_t i = 0; i < topic->partitions_count; i++) {
            const struct list_offsets_response_topics_partitions *p = &topic->partitions[i];
            for (size_t tries = 0; tries < count; tries++, next = (next + 1) % count) {
                struct offset_query *q = &queries[next];
                if (q->leader == leader && q->partition == p->partition_index &&
                    bytes_equal(q->topic, topic->name)) {
                    q->offset = p->offset;
                    q->error_code = p->error_code;
                    break;
                }
            }
        }
    }
}

bool cluster_offsets(struct client *c, struct offset_query *queries, size_t count,
                     struct arena *arena, struct failure *f)
{
    bool *asked = arena_array(arena, count, sizeof *asked);
    for (size_t i = 0; i < count; i++) {
        queries[i].offset = -1;
        queries[i].error_code =
            queries[i].leader < 0 ? KAFKA_LEADER_NOT_AVAILABLE : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    for (size_t i = 0; i < count; i++) {
        int32_t leader = queries[i].leader;
        if (asked[i] || leader < 0)
            continue;
        for (size_t j = i; j < count; j++)
            asked[j] |= queries[j].leader == leader;
        struct list_offsets_request request;
        struct list_offsets_response response;
        fill_offsets_request(&request, queries, count, leader, arena);
        if (!client_call(c, leader, API_LIST_OFFSETS, &request, arena, &response, f))
            return false;
        take_offsets(&response, leader, queries, count);
    }
    return true;
}

bool cluster_topic_configs(struct client *c, const struct bytes *topics, size_t count,
                           struct arena *arena, struct describe_configs_response *out,
                           struct failure *f)
{
    struct describe_configs_request request;
    schema_defaults(&describe_configs_request_schema, &request);
    request.resources = schema_array(&describe_configs_request_resources_schema, count, arena);
    request.resources_count = (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        request.resources[i].resource_type = CONFIG_TOPIC;
        request.resources[i].resource_name = topics[i];
        request.resources[i].configuration_keys_count = -1;
    }
    return client_call(c, ANY_NODE, API_DESCRIBE_CONFIGS, &request, arena, out, f);
}

bool name_filter_init(struct name_filter *nf, const struct bytes *names, size_t count, bool regex,
                      struct arena *arena, struct failure *f)
{
    *nf = (struct name_filter){.names = names, .count = count, .regex = regex};
    if (!regex)
        return true;
    regex_t *compiled = arena_array(arena, count, sizeof *compiled);
    nf->compiled = compiled;
    for (size_t i = 0; i < count; i++) {
        const char *pattern = arena_printf(arena, "^(%.*s)$", BYTES_PRINTF(names[i]));
        int error = regcomp(&compiled[i], pattern, REG_EXTENDED | REG_NOSUB);
        if (error == 0)
            continue;
        char why[128];
        regerror(error, &compiled[i], why, sizeof why);
        nf->count = i;
        name_filter_free(nf);
        return fail_usage(f, "-r %.*s: %s", BYTES_PRINTF(names[i]), why);
    }
    return true;
}

bool name_filter_matches(const struct name_filter *nf, struct bytes name)
{
    for (size_t i = 0; i < nf->count; i++) {
        if (!nf->regex && bytes_equal(name, nf->names[i]))
            return true;
        if (!nf->regex)
            continue;
        char text[512];
        snprintf(text, sizeof text, "%.*s", BYTES_PRINTF(name));
        if (regexec((const regex_t *)nf->compiled + i, text, 0, NULL, 0) == 0)
            return true;
    }
    return nf->count == 0 && !nf->regex;
}

void name_filter_free(struct name_filter *nf)
{
    for (size_t i = 0; nf->regex && i < nf->count; i++)
        regfree((regex_t *)nf->compiled + i);
    nf->count = 0;
}
