/* Fetch: makes items of the request and its session, and the response of the items. */
#include "broker/fetch/fetch.h"

#include "broker/broker.h"
#include "broker/handlers/handlers.h"
#include "protocol/messages.h"

enum {
    IDS_SINCE_VERSION = 13,
    /* The broker cannot see whether a waiting client went away, so no fetch waits longer. An early
     * empty answer is always correct. */
    LONGEST_WAIT_MS = 60000,
};

/* --- the request becomes items --- */

/* The last topic that was looked up: partitions of one topic follow each other. */
struct lookup {
    const struct catalog *catalog;
    struct fetch_target target;
    struct topic *topic;
    bool valid;
};

static bool same_topic(const struct fetch_target *a, const struct fetch_target *b)
{
    if (bytes_is_null(a->name) || bytes_is_null(b->name))
        return bytes_is_null(a->name) == bytes_is_null(b->name) &&
               memcmp(a->id.bytes, b->id.bytes, sizeof a->id.bytes) == 0;
    return bytes_equal(a->name, b->name);
}

static struct topic *look_up(struct lookup *l, const struct fetch_target *target)
{
    if (!l->valid || !same_topic(&l->target, target)) {
        l->topic = bytes_is_null(target->name) ? catalog_by_id(l->catalog, target->id)
                                               : catalog_by_name(l->catalog, target->name);
        l->target = *target;
        l->valid = true;
    }
    return l->topic;
}

/* Finds the owner, or sets the item's error. */
static int place_item(struct fetch *fetch, struct lookup *lookup, struct fetch_item *item)
{
    struct topic *topic = look_up(lookup, &item->target);
    item->high_watermark = item->last_stable_offset = item->log_start = -1;
    if (topic && item->target.partition >= 0 && item->target.partition < topic->partitions) {
        item->topic_id = topic->id;
        return shard_for_partition(fetch->home, topic->id, item->target.partition)->id;
    }
    item->error = topic || !bytes_is_null(item->target.name) ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION
                                                             : KAFKA_UNKNOWN_TOPIC_ID;
    fetch->failed++;
    return SCATTER_NOBODY;
}

static struct fetch_target target_of(const struct fetch *fetch, struct bytes name, struct uuid id,
                                     int32_t partition)
{
    bool by_id = fetch->version >= IDS_SINCE_VERSION;
    return (struct fetch_target){by_id ? BYTES_NULL : name, id, partition};
}

static void items_of_request(struct fetch *fetch, const struct fetch_request *in)
{
    uint32_t count = 0;
    for (int32_t t = 0; t < in->topics_count; t++)
        count += (uint32_t)MAX(in->topics[t].partitions_count, 0);
    fetch->items = request_alloc(fetch->request, count, sizeof *fetch->items);
    for (int32_t t = 0; t < in->topics_count; t++) {
        const struct fetch_request_topics *topic = &in->topics[t];
        for (int32_t i = 0; i < topic->partitions_count; i++) {
            const struct fetch_request_topics_partitions *p = &topic->partitions[i];
            fetch->items[fetch->count++] = (struct fetch_item){
                .target = target_of(fetch, topic->topic, topic->topic_id, p->partition),
                .offset = p->fetch_offset,
                .max_bytes = p->partition_max_bytes,
                .leader_epoch = p->current_leader_epoch,
            };
        }
    }
}

static void items_of_session(struct fetch *fetch, struct fetch_session *session)
{
    fetch->items = request_alloc(fetch->request, session->partitions.count, sizeof *fetch->items);
    LIST_FOR_EACH (node, &session->order) {
        struct fetch_session_partition *p =
            CONTAINER_OF(node, struct fetch_session_partition, node);
        struct fetch_item *item = &fetch->items[fetch->count++];
        *item = (struct fetch_item){
            .target = p->target,
            .offset = p->fetch_offset,
            .max_bytes = p->max_bytes,
            .leader_epoch = p->leader_epoch,
            .cached = p,
        };
        /* The session may forget the partition, and its name, before the answer. */
        if (!bytes_is_null(p->target.name))
            item->target.name = arena_copy(&fetch->request->arena, p->target.name);
    }
}

/* --- sessions --- */

/* Applies the request's lists of partitions to the session. False: there is no room. */
static bool update_session(struct fetch *fetch, struct fetch_sessions *sessions,
                           struct fetch_session *session, const struct fetch_request *in)
{
    for (int32_t t = 0; t < in->topics_count; t++) {
        const struct fetch_request_topics *topic = &in->topics[t];
        for (int32_t i = 0; i < topic->partitions_count; i++) {
            const struct fetch_request_topics_partitions *p = &topic->partitions[i];
            struct fetch_target target =
                target_of(fetch, topic->topic, topic->topic_id, p->partition);
            struct fetch_session_partition *cached = fetch_session_put(sessions, session, &target);
            if (cached == NULL)
                return false;
            cached->fetch_offset = p->fetch_offset;
            cached->max_bytes = p->partition_max_bytes;
            cached->leader_epoch = p->current_leader_epoch;
        }
    }
    for (int32_t t = 0; t < in->forgotten_topics_data_count; t++) {
        const struct fetch_request_forgotten_topics_data *topic = &in->forgotten_topics_data[t];
        for (int32_t i = 0; i < topic->partitions_count; i++) {
            struct fetch_target target =
                target_of(fetch, topic->topic, topic->topic_id, topic->partitions[i]);
            fetch_session_forget(sessions, session, &target);
        }
    }
    return true;
}

static enum kafka_error continue_session(struct fetch *fetch, const struct fetch_request *in)
{
    struct fetch_sessions *sessions = fetch->home->fetch_sessions;
    struct fetch_session *session = fetch_session_find(sessions, in->session_id);
    if (session == NULL)
        return KAFKA_FETCH_SESSION_ID_NOT_FOUND;
    if (session->epoch != in->session_epoch)
        return KAFKA_INVALID_FETCH_SESSION_EPOCH;
    if (session->by_id != (fetch->version >= IDS_SINCE_VERSION))
        return KAFKA_FETCH_SESSION_TOPIC_ID_ERROR;
    if (!update_session(fetch, sessions, session, in)) {
        fetch_session_close(sessions, session);
        return KAFKA_FETCH_SESSION_ID_NOT_FOUND;
    }
    fetch_session_advance(sessions, session, fetch->home->now_ms);
    fetch->session_id = session->id;
    fetch->session_epoch = session->epoch;
    fetch->session_serial = session->serial;
    items_of_session(fetch, session);
    return KAFKA_NONE;
}

static enum kafka_error take_session(struct fetch *fetch, const struct fetch_request *in)
{
    struct fetch_sessions *sessions = fetch->home->fetch_sessions;
    bool full = in->session_epoch == FETCH_EPOCH_FULL || in->session_epoch == FETCH_EPOCH_FINAL;
    if (!full)
        return continue_session(fetch, in);
    struct fetch_session *old = fetch_session_find(sessions, in->session_id);
    if (in->session_id != FETCH_SESSION_NONE && old)
        fetch_session_close(sessions, old);
    fetch->opens_session = in->session_epoch == FETCH_EPOCH_FULL;
    items_of_request(fetch, in);
    return KAFKA_NONE;
}

/* The session, if it did not change since this fetch began. */
static struct fetch_session *same_session(struct fetch *fetch)
{
    if (fetch->session_id == FETCH_SESSION_NONE)
        return NULL;
    struct fetch_session *session =
        fetch_session_find(fetch->home->fetch_sessions, fetch->session_id);
    bool same = session && session->serial == fetch->session_serial &&
                session->epoch == fetch->session_epoch;
    return same ? session : NULL;
}

/* Opens a session for a full fetch that allows one. */
static struct fetch_session *open_session(struct fetch *fetch)
{
    struct fetch_sessions *sessions = fetch->home->fetch_sessions;
    struct fetch_session *session = fetch_session_open(
        sessions, fetch->version >= IDS_SINCE_VERSION, fetch->count, fetch->home->now_ms);
    for (uint32_t i = 0; session && i < fetch->count; i++) {
        struct fetch_item *item = &fetch->items[i];
        item->cached = fetch_session_put(sessions, session, &item->target);
        if (item->cached == NULL) {
            fetch_session_close(sessions, session);
            return NULL;
        }
        item->cached->fetch_offset = item->offset;
        item->cached->max_bytes = item->max_bytes;
        item->cached->leader_epoch = item->leader_epoch;
    }
    return session;
}

/* --- the items become the response --- */

/* Whether the client of an incremental fetch must get the item. Notes the values that it gets. */
static bool has_news(struct fetch_session *session, struct fetch_item *item)
{
    struct fetch_session_partition *cached = item->cached;
    bool news = item->slice || item->error != KAFKA_NONE ||
                cached->told_high_watermark != item->high_watermark ||
                cached->told_log_start != item->log_start;
    cached->told_high_watermark = item->error == KAFKA_NONE ? item->high_watermark : -1;
    cached->told_log_start = item->log_start;
    if (item->slice)
        fetch_session_served(session, cached);
    return news;
}

static void fill_partition(const struct fetch *fetch, struct fetch_item *item,
                           struct fetch_response_responses_partitions *out)
{
    out->partition_index = item->target.partition;
    out->error_code = (int16_t)item->error;
    out->high_watermark = item->high_watermark;
    out->last_stable_offset = item->last_stable_offset;
    out->log_start_offset = item->log_start;
    out->aborted_transactions_count = fetch->isolation == READ_COMMITTED ? 0 : -1;
    out->records.bytes = bytes_of("", 0);
    if (item->slice) {
        out->records.slice = item->slice;
        out->records.slice_size = item->slice->size;
        item->slice = NULL;
    }
}

/* Items that follow each other and have the same topic share one element. */
static void fill_response(struct fetch *fetch, struct fetch_session *session, bool only_news,
                          struct fetch_response *response)
{
    struct arena *arena = &fetch->request->arena;
    struct fetch_response_responses *topic = NULL;
    struct fetch_target last = {0};
    response->responses = schema_array(&fetch_response_responses_schema, fetch->count, arena);
    struct fetch_response_responses_partitions *partitions =
        schema_array(&fetch_response_responses_partitions_schema, fetch->count, arena);
    for (uint32_t i = 0; i < fetch->count; i++) {
        struct fetch_item *item = &fetch->items[i];
        bool news = !session || has_news(session, item);
        if (only_news && !news)
            continue;
        if (topic == NULL || !same_topic(&last, &item->target)) {
            topic = &response->responses[response->responses_count++];
            topic->topic = item->target.name;
            topic->topic_id = item->target.id;
            topic->partitions = partitions;
            last = item->target;
        }
        fill_partition(fetch, item, partitions++);
        topic->partitions_count++;
    }
}

static void answer(struct fetch *fetch)
{
    struct fetch_response response;
    struct fetch_session *session = same_session(fetch);
    bool only_news = session != NULL;
    schema_defaults(&fetch_response_schema, &response);
    if (fetch->opens_session)
        session = open_session(fetch);
    fetch_trim(fetch);
    /* If the session ended meanwhile, the client's next request gets the error. */
    response.session_id = session ? session->id : fetch->session_id;
    fill_response(fetch, session, only_news, &response);
    scatter_end(&fetch->scatter, &fetch->request->arena);
    request_reply(fetch->request, &response);
}

static void refuse(struct request *request, enum kafka_error error)
{
    struct fetch_response response;
    schema_defaults(&fetch_response_schema, &response);
    response.error_code = (int16_t)error;
    request_reply(request, &response);
}

/* --- the handler --- */

static void handle_at_session(struct shard *shard, struct request *request)
{
    const struct fetch_request *in = request->body;
    struct fetch *fetch = request_alloc(request, 1, sizeof *fetch);
    int64_t max_bytes = MIN((int64_t)in->max_bytes, shard->broker->settings->fetch_max_bytes);
    *fetch = (struct fetch){
        .request = request,
        .home = shard,
        .version = request->header.api_version,
        .isolation = isolation_of_request(in->isolation_level),
        .max_bytes = (size_t)MAX(max_bytes, 0),
        .min_bytes = (size_t)MAX(in->min_bytes, 0),
        .max_wait_ms = MIN(in->max_wait_ms, (int32_t)LONGEST_WAIT_MS),
        .answer = answer,
    };
    enum kafka_error error = take_session(fetch, in);
    if (error != KAFKA_NONE) {
        refuse(request, error);
        return;
    }
    struct lookup lookup = {.catalog = shard->catalog};
    int *owners = request_alloc(request, fetch->count, sizeof *owners);
    for (uint32_t i = 0; i < fetch->count; i++)
        owners[i] = place_item(fetch, &lookup, &fetch->items[i]);
    fetch_start(fetch, owners);
}

static void deliver(struct mail *mail, struct shard *shard)
{
    struct request *request = CONTAINER_OF(mail, struct request, mail);
    request->at = shard;
    handle_at_session(shard, request);
}

/* Requests of a session are handled on the session's shard. */
void fetch_handle(struct shard *shard, struct request *request)
{
    const struct fetch_request *in = request->body;
    struct shard *owner = shard;
    if (in->session_id > FETCH_SESSION_NONE)
        owner = shard->broker->shards[in->session_id % shard->broker->shard_count];
    if (owner == shard) {
        handle_at_session(shard, request);
        return;
    }
    request->mail.deliver = deliver;
    shard_post(owner, &request->mail);
}
