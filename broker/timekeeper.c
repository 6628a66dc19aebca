#include "broker/timekeeper.h"

#include "base/trusted_clock.h"
#include "broker/broker.h"
#include "protocol/reader.h"

#include <stdlib.h>

enum {
    STEP_MS = 10 * 1000,
    STORE_MS = 60 * 1000,
    ROW_SETTLED = 1, /* versions of the row */
    ROW_UNSETTLED = 2,
    ROW_SETTLED_SIZE = 1 + 8 + 8,
    ROW_SIZE = ROW_SETTLED_SIZE + 8 + 8,
};

static const char ROW_KEY[] = "Btrusted.time";

struct timekeeper {
    struct shard *shard;
    struct trusted_clock clock;
    struct timer timer;
    struct commit stored;
    bool is_storing;
    bool must_publish; /* when the row is durable */
    int64_t stored_ms; /* monotonic */
};

/* --- the row --- */

struct found_row {
    bool found;
    struct trusted_times times;
};

static enum error read_row(void *context, struct bytes key, struct bytes value)
{
    struct found_row *f = context;
    struct reader r = reader_of(value);
    if (!bytes_equal_string(key, ROW_KEY))
        return ERR_OK;
    int8_t version = read_i8(&r);
    f->times.trusted_ms = read_i64(&r);
    f->times.steady_ms = read_i64(&r);
    if (version == ROW_UNSETTLED) {
        f->times.unsettled_ms = read_i64(&r);
        f->times.wall_ms = read_i64(&r);
    }
    f->found = true;
    bool known = version == ROW_SETTLED || version == ROW_UNSETTLED;
    return r.failed || reader_left(&r) != 0 || !known ? ERR_CORRUPT : ERR_OK;
}

static void put_row(struct timekeeper *k)
{
    const struct trusted_times *t = &k->clock.times;
    bool is_settled = t->unsettled_ms == 0;
    uint8_t row[ROW_SIZE] = {is_settled ? ROW_SETTLED : ROW_UNSETTLED};
    store_be64(row + 1, (uint64_t)t->trusted_ms);
    store_be64(row + 9, (uint64_t)t->steady_ms);
    store_be64(row + 17, (uint64_t)t->unsettled_ms);
    store_be64(row + 25, (uint64_t)t->wall_ms);
    store_put(k->shard->store, bytes_string(ROW_KEY),
              bytes_of(row, is_settled ? ROW_SETTLED_SIZE : ROW_SIZE));
    k->stored_ms = k->shard->now_ms;
}

/* --- judging --- */

static void publish(struct timekeeper *k)
{
    struct broker *broker = k->shard->broker;
    const struct trusted_clock *c = &k->clock;
    atomic_store(&broker->trusted_offset_ms, c->times.trusted_ms - c->now_ms);
    atomic_store(&broker->steady_offset_ms, c->times.steady_ms - c->now_ms);
}

static void stored(struct commit *commit, enum error result)
{
    struct timekeeper *k = CONTAINER_OF(commit, struct timekeeper, stored);
    k->is_storing = false;
    if (result == ERR_OK && k->must_publish) {
        k->must_publish = false;
        publish(k);
    }
}

static void store(struct timekeeper *k)
{
    struct store *s = k->shard->store;
    k->is_storing = true;
    k->stored = (struct commit){.done = stored};
    store_begin(s);
    put_row(k);
    store_commit(s, &k->stored);
}

/* Says both clocks, in the words of the log's own timestamps. */
static void say(struct timekeeper *k, enum trusted_change change, int64_t before_ms)
{
    const struct trusted_clock *c = &k->clock;
    char wall[40], trusted[40], until[40];
    format_rfc3339(c->wall_ms, wall);
    format_rfc3339(before_ms, trusted);
    format_rfc3339(c->wall_ms + c->settles_at_ms - c->now_ms, until);
    if (change == TRUSTED_LEAPT)
        trace_log(k->shard->env->trace, TRACE_WARN,
                  "the wall clock leapt: nothing is deleted because of the leap for now",
                  F_STRING("wall_clock", wall), F_STRING("trusted_clock", trusted),
                  F_INT("leap_ms", c->wall_ms - before_ms), F_STRING("until", until));
    else
        trace_log(k->shard->env->trace, TRACE_INFO, "the wall clock is trusted again",
                  F_STRING("wall_clock", wall), F_STRING("trusted_clock", trusted),
                  F_INT("leap_ms", c->wall_ms - before_ms));
}

/* While the row of an accepted leap is on its way, the old times go on. */
static void compare_clocks(struct timer *timer, int64_t now_ms)
{
    struct timekeeper *k = CONTAINER_OF(timer, struct timekeeper, timer);
    timers_set(&k->shard->timers, timer, now_ms + STEP_MS);
    if (k->shard->stopping || k->is_storing)
        return;
    int64_t before_ms = k->clock.times.trusted_ms + k->shard->now_ms - k->clock.now_ms;
    enum trusted_change change = trusted_clock_step(&k->clock, k->shard->now_ms, k->shard->wall_ms);
    if (change != TRUSTED_SAME)
        say(k, change, before_ms);
    k->must_publish = change == TRUSTED_ACCEPTED;
    if (!k->must_publish)
        publish(k);
    if (k->must_publish || k->shard->now_ms - k->stored_ms >= STORE_MS)
        store(k);
}

/* --- start and end --- */

enum error timekeeper_open(struct shard *shard, struct message *message)
{
    const struct settings *s = shard->broker->settings;
    struct found_row row = {0};
    enum error error = store_scan(shard->store, bytes_string(ROW_KEY), read_row, &row);
    if (error) {
        message_set(message,
                    "the row %s with the time of the last run cannot be read: %s: restore the "
                    "whole data directory from a copy",
                    ROW_KEY + 1, error_text(error));
        return error;
    }
    struct timekeeper *k = shard->timekeeper = xcalloc(1, sizeof *k);
    k->shard = shard;
    k->timer.fire = compare_clocks;
    shard_read_clock(shard);
    enum trusted_change change =
        trusted_clock_start(&k->clock, row.found ? &row.times : NULL, s->clock_settle_ms,
                            s->clock_max_down_ms, shard->now_ms, shard->wall_ms);
    if (change != TRUSTED_SAME)
        say(k, change, row.times.trusted_ms);
    publish(k);
    k->stored_ms = shard->now_ms;
    if (!row.found)
        store(k);
    timers_set(&shard->timers, &k->timer, shard->now_ms + STEP_MS);
    return ERR_OK;
}

void timekeeper_close(struct timekeeper *k)
{
    if (k == NULL)
        return;
    trusted_clock_step(&k->clock, k->shard->now_ms, k->shard->wall_ms);
    put_row(k);
}

void timekeeper_free(struct timekeeper *k)
{
    if (k == NULL)
        return;
    timers_cancel(&k->shard->timers, &k->timer);
    free(k);
}
