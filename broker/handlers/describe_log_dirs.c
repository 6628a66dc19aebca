/* DescribeLogDirs: the data directory, its free space, and the sizes of partitions.
 *
 * A log that was not used since the start does not know its older segments, so a job lists them. A
 * shard measures a few hundred partitions per turn. Partitions that do not exist are left out, as
 * in Kafka. */
#include "broker/broker.h"
#include "broker/handlers/handlers.h"
#include "broker/partition.h"
#include "broker/request/request.h"
#include "broker/request/scatter.h"
#include "protocol/messages.h"
#include "storage/io.h"

enum { MEASURED_PER_TURN = 256 };

/* A topic of the request, once. */
struct asked_topic {
    const struct topic *topic;
    bool *wanted; /* beside its partitions; NULL: all */
    int32_t count;
};

struct size_item {
    struct uuid topic_id;
    int32_t partition;
    int64_t size; /* the result; -1: the partition is gone */
};

/* The items of one shard, measured one after the other. */
struct size_part {
    struct scatter_part part;
    struct log_load_job job;
    struct partition *held; /* while the job runs */
    struct mail next_turn;
    uint32_t at;
};
_Static_assert(offsetof(struct size_part, part) == 0, "a part begins with its scatter_part");

struct describe_log_dirs {
    struct request *request;
    struct catalog *catalog; /* a reference: the topics' names are in it */
    struct asked_topic *topics;
    size_t topic_count;
    struct size_item *items;
    size_t count;
    struct scatter scatter;
    struct job space_job;
    int64_t total_bytes, usable_bytes; /* -1: unknown */
};

/* --- on the owner's shard --- */

static void measure_more(struct size_part *sp);

static struct size_item *current_item(const struct size_part *sp)
{
    struct describe_log_dirs *d = CONTAINER_OF(sp->part.scatter, struct describe_log_dirs, scatter);
    return &d->items[sp->part.items[sp->at]];
}

static void is_loaded(struct job *job)
{
    struct log_load_job *load = CONTAINER_OF(job, struct log_load_job, job);
    struct size_part *sp = CONTAINER_OF(load, struct size_part, job);
    struct partition *p = sp->held;
    if (!p->deleted)
        current_item(sp)->size = log_size_bytes(p->log);
    sp->held = NULL;
    partition_release(sp->part.shard, p);
    sp->at++;
    measure_more(sp);
}

/* False: a job lists the segments and continues when it is done. */
static bool measure(struct size_part *sp, struct size_item *item)
{
    struct partition *p = partition_find(sp->part.shard, item->topic_id, item->partition);
    item->size = p && log_is_loaded(p->log) ? log_size_bytes(p->log) : -1;
    if (p == NULL || item->size >= 0)
        return true;
    sp->held = p;
    partition_hold(p);
    sp->job = (struct log_load_job){.job.done = is_loaded, .log = p->log};
    log_load_submit(sp->part.shard->reader, &sp->job);
    return false;
}

static void deliver_next_turn(struct mail *mail, struct shard *shard)
{
    (void)shard;
    measure_more(CONTAINER_OF(mail, struct size_part, next_turn));
}

static void measure_more(struct size_part *sp)
{
    for (int n = 0; sp->at < sp->part.count; n++, sp->at++) {
        if (n == MEASURED_PER_TURN) {
            sp->next_turn = (struct mail){.deliver = deliver_next_turn};
            shard_post(sp->part.shard, &sp->next_turn);
            return;
        }
        if (!measure(sp, current_item(sp)))
            return;
    }
    scatter_part_done(&sp->part);
}

static void measure_items(struct scatter_part *part)
{
    measure_more(CONTAINER_OF(part, struct size_part, part));
}

/* --- the answer, at home --- */

static int32_t fill_topic(const struct asked_topic *asked, const struct size_item *items,
                          struct describe_log_dirs_response_results_topics *out,
                          struct arena *arena)
{
    out->name = asked->topic->name;
    out->partitions = schema_array(&describe_log_dirs_response_results_topics_partitions_schema,
                                   (size_t)asked->count, arena);
    for (int32_t i = 0; i < asked->count; i++) {
        if (items[i].size < 0)
            continue;
        struct describe_log_dirs_response_results_topics_partitions *p =
            &out->partitions[out->partitions_count++];
        p->partition_index = items[i].partition;
        p->partition_size = items[i].size;
    }
    return out->partitions_count;
}

static void answer(struct scatter *scatter)
{
    struct describe_log_dirs *d = CONTAINER_OF(scatter, struct describe_log_dirs, scatter);
    struct arena *arena = &d->request->arena;
    const struct broker *broker = scatter->home->broker;
    struct describe_log_dirs_response response;
    scatter_end(scatter, arena);
    schema_defaults(&describe_log_dirs_response_schema, &response);
    struct describe_log_dirs_response_results *result =
        schema_array(&describe_log_dirs_response_results_schema, 1, arena);
    response.results = result;
    response.results_count = 1;
    result->log_dir = bytes_string(broker->data_directory);
    result->total_bytes = d->total_bytes;
    result->usable_bytes = d->usable_bytes;
    result->topics =
        schema_array(&describe_log_dirs_response_results_topics_schema, d->topic_count, arena);
    const struct size_item *items = d->items;
    for (size_t t = 0; t < d->topic_count; t++) {
        struct describe_log_dirs_response_results_topics *out =
            &result->topics[result->topics_count];
        if (fill_topic(&d->topics[t], items, out, arena) > 0)
            result->topics_count++;
        items += d->topics[t].count;
    }
    struct catalog *catalog = d->catalog;
    request_reply(d->request, &response); /* frees d */
    catalog_unref(catalog);
}

/* --- the space of the disk, on a worker --- */

static void run_space(struct job *job)
{
    struct describe_log_dirs *d = CONTAINER_OF(job, struct describe_log_dirs, space_job);
    const struct broker *broker = d->scatter.home->broker;
    struct io *io = broker->env->io;
    if (io->ops->total_bytes(io, broker->data_directory, &d->total_bytes) != ERR_OK)
        d->total_bytes = -1;
    if (io->ops->free_bytes(io, broker->data_directory, &d->usable_bytes) != ERR_OK)
        d->usable_bytes = -1;
}

static void space_done(struct job *job)
{
    struct describe_log_dirs *d = CONTAINER_OF(job, struct describe_log_dirs, space_job);
    scatter_run(&d->scatter, measure_items);
}

/* --- the request, at home --- */

static void ask_for_all(struct describe_log_dirs *d)
{
    d->topic_count = catalog_count(d->catalog);
    d->topics = request_alloc(d->request, d->topic_count, sizeof *d->topics);
    for (size_t i = 0; i < d->topic_count; i++) {
        const struct topic *topic = catalog_at(d->catalog, i);
        d->topics[i] = (struct asked_topic){.topic = topic, .count = topic->partitions};
    }
}

static void want(struct asked_topic *asked, const int32_t *partitions, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        int32_t index = partitions[i];
        if (index < 0 || index >= asked->topic->partitions || asked->wanted[index])
            continue;
        asked->wanted[index] = true;
        asked->count++;
    }
}

/* A topic or partition that is named twice is described once. */
static void ask_for_named(struct describe_log_dirs *d, const struct describe_log_dirs_request *in)
{
    struct map seen = MAP_EMPTY;
    d->topics = request_alloc(d->request, (size_t)in->topics_count, sizeof *d->topics);
    for (int32_t t = 0; t < in->topics_count; t++) {
        const struct topic *topic = catalog_by_name(d->catalog, in->topics[t].topic);
        if (topic == NULL)
            continue;
        struct asked_topic *asked = map_get(&seen, topic->name);
        if (asked == NULL) {
            asked = &d->topics[d->topic_count++];
            asked->topic = topic;
            asked->wanted = request_alloc(d->request, (size_t)topic->partitions, sizeof(bool));
            map_put(&seen, topic->name, asked);
        }
        want(asked, in->topics[t].partitions, in->topics[t].partitions_count);
    }
    map_free(&seen);
}

/* Makes the items; returns their owners. */
static int *place_items(struct describe_log_dirs *d, struct shard *home)
{
    size_t count = 0;
    for (size_t t = 0; t < d->topic_count; t++)
        count += (size_t)d->topics[t].count;
    int *owners = request_alloc(d->request, count, sizeof *owners);
    d->items = request_alloc(d->request, count, sizeof *d->items);
    for (size_t t = 0; t < d->topic_count; t++) {
        const struct asked_topic *asked = &d->topics[t];
        for (int32_t i = 0; i < asked->topic->partitions; i++) {
            if (asked->wanted && !asked->wanted[i])
                continue;
            d->items[d->count] = (struct size_item){asked->topic->id, i, -1};
            owners[d->count++] = shard_for_partition(home, asked->topic->id, i)->id;
        }
    }
    return owners;
}

void describe_log_dirs_handle(struct shard *shard, struct request *request)
{
    const struct describe_log_dirs_request *in = request->body;
    struct describe_log_dirs *d = request_alloc(request, 1, sizeof *d);
    d->request = request;
    d->catalog = catalog_ref(shard->catalog);
    if (in->topics_count < 0)
        ask_for_all(d);
    else
        ask_for_named(d, in);
    const int *owners = place_items(d, shard);
    scatter_init(&d->scatter, shard, &request->arena, owners, d->count, sizeof(struct size_part));
    d->scatter.gathered = answer;
    d->space_job = (struct job){.run = run_space, .done = space_done};
    shard->reader->submit(shard->reader, &d->space_job);
}
