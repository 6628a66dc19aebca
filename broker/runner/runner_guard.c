/* retention.guard: retention keeps segments that an active task has not read. */
#include "broker/runner/runner_internal.h"

/* A task that was stopped, or whose chain is paused (enabled=false), is not active. */
static bool is_active(const struct host *h)
{
    return (h->state == HOST_RUNNING || h->state == HOST_BLOCKED) && chain_is_enabled(h->chain);
}

/* The bytes that retention keeps for the task: none on a full disk, because a task continues only
 * when there is room again. */
static int64_t max_bytes(const struct runner_task *task)
{
    bool is_full = store_is_full(task->runner->shard->store);
    return is_full ? 0 : chain_retention_guard_bytes(task->host.chain);
}

static void say_limit(struct runner_task *task, int64_t from, int64_t to)
{
    if (task->guard_said)
        return;
    task->guard_said = true;
    trace_log(task->runner->shard->env->trace, TRACE_WARN,
              "retention.guard has reached its limit: unread records are deleted",
              F_BYTES("topic", task->topic->name), F_INT("partition", task->partition->index),
              F_BYTES("processor", chain_name(task->host.chain)), F_INT("from_offset", from),
              F_INT("to_offset", to), F_INT("max_bytes", max_bytes(task)));
}

/* The start that keeps what this task has not read. Only a stored position counts: after a crash
 * the task reads again from there. */
static int64_t guard(struct runner_task *task, int64_t start)
{
    bool is_read = task->stored_cursor >= start;
    if (is_read)
        task->guard_said = false;
    if (is_read || !is_active(&task->host) || chain_retention_guard_bytes(task->host.chain) < 0)
        return start;
    struct log *log = task->partition->log;
    int64_t unread = MAX(task->stored_cursor, log_start_offset(log));
    int64_t kept = log_guarded_start(log, start, unread, max_bytes(task));
    if (kept > unread)
        say_limit(task, unread, kept);
    return kept;
}

int64_t runner_guard_start(struct partition *partition, int64_t start)
{
    int64_t guarded = start;
    LIST_FOR_EACH (node, &partition->tasks) {
        int64_t kept = guard(CONTAINER_OF(node, struct runner_task, in_partition), start);
        guarded = MIN(guarded, kept);
    }
    return guarded;
}
