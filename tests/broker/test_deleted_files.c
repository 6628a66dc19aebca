/* file.delete.delay.ms: what happens to the files of deleted segments and topics. */
#include "tests/broker/support_broker.h"

#include "broker/partition.h"
#include "storage/store_rows.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

enum { MINUTE_MS = 60000 };

struct scene {
    struct test_broker *b;
    struct test_client *c;
    struct uuid topic_id;
    char *directory, *renamed; /* of partition 0 */
};

/* Twenty batches of 0.4 MB in segments of 1 MiB; retention keeps 2 MiB. */
static struct scene set_scene(const char *delay)
{
    struct scene s = {.b = test_broker_start(1, "connections.max.idle.ms=-1",
                                             "tidemill.min.free.bytes=65536", NULL)};
    s.c = test_client_open(s.b, 0);
    test_create_topic(s.c, "orders", 1, "segment.bytes=1MiB", "retention.bytes=2MiB", delay, NULL);
    struct test_batch batch = {.count = 1, .value_size = 400000};
    for (int i = 0; i < 20; i++)
        test_produce(s.c, "orders", 0, &batch);
    test_advance(s.b, 2000); /* flushed */
    s.topic_id = test_topic_id(s.b, "orders");
    s.directory =
        partition_directory(test_shard(s.b, 0)->broker->settings->log_dirs, s.topic_id, 0);
    s.renamed = arena_printf(test_arena(s.b), "%s.deleted", s.directory);
    return s;
}

static void end(struct scene *s)
{
    test_broker_free(s->b);
    free(s->directory);
}

/* Files whose name ends so. -1: there is no such directory. */
static int count_files(const char *directory, const char *suffix)
{
    int count = 0;
    DIR *d = opendir(directory);
    if (d == NULL)
        return -1;
    for (struct dirent *e; (e = readdir(d));) {
        size_t size = strlen(e->d_name);
        count += size >= strlen(suffix) && strcmp(e->d_name + size - strlen(suffix), suffix) == 0;
    }
    closedir(d);
    return count;
}

static int64_t start_offset(struct scene *s)
{
    return log_start_offset(partition_find(test_shard(s->b, 0), s->topic_id, 0)->log);
}

/* Advances until retention has moved the start. */
static void retain(struct scene *s)
{
    for (int i = 0; i < 100 && start_offset(s) == 0; i++)
        test_advance(s->b, 1000);
    EXPECT(start_offset(s) > 0);
    test_advance(s->b, 1000);
}

static void delete_topic(struct scene *s)
{
    struct bytes name = BYTES_LITERAL("orders");
    struct delete_topics_request request;
    schema_defaults(&delete_topics_request_schema, &request);
    request.topic_names = &name;
    request.topic_names_count = 1;
    struct delete_topics_response *r = test_call(s->c, API_DELETE_TOPICS, 5, &request);
    EXPECT_INT(r->responses[0].error_code, KAFKA_NONE);
    test_advance(s->b, 1000);
}

TEST(files_of_dead_segments_are_renamed_and_removed_after_the_delay)
{
    struct scene s = set_scene("file.delete.delay.ms=300000");
    int segments = count_files(s.directory, ".log");
    retain(&s);
    int renamed = count_files(s.directory, ".log.deleted");
    EXPECT(renamed > 0);
    EXPECT_INT(count_files(s.directory, ".log") + renamed, segments);
    EXPECT_INT(count_files(s.directory, ".index.deleted"), renamed);
    EXPECT_INT(count_files(s.directory, ".timeindex.deleted"), renamed);
    for (int i = 0; i < 4; i++)
        test_advance(s.b, MINUTE_MS);
    EXPECT_INT(count_files(s.directory, ".log.deleted"), renamed);
    for (int i = 0; i < 2; i++)
        test_advance(s.b, MINUTE_MS);
    EXPECT_INT(count_files(s.directory, ".deleted"), 0);
    EXPECT_INT(count_files(s.directory, ".log"), segments - renamed);
    end(&s);
}

TEST(a_full_disk_gets_the_space_at_once)
{
    struct scene s = set_scene("file.delete.delay.ms=3600000");
    retain(&s);
    EXPECT(count_files(s.directory, ".deleted") > 0);
    test_fill_disk(s.b, true);
    test_advance(s.b, 1000);
    test_advance(s.b, 1000);
    EXPECT_INT(count_files(s.directory, ".deleted"), 0);
    delete_topic(&s);
    test_advance(s.b, 1000);
    EXPECT_INT(count_files(s.directory, ""), -1);
    EXPECT_INT(count_files(s.renamed, ""), -1);
    end(&s);
}

TEST(without_a_delay_files_are_removed_at_once)
{
    struct scene s = set_scene("file.delete.delay.ms=0");
    int segments = count_files(s.directory, ".log");
    retain(&s);
    EXPECT_INT(count_files(s.directory, ".deleted"), 0);
    EXPECT(count_files(s.directory, ".log") < segments);
    delete_topic(&s);
    EXPECT_INT(count_files(s.directory, ""), -1);
    EXPECT_INT(count_files(s.renamed, ""), -1);
    end(&s);
}

TEST(a_start_removes_renamed_files_and_they_do_not_come_back)
{
    for (int crash = 0; crash < 2; crash++) {
        struct scene s = set_scene("file.delete.delay.ms=3600000");
        retain(&s);
        int64_t start = start_offset(&s);
        int left = count_files(s.directory, ".log");
        EXPECT(count_files(s.directory, ".deleted") > 0);
        if (crash)
            test_broker_crash(s.b);
        else
            test_broker_restart(s.b);
        s.c = test_client_open(s.b, 0);
        EXPECT_INT(count_files(s.directory, ".deleted"), 0);
        EXPECT_INT(count_files(s.directory, ".log"), left);
        EXPECT_INT(start_offset(&s), start);
        EXPECT_INT(test_fetch(s.c, "orders", 0, start - 1)->error_code, KAFKA_OFFSET_OUT_OF_RANGE);
        EXPECT_INT(test_fetch(s.c, "orders", 0, start)->error_code, KAFKA_NONE);
        end(&s);
    }
}

TEST(files_of_a_deleted_topic_are_renamed_and_removed_after_the_delay)
{
    struct scene s = set_scene("file.delete.delay.ms=300000");
    int segments = count_files(s.directory, ".log");
    delete_topic(&s);
    EXPECT_INT(count_files(s.directory, ""), -1);
    EXPECT_INT(count_files(s.renamed, ".log"), segments);
    test_create_topic(s.c, "orders", 1, NULL); /* the name is free */
    EXPECT_INT(test_produce(s.c, "orders", 0, &(struct test_batch){.count = 1})->base_offset, 0);
    for (int i = 0; i < 6; i++)
        test_advance(s.b, MINUTE_MS);
    EXPECT_INT(count_files(s.renamed, ""), -1);
    *strrchr(s.directory, '/') = '\0';
    EXPECT_INT(access(s.directory, F_OK), -1); /* the topic's directory too */
    end(&s);
}

TEST(a_start_removes_the_files_of_a_deleted_topic)
{
    for (int crash = 0; crash < 2; crash++) {
        struct scene s = set_scene("file.delete.delay.ms=3600000");
        delete_topic(&s);
        EXPECT(count_files(s.renamed, "") > 0);
        if (crash)
            test_broker_crash(s.b);
        else
            test_broker_restart(s.b);
        *strrchr(s.directory, '/') = '\0';
        EXPECT_INT(access(s.directory, F_OK), -1);
        end(&s);
    }
}
