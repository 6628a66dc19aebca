/* Processors and crashes. A whole broker on a simulated disk processes a fixed input with a
 * pipeline. The test crashes it at any call, and starts another one on the disk that is left. At
 * the end it must have written the same records as a broker that was never interrupted: the same
 * bytes with one shard, the same set for each topic with several.
 *
 *   simulation_test_processors --states N --seed S */
#include "tests/broker/support_runner.h"
#include "tests/simulation/support_disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TOPICS = 5, PARTITIONS_MAX = 3, DEPTH_MAX = 2 };

static const char *const topics[TOPICS] = {"sums", "repeated", "dlq.in", "passed", "second"};

/* One configuration of the campaign, and the expected output. */
struct campaign {
    uint64_t target, seed;
    struct random_seeded random; /* selects the crashes */
    int shards, partitions;
    char *expected[TOPICS];
    /* Counts of cases. A campaign without these cases proves nothing. */
    int records[TOPICS];
    uint64_t states, changed_shards, deep;
};

struct explorer {
    struct campaign *campaign;
    int depth;
    uint64_t one_in;
};

__attribute__((noreturn)) static void fail(const struct campaign *c, const char *topic,
                                           const char *expected, const char *found)
{
    printf("after %" PRIu64 " states: topic %s\n--- expected\n%s--- found\n%s", c->states, topic,
           expected, found);
    printf("replay: simulation_test_processors --states %" PRIu64 " --seed %" PRIu64 "\n",
           c->states + 1, c->seed);
    fflush(stdout);
    _exit(1);
}

static struct test_broker *start_on(struct sim_disk *disk, int shards, uint64_t seed,
                                    struct random *order)
{
    struct test_machine machine = {
        .io = &disk->io, .kv = &disk->driver, .directory = "data", .seed = seed, .order = order};
    return test_broker_start_on(&machine, shards, "tidemill.journal.file.bytes=65536",
                                "tidemill.checkpoint.bytes=65536", "tidemill.group.bytes=65536",
                                "tidemill.tail.cache.bytes=20000", "tidemill.unflushed.bytes=65536",
                                NULL);
}

/* Writes the input, which is the same for a seed: duplicates, dead letters, late records. */
static void put_input(struct campaign *c, struct test_client *client)
{
    struct random_seeded random;
    random_seeded_init(&random, c->seed);
    for (int i = 0; i < 60; i++) {
        struct pipeline_batch batch;
        pipeline_batch_init(&batch, (int)random_below(&random.random, CODEC_COUNT));
        int count = 1 + (int)random_below(&random.random, 20);
        for (int j = 0; j < count; j++) {
            char key[16], value[600];
            int64_t id = (int64_t)random_below(&random.random, 400);
            int64_t jitter = (int64_t)random_below(&random.random, 20000);
            snprintf(key, sizeof key, "k%d", (int)random_below(&random.random, 7));
            snprintf(value, sizeof value, "{\"id\":%" PRId64 ",\"x\":%d%s\"%0*d\"%s", id, i,
                     ",\"pad\":", (int)random_below(&random.random, 400) + 1, 0,
                     random_below(&random.random, 25) == 0 ? "" : "}");
            pipeline_batch_add(&batch, EPOCH + i * 8000 - jitter, key, value);
        }
        int32_t partition = (int32_t)random_below(&random.random, (uint64_t)c->partitions);
        pipeline_batch_send(&batch, client, "in", partition);
    }
}

static void set_pipeline(struct test_client *c)
{
    pipeline_set(
        c, "in", "processor.check.type=validate", "processor.check.watermark.idle=off",
        "processor.check.enabled=false", "processor.check.out-of-order=5s",
        "processor.uniq.type=dedup", "processor.uniq.after=check", "processor.uniq.id=key;value.id",
        "processor.uniq.within=1m", "processor.uniq.duplicates=repeated",
        "processor.uniq.output=passed", "processor.uniq.output.partitions=2",
        "processor.sums.type=aggregate", "processor.sums.after=uniq", "processor.sums.group-by=key",
        "processor.sums.window=hopping(1m; 20s)", "processor.sums.output=sums",
        "processor.sums.output.key=group",
        "processor.sums.select=count() as n; sum(value.x) as x; last(value.id) as last", NULL);
}

/* Runs the broker to the end. May be called again after a crash. */
static void run(struct test_client *c)
{
    pipeline_set(c, "in", "processor.check.enabled=true", NULL);
    test_advance(test_broker_of(c), 2000);
}

static char *read_topic(struct campaign *c, struct test_client *client, const char *topic)
{
    if (c->shards > 1 || c->partitions > 1)
        return strdup(topic_sorted(client, topic));
    struct test_broker *b = test_broker_of(client);
    const char *text = "";
    for (int32_t i = 0; i < topic_partitions(b, topic); i++)
        text = arena_printf(test_arena(b), "%s%s", text, partition_dump(client, topic, i));
    return strdup(text);
}

static void check(struct campaign *c, struct test_client *client)
{
    for (int i = 0; i < TOPICS; i++) {
        char *found = read_topic(c, client, topics[i]);
        if (strcmp(found, c->expected[i]) != 0)
            fail(c, topics[i], c->expected[i], found);
        free(found);
    }
    c->states++;
}

static void explore(void *context, struct sim_disk *disk);

/* Starts a broker after a crash and runs it to the end. Sometimes crashes it again before. */
static void go_on(struct explorer *e, struct sim_disk *disk)
{
    struct campaign *c = e->campaign;
    struct explorer deeper = {c, e->depth + 1, 40};
    struct random_seeded order;
    random_seeded_init(&order, random_u64(&c->random.random));
    if (e->depth + 1 < DEPTH_MAX) {
        disk->on_call = explore;
        disk->context = &deeper;
    }
    int shards = c->shards;
    if (c->shards > 1 && random_below(&c->random.random, 4) == 0) {
        shards = 1 + (int)random_below(&c->random.random, 4);
        c->changed_shards += shards != c->shards;
    }
    c->deep += e->depth > 0;
    struct test_broker *b = start_on(disk, shards, random_u64(&c->random.random), &order.random);
    struct test_client *client = test_client_open(b, 0);
    run(client);
    disk->on_call = NULL;
    check(c, client);
    test_broker_free(b);
}

static void explore(void *context, struct sim_disk *disk)
{
    struct explorer *e = context;
    struct campaign *c = e->campaign;
    if (random_below(&c->random.random, e->one_in) != 0)
        return;
    enum crash_kind kind = (enum crash_kind)random_below(&c->random.random, CRASH_KINDS);
    struct sim_disk *left = sim_disk_crash(disk, kind, random_u64(&c->random.random));
    go_on(e, left);
    sim_disk_free(left);
}

/* Sets the pipeline and writes its input, but does not run it. */
static struct test_broker *prepare(struct campaign *c, struct sim_disk *disk, struct random *order)
{
    struct test_broker *b = start_on(disk, c->shards, c->seed, order);
    struct test_client *client = test_client_open(b, 0);
    test_create_topic(client, "in", c->partitions, NULL);
    test_create_topic(client, "passed", 2, "processor.f.type=filter",
                      "processor.f.where=value.x % 2 == 0", "processor.f.output=second", NULL);
    set_pipeline(client);
    put_input(c, client);
    return b;
}

static void expect_uninterrupted(struct campaign *c)
{
    struct sim_disk *disk = sim_disk_create();
    struct test_broker *b = prepare(c, disk, NULL);
    struct test_client *client = test_client_open(b, 0);
    run(client);
    for (int i = 0; i < TOPICS; i++) {
        free(c->expected[i]);
        c->expected[i] = read_topic(c, client, topics[i]);
        c->records[i] += topic_count(client, topics[i]);
    }
    test_broker_free(b);
    sim_disk_free(disk);
}

static void run_history(struct campaign *c)
{
    struct random_seeded order;
    random_seeded_init(&order, c->seed);
    random_seeded_init(&c->random, c->seed ^ 0x9e3779b97f4a7c15);
    expect_uninterrupted(c);
    struct sim_disk *disk = sim_disk_create();
    struct test_broker *b = prepare(c, disk, &order.random);
    struct test_client *client = test_client_open(b, 0);
    struct explorer e = {c, 0, 6};
    disk->on_call = explore;
    disk->context = &e;
    run(client);
    check(c, client);
    test_broker_free(b);
    disk->on_call = NULL;
    sim_disk_free(disk);
}

static void run_campaign(int shards, int partitions)
{
    struct campaign c = {
        .target = test_states(400, 60), .shards = shards, .partitions = partitions};
    for (c.seed = test_seed(); c.states < c.target; c.seed++)
        run_history(&c);
    printf("%d shards, %d partitions: %" PRIu64 " states, twice crashed %" PRIu64
           ", other shard count %" PRIu64 "\n",
           shards, partitions, c.states, c.deep, c.changed_shards);
    EXPECT(c.states < 50 || (c.deep > 0 && (shards == 1 || c.changed_shards > 0)));
    for (int i = 0; i < TOPICS; i++) {
        EXPECT(c.states < 50 || c.records[i] > 0);
        free(c.expected[i]);
    }
}

TEST(one_shard_writes_the_same_bytes_whatever_happens)
{
    run_campaign(1, 1);
}

TEST(one_shard_with_several_partitions_writes_the_same_records)
{
    run_campaign(1, PARTITIONS_MAX);
}

TEST(two_shards_write_the_same_records)
{
    run_campaign(2, PARTITIONS_MAX);
}

TEST(four_shards_write_the_same_records)
{
    run_campaign(4, PARTITIONS_MAX);
}
