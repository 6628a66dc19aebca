#include "base/random.h"
#include "processors/topology/topology.h"
#include "tests/harness/harness.h"
#include "tests/processors/support_task.h"

#include <stdio.h>
#include <stdlib.h>

/* Everything at once: a tree with all types, out-of-order input, duplicates, garbage, late rows. */
#define EVERYTHING                                                                                 \
    "[orders/check]\ntype = validate\njson-schema = inline:{\"required\":[\"id\"]}\n"              \
    "out-of-order = 15ms\n"                                                                        \
    "[orders/uniq]\ntype = dedup\nafter = check\nid = value.id\nwithin = 40ms\nrefresh = true\n"   \
    "duplicates = dups\noutput = unique\n"                                                         \
    "[orders/hop]\ntype = aggregate\nafter = uniq\ngroup-by = key\nwindow = hopping(30ms; 10ms)\n" \
    "select = count() as n; sum(value.a) as s; min(value.a) as lo; last(value.id) as l\n"          \
    "lateness = 5ms\noutput = hops\n"                                                              \
    "[orders/day]\ntype = aggregate\nafter = uniq\ngroup-by = value.g; key\n"                      \
    "window = tumbling(50ms; offset=3ms)\nselect = avg(value.a) as mean; max(value.g) as g2\n"     \
    "output = days\nlate = drop\n"                                                                 \
    "[orders/big]\ntype = filter\nafter = check\nwhere = value.a > 5\noutput = large\n"

static void put_random(struct world *w, size_t count, uint64_t seed)
{
    struct random_seeded seeded;
    random_seeded_init(&seeded, seed);
    struct random *random = &seeded.random;
    int64_t now = 1000;
    for (size_t i = 0; i < count; i++) {
        char key[16], value[128];
        now += (int64_t)random_below(random, 8);
        int64_t time = now - (int64_t)random_below(random, random_below(random, 4) ? 20 : 80);
        snprintf(key, sizeof key, "k%d", (int)random_below(random, 4));
        snprintf(value, sizeof value, "{\"id\":%d,\"a\":%d%s,\"g\":\"%c\"}",
                 (int)random_below(random, 60), (int)random_below(random, 10),
                 random_below(random, 3) ? "" : ".5", 'a' + (int)random_below(random, 3));
        switch (random_below(random, 20)) {
        case 0:
            world_put(w, time, key, "{\"id\":");
            break;
        case 1:
            world_put(w, time, key, "{\"a\":1}");
            break;
        case 2:
            world_put(w, time, NULL, value);
            break;
        case 3:
            world_put(w, time, key, "{\"id\":7,\"a\":\"no number\",\"g\":\"a\"}");
            break;
        case 4:
            world_put(w, now + 7200000 + WORLD_WALL_MS, key, value);
            break;
        default:
            world_put(w, time, key, value);
        }
    }
    world_put(w, now + 200, "k0", "{\"id\":1000,\"a\":0,\"g\":\"a\"}");
}

enum { RECORDS = 150 };

static char *unsplit(uint64_t seed)
{
    struct world w;
    world_init(&w, 1, EVERYTHING);
    put_random(&w, RECORDS, seed);
    world_run(&w);
    char *dump = xstrdup(world_dump(&w));
    world_free(&w);
    return dump;
}

TEST(the_random_input_reaches_every_output)
{
    char *dump = unsplit(test_seed());
    static const char *const expected[] = {"days/0", "dlq.orders/0", "dups/0",
                                           "hops/0", "large/0",      "unique/0"};
    for (size_t i = 0; i < COUNT_OF(expected); i++)
        EXPECT(strstr(dump, expected[i]) != NULL);
    static const char *const codes[] = {"code=MALFORMED_JSON",   "code=SCHEMA_VIOLATION",
                                        "code=TIMESTAMP_FUTURE", "code=TYPE_MISMATCH",
                                        "code=KEY_MISSING",      "code=LATE"};
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        EXPECT(strstr(dump, codes[i]) != NULL);
    free(dump);
}

TEST(a_restart_after_any_record_changes_no_output)
{
    char *expected = unsplit(test_seed());
    for (size_t split = 0; split <= RECORDS; split++) {
        struct world w;
        world_init(&w, 1, EVERYTHING);
        put_random(&w, RECORDS, test_seed());
        while (w.taken < split)
            world_step(&w);
        world_restart(&w);
        EXPECT_INT(task_cursor(w.task, 0), split);
        world_run(&w);
        EXPECT_STRING(world_dump(&w), expected);
        world_free(&w);
    }
    free(expected);
}

TEST(sizes_of_slices_batches_and_commits_change_no_output)
{
    char *expected = unsplit(test_seed());
    static const struct {
        size_t batch, slice;
    } shapes[] = {{1, 1}, {7, 1}, {150, 1}, {150, 2}, {13, 5}, {64, 1000}};
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        struct world w;
        world_init(&w, 1, EVERYTHING);
        put_random(&w, RECORDS, test_seed());
        world_run_in(&w, shapes[i].batch, shapes[i].slice);
        EXPECT_STRING(world_dump(&w), expected);
        world_free(&w);
    }
    free(expected);
}

/* Slices have one record or result, and there is a crash after each commit, even between windows
 * that one watermark completes. */
TEST(a_restart_after_every_commit_changes_no_output)
{
    char *expected = unsplit(test_seed());
    struct world w;
    world_init(&w, 1, EVERYTHING);
    put_random(&w, RECORDS, test_seed());
    size_t commits = 0;
    while (w.taken < w.input_count) {
        struct buffer batch;
        buffer_init(&batch, 1 << 20);
        struct batch_builder b;
        const struct record *r = &w.inputs[w.taken].record;
        batch_builder_init(&b, &batch, CODEC_NONE);
        batch_builder_add(&b, r->timestamp, r->key, r->value, r->headers, r->header_count);
        struct bytes view = batch_builder_finish(&b);
        batch_stamp(batch.data, r->offset, 0);
        for (bool finished = false; !finished; commits++) {
            finished = world_take(&w, view, 1) == INPUT_AT_END;
            EXPECT(task_cursor(w.task, 0) >= r->offset);
            EXPECT(finished || task_cursor(w.task, 0) == r->offset || !task_is_pending(w.task));
            task_flush(w.task, &w.commit);
            world_restart(&w);
        }
        buffer_free(&batch);
        w.taken++;
    }
    EXPECT(commits > RECORDS + 50);
    EXPECT_STRING(world_dump(&w), expected);
    world_free(&w);
    free(expected);
}

TEST(a_crash_before_a_commit_repeats_the_step_exactly)
{
    char *expected = unsplit(test_seed());
    struct world w;
    world_init(&w, 1, EVERYTHING);
    put_random(&w, RECORDS, test_seed());
    for (size_t i = 0; w.taken < w.input_count; i++) {
        world_step(&w);
        if (i % 5 == 0 && w.taken + 2 < w.input_count) { /* two records that are never committed */
            struct buffer batch;
            buffer_init(&batch, 1 << 20);
            struct batch_builder b;
            batch_builder_init(&b, &batch, CODEC_NONE);
            for (size_t j = w.taken; j < w.taken + 2; j++) {
                const struct record *r = &w.inputs[j].record;
                batch_builder_add(&b, r->timestamp, r->key, r->value, r->headers, r->header_count);
            }
            struct bytes view = batch_builder_finish(&b);
            batch_stamp(batch.data, (int64_t)w.taken, 0);
            EXPECT_INT(world_take(&w, view, 100), INPUT_AT_END);
            buffer_free(&batch);
            world_restart(&w);
        }
    }
    EXPECT_STRING(world_dump(&w), expected);
    world_free(&w);
    free(expected);
}

TEST(a_window_that_changes_a_thousand_times_is_written_once_per_commit)
{
    struct world w;
    world_init(&w, 1,
               "[t/a]\ntype = aggregate\ngroup-by = key\nwindow = tumbling(1h)\n"
               "select = count() as n\noutput = o\n");
    for (int i = 0; i < 1000; i++)
        world_put(&w, 1000, "k", "1");
    world_run(&w);
    EXPECT_INT(w.last_sequence, 1);
    EXPECT_INT(w.state_writes, 3); /* the window, the end of closed windows, and the meta entry */
    world_free(&w);
}

TEST(counters_account_for_every_record_even_after_restarts)
{
    struct world w;
    world_init(&w, 1,
               "[t/check]\ntype = validate\n"
               "[t/uniq]\ntype = dedup\nafter = check\nid = value.id\nwithin = 1m\n"
               "[t/f]\ntype = filter\nafter = uniq\nwhere = value.a > 0\n"
               "[t/sum]\ntype = aggregate\nafter = f\ngroup-by = key\nwindow = tumbling(10ms)\n"
               "select = sum(value.a) as s\noutput = o\n");
    world_put(&w, 100, "k", "{\"id\":1,\"a\":1}");
    world_put(&w, 101, "k", "{\"id\":1,\"a\":1}");  /* duplicate */
    world_put(&w, 102, "k", "{\"id\":2,\"a\":0}");  /* filtered */
    world_put(&w, 103, "k", "no json");             /* dead */
    world_put(&w, 130, "k", "{\"id\":3,\"a\":1}");  /* closes 100-110 */
    world_put(&w, 131, NULL, "{\"id\":4,\"a\":1}"); /* dead: no key */
    while (w.taken < w.input_count) {
        world_step(&w);
        world_restart(&w);
    }
    const struct task_counters *c = task_counters(w.task);
    EXPECT_INT(c->records_in, 6);
    EXPECT_INT(c->duplicates, 1);
    EXPECT_INT(c->filtered, 1);
    EXPECT_INT(c->dead_letters, 2);
    EXPECT_INT(c->absorbed, 2);
    EXPECT_INT(c->panes, 1);
    EXPECT_INT(c->records_out, 1);
    EXPECT_INT(c->records_in, c->passed + c->absorbed + c->filtered + c->nulls + c->late +
                                  c->duplicates + c->dead_letters);
    EXPECT_INT(c->watermark, 130);
    EXPECT_INT(c->steps, w.last_sequence);
    world_free(&w);
}

TEST(every_processor_of_a_tree_counts_each_of_its_records)
{
    struct world w;
    world_init(&w, 1, EVERYTHING);
    put_random(&w, RECORDS, test_seed());
    world_run(&w);
    uint64_t dead = 0;
    for (size_t i = 0; i < 5; i++) {
        struct processor_counters c = task_processor_counters(w.task, i);
        EXPECT_INT(c.records_in, c.passed + c.absorbed + c.filtered + c.nulls + c.late +
                                     c.duplicates + c.dead_letters);
        dead += c.dead_letters;
    }
    EXPECT_INT(task_processor_counters(w.task, 0).records_in, RECORDS + 1);
    EXPECT_INT(dead, task_counters(w.task)->dead_letters);
    world_free(&w);
}

TEST(control_batches_and_holes_only_move_the_cursor)
{
    struct world w;
    world_init(&w, 1, "[t/f]\ntype = filter\nwhere = true\noutput = o\n");
    struct buffer batch;
    buffer_init(&batch, 1 << 20);
    struct batch_builder b;
    batch_builder_init(&b, &batch, CODEC_NONE);
    b.attributes = BATCH_CONTROL;
    batch_builder_add(&b, 5, BYTES_LITERAL("\0\0\0\1"), BYTES_LITERAL(""), BYTES_LITERAL(""), 0);
    struct bytes view = batch_builder_finish(&b);
    batch_stamp(batch.data, 17, 0);
    EXPECT_INT(world_take(&w, view, 10), INPUT_AT_END);
    EXPECT_INT(task_cursor(w.task, 0), 18);
    EXPECT(task_is_dirty(w.task));
    task_flush(w.task, &w.commit);
    EXPECT_INT(w.output_count, 0);
    EXPECT_INT(task_counters(w.task)->records_in, 0);
    /* The same batch again is below the cursor. */
    EXPECT_INT(world_take(&w, view, 10), INPUT_AT_END);
    EXPECT(!task_is_dirty(w.task));
    buffer_free(&batch);
    world_free(&w);
}

TEST(a_damaged_batch_stops_the_task_with_its_offset)
{
    struct world w;
    world_init(&w, 1, "[t/f]\ntype = filter\nwhere = true\noutput = o\n");
    struct buffer batch;
    buffer_init(&batch, 1 << 20);
    struct batch_builder b;
    batch_builder_init(&b, &batch, CODEC_NONE);
    batch_builder_add(&b, 5, BYTES_LITERAL("k"), BYTES_LITERAL("v"), BYTES_LITERAL(""), 0);
    struct bytes view = batch_builder_finish(&b);
    batch_stamp(batch.data, 17, 0);
    batch.data[BATCH_HEADER_SIZE] = 0x7e; /* the record's length */
    EXPECT_INT(world_take(&w, view, 10), INPUT_FAILED);
    EXPECT(strstr(w.message.text, "17") != NULL);
    buffer_free(&batch);
    world_free(&w);
}

TEST(lifting_the_watermark_closes_the_last_window_of_a_quiet_partition)
{
    struct world w;
    world_init(&w, 1, EVERYTHING);
    world_put(&w, 1000, "k", "{\"id\":1,\"a\":1,\"g\":\"x\"}");
    world_run(&w);
    EXPECT_STRING(world_output(&w, "days"), "");
    task_lift_watermark(w.task, 900, w.wall_ms); /* not above the watermark of 985: no effect */
    EXPECT(!task_is_dirty(w.task));
    task_lift_watermark(w.task, 1003, w.wall_ms);
    EXPECT(task_is_dirty(w.task));
    task_flush(w.task, &w.commit);
    EXPECT_STRING(world_output(&w, "days"),
                  "1000 {\"e\":1003,\"key\":[\"x\",\"k\"],\"s\":953} "
                  "{\"g\":\"x\",\"key\":\"k\",\"window_start\":953,\"window_end\":1003,"
                  "\"mean\":1,\"g2\":\"x\"}\n");
    world_restart(&w);
    EXPECT_INT(task_watermark(w.task), 1003); /* the lift is durable */
    EXPECT_INT(task_idle_after_ms(w.task), 30000);
    world_free(&w);
}

TEST(a_step_is_full_at_a_mebibyte_of_output)
{
    struct world w;
    world_init(&w, 1, "[t/f]\ntype = filter\nwhere = true\noutput = o\n");
    char *value = xcalloc(1, 100001);
    memset(value, 'v', 100000);
    for (int i = 0; i < 25; i++)
        world_put(&w, 1000, "k", value);
    free(value);
    world_run(&w);
    EXPECT_INT(w.output_count, 25);
    EXPECT_INT(w.last_sequence, 3);
    world_free(&w);
}

TEST(a_step_ends_when_committing_it_would_take_long)
{
    struct world w;
    char key[16];
    world_init(&w, 1,
               "[t/a]\ntype = aggregate\ngroup-by = key\nwindow = tumbling(1m)\noutput = o\n"
               "select = count() as n\n");
    for (int i = 0; i < 3000; i++) {
        snprintf(key, sizeof key, "%d", i);
        world_put(&w, 1000, key, "1");
    }
    world_run(&w);
    EXPECT_INT(w.last_sequence, 2); /* 2,048 changes, and the rest */
    world_free(&w);
    world_init(&w, 1,
               "[t/a]\ntype = aggregate\ngroup-by = key\nwindow = tumbling(1m)\noutput = o\n"
               "select = count() as n\n");
    for (int i = 0; i < 3000; i++)
        world_put(&w, 1000, "one", "1");
    world_run(&w);
    EXPECT_INT(w.last_sequence, 1); /* the same key counts once */
    world_free(&w);
}

TEST(a_step_ends_when_its_windows_keep_much_text)
{
    struct world w;
    char *large = xmalloc((6 << 20) + 9);
    sprintf(large, "{\"t\":\"%*d\"}", 6 << 20, 1);
    world_init(&w, 1,
               "[t/m]\ntype = aggregate\ngroup-by = key\nwindow = tumbling(10ms)\n"
               "select = last(value) as a\noutput = out\n");
    for (int i = 0; i < 3; i++)
        world_put(&w, 1, i == 0 ? "x" : i == 1 ? "y" : "z", large);
    world_run(&w);
    EXPECT_INT(w.last_sequence, 3); /* each of the three fills a step */
    free(large);
    world_free(&w);
}

TEST(a_record_that_would_be_written_too_often_is_a_dead_letter)
{
    enum { OUTPUTS = 48 };
    struct world w;
    struct buffer sections;
    char *large = xmalloc((17 << 20) + 1);
    sprintf(large, "%*d", 17 << 20, 1);
    buffer_init(&sections, 1 << 20);
    buffer_append_string(&sections, "[t/first]\ntype = filter\nwhere = true\n");
    for (int i = 0; i < OUTPUTS; i++)
        buffer_printf(&sections,
                      "[t/f%d]\ntype = filter\nafter = first\nwhere = key == \"x\"\noutput = o%d\n",
                      i, i);
    world_init(&w, 1, buffer_c_string(&sections));
    world_put(&w, 1, "x", large);
    world_put(&w, 2, "x", "1");
    world_run(&w);
    EXPECT_STRING(world_output_header(&w, "dlq.t", 0, "__dlq.errors.code"), "OUTPUT_TOO_LARGE");
    EXPECT_STRING(world_output(&w, "o0"), "2 x 1\n");
    EXPECT_STRING(world_output(&w, "o47"), "2 x 1\n");
    free(large);
    buffer_free(&sections);
    world_free(&w);
}

TEST(a_record_without_a_key_for_a_compacted_topic_is_a_dead_letter)
{
    struct world w;
    world_init(&w, 1,
               "[t/all]\ntype = filter\nwhere = true\noutput = other\n"
               "[t/kept]\ntype = filter\nafter = all\nwhere = value != \"2\"\noutput = kept\n");
    w.compacted = "kept";
    world_put(&w, 1, NULL, "1");
    world_put(&w, 2, NULL, "\"2\""); /* does not reach the compacted topic */
    world_put(&w, 3, "k", "3");
    world_put(&w, 4, "", "4"); /* an empty key is a key */
    world_run(&w);
    EXPECT_STRING(world_output_header(&w, "dlq.t", 0, "__dlq.errors.code"), "KEY_MISSING");
    EXPECT_STRING(world_output_header(&w, "dlq.t", 0, "__dlq.errors.processor"), "kept");
    EXPECT_STRING(world_output(&w, "dlq.t"), "1 - 1\n");
    EXPECT_STRING(world_output(&w, "kept"), "3 k 3\n4  4\n");
    EXPECT_STRING(world_output(&w, "other"), "2 - \"2\"\n3 k 3\n4  4\n");
    EXPECT_INT(task_counters(w.task)->dead_letters, 1);
    w.compacted = NULL; /* the next step asks again */
    world_put(&w, 5, NULL, "5");
    world_run(&w);
    EXPECT_STRING(world_output(&w, "kept"), "3 k 3\n4  4\n5 - 5\n");
    world_free(&w);
}

TEST(a_duplicate_for_a_compacted_topic_needs_a_key_too)
{
    struct world w;
    world_init(&w, 1,
               "[t/d]\ntype = dedup\nid = value\nwithin = 1h\noutput = o\nduplicates = dups\n");
    w.compacted = "dups";
    world_put(&w, 1, "k", "\"a\"");
    world_put(&w, 2, NULL, "\"a\"");
    world_run(&w);
    EXPECT_STRING(world_output(&w, "dups"), "");
    EXPECT_STRING(world_output_header(&w, "dlq.t", 0, "__dlq.errors.code"), "KEY_MISSING");
    world_free(&w);
}

TEST(outputs_go_to_the_partition_of_their_key_or_keep_their_own)
{
    struct world w;
    world_init(&w, 1, "[t/f]\ntype = filter\nwhere = true\noutput = o\n");
    w.output_partitions = 3;
    world_put(&w, 1, "21", "a"); /* murmur2("21") = -973932308 */
    world_put(&w, 2, NULL, "b");
    world_run(&w);
    EXPECT_INT(w.outputs[0].partition, (-973932308 & 0x7fffffff) % 3);
    EXPECT_INT(w.outputs[1].partition, 0);
    world_free(&w);
}

static void count_key(void *context, struct bytes key)
{
    struct world *w = context;
    for (size_t i = 0; i < w->state_count; i++)
        w->taken += bytes_equal(w->state[i].key, key);
}

TEST(every_key_of_durable_state_is_named_once)
{
    struct world w;
    world_init(&w, 1, EVERYTHING);
    put_random(&w, RECORDS, test_seed());
    while (w.taken < RECORDS)
        world_step(&w);
    w.taken = 0;
    task_each_state_key(w.task, count_key, &w);
    EXPECT(w.state_count > 8);
    EXPECT_INT(w.taken, w.state_count);
    w.taken = w.input_count;
    world_free(&w);
}

static struct topology *parse(struct world *w, const char *name, const char *value)
{
    struct config_pair pairs[WORLD_MAX_PAIRS];
    struct topology *t;
    size_t count = 0;
    for (size_t i = 0; i < w->pair_count; i++) {
        pairs[count] = w->pairs[i];
        if (bytes_equal_string(pairs[count].name, name))
            pairs[count].value = bytes_string(value);
        count++;
    }
    if (topology_parse(&w->topic, pairs, count, &t, &w->message, NULL))
        test_fail(__FILE__, __LINE__, "%s", w->message.text);
    return t;
}

static void count_any_key(void *context, struct bytes key UNUSED)
{
    ++*(size_t *)context;
}

TEST(a_changed_definition_continues_with_the_state_of_the_old_one)
{
    struct world w;
    world_init(&w, 1, EVERYTHING);
    put_random(&w, 40, test_seed());
    world_run(&w);
    struct topology *next =
        parse(&w, "processor.hop.select", "sum(value.a) as s; count() as n; max(value.a) as hi");
    struct task *task;
    EXPECT_INT(topology_can_replace(w.topology, next, &w.message), ERR_OK);
    EXPECT_INT(task_take_over(w.task, topology_chain(next, 0), next, &task, &w.message), ERR_OK);
    EXPECT_INT(task_cursor(task, 0), task_cursor(w.task, 0));
    EXPECT_INT(task_watermark(task), task_watermark(w.task));
    EXPECT_INT(task_counters(task)->state_keys, task_counters(w.task)->state_keys);
    EXPECT_INT(task_counters(task)->records_in, 41);
    size_t keys = 0, keys_before = 0;
    task_each_state_key(task, count_any_key, &keys);
    task_each_state_key(w.task, count_any_key, &keys_before);
    EXPECT_INT(keys, keys_before);
    task_free(w.task);
    topology_unref(w.topology);
    w.task = task;
    w.topology = next;
    world_put(&w, 3000, "k0", "{\"id\":2000,\"a\":3,\"g\":\"a\"}");
    world_put(&w, 3200, "k0", "{\"id\":2001,\"a\":3,\"g\":\"a\"}");
    world_run(&w);
    const char *hops = world_output(&w, "hops");
    EXPECT(strstr(hops, ",\"hi\":null}") != NULL); /* older windows do not have it */
    EXPECT(strstr(hops, "\"s\":3,\"n\":1,\"hi\":3}") != NULL);
    world_free(&w);
}

TEST(a_higher_state_version_takes_no_state_over)
{
    struct world w;
    world_init(&w, 1, "[t/f]\ntype = filter\nwhere = true\noutput = o\nstate.version = 1\n");
    struct topology *next = parse(&w, "processor.f.state.version", "2");
    struct task *task;
    EXPECT_INT(topology_can_replace(w.topology, next, &w.message), ERR_OK);
    EXPECT_INT(chain_state_version(topology_chain(next, 0)), 2);
    EXPECT_INT(task_take_over(w.task, topology_chain(next, 0), next, &task, &w.message),
               ERR_INVALID);
    topology_unref(next);
    world_free(&w);
}

TEST(state_of_a_removed_processor_is_deleted)
{
    struct world w;
    world_init(&w, 1,
               "[t/u]\ntype = dedup\nid = key\nwithin = 1h\noutput = o\n"
               "[t/v]\ntype = dedup\nafter = u\nid = value\nwithin = 1h\noutput = p\n");
    world_put(&w, 1, "a", "b");
    world_run(&w);
    EXPECT_INT(w.state_count, 3);
    topology_unref(w.topology);
    task_free(w.task);
    w.topology = NULL;
    w.pair_count -= 5; /* only the first is left */
    for (size_t i = w.pair_count; i < w.pair_count + 5; i++) {
        free((void *)(uintptr_t)w.pairs[i].name.data);
        free((void *)(uintptr_t)w.pairs[i].value.data);
    }
    EXPECT_INT(topology_parse(&w.topic, w.pairs, w.pair_count, &w.topology, &w.message, NULL),
               ERR_OK);
    w.task = NULL;
    world_restart(&w);
    EXPECT(task_is_dirty(w.task));
    task_flush(w.task, &w.commit);
    EXPECT_INT(w.state_count, 2);
    world_free(&w);
}

static struct bytes meta_of(const struct world *w)
{
    for (size_t i = 0; i < w->state_count; i++) {
        if (bytes_equal(w->state[i].key, BYTES_LITERAL("M")))
            return w->state[i].value;
    }
    return BYTES_NULL;
}

/* Rows of earlier releases have one cursor. */
TEST(the_meta_entry_of_one_input_has_one_cursor_and_ends_with_the_counters)
{
    struct world w;
    world_init(&w, 1, "[t/f]\ntype = filter\nwhere = true\noutput = o\n");
    world_put(&w, 5, "k", "v");
    world_run(&w);
    enum { COUNTERS = 14, UP_TO_COUNTERS = 1 + 4 * 8 + 1 + 1 };
    EXPECT_INT(meta_of(&w).size, UP_TO_COUNTERS + COUNTERS * 8);
    EXPECT_INT(meta_of(&w).data[0], 2);
    EXPECT_INT(load_be64(meta_of(&w).data + 9), 1);
    EXPECT_INT(meta_of(&w).data[UP_TO_COUNTERS - 1], COUNTERS);
    world_free(&w);
}

TEST(state_of_another_number_of_inputs_is_refused)
{
    struct world w;
    world_init(&w, 1, "[t/f]\ntype = filter\nwhere = true\noutput = o\n");
    world_put(&w, 5, "k", "v");
    world_run(&w);
    struct bytes one = meta_of(&w);
    struct task *two = task_create(topology_chain(w.topology, 0), w.topology, 0, 2);
    EXPECT_INT(task_restore(two, BYTES_LITERAL("M"), one), ERR_CORRUPT);
    task_free(two);
    struct buffer more;
    buffer_init(&more, 1 << 10);
    buffer_append_bytes(&more, one);
    buffer_append_be32(&more, 2);
    buffer_append_be64(&more, 7);
    buffer_append_be32(&more, 1);
    EXPECT_INT(task_restore(w.task, BYTES_LITERAL("M"), buffer_view(&more)), ERR_CORRUPT);
    two = task_create(topology_chain(w.topology, 0), w.topology, 0, 2);
    EXPECT_INT(task_restore(two, BYTES_LITERAL("M"), buffer_view(&more)), ERR_OK);
    EXPECT_INT(task_position(two, 0), 1);
    EXPECT_INT(task_position(two, 1), 7);
    task_free(two);
    buffer_free(&more);
    world_free(&w);
}

TEST(damaged_state_is_refused)
{
    struct world w;
    world_init(&w, 1, EVERYTHING);
    EXPECT_INT(task_restore(w.task, BYTES_LITERAL("hop\0S123"), BYTES_LITERAL("")), ERR_CORRUPT);
    EXPECT_INT(task_restore(w.task, BYTES_LITERAL("nonsense"), BYTES_LITERAL("")), ERR_CORRUPT);
    EXPECT_INT(task_restore(w.task, BYTES_LITERAL("uniq\0D"), BYTES_LITERAL("")), ERR_CORRUPT);
    EXPECT_INT(task_restored(w.task, &w.message), ERR_CORRUPT); /* no meta entry */
    world_free(&w);
}
