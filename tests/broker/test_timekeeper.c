/* The broker deletes by age. These tests let the wall clock leap. */
#include "tests/broker/support_broker.h"

#include "broker/groups/coordinator.h"
#include "broker/partition.h"

#include <stdio.h>

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

static const char LEAPT[] = "the wall clock leapt: nothing is deleted because of the leap for now";
static const char TRUSTED[] = "the wall clock is trusted again";

/* A broker with a week of retention for records and offsets, and a day for producers: the
 * defaults. */
struct scene {
    struct test_broker *b;
    struct test_client *c;
    struct test_batch batch; /* of an idempotent producer, acknowledged */
    int64_t offset;          /* of the batch */
};

static void connect(struct scene *s)
{
    s->c = test_client_open(s->b, 0);
}

static void commit(struct scene *s)
{
    struct offset_commit_request_topics_partitions p = {0, 1, -1, BYTES_NULL};
    struct offset_commit_request_topics t = {
        .name = BYTES_LITERAL("orders"), .partitions = &p, .partitions_count = 1};
    struct offset_commit_request request;
    schema_defaults(&offset_commit_request_schema, &request);
    request.group_id = BYTES_LITERAL("g");
    request.generation_id_or_member_epoch = -1;
    request.member_id = BYTES_LITERAL("");
    request.topics = &t;
    request.topics_count = 1;
    struct offset_commit_response *r = test_call(s->c, API_OFFSET_COMMIT, 8, &request);
    EXPECT_INT(r->topics[0].partitions[0].error_code, KAFKA_NONE);
}

static struct scene set_scene(int shards)
{
    struct scene s = {.b = test_broker_start(shards, "connections.max.idle.ms=-1", NULL)};
    connect(&s);
    test_create_topic(s.c, "orders", 1, NULL);
    s.batch = (struct test_batch){.count = 3, .idempotent = true, .producer_id = 4};
    s.offset = test_produce(s.c, "orders", 0, &s.batch)->base_offset;
    commit(&s);
    return s;
}

/* Time passes in steps, so that all that waits for a time gets its turn. */
static void pass(struct scene *s, int64_t ms)
{
    for (int64_t passed = 0; passed < ms; passed += MINUTE_MS)
        test_advance(s->b, MINUTE_MS);
}

static int64_t start_of(const struct scene *s, const char *topic)
{
    struct uuid id = test_topic_id(s->b, topic);
    struct shard *owner = shard_for_partition(test_shard(s->b, 0), id, 0);
    return log_start_offset(partition_find(owner, id, 0)->log);
}

static int64_t start_offset(const struct scene *s)
{
    return start_of(s, "orders");
}

static bool has_offset(const struct scene *s)
{
    struct shard *owner = shard_for_group(test_shard(s->b, 0), BYTES_LITERAL("g"));
    const struct offsets *offsets = coordinator_offsets(owner->coordinator, BYTES_LITERAL("g"));
    return offsets && offsets_get(offsets, BYTES_LITERAL("orders"), 0) != NULL;
}

static bool knows_producer(struct scene *s)
{
    struct produce_response_responses_partition_responses *again =
        test_produce(s->c, "orders", 0, &s->batch);
    return again->error_code == KAFKA_NONE && again->base_offset == s->offset;
}

static void expect_all(struct scene *s)
{
    EXPECT_INT(start_offset(s), 0);
    EXPECT(has_offset(s));
    EXPECT(knows_producer(s));
}

static int count_in_log(const struct scene *s, const char *text)
{
    int count = 0;
    for (const char *at = test_log(s->b); (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}

static void end(struct scene *s)
{
    test_broker_free(s->b);
}

static const int64_t leaps[] = {8 * DAY_MS, -8 * DAY_MS, 20000 * DAY_MS};

TEST(a_leap_while_the_broker_runs_deletes_nothing)
{
    FOR_SHARD_COUNTS(shards)
    {
        for (size_t i = 0; i < COUNT_OF(leaps); i++) {
            struct scene s = set_scene(shards);
            test_leap(s.b, leaps[i]);
            pass(&s, 50 * MINUTE_MS);
            expect_all(&s);
            EXPECT_INT(count_in_log(&s, LEAPT), 1);
            test_broker_restart(s.b);
            connect(&s);
            pass(&s, 5 * MINUTE_MS);
            expect_all(&s);
            EXPECT_INT(count_in_log(&s, TRUSTED), 0);
            end(&s);
        }
    }
}

TEST(a_start_with_another_clock_deletes_nothing)
{
    FOR_SHARD_COUNTS(shards)
    {
        for (size_t i = 0; i < COUNT_OF(leaps); i++) {
            struct scene s = set_scene(shards);
            test_leap(s.b, leaps[i]);
            test_broker_restart(s.b);
            connect(&s);
            EXPECT_INT(count_in_log(&s, LEAPT), 1);
            pass(&s, 50 * MINUTE_MS);
            expect_all(&s);
            end(&s);
        }
    }
}

TEST(a_crash_and_a_start_with_another_clock_delete_nothing)
{
    for (size_t i = 0; i < COUNT_OF(leaps); i++) {
        struct scene s = set_scene(2);
        pass(&s, 5 * MINUTE_MS);
        s.batch.sequence = 3; /* only in the journal */
        s.offset = test_produce(s.c, "orders", 0, &s.batch)->base_offset;
        test_leap(s.b, leaps[i]);
        test_broker_crash(s.b);
        connect(&s);
        EXPECT_INT(count_in_log(&s, LEAPT), 1);
        pass(&s, 50 * MINUTE_MS);
        expect_all(&s);
        end(&s);
    }
}

/* The clock that was wrong at a crash is set right afterwards. */
TEST(a_producer_that_recovery_found_does_not_age_by_a_leap)
{
    for (size_t i = 0; i < COUNT_OF(leaps); i++) {
        struct scene s = set_scene(1);
        test_leap(s.b, leaps[i]);
        test_broker_crash(s.b);
        test_leap(s.b, -leaps[i]);
        connect(&s);
        pass(&s, 2 * HOUR_MS);
        expect_all(&s);
        end(&s);
    }
}

TEST(the_log_names_both_clocks_and_the_end)
{
    struct scene s = set_scene(1);
    test_leap(s.b, 8 * DAY_MS); /* the test's clock begins at 2023-11-14T22:13:20Z */
    pass(&s, MINUTE_MS);
    EXPECT(strstr(test_log(s.b), "wall_clock=2023-11-22T22:14:20.000Z "
                                 "trusted_clock=2023-11-14T22:14:20.000Z leap_ms=691200000 "
                                 "until=2023-11-22T23:14:20.000Z") != NULL);
    end(&s);
}

TEST(records_age_by_a_leap_once_the_clock_ran_evenly)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct scene s = set_scene(shards);
        test_leap(s.b, 8 * DAY_MS);
        pass(&s, 70 * MINUTE_MS);
        EXPECT_INT(count_in_log(&s, TRUSTED), 1);
        EXPECT_INT(start_offset(&s), 3);
        /* The offset and the producer are an hour old, whatever the clocks say. */
        EXPECT(has_offset(&s));
        EXPECT(knows_producer(&s));
        test_broker_crash(s.b);
        connect(&s);
        pass(&s, 5 * MINUTE_MS);
        EXPECT_INT(count_in_log(&s, LEAPT), 1);
        EXPECT(has_offset(&s));
        EXPECT(knows_producer(&s));
        end(&s);
    }
}

TEST(after_eight_real_days_without_the_broker_old_records_go_an_hour_after_the_start)
{
    struct scene s = set_scene(2);
    test_broker_restart(s.b); /* closed: the clocks run on */
    test_leap(s.b, 8 * DAY_MS);
    test_broker_restart(s.b);
    connect(&s);
    pass(&s, 50 * MINUTE_MS);
    EXPECT_INT(start_offset(&s), 0);
    pass(&s, 20 * MINUTE_MS);
    EXPECT_INT(start_offset(&s), 3);
    end(&s);
}

TEST(a_night_without_the_broker_counts_at_once)
{
    struct scene s = {.b = test_broker_start(1, "connections.max.idle.ms=-1",
                                             "offsets.retention.minutes=60",
                                             "producer.id.expiration.ms=3600000", NULL)};
    connect(&s);
    test_create_topic(s.c, "orders", 1, "retention.ms=3600000", NULL);
    s.batch = (struct test_batch){.count = 3, .idempotent = true, .producer_id = 4};
    test_produce(s.c, "orders", 0, &s.batch);
    commit(&s);
    test_leap(s.b, 12 * HOUR_MS - MINUTE_MS);
    test_broker_restart(s.b);
    connect(&s);
    pass(&s, 10 * MINUTE_MS);
    EXPECT_INT(count_in_log(&s, LEAPT), 0);
    EXPECT_INT(start_offset(&s), 3);
    EXPECT(!has_offset(&s));
    EXPECT(!knows_producer(&s));
    end(&s);
}

TEST(records_age_by_a_leap_although_the_broker_restarts_every_half_hour)
{
    for (int crashes = 0; crashes < 2; crashes++) {
        struct scene s = set_scene(1);
        test_leap(s.b, 8 * DAY_MS);
        for (int i = 0; i < 2; i++) {
            pass(&s, 29 * MINUTE_MS);
            EXPECT_INT(start_offset(&s), 0);
            test_leap(s.b, MINUTE_MS);
            if (crashes)
                test_broker_crash(s.b);
            else
                test_broker_restart(s.b);
            connect(&s);
        }
        pass(&s, 29 * MINUTE_MS);
        EXPECT_INT(count_in_log(&s, TRUSTED), 1);
        EXPECT_INT(start_offset(&s), 3);
        EXPECT(has_offset(&s));
        EXPECT(knows_producer(&s));
        end(&s);
    }
}

TEST(an_accepted_leap_is_used_only_when_it_is_durable)
{
    struct scene s = set_scene(1);
    test_leap(s.b, 8 * DAY_MS);
    pass(&s, HOUR_MS);
    test_hold_journal(s.b, true);
    pass(&s, 10 * MINUTE_MS);
    struct shard *shard = test_shard(s.b, 0);
    EXPECT_INT(count_in_log(&s, TRUSTED), 1);
    EXPECT(shard->trusted_ms < shard->wall_ms - 7 * DAY_MS);
    test_hold_journal(s.b, false);
    pass(&s, MINUTE_MS);
    EXPECT_INT(shard->trusted_ms, shard->wall_ms);
    end(&s);
}

TEST(records_have_the_wall_clocks_time_during_a_leap)
{
    struct scene s = set_scene(1);
    test_create_topic(s.c, "stamped", 1, "message.timestamp.type=LogAppendTime", NULL);
    test_leap(s.b, 8 * DAY_MS);
    pass(&s, 10 * MINUTE_MS);
    struct produce_response_responses_partition_responses *r =
        test_produce(s.c, "stamped", 0, &(struct test_batch){.count = 1});
    EXPECT_INT(r->log_append_time_ms, test_shard(s.b, 0)->wall_ms);
    end(&s);
}

/* Else a week of retention would delete the records as soon as the clock is right again. */
TEST(records_that_were_written_while_the_clock_stood_back_are_not_deleted_early)
{
    FOR_SHARD_COUNTS(shards)
    {
        struct scene s = set_scene(shards);
        test_create_topic(s.c, "stamped", 1, "message.timestamp.type=LogAppendTime", NULL);
        int64_t right = test_shard(s.b, 0)->wall_ms;
        test_leap(s.b, -8 * DAY_MS);
        pass(&s, 10 * MINUTE_MS);
        EXPECT_INT(
            test_produce(s.c, "stamped", 0, &(struct test_batch){.count = 1})->log_append_time_ms,
            right + 10 * MINUTE_MS);
        struct test_batch batch = {.count = 1, .timestamp = right + 10 * MINUTE_MS};
        EXPECT_INT(test_produce(s.c, "orders", 0, &batch)->error_code, KAFKA_NONE);
        test_leap(s.b, 8 * DAY_MS);
        pass(&s, 80 * MINUTE_MS);
        EXPECT_INT(start_of(&s, "stamped"), 0);
        EXPECT_INT(start_offset(&s), 0);
        for (int day = 0; day < 8; day++)
            test_advance(s.b, DAY_MS);
        pass(&s, 5 * MINUTE_MS);
        EXPECT_INT(start_of(&s, "stamped"), 1);
        EXPECT_INT(start_offset(&s), 4);
        end(&s);
    }
}

TEST(what_is_written_during_a_leap_is_not_old)
{
    for (size_t i = 0; i < COUNT_OF(leaps); i++) {
        struct scene s = set_scene(1);
        test_leap(s.b, leaps[i]);
        pass(&s, 2 * MINUTE_MS);
        commit(&s);
        s.batch.sequence = 3;
        s.offset = test_produce(s.c, "orders", 0, &s.batch)->base_offset;
        pass(&s, 50 * MINUTE_MS);
        EXPECT(has_offset(&s));
        EXPECT(knows_producer(&s));
        test_leap(s.b, -leaps[i]); /* the clock is set right */
        pass(&s, 50 * MINUTE_MS);
        expect_all(&s);
        end(&s);
    }
}

TEST(a_broker_that_ran_for_long_knows_its_time_after_a_crash)
{
    struct scene s = set_scene(1);
    pass(&s, 13 * HOUR_MS);
    test_broker_crash(s.b);
    connect(&s);
    EXPECT_INT(count_in_log(&s, LEAPT), 0);
    end(&s);
}

TEST(a_regular_stop_stores_its_time)
{
    struct scene s = {.b = test_broker_start(1, "tidemill.clock.max.down.ms=0", NULL)};
    pass(&s, 3 * MINUTE_MS);
    test_advance(s.b, MINUTE_MS - 5000);
    test_leap(s.b, 40000); /* down: within the tolerance of a minute */
    test_broker_restart(s.b);
    EXPECT_INT(count_in_log(&s, LEAPT), 0);
    end(&s);
}
