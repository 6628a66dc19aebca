#include "broker/runner/runner_internal.h"

#include <stdlib.h>

enum { CURSOR_SIZE = 24 };

/* 'S' topic id, partition be32 */
enum { PARTITION_PREFIX_SIZE = 1 + 16 + 4 };
_Static_assert(PARTITION_PREFIX_SIZE == 1 + sizeof(((struct partition *)0)->key),
               "its key follows the kind of row");

static void append_partition_prefix(struct buffer *key, const struct partition *partition)
{
    buffer_append_u8(key, ROW_TASK);
    buffer_append(key, partition->key, sizeof partition->key);
}

static struct bytes take_copy(struct buffer *b)
{
    struct bytes copy = bytes_copy(buffer_view(b));
    buffer_clear(b);
    return copy;
}

void runner_rows_name(struct runner_task *task)
{
    struct buffer *key = &task->runner->key;
    buffer_clear(key);
    append_partition_prefix(key, task->partition);
    buffer_append_bytes(key, chain_name(task->host.chain));
    buffer_append_u8(key, 0);
    free((void *)(uintptr_t)task->prefix.data);
    task->prefix = take_copy(key);
    buffer_append_bytes(key, task->prefix);
    buffer_append_be64(key, task->incarnation);
    free((void *)(uintptr_t)task->source.data);
    task->source = take_copy(key);
}

static struct bytes row_key(struct runner_task *task, enum runner_row kind, struct bytes rest)
{
    struct buffer *key = &task->runner->key;
    buffer_clear(key);
    buffer_append_bytes(key, task->prefix);
    buffer_append_u8(key, (uint8_t)kind);
    buffer_append_bytes(key, rest);
    ASSERT(!key->overflowed);
    return buffer_view(key);
}

void runner_rows_put_cursor(struct runner_task *task, int64_t cursor)
{
    uint8_t value[CURSOR_SIZE];
    task->stored_cursor = cursor;
    store_be64(value, (uint64_t)cursor);
    store_be64(value + 8, task->incarnation);
    store_be64(value + 16, (uint64_t)chain_state_version(task->host.chain));
    store_put(task->runner->shard->store, row_key(task, RUNNER_ROW_CURSOR, BYTES_NULL),
              bytes_of(value, sizeof value));
}

void runner_rows_put_state(struct runner_task *task, const struct step_change *change)
{
    struct bytes key = row_key(task, RUNNER_ROW_STATE, change->key);
    if (bytes_is_null(change->value))
        store_delete(task->runner->shard->store, key);
    else
        store_put(task->runner->shard->store, key, change->value);
}

/* --- deleting --- */

void key_list_add(struct buffer *list, struct bytes key)
{
    buffer_append_be32(list, (uint32_t)key.size);
    buffer_append_bytes(list, key);
}

void key_list_delete(const struct buffer *list, struct store *store)
{
    struct reader r = reader_of(buffer_view(list));
    while (reader_left(&r) > 0)
        store_delete(store, read_bytes32(&r));
    ASSERT(!r.failed);
}

static void delete_state_row(void *context, struct bytes key)
{
    struct runner_task *task = context;
    store_delete(task->runner->shard->store, row_key(task, RUNNER_ROW_STATE, key));
}

void runner_rows_delete(struct runner_task *task)
{
    struct store *store = task->runner->shard->store;
    store_begin(store);
    store_delete(store, row_key(task, RUNNER_ROW_CURSOR, BYTES_NULL));
    task_each_state_key(task->host.task, delete_state_row, task);
    runner_commit_each_waiting_key(task, delete_state_row, task);
    key_list_delete(&task->unread, store);
    store_commit(store, NULL);
}

/* --- restoring --- */

struct load {
    struct runner *runner;
    struct partition *partition;
    struct runner_task *task; /* the owner of the rows being read, or NULL */
    struct buffer prefix;     /* the prefix of that task's rows */
    bool discarded;           /* the rows have another state.version */
};

/* Finds the task of a row. A task's rows follow one another, the cursor first. False: not a row of
 * a task. */
static bool find_owner(struct load *l, struct bytes key)
{
    if (l->prefix.size > 0 && bytes_starts_with(key, buffer_view(&l->prefix)))
        return true;
    struct bytes rest = bytes_from(key, PARTITION_PREFIX_SIZE);
    const uint8_t *zero = memchr(rest.data, 0, rest.size);
    if (zero == NULL)
        return false;
    struct bytes name = bytes_of(rest.data, (size_t)(zero - rest.data));
    buffer_clear(&l->prefix);
    buffer_append(&l->prefix, key.data, PARTITION_PREFIX_SIZE + name.size + 1);
    l->task = runner_task_find(l->partition, name);
    l->discarded = false;
    return true;
}

static void restore_cursor(struct load *l, struct bytes key, struct bytes value)
{
    struct runner_task *task = l->task;
    if (value.size != CURSOR_SIZE) {
        key_list_add(&task->unread, key);
        host_break(&task->host, "the stored input position is damaged");
        return;
    }
    if ((int64_t)load_be64(value.data + 16) != chain_state_version(task->host.chain)) {
        l->discarded = true; /* the version was raised just before the last run ended */
        key_list_add(&l->runner->garbage, key);
        return;
    }
    task->stored_cursor = (int64_t)load_be64(value.data);
    host_restore_cursor(&task->host, 0, task->stored_cursor);
    task->incarnation = load_be64(value.data + 8);
}

static void restore_state(struct load *l, struct bytes key, struct bytes rest, struct bytes value)
{
    struct runner_task *task = l->task;
    if (host_restore(&task->host, rest, value) == ERR_OK)
        return;
    key_list_add(&task->unread, key);
    host_break(&task->host, "the stored state cannot be read");
}

static enum error load_row(void *context, struct bytes key, struct bytes value)
{
    struct load *l = context;
    if (!find_owner(l, key) || key.size <= l->prefix.size)
        return ERR_CORRUPT;
    struct bytes rest = bytes_from(key, l->prefix.size);
    if (l->task == NULL || l->discarded)
        key_list_add(&l->runner->garbage, key);
    else if (rest.data[0] == RUNNER_ROW_CURSOR)
        restore_cursor(l, key, value);
    else
        restore_state(l, key, bytes_from(rest, 1), value);
    return ERR_OK;
}

static void end_restore(struct runner_task *task)
{
    runner_rows_name(task);
    host_start(&task->host);
}

enum error runner_rows_load(struct runner *runner, struct partition *partition,
                            struct topology *topology)
{
    struct load load = {.runner = runner, .partition = partition};
    buffer_init(&load.prefix, ROW_KEY_MAX);
    for (size_t i = 0; topology && i < topology_chain_count(topology); i++)
        runner_task_create(runner, partition, topology, topology_chain(topology, i));
    buffer_clear(&runner->key);
    append_partition_prefix(&runner->key, partition);
    struct bytes prefix = bytes_copy(buffer_view(&runner->key));
    enum error error = store_scan(runner->shard->store, prefix, load_row, &load);
    free((void *)(uintptr_t)prefix.data);
    buffer_free(&load.prefix);
    LIST_FOR_EACH (node, &partition->tasks)
        end_restore(CONTAINER_OF(node, struct runner_task, in_partition));
    return error;
}
