/* Idleness: the watermark of a partition that is at its end and got nothing for watermark.idle
 * follows the others of its topic. Every second each shard that has such partitions sends one round
 * through all shards, with a line per chain in question: the least watermark of the partitions that
 * are not idle and the largest of all. What comes home lifts its own. */
#include "broker/runner/runner_internal.h"

#include <stdlib.h>

/* A chain that has idle partitions on the asking shard. */
struct line {
    struct bytes key; /* topic id and name, owned */
    bool any_active;
    int64_t least_active, largest;
};

struct round {
    struct map lines;
};

bool run_is_idle(const struct run *run)
{
    const struct shard *shard = run->runner->shard;
    int64_t after_ms = task_idle_after_ms(run->task);
    return after_ms >= 0 && run->placed && !run->failed && chain_is_enabled(run->chain) &&
           !run_has_input(run) && shard->now_ms - run->idle_since_ms >= after_ms;
}

static struct bytes line_key(const struct run *run)
{
    struct buffer *key = &run->runner->key;
    buffer_clear(key);
    buffer_append(key, run->topic->id.bytes, sizeof run->topic->id.bytes);
    buffer_append_bytes(key, chain_name(run->chain));
    return buffer_view(key);
}

static void add_line(struct round *round, const struct run *run)
{
    struct bytes key = line_key(run);
    if (map_get(&round->lines, key))
        return;
    struct line *line = xcalloc(1, sizeof *line);
    *line = (struct line){
        .key = bytes_copy(key), .least_active = INT64_MAX, .largest = task_watermark(run->task)};
    map_put(&round->lines, line->key, line);
}

static void look(void *context, struct shard *shard)
{
    struct round *round = context;
    LIST_FOR_EACH (node, &shard->runner->runs) {
        struct run *run = CONTAINER_OF(node, struct run, in_runner);
        struct line *line = run->closing ? NULL : map_get(&round->lines, line_key(run));
        if (line == NULL)
            continue;
        int64_t watermark = task_watermark(run->task);
        line->largest = MAX(line->largest, watermark);
        if (run_is_idle(run))
            continue;
        line->any_active = true;
        line->least_active = MIN(line->least_active, watermark);
    }
}

static bool may_lift(const struct run *run)
{
    return !run->closing && !run->waiting && !run->next_topology && run->topic->partitions > 1 &&
           run_is_idle(run);
}

static void lift(struct run *run, const struct line *line)
{
    int64_t to = line->any_active ? line->least_active : line->largest;
    if (to <= task_watermark(run->task))
        return;
    task_lift_watermark(run->task, to, run->runner->shard->wall_ms);
    run_make_ready(run);
}

static bool drop_line(void *context, void *value)
{
    (void)context;
    struct line *line = value;
    free((void *)(uintptr_t)line->key.data);
    free(line);
    return true;
}

static void come_home(void *context, struct shard *home)
{
    struct round *round = context;
    home->runner->asking = false;
    LIST_FOR_EACH (node, &home->runner->runs) {
        struct run *run = CONTAINER_OF(node, struct run, in_runner);
        struct line *line =
            may_lift(run) && !home->stopping ? map_get(&round->lines, line_key(run)) : NULL;
        if (line)
            lift(run, line);
    }
    map_remove_if(&round->lines, drop_line, NULL);
    map_free(&round->lines);
    free(round);
}

void runner_lift_idle(struct runner *runner)
{
    if (runner->asking || runner->shard->stopping)
        return;
    struct round *round = xcalloc(1, sizeof *round);
    LIST_FOR_EACH (node, &runner->runs) {
        struct run *run = CONTAINER_OF(node, struct run, in_runner);
        if (may_lift(run))
            add_line(round, run);
    }
    if (round->lines.count == 0) {
        free(round);
        return;
    }
    runner->asking = true;
    shard_broadcast(runner->shard, look, come_home, round);
}
