#include "client-tools/pipeline/processor_configs.h"

static bool all_names(struct client *c, struct arena *arena, const struct bytes **names,
                      size_t *count, struct failure *f)
{
    struct topic_info *topics;
    size_t topic_count;
    if (!cluster_topics(c, NULL, 0, false, arena, &topics, &topic_count, f))
        return false;
    struct bytes *found = arena_array(arena, topic_count, sizeof *found);
    *count = 0;
    for (size_t i = 0; i < topic_count; i++) {
        if (!topics[i].internal)
            found[(*count)++] = topics[i].name;
    }
    *names = found;
    return true;
}

bool processor_configs_fetch(struct client *c, const struct bytes *names, size_t count,
                             struct arena *arena, struct declarations *out,
                             struct topic_failures *failures, struct failure *f)
{
    struct describe_configs_response response;
    *out = (struct declarations){0};
    *failures = (struct topic_failures){0};
    if (names == NULL && !all_names(c, arena, &names, &count, f))
        return false;
    if (count == 0)
        return true;
    if (!cluster_topic_configs(c, names, count, arena, &response, f))
        return false;
    failures->items = arena_array(arena, count, sizeof *failures->items);
    for (int32_t r = 0; r < response.results_count; r++) {
        const struct describe_configs_response_results *result = &response.results[r];
        if (result->error_code != 0 && failures->count < count)
            failures->items[failures->count++] = (struct topic_failure){
                result->resource_name, result->error_code, result->error_message};
        for (int32_t i = 0; i < result->configs_count; i++) {
            if (result->configs[i].config_source != SOURCE_TOPIC)
                continue;
            struct declared_config item = {.topic = result->resource_name,
                                           .processor = BYTES_NULL,
                                           .key = result->configs[i].name,
                                           .parameter = result->configs[i].name,
                                           .value = result->configs[i].value};
            processor_key_split(item.key, &item.processor, &item.parameter);
            declarations_add(out, &item, arena);
        }
    }
    declarations_sort(out, arena);
    return true;
}

void processor_name_split(struct bytes text, struct bytes *topic, struct bytes *processor)
{
    const uint8_t *slash = text.size ? memchr(text.data, '/', text.size) : NULL;
    *topic = text;
    *processor = BYTES_NULL;
    if (slash == NULL)
        return;
    topic->size = (size_t)(slash - text.data);
    *processor = bytes_from(text, topic->size + 1);
}
