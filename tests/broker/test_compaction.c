/* Readers of a log that a cleaner has emptied. */
#include "broker/partition.h"
#include "storage/log_internal.h"
#include "storage/log_replace.h"
#include "tests/broker/support_runner.h"

#include <stdlib.h>

static struct partition *only_partition(struct test_broker *b)
{
    size_t at = 0;
    return map_next(&test_shard(b, 0)->partitions, &at);
}

static void flush(struct log *log)
{
    struct log_flush *flush = log_flush_begin(log);
    if (flush)
        log_flush_end(flush, log_flush_run(flush, false));
}

/* Replaces all segments by one without batches. The log ends with the hole. */
static void empty_log(struct test_broker *b, struct log *log)
{
    struct new_segments *n;
    struct io *io = test_shard(b, 0)->env->io;
    int64_t end = log_next_offset(log);
    flush(log);
    log_roll(log);
    flush(log);
    for (int part = 0; part < SEGMENT_PARTS; part++) {
        char *path = segment_swap_path(log->directory, 0, (enum segment_part)part);
        EXPECT_INT(io_replace_file(io, path, BYTES_LITERAL("")), ERR_OK);
        free(path);
    }
    log_set_first_dirty(log, end);
    EXPECT_INT(new_segments_open(test_shard(b, 0)->env, log->directory, (int64_t[]){0}, 1, end, &n),
               ERR_OK);
    EXPECT_INT(log_replace_segments(log, n), ERR_OK);
    struct log_delete *names = log_delete_begin(log);
    EXPECT_INT(log_delete_run(names), ERR_OK);
    log_delete_end(names);
}

TEST(a_hole_up_to_the_end_of_a_log_does_not_stop_its_readers)
{
    struct test_broker *b = test_broker_start(1, NULL);
    struct test_client *c = test_client_open(b, 0);
    test_create_topic(c, "in", 1, NULL);
    for (int i = 0; i < 5; i++)
        pipeline_put(c, "in", 0, EPOCH, "key", "value");
    empty_log(b, only_partition(b)->log);
    for (int64_t offset = 0; offset <= 5; offset++) {
        const struct fetch_response_responses_partitions *r = test_fetch(c, "in", 0, offset);
        EXPECT_INT(r->error_code, KAFKA_NONE);
        EXPECT_INT(r->high_watermark, 5);
    }
    pipeline_set(c, "in", "processor.all.type=filter", "processor.all.where=true",
                 "processor.all.output=out", NULL); /* settles: its task waits at the end */
    pipeline_put(c, "in", 0, EPOCH, "key", "behind");
    EXPECT_STRING(partition_text(c, "out", 0), "key=behind\n");
    test_broker_restart(b);
    c = test_client_open(b, 0);
    EXPECT_STRING(partition_text(c, "in", 0), "key=behind\n");
    test_broker_free(b);
}
