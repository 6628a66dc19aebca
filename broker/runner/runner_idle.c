/* Idleness: a partition is idle if it is at its end and got no records for watermark.idle. Its
 * watermark follows the other partitions of its topic. Every second each shard with idle partitions
 * sends one round through all shards. The round has a line per chain: the smallest watermark of the
 * partitions that are not idle, and the largest of all. Back home, it lifts the watermarks of the
 * shard's idle partitions. */
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

static struct bytes line_key(const struct runner_task *task)
{
    struct buffer *key = &task->runner->key;
    buffer_clear(key);
    buffer_append(key, task->topic->id.bytes, sizeof task->topic->id.bytes);
    buffer_append_bytes(key, chain_name(task->host.chain));
    return buffer_view(key);
}

static void add_line(struct round *round, const struct runner_task *task)
{
    struct bytes key = line_key(task);
    if (map_get(&round->lines, key))
        return;
    struct line *line = xcalloc(1, sizeof *line);
    *line = (struct line){.key = bytes_copy(key),
                          .least_active = INT64_MAX,
                          .largest = task_watermark(task->host.task)};
    map_put(&round->lines, line->key, line);
}

static void look(void *context, struct shard *shard)
{
    struct round *round = context;
    LIST_FOR_EACH (node, &shard->runner->tasks) {
        struct runner_task *task = CONTAINER_OF(node, struct runner_task, in_runner);
        struct line *line =
            host_is_over(&task->host) ? NULL : map_get(&round->lines, line_key(task));
        if (line == NULL)
            continue;
        int64_t watermark = task_watermark(task->host.task);
        line->largest = MAX(line->largest, watermark);
        if (host_is_idle(&task->host, shard->now_ms))
            continue;
        line->any_active = true;
        line->least_active = MIN(line->least_active, watermark);
    }
}

static bool may_lift(const struct runner_task *task)
{
    return task->topic->partitions > 1 && host_may_lift(&task->host, task->runner->shard->now_ms);
}

static void lift(struct runner_task *task, const struct line *line)
{
    int64_t to = line->any_active ? line->least_active : line->largest;
    host_lift(&task->host, to, task->runner->shard->wall_ms);
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
    LIST_FOR_EACH (node, &home->runner->tasks) {
        struct runner_task *task = CONTAINER_OF(node, struct runner_task, in_runner);
        struct line *line =
            may_lift(task) && !home->stopping ? map_get(&round->lines, line_key(task)) : NULL;
        if (line)
            lift(task, line);
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
    LIST_FOR_EACH (node, &runner->tasks) {
        struct runner_task *task = CONTAINER_OF(node, struct runner_task, in_runner);
        if (may_lift(task))
            add_line(round, task);
    }
    if (round->lines.count == 0) {
        free(round);
        return;
    }
    runner->asking = true;
    shard_broadcast(runner->shard, look, come_home, round);
}
