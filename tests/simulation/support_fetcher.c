/* A consumer without a group. It reads all partitions, and remembers everything (facts). */
#include "tests/simulation/support_trial.h"

#include <stdlib.h>

enum { UNCOMPRESSED_MAX = 4 << 20, ANSWERED_WITHIN_MS = 1500 };

struct place {
    int64_t position;
    int64_t end_floor, start_floor; /* known when the request was sent */
    bool in_session, asked;         /* asked: by the request under way */
    int64_t told;                   /* the position that the session has */
    bool gone;                      /* the topic is deleted */
    bool is_random;                 /* the position, which may be inside a hole */
    int64_t empty_at;               /* where fetches found nothing below the end */
    int empty_count;                /* how often */
};

struct fetcher {
    struct actor actor;
    bool with_sessions, by_id, committed;
    struct exchange exchange;
    bool waiting, draining;
    int drain_round;
    int32_t session, epoch;
    struct place places[FACT_TOPICS][FACT_PARTITIONS];
    struct fact_partition *lost_place; /* its start must be asked for */
    int64_t lost_position;             /* which was out of range */
    struct arena arena;
};

static struct fetcher *fetcher_of(struct actor *a)
{
    return CONTAINER_OF(a, struct fetcher, actor);
}

static struct place *place_of(struct fetcher *f, const struct fact_partition *p)
{
    return &f->places[p->topic - f->actor.trial->facts.topics][p->index];
}

static bool is_readable(const struct fact_topic *t)
{
    return t->state == TOPIC_EXISTS || t->state == TOPIC_DELETING;
}

static void note_floors(struct fetcher *f)
{
    struct facts *facts = &f->actor.trial->facts;
    for (int t = 0; t < facts->topic_count; t++) {
        for (int p = 0; p < facts->topics[t].partition_count; p++) {
            f->places[t][p].end_floor = facts->topics[t].partitions[p].end;
            f->places[t][p].start_floor = facts->topics[t].partitions[p].start;
        }
    }
}

static void drop_session(struct fetcher *f)
{
    f->session = f->epoch = 0;
    for (int t = 0; t < FACT_TOPICS; t++) {
        for (int p = 0; p < FACT_PARTITIONS; p++)
            f->places[t][p].in_session = false;
    }
}

/* --- requests --- */

static bool is_wanted(struct fetcher *f, const struct fact_topic *t, int p)
{
    const struct place *place = &f->places[t - f->actor.trial->facts.topics][p];
    if (!is_readable(t) || place->gone || (f->by_id && uuid_is_zero(t->id)))
        return false;
    if (f->with_sessions)
        return !place->in_session || place->told != place->position;
    return f->actor.trial->drains || !actor_once_in(&f->actor, 4);
}

static int add_partitions(struct fetcher *f, struct fact_topic *t,
                          struct fetch_request_topics *topic)
{
    *topic = (struct fetch_request_topics){.topic = bytes_string(t->name), .topic_id = t->id};
    topic->partitions =
        schema_array(&fetch_request_topics_partitions_schema, FACT_PARTITIONS, &f->arena);
    for (int p = 0; p < t->partition_count; p++) {
        if (!is_wanted(f, t, p))
            continue;
        struct place *place = place_of(f, &t->partitions[p]);
        struct fetch_request_topics_partitions *out = &topic->partitions[topic->partitions_count++];
        out->partition = p;
        out->fetch_offset = place->told = place->position;
        out->partition_max_bytes =
            f->actor.trial->calm ? 1 << 20 : 1 + (int32_t)actor_below(&f->actor, 20000);
        place->in_session = f->with_sessions;
        place->asked = true;
    }
    return topic->partitions_count;
}

/* A fetch that waits must be answered soon when there is something to read. */
static void check_wait(struct fetcher *f)
{
    struct trial *t = f->actor.trial;
    bool counts = t->calm && f->exchange.sent_ms > t->healed_ms;
    for (int i = 0; counts && i < t->facts.topic_count; i++) {
        for (int p = 0; p < t->facts.topics[i].partition_count; p++) {
            const struct fact_partition *part = &t->facts.topics[i].partitions[p];
            const struct place *place = &f->places[i][p];
            if (!place->asked || place->position >= part->end || !is_readable(part->topic) ||
                t->machine.now_ms - MAX(part->grew_ms, f->exchange.sent_ms) < ANSWERED_WITHIN_MS)
                continue;
            chronicle_fail(&t->chronicle, "a fetch that waits is answered when there are records",
                           "%s %s/%d at %lld, which ends at %lld", f->actor.name, part->topic->name,
                           p, (long long)place->position, (long long)part->end);
        }
    }
}

/* The request asks for a partition that it does not name only if the session has it. */
static void forget_asked(struct fetcher *f)
{
    for (int t = 0; t < FACT_TOPICS; t++) {
        for (int p = 0; p < FACT_PARTITIONS; p++)
            f->places[t][p].asked = f->places[t][p].in_session;
    }
}

/* Whether the session has a deleted topic, whose name may be used again. */
static bool has_deleted(const struct fetcher *f)
{
    const struct facts *facts = &f->actor.trial->facts;
    for (int t = 0; t < facts->topic_count; t++) {
        for (int p = 0; facts->topics[t].state == TOPIC_DELETED && p < FACT_PARTITIONS; p++) {
            if (f->places[t][p].in_session)
                return true;
        }
    }
    return false;
}

static void send_fetch(struct fetcher *f)
{
    struct trial *t = f->actor.trial;
    if (has_deleted(f))
        drop_session(f);
    forget_asked(f);
    struct fetch_request request;
    schema_defaults(&fetch_request_schema, &request);
    request.topics =
        schema_array(&fetch_request_topics_schema, (size_t)t->facts.topic_count, &f->arena);
    for (int i = 0; i < t->facts.topic_count; i++) {
        if (!is_readable(&t->facts.topics[i]))
            continue;
        if (add_partitions(f, &t->facts.topics[i], &request.topics[request.topics_count]) > 0)
            request.topics_count++;
    }
    request.max_wait_ms = (int32_t)actor_below(&f->actor, t->calm ? 50 : 400);
    if (t->calm && actor_once_in(&f->actor, 4))
        request.max_wait_ms = 4000;
    request.min_bytes = !t->calm && actor_once_in(&f->actor, 4) ? 500 : 1;
    request.max_bytes = t->calm ? 8 << 20 : 1 + (int32_t)actor_below(&f->actor, 60000);
    request.isolation_level = f->committed;
    request.session_id = f->session;
    request.session_epoch = f->with_sessions ? f->epoch : -1;
    if (request.topics_count == 0 && f->session == 0)
        return;
    note_floors(f);
    f->waiting = true;
    actor_send(&f->actor, API_FETCH, f->by_id ? 13 : 12, &request, &f->exchange);
    arena_reset(&f->arena);
}

static void ask_start(struct fetcher *f, const struct fact_partition *p)
{
    struct list_offsets_request request;
    struct list_offsets_request_topics_partitions part = {
        .partition_index = p->index, .current_leader_epoch = -1, .timestamp = -2};
    struct list_offsets_request_topics topic = {
        .name = bytes_string(p->topic->name), .partitions = &part, .partitions_count = 1};
    schema_defaults(&list_offsets_request_schema, &request);
    request.replica_id = -1;
    request.topics = &topic;
    request.topics_count = 1;
    note_floors(f);
    f->waiting = true;
    actor_send(&f->actor, API_LIST_OFFSETS, 7, &request, &f->exchange);
}

/* Inside a hole, if that is easily found. */
static int64_t draw_position(struct fetcher *f, const struct fact_partition *p)
{
    int64_t position = p->start;
    for (int i = 0; i < 10; i++) {
        position = p->start + (int64_t)actor_below(&f->actor, (uint64_t)(p->end - p->start));
        if (p->topic->compacts && position < (int64_t)p->capacity &&
            p->marks[position].gone_step > 0)
            break;
    }
    return position;
}

/* Reads a partition once more, from its start or from anywhere. */
static void rewind_some(struct fetcher *f)
{
    struct facts *facts = &f->actor.trial->facts;
    struct fact_topic *t = &facts->topics[actor_below(&f->actor, (uint64_t)facts->topic_count)];
    if (t->is_volatile)
        t = &facts->topics[actor_below(&f->actor, (uint64_t)facts->topic_count)];
    int p = (int)actor_below(&f->actor, (uint64_t)t->partition_count);
    struct place *place = &f->places[t - facts->topics][p];
    struct fact_partition *part = &t->partitions[p];
    place->position = part->start;
    place->is_random = part->end > part->start && (t->compacts || actor_once_in(&f->actor, 2));
    if (place->is_random)
        place->position = draw_position(f, part);
}

static void begin_drain(struct fetcher *f)
{
    struct facts *facts = &f->actor.trial->facts;
    f->drain_round = f->actor.trial->drain_round;
    f->actor.resting = false;
    for (int t = 0; t < facts->topic_count; t++) {
        for (int p = 0; p < FACT_PARTITIONS; p++)
            f->places[t][p].position = facts->topics[t].partitions[p].start;
    }
}

static bool has_read_all(struct fetcher *f)
{
    struct facts *facts = &f->actor.trial->facts;
    for (int t = 0; t < facts->topic_count; t++) {
        for (int p = 0; p < facts->topics[t].partition_count; p++) {
            if (is_readable(&facts->topics[t]) && !f->places[t][p].gone &&
                f->places[t][p].position < facts->topics[t].partitions[p].end)
                return false;
        }
    }
    return true;
}

static void act(struct actor *a)
{
    struct fetcher *f = fetcher_of(a);
    actor_wait(a, a->trial->pace_ms);
    if (f->waiting && f->exchange.api == API_FETCH)
        check_wait(f);
    if (f->waiting || a->trial->facts.topic_count == 0)
        return;
    if (a->trial->drains && f->drain_round != a->trial->drain_round)
        begin_drain(f);
    f->draining = a->trial->drains;
    a->resting = a->trial->ending && !f->draining;
    if (f->draining && has_read_all(f))
        a->resting = true;
    else if (!f->draining && actor_once_in(a, 10))
        rewind_some(f);
    if (f->lost_place)
        ask_start(f, f->lost_place);
    else
        send_fetch(f);
}

/* --- answers --- */

/* Moves over offsets without records. */
static void move(struct fetcher *f, struct fact_partition *p, int64_t offset)
{
    struct trial *t = f->actor.trial;
    struct place *place = place_of(f, p);
    facts_skipped(&t->facts, p, place->position, offset);
    if (place->is_random && offset > place->position)
        chronicle_reach(&t->chronicle, REACH_POSITION_IN_HOLE);
    place->is_random = false;
    place->position = offset;
}

static void take_records(struct fetcher *f, struct fact_partition *p, struct bytes batch,
                         int64_t high_watermark)
{
    struct trial *t = f->actor.trial;
    struct place *place = place_of(f, p);
    struct record_iterator i;
    struct record record;
    if (!batch_crc_is_right(batch) ||
        records_open(batch, &f->arena, UNCOMPRESSED_MAX, &i) != ERR_OK)
        chronicle_fail(&t->chronicle, "a consumer gets whole batches", "%s %s/%d at %lld",
                       f->actor.name, p->topic->name, p->index, (long long)place->position);
    int64_t base_offset = i.header.base_offset;
    while (records_next(&i, &record)) {
        if (record.offset >= high_watermark)
            chronicle_fail(&t->chronicle, "visible records are below the high watermark",
                           "%s/%d offset %lld, high watermark %lld", p->topic->name, p->index,
                           (long long)record.offset, (long long)high_watermark);
        facts_seen(&t->facts, p, &record, f->exchange.sent_step);
        if (record.offset < place->position)
            continue;
        move(f, p, record.offset);
        place->position++;
        f->actor.successes++;
    }
    move(f, p, MAX(batch_last_offset(&i.header) + 1, place->position));
    facts_seen_batch(p, base_offset, batch.size);
    arena_reset(&f->arena);
}

/* A log may end with a hole: the cleaner removes an old tombstone that was its last record. When
 * there are no faults, several fetches in a row that find nothing show it. */
static void take_nothing(struct fetcher *f, struct fact_partition *p, int64_t end)
{
    enum { ENOUGH = 4 };
    struct place *place = place_of(f, p);
    if (!p->topic->compacts || !f->draining || place->position >= end)
        return;
    place->empty_count = place->empty_at == place->position ? place->empty_count + 1 : 1;
    place->empty_at = place->position;
    if (place->empty_count >= ENOUGH)
        move(f, p, end);
}

static void take_partition(struct fetcher *f, struct fact_partition *p,
                           const struct fetch_response_responses_partitions *in)
{
    struct trial *t = f->actor.trial;
    struct place *place = place_of(f, p);
    if (in->error_code == KAFKA_OFFSET_OUT_OF_RANGE) {
        f->lost_place = p;
        f->lost_position = place->position;
        return;
    }
    if (in->error_code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION ||
        in->error_code == KAFKA_UNKNOWN_TOPIC_ID) {
        drop_session(f);
        if (t->machine.now_ms < p->topic->sure_ms)
            return;
        if (!fact_topic_may_be_absent(p->topic))
            chronicle_fail(&t->chronicle, "an acknowledged topic stays", "%s %s", f->actor.name,
                           p->topic->name);
        place->gone = true;
        return;
    }
    if (in->error_code == KAFKA_NOT_LEADER_OR_FOLLOWER)
        return;
    if (in->error_code != KAFKA_NONE)
        actor_unexpected(&f->actor, "fetch", in->error_code);
    facts_topic_answered(&t->facts, p->topic, f->exchange.sent_step);
    facts_told_end(&t->facts, p, in->high_watermark, place->end_floor);
    facts_told_start(&t->facts, p, in->log_start_offset, place->start_floor);
    if (in->last_stable_offset != in->high_watermark)
        chronicle_fail(&t->chronicle, "without transactions everything visible is stable",
                       "%s/%d: %lld, high watermark %lld", p->topic->name, p->index,
                       (long long)in->last_stable_offset, (long long)in->high_watermark);
    struct bytes left = in->records.bytes;
    if (left.size == 0)
        take_nothing(f, p, in->high_watermark);
    for (size_t size; (size = batch_size(left)) > 0 && size <= left.size;) {
        take_records(f, p, bytes_of(left.data, size), in->high_watermark);
        left = bytes_from(left, size);
    }
    if (left.size > 0)
        chronicle_fail(&t->chronicle, "a consumer gets whole batches", "%s/%d: %zu bytes left",
                       p->topic->name, p->index, left.size);
}

static struct fact_topic *topic_of(struct fetcher *f, const struct fetch_response_responses *r)
{
    struct facts *facts = &f->actor.trial->facts;
    for (int i = facts->topic_count - 1; i >= 0; i--) { /* the newest of its name */
        struct fact_topic *t = &facts->topics[i];
        if (f->by_id ? uuid_equal(t->id, r->topic_id) : bytes_equal_string(r->topic, t->name))
            return t;
    }
    chronicle_fail(facts->chronicle, "an answer is about what was asked", "%s: unknown topic",
                   f->actor.name);
}

static void take_fetch(struct fetcher *f, const struct fetch_response *response)
{
    struct trial *t = f->actor.trial;
    if (response->error_code == KAFKA_FETCH_SESSION_ID_NOT_FOUND ||
        response->error_code == KAFKA_INVALID_FETCH_SESSION_EPOCH) {
        chronicle_reach(&t->chronicle, REACH_SESSION_LOST);
        drop_session(f);
        return;
    }
    if (response->error_code != KAFKA_NONE)
        actor_unexpected(&f->actor, "fetch", response->error_code);
    if (f->with_sessions && f->session)
        chronicle_reach(&t->chronicle, REACH_SESSION);
    f->session = f->with_sessions ? response->session_id : 0;
    f->epoch = f->session ? f->epoch + 1 : 0;
    if (f->session == 0)
        drop_session(f);
    for (int i = 0; i < response->responses_count; i++) {
        const struct fetch_response_responses *r = &response->responses[i];
        struct fact_topic *topic = topic_of(f, r);
        for (int j = 0; j < r->partitions_count; j++)
            take_partition(f, &topic->partitions[r->partitions[j].partition_index],
                           &r->partitions[j]);
    }
}

/* The fetch was out of range only if the log starts above its position. */
static void take_start(struct fetcher *f, const struct list_offsets_response *response)
{
    struct trial *t = f->actor.trial;
    struct fact_partition *p = f->lost_place;
    struct place *place = place_of(f, p);
    const struct list_offsets_response_topics_partitions *in = &response->topics[0].partitions[0];
    if (in->error_code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION && fact_topic_may_be_absent(p->topic)) {
        place->gone = true;
        f->lost_place = NULL;
        return;
    }
    if (in->error_code == KAFKA_NOT_LEADER_OR_FOLLOWER)
        return;
    if (in->error_code != KAFKA_NONE)
        actor_unexpected(&f->actor, "ListOffsets", in->error_code);
    facts_told_start(&t->facts, p, in->offset, place->start_floor);
    if (f->lost_position >= in->offset)
        chronicle_fail(&t->chronicle, "offsets from the log start to the end can be read",
                       "%s %s/%d at %lld, log start %lld", f->actor.name, p->topic->name, p->index,
                       (long long)f->lost_position, (long long)in->offset);
    chronicle_reach(&t->chronicle, REACH_OUT_OF_RANGE);
    place->position = MAX(place->position, in->offset);
    f->lost_place = NULL;
}

static void answered(struct actor *a, struct exchange *e, const void *response)
{
    struct fetcher *f = fetcher_of(a);
    f->waiting = false;
    if (e->api == API_FETCH)
        take_fetch(f, response);
    else
        take_start(f, response);
}

static void lost(struct actor *a)
{
    struct fetcher *f = fetcher_of(a);
    f->waiting = false;
    if (actor_once_in(a, 2)) {
        drop_session(f);
        return;
    }
    /* It tries to continue the session, which may not have got the last positions. */
    for (int t = 0; t < FACT_TOPICS; t++) {
        for (int p = 0; p < FACT_PARTITIONS; p++)
            f->places[t][p].told = -1;
    }
}

static void fetcher_free(struct actor *a)
{
    arena_free(&fetcher_of(a)->arena);
    free(fetcher_of(a));
}

static const struct actor_ops fetcher_ops = {act, answered, lost, fetcher_free};

struct actor *fetcher_create(struct trial *t, int number)
{
    struct fetcher *f = xcalloc(1, sizeof *f);
    actor_init(&f->actor, t, &fetcher_ops, "fetcher", number);
    arena_init(&f->arena, 64 << 20);
    f->with_sessions = actor_once_in(&f->actor, 2);
    f->by_id = actor_once_in(&f->actor, 2);
    f->committed = actor_once_in(&f->actor, 2);
    return &f->actor;
}
