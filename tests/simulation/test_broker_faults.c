/* A whole broker on a disk whose n-th call of a kind fails, for every kind and every n, until no
 * such call happens. Clients check each reply of a fixed scenario:
 *
 *   success    durable: it is there after a crash, and after a power cut that follows the next
 * start an error   one that says that the client may try again
 *
 * When the fault is over, the broker serves all clients within ten seconds, or it has stopped with
 * exit code 4. The trials run in children, because a broker that stops frees nothing.
 *
 *   simulation_test_broker_faults --seed S */
#include "tests/broker/support_broker.h"
#include "tests/simulation/support_disk.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SHARDS = 2,
    WRITES_MAX = 200,
    REPLY_STEPS = 100, /* of 100 ms: ten seconds */
    TRIALS_OF_A_CHILD = 25,
    NOT_REACHED = 3, /* exit code of a child: no call has met the last fault */
};

/* A batch that was sent: `offset` -1 without an acknowledgement. */
struct sent_batch {
    const char *topic;
    int32_t partition;
    int64_t offset;
    char key[16];
    bool idempotent;
    int32_t sequence;
};

struct trial {
    struct sim_fault fault;
    enum crash_kind crash;
    uint64_t seed, starts;
    struct sim_disk *disk;
    struct test_broker *broker;
    struct test_client *client;
    sigjmp_buf ended;
    volatile int exit_code;
    struct sent_batch sent[WRITES_MAX];
    int sent_count;
    int64_t committed, tried;
    bool created[3], deleted[3], deleting[3];
};

static const char *const names[] = {"plain", "gone", "late"};

__attribute__((noreturn)) static void fail(const struct trial *t, const char *what, int64_t value)
{
    const struct sim_fault *f = &t->fault;
    printf("  %s: %" PRId64 " (%s in %s [%" PRIu64 ", %" PRIu64
           "), effect %d, then crash %d, seed %" PRIu64 ")\n",
           what, value, error_text(f->error), sim_call_name(f->call), f->from, f->to,
           (int)f->effect, (int)t->crash, t->seed);
    if (t->broker)
        printf("%s\n", test_log(t->broker));
    _exit(1);
}

/* --- one broker after another --- */

static void on_end(void *context, int code, const char *reason)
{
    struct trial *t = context;
    if (reason[0] == '\0')
        fail(t, "the broker ended without a reason", code);
    t->exit_code = code;
    siglongjmp(t->ended, 1);
}

static void start(struct trial *t)
{
    struct test_machine machine = {.io = &t->disk->io,
                                   .kv = &t->disk->driver,
                                   .directory = "data",
                                   .seed = t->seed + ++t->starts,
                                   .ended = on_end,
                                   .context = t};
    sim_disk_new_process(t->disk);
    t->broker = NULL;
    t->broker = test_broker_start_on(
        &machine, SHARDS, "tidemill.journal.file.bytes=65536", "tidemill.checkpoint.bytes=65536",
        "tidemill.checkpoint.interval.ms=2000", "tidemill.group.bytes=65536",
        "tidemill.tail.cache.bytes=20000", "tidemill.unflushed.bytes=65536",
        "log.retention.check.interval.ms=500", "auto.create.topics.enable=false", NULL);
    t->client = test_client_open(t->broker, 0);
}

/* --- clients --- */

/* The answer, which may come ten seconds later. NULL: there is none, or the connection was cut. */
static void *ask(struct trial *t, int16_t api, int16_t version, const void *request)
{
    test_send(t->client, api, version, request);
    for (int i = 0; i < REPLY_STEPS; i++) {
        test_settle(t->broker);
        if (test_has_response(t->client))
            return test_receive(t->client, api, version);
        if (test_client_is_closed(t->client))
            break;
        test_advance(t->broker, 100);
    }
    test_client_close(t->client);
    t->client = test_client_open(t->broker, 0);
    return NULL;
}

/* Errors after which a client tries again. */
static bool may_answer(int16_t code)
{
    static const int16_t codes[] = {KAFKA_NONE, KAFKA_KAFKA_STORAGE_ERROR,
                                    KAFKA_COORDINATOR_NOT_AVAILABLE};
    bool may = false;
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        may |= codes[i] == code;
    return may;
}

static int16_t checked(const struct trial *t, const char *what, int16_t code)
{
    if (!may_answer(code))
        fail(t, what, code);
    return code;
}

static bool send_batch(struct trial *t, struct sent_batch *s)
{
    struct test_batch batch = {.count = 3,
                               .value_size = s->sequence % 4 == 3 ? 9000 : 300,
                               .key = s->key,
                               .idempotent = s->idempotent,
                               .producer_id = 77,
                               .sequence = s->sequence};
    struct produce_request request;
    struct produce_request_topic_data_partition_data data = {
        .index = s->partition, .records.bytes = test_make_batch(t->broker, &batch)};
    struct produce_request_topic_data topics = {
        .name = bytes_string(s->topic), .partition_data = &data, .partition_data_count = 1};
    schema_defaults(&produce_request_schema, &request);
    request.acks = -1;
    request.timeout_ms = 1000;
    request.topic_data = &topics;
    request.topic_data_count = 1;
    const struct produce_response *r = ask(t, API_PRODUCE, 9, &request);
    if (r == NULL)
        return false;
    const struct produce_response_responses_partition_responses *p =
        &r->responses[0].partition_responses[0];
    if (checked(t, "produce", p->error_code) != KAFKA_NONE)
        return false;
    if (s->offset >= 0 && s->offset != p->base_offset)
        fail(t, "a retry got another offset", p->base_offset);
    s->offset = p->base_offset;
    return true;
}

/* An idempotent producer stops at a batch without an answer, and sends it again next time. */
static bool produce(struct trial *t, int topic, int32_t partition, bool idempotent)
{
    if (!t->created[topic] || t->deleting[topic])
        return false;
    struct sent_batch *s = NULL;
    int32_t sequence = 0;
    for (int i = 0; i < t->sent_count && idempotent; i++) {
        struct sent_batch *old = &t->sent[i];
        if (!old->idempotent)
            continue;
        sequence = old->sequence + 3;
        if (old->offset < 0)
            s = old;
    }
    if (s == NULL) {
        s = &t->sent[t->sent_count];
        *s = (struct sent_batch){.topic = names[topic],
                                 .partition = partition,
                                 .offset = -1,
                                 .idempotent = idempotent,
                                 .sequence = idempotent ? sequence : t->sent_count};
        snprintf(s->key, sizeof s->key, "key-%d;", t->sent_count++);
    }
    return send_batch(t, s);
}

static bool commit_offset(struct trial *t)
{
    struct offset_commit_request_topics_partitions p = {.committed_offset = ++t->tried,
                                                        .committed_leader_epoch = -1};
    struct offset_commit_request_topics topic = {
        .name = BYTES_LITERAL("plain"), .partitions = &p, .partitions_count = 1};
    struct offset_commit_request request;
    schema_defaults(&offset_commit_request_schema, &request);
    request.group_id = BYTES_LITERAL("g");
    request.generation_id_or_member_epoch = -1;
    request.topics = &topic;
    request.topics_count = 1;
    const struct offset_commit_response *r = ask(t, API_OFFSET_COMMIT, 8, &request);
    if (r == NULL)
        return false;
    int16_t code = r->topics[0].partitions[0].error_code;
    if (code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION && !t->created[0])
        return false;
    if (checked(t, "commit", code) != KAFKA_NONE)
        return false;
    t->committed = t->tried;
    return true;
}

static bool create_topic(struct trial *t, int topic)
{
    struct create_topics_request_topics_configs configs[] = {
        {BYTES_LITERAL("retention.ms"), BYTES_LITERAL("1000")}};
    struct create_topics_request_topics row = {.name = bytes_string(names[topic]),
                                               .num_partitions = 2,
                                               .replication_factor = 1,
                                               .configs = configs,
                                               .configs_count = topic == 2};
    struct create_topics_request request;
    schema_defaults(&create_topics_request_schema, &request);
    request.topics = &row;
    request.topics_count = 1;
    const struct create_topics_response *r = ask(t, API_CREATE_TOPICS, 7, &request);
    if (r == NULL)
        return false;
    int16_t code = r->topics[0].error_code;
    if (code != KAFKA_TOPIC_ALREADY_EXISTS && checked(t, "create", code) != KAFKA_NONE)
        return false;
    t->created[topic] = true;
    return true;
}

static void delete_topic(struct trial *t, int topic)
{
    struct delete_topics_request request;
    struct bytes name = bytes_string(names[topic]);
    if (!t->created[topic])
        return;
    schema_defaults(&delete_topics_request_schema, &request);
    request.topic_names = &name;
    request.topic_names_count = 1;
    t->deleting[topic] = true;
    const struct delete_topics_response *r = ask(t, API_DELETE_TOPICS, 5, &request);
    if (r && checked(t, "delete", r->responses[0].error_code) == KAFKA_NONE)
        t->deleted[topic] = true;
}

/* The partition's answer to a fetch of a batch. NULL: there is none. */
static const struct fetch_response_responses_partitions *fetch_batch(struct trial *t,
                                                                     const struct sent_batch *s)
{
    const struct fetch_response *r =
        ask(t, API_FETCH, 12, test_fetch_request(t->client, s->topic, s->partition, s->offset));
    return r ? &r->responses[0].partitions[0] : NULL;
}

static bool holds(const struct fetch_response_responses_partitions *p, const struct sent_batch *s)
{
    struct bytes found = p->records.bytes;
    return found.size > 8 && (int64_t)load_be64(found.data) == s->offset &&
           memmem(found.data, MIN(found.size, (size_t)150), s->key, strlen(s->key)) != NULL;
}

/* Reads a batch that is no longer in memory. A disk that refuses gives an error, never other bytes.
 * Without a descriptor the answer is empty, and the client asks again. */
static void consume(struct trial *t, int which)
{
    const struct sent_batch *s = &t->sent[which];
    if (which >= t->sent_count || s->offset < 0 || strcmp(s->topic, names[0]) != 0)
        return;
    const struct fetch_response_responses_partitions *p = fetch_batch(t, s);
    bool waits = p && t->fault.error == ERR_NO_FILES && p->records.bytes.size == 0;
    if (p && checked(t, "fetch", p->error_code) == KAFKA_NONE && !waits && !holds(p, s))
        fail(t, "a fetch gave other bytes", s->offset);
}

/* --- the scenario --- */

static void work(struct trial *t)
{
    for (int i = 0; i < 4; i++) {
        (void)produce(t, 0, i % 2, false);
        (void)produce(t, 0, 0, true);
        (void)produce(t, 1, i % 2, false);
        (void)produce(t, 2, 0, false);
        (void)commit_offset(t);
        test_advance(t->broker, 700);
        consume(t, i);
    }
}

static void play(struct trial *t)
{
    start(t);
    for (int topic = 0; topic < 3; topic++)
        (void)create_topic(t, topic);
    work(t);
    delete_topic(t, 1);
    test_advance(t->broker, 2500); /* a checkpoint */
    work(t);
    t->starts++;
    sim_disk_new_process(t->disk);
    test_broker_restart(t->broker);
    t->client = test_client_open(t->broker, 1);
    work(t);
    test_advance(t->broker, 2500);
}

/* The fault is over: each kind of request succeeds within ten seconds. */
static void expect_service(struct trial *t)
{
    bool good = false;
    for (int i = 0; i < REPLY_STEPS && !good; i++) {
        good = create_topic(t, 0) && produce(t, 0, 0, false) && produce(t, 0, 1, false) &&
               produce(t, 0, 0, true) && commit_offset(t);
        if (!good)
            test_advance(t->broker, 100);
    }
    if (!good)
        fail(t, "no service after the fault", 0);
}

/* --- after a crash --- */

static bool is_there(struct trial *t, const struct sent_batch *s)
{
    const struct fetch_response_responses_partitions *p = fetch_batch(t, s);
    if (p == NULL)
        fail(t, "no answer to a fetch", s->offset);
    if (p->error_code == KAFKA_OFFSET_OUT_OF_RANGE && strcmp(s->topic, names[2]) == 0)
        return true; /* retention has passed */
    return p->error_code == KAFKA_NONE && holds(p, s);
}

static void expect_topics(struct trial *t)
{
    for (int topic = 0; topic < 3; topic++) {
        bool there =
            catalog_by_name(test_shard(t->broker, 0)->catalog, bytes_string(names[topic])) != NULL;
        if (!there && t->created[topic] && !t->deleting[topic])
            fail(t, "a created topic is gone", topic);
        if (there && t->deleted[topic])
            fail(t, "a deleted topic is back", topic);
    }
}

static void expect_committed(struct trial *t)
{
    int32_t partition = 0;
    struct offset_fetch_request_topics topic = {.name = BYTES_LITERAL("plain"),
                                                .partition_indexes = &partition,
                                                .partition_indexes_count = 1};
    struct offset_fetch_request request;
    schema_defaults(&offset_fetch_request_schema, &request);
    request.group_id = BYTES_LITERAL("g");
    request.topics = &topic;
    request.topics_count = 1;
    const struct offset_fetch_response *r = ask(t, API_OFFSET_FETCH, 7, &request);
    int64_t found = r ? MAX(r->topics[0].partitions[0].committed_offset, (int64_t)0) : -2;
    if (found < t->committed || found > t->tried)
        fail(t, "a committed offset is lost", found);
    t->committed = found; /* what was shown stays */
}

static void expect_all(struct trial *t)
{
    expect_topics(t);
    for (int i = 0; i < t->sent_count; i++) {
        struct sent_batch *s = &t->sent[i];
        bool gone = t->deleting[1] && strcmp(s->topic, names[1]) == 0;
        if (s->offset >= 0 && !gone && !is_there(t, s))
            fail(t, "an acknowledged batch is lost", s->offset);
        if (s->offset >= 0 && s->idempotent && i >= t->sent_count - 5)
            (void)send_batch(t, s);
    }
    expect_committed(t);
}

/* --- trials --- */

/* Runs a part of the trial. False: the broker has ended in it. */
static bool lives_through(struct trial *t, void (*part)(struct trial *t))
{
    if (sigsetjmp(t->ended, 0) != 0)
        return false;
    part(t);
    return true;
}

static void restart(struct trial *t, enum crash_kind kind)
{
    t->disk = sim_disk_crash(t->disk, kind, t->seed);
    if (!lives_through(t, start))
        fail(t, "the start after the fault failed", t->exit_code);
    if (!lives_through(t, expect_all))
        fail(t, "the broker ended after the fault", t->exit_code);
}

/* Whether a call has met the fault. */
static bool run_trial(struct trial *t)
{
    t->disk = sim_disk_create();
    t->disk->refuse_direct = t->seed % 2;
    t->disk->fault = t->fault;
    bool lives = lives_through(t, play);
    bool reached = t->disk->reached;
    t->disk->fault.to = 0;
    if (!lives && !reached)
        fail(t, "the broker ended without a fault", t->exit_code);
    if (lives && !lives_through(t, expect_service) && !reached)
        fail(t, "the broker ended without a fault", t->exit_code);
    restart(t, t->crash);
    restart(t, CRASH_LOSE_ALL);
    if (!lives_through(t, expect_service))
        fail(t, "the broker ended long after the fault", t->exit_code);
    return reached;
}

struct sweep {
    enum error error;
    bool for_ever, all_effects;
    uint64_t step;
};

/* Tries the fault at the n-th call with one effect or with all, with direct I/O or not, and with
 * different crashes. Whether a call has met it. */
static bool try(const struct sweep *s, enum sim_call call, uint64_t n)
{
    static struct trial t;
    int effects = s->error == ERR_NO_FILES ? 1 : FAULT_EFFECTS; /* without a file nothing is done */
    bool reached = false;
    for (int i = 0; i < (s->all_effects ? effects : 1); i++) {
        uint64_t variant = n / s->step + (uint64_t)i;
        t = (struct trial){.fault = {.call = call,
                                     .from = n,
                                     .to = s->for_ever ? UINT64_MAX : n + 1,
                                     .error = s->error,
                                     .effect = (enum sim_effect)(variant % (uint64_t)effects),
                                     .seed = n},
                           .crash = (enum crash_kind)(variant % CRASH_KINDS),
                           .seed = test_seed() + n / s->step / 4 + (uint64_t)i};
        reached |= run_trial(&t);
    }
    return reached;
}

/* A child tries some calls. Returns how many were met, and NOT_REACHED in *end when one was not. */
static uint64_t try_some(const struct sweep *s, enum sim_call call, uint64_t from, int *end)
{
    uint64_t *met =
        mmap(NULL, sizeof *met, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    EXPECT(met != MAP_FAILED);
    pid_t child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        while (*met < TRIALS_OF_A_CHILD && try(s, call, from + *met * s->step))
            ++*met;
        _exit(*met < TRIALS_OF_A_CHILD ? NOT_REACHED : 0);
    }
    int status;
    EXPECT_INT(waitpid(child, &status, 0), child);
    uint64_t count = *met;
    munmap(met, sizeof *met);
    *end = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (*end != 0 && *end != NOT_REACHED)
        test_fail(__FILE__, __LINE__, "%s in call %" PRIu64 " of %s", error_text(s->error),
                  from + count * s->step, sim_call_name(call));
    return count;
}

static void sweep(const struct sweep *s)
{
    printf("%s:", error_text(s->error));
    for (int call = 0; call < SIM_CALL_KINDS; call++) {
        uint64_t n = 0;
        for (int end = 0; end != NOT_REACHED;)
            n += s->step * try_some(s, (enum sim_call)call, n, &end);
        printf(" %s %" PRIu64, sim_call_name((enum sim_call)call), n);
    }
    printf(", then not reached\n");
}

TEST(a_call_that_fails_once_breaks_no_promise_to_a_client)
{
    uint64_t step = test_states(1, 9);
    sweep(&(struct sweep){ERR_IO, false, step == 1, step});
}

TEST(a_call_that_fails_for_ever_breaks_no_promise_to_a_client)
{
    uint64_t step = test_states(7, 37);
    sweep(&(struct sweep){ERR_IO, true, step == 1, step});
}

TEST(a_call_that_finds_no_room_breaks_no_promise_to_a_client)
{
    uint64_t step = test_states(3, 23);
    sweep(&(struct sweep){ERR_NO_SPACE, false, step == 1, step});
}

TEST(a_call_that_finds_no_descriptor_breaks_no_promise_to_a_client)
{
    uint64_t step = test_states(5, 31);
    sweep(&(struct sweep){ERR_NO_FILES, false, step == 1, step});
}
