#include "broker/upkeep.h"

#include "broker/broker.h"
#include "broker/runner/runner.h"

#include <stdlib.h>

enum {
    TENDED_AT_ONCE = 64,      /* partitions in one turn */
    LONGEST_ROUND_MS = 60000, /* through the whole ring */
    SHORTEST_PAUSE_MS = 10,
    LOADS_AT_ONCE = 8,
    PRODUCERS_AT_ONCE = 1000, /* forgotten in one turn */
};

struct upkeep {
    struct shard *shard;
    struct list ring;
    size_t count;
    struct timer timer;
    int loading; /* jobs under way */
};

/* A job that loads a log's list of segments. */
struct load {
    struct log_load_job job;
    struct upkeep *upkeep;
    struct partition *partition; /* held */
};

/* Moves the log's start. The store removes the segments below it when the new start is durable. */
static void move_start(struct shard *shard, struct partition *p, int64_t start)
{
    trace_log(shard->env->trace, TRACE_INFO, "retention moved the log start offset",
              F_BYTES("topic", p->topic->name), F_INT("partition", p->index),
              F_INT("from_offset", log_start_offset(p->log)), F_INT("to_offset", start));
    ASSERT(start <= partition_visible_end(p, READ_COMMITTED));
    store_begin(shard->store);
    store_set_log_start(shard->store, p->log, start);
    store_commit(shard->store, NULL);
}

static void apply_retention(struct upkeep *u, struct partition *p)
{
    int64_t start = log_retention_start(p->log, u->shard->trusted_ms);
    start = runner_guard_start(p, start);
    if (start > log_start_offset(p->log))
        move_start(u->shard, p, start);
}

static void loaded(struct job *job)
{
    struct log_load_job *load_job = CONTAINER_OF(job, struct log_load_job, job);
    struct load *load = CONTAINER_OF(load_job, struct load, job);
    struct upkeep *u = load->upkeep;
    u->loading--;
    if (load->job.result == ERR_OK && !load->partition->deleted && !u->shard->stopping)
        apply_retention(u, load->partition);
    partition_release(u->shard, load->partition);
    free(load);
}

/* A log that was not used since the broker's start does not know its older segments. Only a few
 * logs load them at a time; the others follow in the next round. */
static void load_log(struct upkeep *u, struct partition *p)
{
    if (u->loading == LOADS_AT_ONCE)
        return;
    struct load *load = xcalloc(1, sizeof *load);
    load->upkeep = u;
    load->partition = p;
    load->job.log = p->log;
    load->job.job.done = loaded;
    u->loading++;
    partition_hold(p);
    log_load_submit(u->shard->background, &load->job);
}

/* Whether segments of the log may be deleted: by retention, or because they are below the log's
 * start since DeleteRecords. */
static bool may_have_dead_segments(const struct partition *p)
{
    const struct topic_settings *s = &p->settings;
    if (log_start_offset(p->log) > 0)
        return true;
    return topic_log_config(s).delete_enabled && (s->retention_ms >= 0 || s->retention_bytes >= 0);
}

/* False: more of its producers are due. */
static bool tend(struct upkeep *u, struct partition *p, size_t *producers)
{
    struct shard *shard = u->shard;
    if (log_is_loaded(p->log))
        apply_retention(u, p);
    else if (may_have_dead_segments(p))
        load_log(u, p);
    return producer_states_expire(log_producers(p->log), shard->steady_ms,
                                  shard->live->now.producer_id_expiration_ms, producers);
}

static void set_timer(struct upkeep *u, size_t tended)
{
    int64_t round =
        MIN(u->shard->broker->settings->retention_check_interval_ms, (int64_t)LONGEST_ROUND_MS);
    int64_t pause = round;
    if (u->count > tended)
        pause = round * (int64_t)tended / (int64_t)u->count;
    timers_set(&u->shard->timers, &u->timer,
               u->shard->now_ms + MAX(pause, (int64_t)SHORTEST_PAUSE_MS));
}

static void tend_some(struct timer *timer, int64_t now_ms)
{
    struct upkeep *u = CONTAINER_OF(timer, struct upkeep, timer);
    size_t some = MIN(u->count, (size_t)TENDED_AT_ONCE), tended = 0;
    size_t producers = PRODUCERS_AT_ONCE;
    (void)now_ms;
    if (u->shard->stopping)
        return;
    for (; tended < some; tended++) {
        struct list_node *node = list_first(&u->ring);
        if (!tend(u, CONTAINER_OF(node, struct partition, upkeep), &producers))
            break;
        list_remove(node);
        list_append(&u->ring, node);
    }
    set_timer(u, tended);
}

struct upkeep *upkeep_create(struct shard *shard)
{
    struct upkeep *u = xcalloc(1, sizeof *u);
    u->shard = shard;
    u->timer.fire = tend_some;
    list_init(&u->ring);
    set_timer(u, 0);
    return u;
}

void upkeep_free(struct upkeep *u)
{
    if (u == NULL)
        return;
    ASSERT(u->count == 0 && u->loading == 0);
    timers_cancel(&u->shard->timers, &u->timer);
    free(u);
}

void upkeep_add(struct shard *shard, struct partition *partition)
{
    list_append(&shard->upkeep->ring, &partition->upkeep);
    shard->upkeep->count++;
}

void upkeep_remove(struct shard *shard, struct partition *partition)
{
    ASSERT(list_contains(&partition->upkeep));
    list_remove(&partition->upkeep);
    shard->upkeep->count--;
}
