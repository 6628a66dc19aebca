#include "client-tools/cluster/fetcher.h"

#include "client-tools/cluster/link.h"
#include "client-tools/stop.h"
#include "protocol/kafka_error.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

enum {
    PARTITION_BYTES = 1 << 20,
    FETCH_BYTES = 16 << 20,
    MAX_BATCH_UNCOMPRESSED = 1 << 30,
    RETRY_MS = 200,
};

void fetcher_init(struct fetcher *fetcher, struct client *client, int64_t patience_ms)
{
    *fetcher = (struct fetcher){.client = client, .patience_ms = patience_ms};
    arena_init(&fetcher->arena, (size_t)2 << 30);
}

void fetcher_free(struct fetcher *fetcher)
{
    arena_free(&fetcher->arena);
}

static bool is_wanted(const struct fetch_partition *p)
{
    return p->position < p->stop;
}

bool fetcher_is_done(const struct fetcher *fetcher)
{
    for (size_t i = 0; i < fetcher->count; i++) {
        if (is_wanted(&fetcher->partitions[i]))
            return false;
    }
    return true;
}

static void pause_ms(int64_t ms)
{
    struct timespec time = {.tv_nsec = ms * 1000000};
    nanosleep(&time, NULL);
}

static void fill_request(struct fetcher *fetcher, int32_t leader, int64_t wait_ms,
                         struct fetch_request *request)
{
    schema_defaults(&fetch_request_schema, request);
    request->replica_id = -1;
    request->max_wait_ms = (int32_t)wait_ms;
    request->min_bytes = 1;
    request->max_bytes = FETCH_BYTES;
    request->isolation_level = fetcher->committed_only;
    request->session_epoch = -1; /* no session */
    request->topics = schema_array(&fetch_request_topics_schema, fetcher->count, &fetcher->arena);
    struct fetch_request_topics *topic = NULL;
    for (size_t i = 0; i < fetcher->count; i++) {
        const struct fetch_partition *p = &fetcher->partitions[i];
        if (p->leader != leader || !is_wanted(p))
            continue;
        if (topic == NULL || !bytes_equal(topic->topic, p->topic)) {
            topic = &request->topics[request->topics_count++];
            topic->topic = p->topic;
            topic->partitions = schema_array(&fetch_request_topics_partitions_schema,
                                             fetcher->count - i, &fetcher->arena);
        }
        struct fetch_request_topics_partitions *out = &topic->partitions[topic->partitions_count++];
        out->partition = p->index;
        out->fetch_offset = p->position;
        out->partition_max_bytes = PARTITION_BYTES;
    }
}

/* Gives one batch's records from the position on to `take`. *go_on: `take` wants more. */
static bool take_batch(struct fetcher *fetcher, struct fetch_partition *p, struct bytes batch,
                       bool *go_on, struct failure *f)
{
    struct record_iterator records;
    struct record record;
    enum error e = records_open(batch, &fetcher->arena, MAX_BATCH_UNCOMPRESSED, &records);
    if (e != ERR_OK)
        return fail(f, "CORRUPT_MESSAGE", "%.*s/%d: the batch at offset %" PRId64 ": %s",
                    BYTES_PRINTF(p->topic), p->index, p->position, error_text(e));
    bool hidden = records.header.attributes & BATCH_CONTROL;
    while (!hidden && *go_on && records_next(&records, &record)) {
        if (record.offset < p->position || record.offset >= p->stop)
            continue;
        struct record_place place = {p->topic, p->index, records.header.leader_epoch};
        *go_on = fetcher->take(fetcher->context, &place, &record);
        p->position = record.offset + 1;
    }
    if (records.failed)
        return fail(f, "CORRUPT_MESSAGE",
                    "%.*s/%d: the record at or after offset %" PRId64 " is malformed",
                    BYTES_PRINTF(p->topic), p->index, p->position);
    if (*go_on) /* skips the offsets of removed records */
        p->position = MAX(p->position, batch_last_offset(&records.header) + 1);
    return true;
}

static bool take_records(struct fetcher *fetcher, struct fetch_partition *p, struct bytes data,
                         bool *go_on, struct failure *f)
{
    while (*go_on && is_wanted(p)) {
        size_t size = batch_size(data);
        struct batch_header header;
        if (size == 0 || size > data.size) /* the last one may be cut off */
            return true;
        if (!batch_header_read(data, &header) || header.magic != BATCH_MAGIC)
            return fail(f, "UNSUPPORTED_FOR_MESSAGE_FORMAT",
                        "%.*s/%d contains records in an old format", BYTES_PRINTF(p->topic),
                        p->index);
        if (batch_last_offset(&header) >= p->position &&
            !take_batch(fetcher, p, bytes_of(data.data, size), go_on, f))
            return false;
        data = bytes_from(data, size);
    }
    return true;
}

/* Waits a moment, then finds the partition's leader again. */
static bool refresh_leader(struct fetcher *fetcher, struct fetch_partition *p, struct failure *f)
{
    struct topic_info topic;
    pause_ms(RETRY_MS);
    if (!cluster_topic(fetcher->client, p->topic, false, &fetcher->arena, &topic, f))
        return false;
    for (int32_t i = 0; i < topic.partition_count; i++) {
        if (topic.partitions[i].index == p->index && topic.partitions[i].leader >= 0)
            p->leader = topic.partitions[i].leader;
    }
    return true;
}

static bool handle_error(struct fetcher *fetcher, struct fetch_partition *p, int16_t code,
                         struct failure *f)
{
    if (code == KAFKA_NOT_LEADER_OR_FOLLOWER || code == KAFKA_LEADER_NOT_AVAILABLE ||
        code == KAFKA_FENCED_LEADER_EPOCH || code == KAFKA_UNKNOWN_LEADER_EPOCH)
        return refresh_leader(fetcher, p, f);
    fail_kafka(f, code, BYTES_NULL, "%.*s/%d at offset %" PRId64, BYTES_PRINTF(p->topic), p->index,
               p->position);
    if (code == KAFKA_OFFSET_OUT_OF_RANGE)
        message_set(&f->hint,
                    "this offset is outside the log; -o start reads from the oldest record");
    return false;
}

static struct fetch_partition *find_partition(struct fetcher *fetcher, struct bytes topic,
                                              int32_t index)
{
    for (size_t i = 0; i < fetcher->count; i++) {
        struct fetch_partition *p = &fetcher->partitions[i];
        if (p->index == index && bytes_equal(p->topic, topic))
            return p;
    }
    return NULL;
}

static bool take_response(struct fetcher *fetcher, const struct fetch_response *response,
                          bool *go_on, struct failure *f)
{
    if (response->error_code != 0)
        return fail_kafka(f, response->error_code, BYTES_NULL, "Fetch");
    for (int32_t t = 0; t < response->responses_count; t++) {
        const struct fetch_response_responses *topic = &response->responses[t];
        for (int32_t i = 0; i < topic->partitions_count && *go_on; i++) {
            const struct fetch_response_responses_partitions *in = &topic->partitions[i];
            struct fetch_partition *p = find_partition(fetcher, topic->topic, in->partition_index);
            if (p == NULL)
                continue;
            bool good = in->error_code ? handle_error(fetcher, p, in->error_code, f)
                                       : take_records(fetcher, p, in->records.bytes, go_on, f);
            if (!good)
                return false;
        }
    }
    return true;
}

/* Waits for a broker that restarts, up to a limit. True: try again. */
static bool survive(struct fetcher *fetcher, struct failure *f)
{
    if (f->exit != EXIT_UNREACHABLE || stop_requested())
        return false;
    int64_t now_ms = link_now_ms();
    if (fetcher->lost_since_ms == 0) {
        fetcher->lost_since_ms = now_ms;
        fprintf(stderr, "%s; retrying\n", f->message.text);
    }
    if (now_ms - fetcher->lost_since_ms > fetcher->patience_ms)
        return false;
    pause_ms(RETRY_MS);
    return true;
}

static bool fetch_from(struct fetcher *fetcher, int32_t leader, int64_t wait_ms, bool *go_on,
                       struct failure *f)
{
    struct fetch_request request;
    struct fetch_response response;
    fill_request(fetcher, leader, wait_ms, &request);
    if (!client_call_waiting(fetcher->client, leader, API_FETCH, &request, &fetcher->arena,
                             &response, wait_ms, f))
        return survive(fetcher, f);
    fetcher->lost_since_ms = 0;
    return take_response(fetcher, &response, go_on, f);
}

bool fetcher_poll(struct fetcher *fetcher, int64_t wait_ms, struct failure *f)
{
    bool go_on = true, good = true;
    arena_reset(&fetcher->arena);
    bool *asked = arena_array(&fetcher->arena, fetcher->count, sizeof *asked);
    size_t leaders = 0;
    int32_t last_leader = -1;
    for (size_t i = 0; i < fetcher->count; i++) {
        if (is_wanted(&fetcher->partitions[i]) && fetcher->partitions[i].leader != last_leader) {
            last_leader = fetcher->partitions[i].leader;
            leaders++;
        }
    }
    for (size_t i = 0; i < fetcher->count && go_on && good; i++) {
        int32_t leader = fetcher->partitions[i].leader;
        if (asked[i] || !is_wanted(&fetcher->partitions[i]))
            continue;
        for (size_t j = i; j < fetcher->count; j++)
            asked[j] |= fetcher->partitions[j].leader == leader;
        /* A single leader gets a long poll. Several leaders are asked in turn with a short wait. */
        good = leader < 0 ? refresh_leader(fetcher, &fetcher->partitions[i], f)
                          : fetch_from(fetcher, leader, leaders > 1 ? 50 : wait_ms, &go_on, f);
    }
    return good;
}
