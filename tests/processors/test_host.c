#include "tests/harness/harness.h"
#include "tests/processors/support_host.h"

#include <stdio.h>
#include <stdlib.h>

#define COPY "[in/f]\ntype = filter\nwhere = true\noutput = out\n"
#define VERSIONED "[in/f]\ntype = filter\nwhere = true\noutput = out\nstate.version = 1\n"
#define COUNTS                                                                         \
    "[in/s]\ntype = aggregate\ngroup-by = key\nwindow = tumbling(1m)\noutput = sums\n" \
    "select = count() as n\nwatermark.idle = 5s\n"

static void put(struct model *m, int count)
{
    for (int i = 0; i < count; i++)
        model_put_text(m, 0, 1000 + i, "k", "1");
}

/* Starts a host and runs it until it has taken its first records. */
static void init_running(struct model *m, const char *sections)
{
    model_init(m, 1, sections);
    put(m, 3);
    model_start(m);
    model_run(m);
    EXPECT_INT(m->host.state, HOST_RUNNING);
    model_trace(m);
}

/* --- beginning --- */

TEST(a_new_host_asks_where_to_begin_and_runs)
{
    struct model m;
    model_init(&m, 1, COPY);
    put(&m, 3);
    m.begin_offset = 1;
    model_start(&m);
    EXPECT_INT(m.host.state, HOST_UNPLACED);
    model_run(&m);
    EXPECT_INT(m.host.state, HOST_RUNNING);
    EXPECT_STRING(model_trace(&m), "place earliest; commit 1");
    EXPECT_INT(m.cursors[0], 3);
    EXPECT_INT(m.world.output_count, 2);
    model_free(&m);
}

TEST(the_host_asks_its_owner_for_the_start_in_the_definition)
{
    struct model m;
    model_init(&m, 1, COPY "start = latest\n");
    put(&m, 3);
    model_start(&m);
    model_run(&m);
    EXPECT_STRING(model_trace(&m), "place latest");
    EXPECT_INT(m.cursors[0], 3);
    model_free(&m);
    model_init(&m, 1, COPY "start = @1234\n");
    model_start(&m);
    model_run(&m);
    EXPECT_STRING(model_trace(&m), "place time 1234000");
    model_free(&m);
}

TEST(a_host_asks_again_for_its_first_offset_and_says_why_once)
{
    struct model m;
    model_init(&m, 1, COPY);
    m.hides_placing = true;
    model_start(&m);
    for (int i = 0; i < 2; i++) {
        model_run(&m);
        EXPECT_INT(m.host.state, HOST_PLACING);
        EXPECT(!host_has_work(&m.host) && !host_run(&m.host, &m.slice));
        host_try_later(&m.host, "the log cannot be read", ERR_IO);
        EXPECT_INT(m.host.state, HOST_UNPLACED);
    }
    m.hides_placing = false;
    model_run(&m);
    EXPECT_INT(m.host.state, HOST_RUNNING);
    EXPECT_STRING(model_trace(&m),
                  "place earliest; retry: the log cannot be read: the disk refused; later; "
                  "place earliest; later; place earliest");
    model_free(&m);
}

TEST(a_host_stopped_before_it_began_asks_again_for_another_definition)
{
    struct model m;
    model_init(&m, 1, COPY);
    m.hides_placing = true;
    model_start(&m);
    model_run(&m);
    host_stop(&m.host, "damaged");
    EXPECT_INT(m.host.state, HOST_STOPPED);
    EXPECT(!host_has_work(&m.host));
    model_change(&m, "processor.f.output", "other");
    EXPECT(host_has_work(&m.host));
    EXPECT(!host_run(&m.host, &m.slice));
    EXPECT_INT(m.host.state, HOST_UNPLACED);
    m.hides_placing = false;
    put(&m, 1);
    model_run(&m);
    EXPECT_STRING(model_trace(&m), "place earliest; stopped: damaged; place earliest; commit 1");
    EXPECT_STRING(world_output(&m.world, "other"), "1000 k 1\n");
    model_free(&m);
}

TEST(a_host_can_be_stopped_before_it_asks)
{
    struct model m;
    model_init(&m, 1, COPY);
    model_start(&m);
    host_stop(&m.host, "damaged");
    EXPECT_INT(m.host.state, HOST_STOPPED);
    EXPECT(!host_run(&m.host, &m.slice));
    EXPECT_STRING(model_trace(&m), "stopped: damaged");
    model_free(&m);
}

TEST(a_host_continues_from_its_rows)
{
    struct model m;
    init_running(&m, COPY);
    put(&m, 2);
    model_restart(&m);
    EXPECT_INT(m.host.state, HOST_RUNNING);
    model_run(&m);
    EXPECT_STRING(model_trace(&m), "commit 2");
    EXPECT_INT(m.world.output_count, 5);
    model_free(&m);
}

TEST(a_host_without_a_cursor_row_takes_no_state)
{
    struct model m;
    model_init(&m, 1, COPY);
    model_begin(&m);
    EXPECT_INT(host_restore(&m.host, BYTES_LITERAL("M"), BYTES_LITERAL("x")), ERR_CORRUPT);
    host_start(&m.host);
    EXPECT_INT(m.host.state, HOST_UNPLACED);
    model_free(&m);
}

TEST(a_host_with_broken_state_says_so_once_and_waits_for_another_version)
{
    struct model m;
    model_init(&m, 1, VERSIONED);
    model_begin(&m);
    host_restore_cursor(&m.host, 0, 5);
    EXPECT_INT(host_restore(&m.host, BYTES_LITERAL("nonsense"), BYTES_LITERAL("")), ERR_CORRUPT);
    host_break(&m.host, "its state cannot be read");
    host_break(&m.host, "its state cannot be read");
    EXPECT_INT(host_restore(&m.host, BYTES_LITERAL("f\0S"), BYTES_LITERAL("")), ERR_CORRUPT);
    host_start(&m.host);
    EXPECT_INT(m.host.state, HOST_BROKEN);
    model_change(&m, "processor.f.output", "other");
    EXPECT(!host_run(&m.host, &m.slice));
    EXPECT_INT(m.host.state, HOST_BROKEN);
    EXPECT(!host_has_work(&m.host));
    EXPECT_STRING(model_trace(&m), "stopped: its state cannot be read");
    model_change(&m, "processor.f.state.version", "2");
    EXPECT(!host_run(&m.host, &m.slice));
    EXPECT_STRING(model_trace(&m), "begin anew; closed");
    EXPECT_INT(m.host.state, HOST_CLOSED);
    model_free(&m);
}

TEST(state_that_is_not_whole_breaks_the_host_at_its_start)
{
    struct model m;
    model_init(&m, 1, "[in/u]\ntype = dedup\nid = key\nwithin = 1h\noutput = out\n");
    put(&m, 1);
    model_start(&m);
    model_run(&m);
    for (size_t i = 0; i < m.world.state_count; i++) { /* the meta entry is lost */
        if (m.world.state[i].key.size == 1)
            ((uint8_t *)(uintptr_t)m.world.state[i].key.data)[0] = 'u';
    }
    model_trace(&m);
    host_free(&m.host);
    model_begin(&m);
    host_restore_cursor(&m.host, 0, 1);
    for (size_t i = 0; i < m.world.state_count; i++)
        (void)!host_restore(&m.host, m.world.state[i].key, m.world.state[i].value);
    host_start(&m.host);
    EXPECT_INT(m.host.state, HOST_BROKEN);
    EXPECT(strstr(model_trace(&m), "the state has no meta entry"));
    model_free(&m);
}

/* --- steps --- */

TEST(a_step_that_waits_stops_the_task_until_it_is_taken)
{
    struct model m;
    init_running(&m, COPY);
    put(&m, 2);
    m.waits = true;
    model_run(&m);
    EXPECT_INT(m.host.state, HOST_BLOCKED);
    put(&m, 1);
    model_run(&m);
    host_try_later(&m.host, "an output topic cannot be created", ERR_INVALID);
    model_run(&m);
    host_try_later(&m.host, "an output topic cannot be created", ERR_INVALID);
    EXPECT_INT(m.world.output_count, 3);
    host_flush(&m.host); /* no step is committed before the one that waits */
    model_take_waiting(&m);
    EXPECT_INT(m.host.state, HOST_RUNNING);
    EXPECT_INT(m.world.output_count, 5);
    model_run(&m);
    EXPECT_INT(m.world.output_count, 6);
    char text[512];
    snprintf(text, sizeof text,
             "commit waits; commit again; retry: an output topic cannot be created: %s; later; "
             "commit again; later; commit 3",
             error_text(ERR_INVALID));
    EXPECT_STRING(model_trace(&m), text);
    model_free(&m);
}

TEST(a_step_that_waits_is_made_again_after_a_crash)
{
    struct model m;
    init_running(&m, COPY);
    put(&m, 2);
    m.waits = true;
    model_run(&m);
    m.waits = false;
    model_restart(&m);
    model_run(&m);
    EXPECT_STRING(model_trace(&m), "commit waits; commit 2");
    EXPECT_INT(m.world.output_count, 5);
    model_free(&m);
}

TEST(a_task_waits_while_too_many_steps_are_in_flight)
{
    struct model m;
    init_running(&m, COPY);
    m.holds_answers = true;
    m.slice.max_records = 1;
    put(&m, 10);
    while (host_run(&m.host, &m.slice))
        host_flush(&m.host);
    EXPECT_INT(m.host.steps_in_flight, 4);
    EXPECT_INT(m.world.output_count, 3);
    EXPECT(!host_run(&m.host, &m.slice));
    model_answer(&m, ERR_OK);
    EXPECT_INT(m.host.steps_in_flight, 0);
    EXPECT(host_run(&m.host, &m.slice));
    model_free(&m);
}

TEST(a_step_that_will_never_be_durable_breaks_the_host)
{
    for (int blocked = 0; blocked < 2; blocked++) {
        struct model m;
        init_running(&m, COPY);
        m.holds_answers = true;
        put(&m, 1);
        model_run(&m);
        if (blocked) {
            m.waits = true;
            put(&m, 1);
            model_run(&m);
            EXPECT_INT(m.host.state, HOST_BLOCKED);
        }
        model_answer(&m, ERR_IO);
        EXPECT_INT(m.host.state, HOST_BROKEN);
        EXPECT(!host_run(&m.host, &m.slice));
        m.waits = m.holds_answers = false;
        model_restart(&m);
        model_run(&m);
        EXPECT_INT(m.world.output_count, 4 + blocked);
        model_free(&m);
    }
}

TEST(a_stopped_host_breaks_too_when_its_last_step_is_lost)
{
    struct model m;
    init_running(&m, COPY);
    m.holds_answers = true;
    put(&m, 1);
    model_run(&m);
    host_stop(&m.host, "damaged");
    model_answer(&m, ERR_IO);
    EXPECT_INT(m.host.state, HOST_BROKEN);
    model_change(&m, "processor.f.output", "other");
    EXPECT(!host_run(&m.host, &m.slice));
    EXPECT_INT(m.host.state, HOST_BROKEN);
    model_free(&m);
}

/* --- when a step is committed --- */

TEST(the_end_of_the_input_commits_unless_the_owner_keeps_the_step_open)
{
    struct model m;
    init_running(&m, COPY);
    EXPECT_INT(m.step_count, 1);
    m.keeps_open = true;
    model_restart(&m);
    put(&m, 2);
    model_run(&m);
    EXPECT_INT(m.step_count, 1);
    host_flush(&m.host);
    EXPECT_INT(m.step_count, 2);
    host_flush(&m.host); /* nothing to commit */
    EXPECT_INT(m.step_count, 2);
    model_free(&m);
}

TEST(a_step_is_committed_when_its_interval_is_over)
{
    struct model m;
    init_running(&m, COPY);
    m.slice.max_records = 1;
    put(&m, 10);
    m.slice.now_ms = 100;
    EXPECT(host_run(&m.host, &m.slice));
    m.slice.now_ms = 119;
    EXPECT(host_run(&m.host, &m.slice));
    EXPECT_INT(m.step_count, 1);
    m.slice.now_ms = 120;
    EXPECT(host_run(&m.host, &m.slice));
    EXPECT_INT(m.step_count, 2);
    EXPECT_INT(m.cursors[0], 6);
    model_free(&m);
}

TEST(a_step_is_committed_when_it_is_large)
{
    struct model m;
    init_running(&m, COPY);
    m.keeps_open = true;
    model_restart(&m);
    char *value = xcalloc(1, 100001);
    memset(value, 'v', 100000);
    for (int i = 0; i < 12; i++)
        model_put_text(&m, 0, 1, "k", value);
    free(value);
    model_run(&m);
    EXPECT_INT(m.step_count, 2);
    EXPECT_INT(m.cursors[0], 3 + 11);
    model_free(&m);
}

/* --- faults --- */

TEST(an_input_that_fails_stops_the_task_after_the_records_before_it)
{
    struct model m;
    init_running(&m, COPY);
    m.keeps_open = true;
    model_restart(&m);
    put(&m, 2);
    model_run(&m);
    m.inputs[0].mood = MODEL_FAILS;
    put(&m, 1);
    model_run(&m);
    EXPECT_INT(m.host.state, HOST_STOPPED);
    EXPECT_INT(m.world.output_count, 5);
    EXPECT_STRING(model_trace(&m), "commit 2; stopped: the input is damaged");
    host_stop(&m.host, "the input is damaged");
    host_wake(&m.host);
    EXPECT(!host_run(&m.host, &m.slice));
    /* Another definition tries again. */
    m.inputs[0].mood = MODEL_GIVES;
    model_change(&m, "processor.f.output", "other");
    host_run(&m.host, &m.slice);
    EXPECT_INT(m.host.state, HOST_RUNNING);
    model_run(&m);
    host_flush(&m.host);
    EXPECT_STRING(model_trace(&m), "commit 3");
    EXPECT_STRING(world_output(&m.world, "other"), "1000 k 1\n");
    model_free(&m);
}

TEST(a_task_stops_once_its_last_step_that_waits_is_taken)
{
    struct model m;
    init_running(&m, COPY);
    m.keeps_open = true;
    model_restart(&m);
    put(&m, 2);
    model_run(&m);
    m.waits = true;
    m.inputs[0].mood = MODEL_FAILS;
    put(&m, 1);
    model_run(&m);
    EXPECT_INT(m.host.state, HOST_BLOCKED);
    EXPECT_STRING(model_trace(&m), "commit waits; stopped: the input is damaged");
    model_take_waiting(&m);
    EXPECT_INT(m.host.state, HOST_STOPPED);
    EXPECT_INT(m.world.output_count, 5);
    model_free(&m);
}

TEST(a_task_commits_its_records_after_its_input_had_to_wait)
{
    struct model m;
    init_running(&m, COPY);
    put(&m, 1);
    m.inputs[0].mood = MODEL_WAITS;
    EXPECT(!host_run(&m.host, &m.slice));
    EXPECT_INT(m.host.state, HOST_RUNNING);
    host_try_later(&m.host, "cannot be read", ERR_IO);
    host_try_later(&m.host, "cannot be read", ERR_IO);
    m.inputs[0].mood = MODEL_GIVES;
    model_run(&m);
    host_try_later(&m.host, "cannot be read", ERR_IO); /* fails again after a success */
    EXPECT_STRING(model_trace(&m),
                  "retry: cannot be read: the disk refused; later; later; commit 2; "
                  "retry: cannot be read: the disk refused; later");
    model_free(&m);
}

/* --- slices --- */

struct test_clock {
    struct clock clock;
    int64_t now_ns, step_ns;
};

static int64_t tick(struct clock *clock)
{
    struct test_clock *c = CONTAINER_OF(clock, struct test_clock, clock);
    c->now_ns += c->step_ns;
    return c->now_ns;
}

TEST(a_slice_takes_as_many_records_as_fit_in_its_time)
{
    struct model m;
    struct test_clock clock = {.clock.monotonic_ns = tick, .step_ns = 1};
    init_running(&m, COPY);
    m.slice.clock = &clock.clock;
    m.slice.budget_ns = 1000;
    m.slice.max_records = 64;
    put(&m, 500);
    static const int64_t taken[] = {8, 16, 32, 64, 64};
    for (size_t i = 0, before = 3; i < COUNT_OF(taken); i++) {
        EXPECT(host_run(&m.host, &m.slice));
        EXPECT_INT(task_position(m.host.task, 0) - (int64_t)before, taken[i]);
        before = (size_t)task_position(m.host.task, 0);
    }
    clock.step_ns = 4000;
    EXPECT(host_run(&m.host, &m.slice));
    EXPECT_INT(m.host.slice_records, 16);
    model_free(&m);
}

TEST(a_disabled_chain_takes_no_records)
{
    struct model m;
    init_running(&m, COPY "enabled = false\n");
    EXPECT_INT(m.step_count, 0);
    model_change(&m, "processor.f.enabled", "true");
    model_run(&m);
    model_run(&m);
    EXPECT_INT(m.world.output_count, 3);
    model_free(&m);
}

/* --- changing --- */

TEST(another_definition_takes_over_after_the_open_step)
{
    struct model m;
    init_running(&m, COPY);
    m.keeps_open = true;
    model_restart(&m);
    put(&m, 1);
    model_run(&m);
    model_change(&m, "processor.f.output", "never");
    model_change(&m, "processor.f.output", "other");
    m.waits = true;
    EXPECT(!host_run(&m.host, &m.slice));
    EXPECT_INT(m.host.state, HOST_BLOCKED);
    EXPECT(m.host.next_topology != NULL);
    model_take_waiting(&m);
    put(&m, 1);
    model_run(&m);
    model_run(&m);
    host_flush(&m.host);
    EXPECT_STRING(world_output(&m.world, "other"), "1000 k 1\n");
    EXPECT_INT(m.world.output_count, 5);
    model_free(&m);
}

TEST(another_state_version_begins_anew_after_the_open_step)
{
    struct model m;
    init_running(&m, VERSIONED);
    m.keeps_open = true;
    model_restart(&m);
    m.holds_answers = true;
    put(&m, 1);
    model_run(&m);
    model_change(&m, "processor.f.state.version", "2");
    EXPECT(!host_run(&m.host, &m.slice));
    EXPECT_STRING(model_trace(&m), "commit 2; begin anew");
    EXPECT_INT(m.host.state, HOST_CLOSING);
    model_answer(&m, ERR_OK);
    EXPECT_STRING(model_trace(&m), "closed");
    model_free(&m);
}

/* --- ending --- */

TEST(a_host_is_closed_when_nothing_refers_to_it)
{
    struct model m;
    init_running(&m, COPY);
    m.holds_answers = true;
    put(&m, 1);
    model_run(&m);
    host_hold(&m.host);
    host_close(&m.host);
    model_trace(&m);
    EXPECT(!host_has_work(&m.host) && !host_run(&m.host, &m.slice));
    host_stop(&m.host, "too late");
    host_try_later(&m.host, "too late", ERR_IO);
    model_answer(&m, ERR_IO);
    EXPECT_INT(m.host.state, HOST_CLOSING);
    host_release(&m.host);
    EXPECT_INT(m.host.state, HOST_CLOSED);
    EXPECT_STRING(model_trace(&m), "closed");
    model_free(&m);
}

TEST(a_host_can_be_closed_in_every_state)
{
    static const enum host_state states[] = {HOST_RESTORING, HOST_UNPLACED, HOST_PLACING,
                                             HOST_RUNNING,   HOST_BLOCKED,  HOST_STOPPED,
                                             HOST_BROKEN};
    for (size_t i = 0; i < COUNT_OF(states); i++) {
        enum host_state state = states[i];
        struct model m;
        model_init(&m, 1, COPY);
        put(&m, 1);
        m.hides_placing = state == HOST_PLACING;
        m.waits = state == HOST_BLOCKED;
        model_begin(&m);
        if (state == HOST_BROKEN)
            host_break(&m.host, "unreadable");
        else if (state != HOST_RESTORING)
            host_start(&m.host);
        if (state != HOST_UNPLACED)
            model_run(&m);
        if (state == HOST_STOPPED)
            host_stop(&m.host, "damaged");
        EXPECT_INT(m.host.state, state);
        host_close(&m.host);
        EXPECT_INT(m.host.state, HOST_CLOSED);
        EXPECT(strstr(model_trace(&m), "closed"));
        model_free(&m);
    }
}

/* --- idleness --- */

TEST(a_task_is_idle_at_the_end_of_all_its_inputs)
{
    struct model m;
    model_init(&m, 2, COUNTS);
    put(&m, 1);
    model_start(&m);
    m.slice.now_ms = 1000;
    model_run(&m);
    EXPECT(!host_is_idle(&m.host, 5999));
    EXPECT(host_is_idle(&m.host, 6000));
    model_put_text(&m, 1, 1, "k", "1");
    EXPECT(!host_is_idle(&m.host, 6000)); /* records are left */
    m.slice.now_ms = 4000;
    model_run(&m);
    EXPECT(!host_is_idle(&m.host, 8999));
    EXPECT(host_is_idle(&m.host, 9000));
    model_free(&m);
}

TEST(a_lift_closes_windows_and_is_committed)
{
    struct model m;
    model_init(&m, 1, COUNTS);
    for (int i = 0; i < 1000; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        model_put_text(&m, 0, 1000, key, "1");
    }
    model_start(&m);
    model_run(&m);
    EXPECT(host_may_lift(&m.host, 5000));
    host_lift(&m.host, 60000, 0);
    EXPECT(!host_is_idle(&m.host, 5000)); /* some windows are not emitted yet */
    model_run(&m);
    EXPECT_INT(m.world.output_count, 1000);
    EXPECT(host_is_idle(&m.host, 5000));
    host_lift(&m.host, 1, 0); /* the watermark never decreases */
    model_restart(&m);
    EXPECT_INT(task_watermark(m.host.task), 60000);
    model_free(&m);
}

TEST(nothing_is_lifted_while_a_step_or_another_definition_waits)
{
    struct model m;
    init_running(&m, COUNTS);
    EXPECT(host_may_lift(&m.host, 5000));
    model_change(&m, "processor.s.output", "other");
    EXPECT(host_is_idle(&m.host, 5000));
    EXPECT(!host_may_lift(&m.host, 5000));
    model_run(&m);
    EXPECT(host_may_lift(&m.host, 5000));
    m.waits = true;
    put(&m, 1);
    model_run(&m);
    EXPECT(host_is_idle(&m.host, 5000));
    EXPECT(!host_may_lift(&m.host, 5000));
    model_free(&m);
}
