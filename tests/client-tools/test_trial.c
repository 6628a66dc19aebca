#include "client-tools/pipeline/trial.h"

#include "tests/harness/harness.h"

struct bench {
    struct arena arena;
    struct trial *trial;
    struct buffer out, warnings;
    struct failure failure;
};

/* One line per record that processors write: topic/partition@offset key value. */
static void note(void *context, const struct record_place *place, const struct record *r)
{
    struct bench *b = context;
    buffer_printf(&b->out, "%.*s/%d@%d %.*s\n", BYTES_PRINTF(place->topic), place->partition,
                  (int)r->offset, BYTES_PRINTF(r->value));
}

static bool begin(struct bench *b, const char *pipeline, int32_t partitions)
{
    struct declarations d = {0};
    *b = (struct bench){0};
    arena_init(&b->arena, 1 << 20);
    buffer_init(&b->out, 1 << 20);
    buffer_init(&b->warnings, 1 << 20);
    EXPECT(processor_file_parse("x", bytes_string(pipeline), &b->arena, &d, &b->failure));
    return trial_create(&d, partitions, note, b, &b->warnings, &b->trial, &b->failure);
}

static void append(struct bench *b, const char *topic, const char *key, const char *value)
{
    struct record_place place = {bytes_string(topic), -1, -1};
    struct record record = {.timestamp = 1700000000000,
                            .key = bytes_string(key),
                            .value = bytes_string(value),
                            .headers = BYTES_NULL};
    EXPECT(trial_append(b->trial, &place, &record, 1700000000000, &b->failure));
}

static void end(struct bench *b, bool drain, const char *expected)
{
    EXPECT(trial_finish(b->trial, drain, 1700000000000, &b->failure));
    EXPECT_STRING(buffer_c_string(&b->out), expected);
    trial_free(b->trial);
    buffer_free(&b->out);
    buffer_free(&b->warnings);
    arena_free(&b->arena);
}

TEST(a_filter_passes_records_if_where_is_true)
{
    struct bench b;
    EXPECT(begin(&b, "[in/f]\ntype=filter\nwhere=value.n > 1\noutput=out\n", 1));
    append(&b, "in", "a", "{\"n\":1}");
    append(&b, "in", "a", "{\"n\":2}");
    append(&b, "in", "a", "{\"n\":3}");
    end(&b, false, "out/0@0 {\"n\":2}\nout/0@1 {\"n\":3}\n");
}

TEST(a_drain_emits_the_open_windows)
{
    const char *pipeline = "[in/c]\ntype=aggregate\ngroup-by=key\nwindow=tumbling(1m)\n"
                           "select=count() as n\noutput=out\n";
    struct bench b;
    EXPECT(begin(&b, pipeline, 1));
    append(&b, "in", "a", "{}");
    append(&b, "in", "a", "{}");
    end(&b, false, "");
    EXPECT(begin(&b, pipeline, 1));
    append(&b, "in", "a", "{}");
    append(&b, "in", "a", "{}");
    end(&b, true,
        "out/0@0 {\"key\":\"a\",\"window_start\":1699999980000,\"window_end\":1700000040000,"
        "\"n\":2}\n");
}

TEST(an_output_feeds_the_processors_of_its_own_topic)
{
    struct bench b;
    EXPECT(begin(&b,
                 "[mid/g]\ntype=filter\nwhere=value.n < 3\noutput=out\n"
                 "[in/f]\ntype=filter\nwhere=value.n > 1\noutput=mid\n",
                 1));
    EXPECT_BYTES(trial_input(b.trial), BYTES_LITERAL("in"));
    append(&b, "in", "a", "{\"n\":1}");
    append(&b, "in", "a", "{\"n\":2}");
    append(&b, "in", "a", "{\"n\":3}");
    end(&b, false, "mid/0@0 {\"n\":2}\nmid/0@1 {\"n\":3}\nout/0@0 {\"n\":2}\n");
}

TEST(counters_show_the_fate_of_the_input)
{
    struct bench b;
    struct bytes topic, processor;
    struct processor_counters c;
    EXPECT(begin(&b, "[in/f]\ntype=filter\nwhere=value.n > 1\noutput=out\n", 2));
    append(&b, "in", "a", "{\"n\":1}");
    append(&b, "in", "b", "{\"n\":2}");
    append(&b, "in", "c", "no json");
    EXPECT(trial_counters(b.trial, 0, &topic, &processor, &c));
    EXPECT_BYTES(topic, BYTES_LITERAL("in"));
    EXPECT_BYTES(processor, BYTES_LITERAL("f"));
    EXPECT_INT(c.records_in, 3);
    EXPECT_INT(c.passed, 1);
    EXPECT_INT(c.passed + c.filtered + c.dead_letters, 3);
    EXPECT(!trial_counters(b.trial, 1, &topic, &processor, &c));
    EXPECT(trial_finish(b.trial, false, 0, &b.failure));
    trial_free(b.trial);
    buffer_free(&b.out);
    buffer_free(&b.warnings);
    arena_free(&b.arena);
}

TEST(a_pipeline_that_is_not_valid_is_refused)
{
    struct bench b;
    EXPECT(!begin(&b, "[in/f]\ntype=fliter\nwhere=true\noutput=out\n", 1));
    EXPECT_INT(b.failure.exit, EXIT_USAGE);
    EXPECT(strstr(b.failure.message.text, "topic in: processor.f.type") != NULL);
    buffer_free(&b.out);
    buffer_free(&b.warnings);
    arena_free(&b.arena);
}
