/* retention.guard: retention waits for processors. The processor in these tests cannot create its
 * output topic, so it is active and reads nothing. */
#include "tests/broker/support_runner.h"

#include "broker/partition.h"

enum { RECORDS = 60, RECORD_BYTES = 100000 };

static const char LIMIT[] = "retention.guard has reached its limit: unread records are deleted";

struct scene {
    struct test_broker *b;
    struct test_client *c;
};

/* Segments of 1 MiB. "out_1" collides with "out.1" only after the processor was accepted. */
static struct scene set_scene(const char *retention, const char *guard)
{
    struct scene s = {.b = test_broker_start(2, "connections.max.idle.ms=-1",
                                             "tidemill.min.free.bytes=65536",
                                             "tidemill.unflushed.bytes=65536", NULL)};
    static char value[RECORD_BYTES];
    memset(value, 'v', sizeof value - 1);
    s.c = test_client_open(s.b, 0);
    test_create_topic(s.c, "in", 1, "segment.bytes=1MiB", retention, NULL);
    pipeline_set(s.c, "in", "processor.f.type=filter", "processor.f.where=true",
                 "processor.f.output=out.1", guard, NULL);
    test_create_topic(s.c, "out_1", 1, NULL);
    for (int i = 0; i < RECORDS; i++)
        pipeline_put(s.c, "in", 0, EPOCH, "a", value);
    return s;
}

static void rounds(struct scene *s)
{
    for (int i = 0; i < 5; i++)
        test_advance(s->b, MINUTE);
}

static int64_t start_offset(struct scene *s)
{
    struct uuid id = test_topic_id(s->b, "in");
    struct shard *owner = shard_for_partition(test_shard(s->b, 0), id, 0);
    return log_start_offset(partition_find(owner, id, 0)->log);
}

static int count_limits(struct scene *s)
{
    int count = 0;
    for (const char *at = test_log(s->b); (at = strstr(at, LIMIT)) != NULL; at++)
        count++;
    return count;
}

/* The processor gets its output topic. */
static void let_run(struct scene *s)
{
    EXPECT_INT(pipeline_delete_topic(s->c, "out_1"), KAFKA_NONE);
    rounds(s);
}

TEST(retention_waits_for_a_processor_that_is_behind)
{
    const char *const retentions[] = {"retention.bytes=2MiB", "retention.ms=60000"};
    for (size_t i = 0; i < COUNT_OF(retentions); i++) {
        struct scene s = set_scene(retentions[i], NULL);
        rounds(&s);
        EXPECT_INT(start_offset(&s), 0);
        test_broker_restart(s.b);
        s.c = test_client_open(s.b, 0);
        rounds(&s);
        EXPECT_INT(start_offset(&s), 0);
        let_run(&s);
        EXPECT_INT(topic_count(s.c, "out.1"), RECORDS);
        rounds(&s);
        EXPECT(start_offset(&s) > 0);
        EXPECT_INT(count_limits(&s), 0);
        test_broker_free(s.b);
    }
}

TEST(the_guard_keeps_no_more_than_its_limit)
{
    struct scene s = set_scene("retention.bytes=2MiB", "processor.f.retention.guard.max=2MiB");
    rounds(&s);
    rounds(&s);
    int64_t start = start_offset(&s);
    /* Retention keeps 2 to 3 MiB, the guard 1 to 2 more; a segment has ten records. */
    EXPECT(start >= 10 && start < RECORDS - 30);
    EXPECT_INT(count_limits(&s), 1);
    EXPECT(strstr(test_log(s.b), "processor=f from_offset=0 ") != NULL);
    test_broker_restart(s.b); /* no more records are deleted, so the log does not warn again */
    s.c = test_client_open(s.b, 0);
    rounds(&s);
    EXPECT_INT(start_offset(&s), start);
    EXPECT_INT(count_limits(&s), 1);
    let_run(&s);
    EXPECT_INT(topic_count(s.c, "out.1"), RECORDS - start);
    test_broker_free(s.b);
}

TEST(without_the_guard_retention_does_not_wait)
{
    struct scene s = set_scene("retention.bytes=2MiB", "processor.f.retention.guard=off");
    rounds(&s);
    EXPECT(start_offset(&s) >= RECORDS - 30);
    EXPECT_INT(count_limits(&s), 0);
    test_broker_free(s.b);
}

TEST(a_paused_processor_holds_nothing)
{
    struct scene s = set_scene("retention.bytes=2MiB", "processor.f.enabled=false");
    rounds(&s);
    EXPECT(start_offset(&s) >= RECORDS - 30);
    test_broker_free(s.b);
}

TEST(a_nearly_full_disk_ends_the_hold)
{
    struct scene s = set_scene("retention.bytes=2MiB", NULL);
    rounds(&s);
    EXPECT_INT(start_offset(&s), 0);
    test_fill_disk(s.b, true);
    rounds(&s);
    EXPECT(start_offset(&s) >= RECORDS - 30);
    EXPECT_INT(count_limits(&s), 1);
    test_broker_free(s.b);
}

TEST(after_a_restart_a_processor_that_has_read_all_holds_nothing)
{
    struct scene s = set_scene("retention.ms=3600000", NULL);
    let_run(&s);
    test_broker_restart(s.b);
    s.c = test_client_open(s.b, 0);
    for (int i = 0; i < 20; i++)
        rounds(&s);
    EXPECT_INT(start_offset(&s), RECORDS);
    EXPECT_INT(count_limits(&s), 0);
    test_broker_free(s.b);
}
