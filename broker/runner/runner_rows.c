#include "broker/runner/runner_internal.h"

#include <stdlib.h>

enum { CURSOR_SIZE = 24 };

/* 'S' topic id, partition be32 */
enum { PARTITION_PREFIX_SIZE = 1 + 16 + 4 };

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

void run_name(struct run *run)
{
    struct buffer *key = &run->runner->key;
    buffer_clear(key);
    append_partition_prefix(key, run->partition);
    buffer_append_bytes(key, chain_name(run->chain));
    buffer_append_u8(key, 0);
    free((void *)(uintptr_t)run->prefix.data);
    run->prefix = take_copy(key);
    buffer_append_bytes(key, run->prefix);
    buffer_append_be64(key, run->incarnation);
    free((void *)(uintptr_t)run->source.data);
    run->source = take_copy(key);
}

static struct bytes row_key(struct run *run, enum run_row kind, struct bytes rest)
{
    struct buffer *key = &run->runner->key;
    buffer_clear(key);
    buffer_append_bytes(key, run->prefix);
    buffer_append_u8(key, (uint8_t)kind);
    buffer_append_bytes(key, rest);
    ASSERT(!key->overflowed);
    return buffer_view(key);
}

void run_put_cursor(struct run *run, int64_t cursor)
{
    uint8_t value[CURSOR_SIZE];
    store_be64(value, (uint64_t)cursor);
    store_be64(value + 8, run->incarnation);
    store_be64(value + 16, (uint64_t)chain_state_version(run->chain));
    store_put(run->runner->shard->store, row_key(run, RUN_ROW_CURSOR, BYTES_NULL),
              bytes_of(value, sizeof value));
}

void run_put_state(struct run *run, const struct step_change *change)
{
    struct bytes key = row_key(run, RUN_ROW_STATE, change->key);
    if (bytes_is_null(change->value))
        store_delete(run->runner->shard->store, key);
    else
        store_put(run->runner->shard->store, key, change->value);
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
    struct run *run = context;
    store_delete(run->runner->shard->store, row_key(run, RUN_ROW_STATE, key));
}

void run_delete_rows(struct run *run)
{
    struct store *store = run->runner->shard->store;
    store_begin(store);
    store_delete(store, row_key(run, RUN_ROW_CURSOR, BYTES_NULL));
    task_each_state_key(run->task, delete_state_row, run);
    run_each_waiting_key(run, delete_state_row, run);
    key_list_delete(&run->unread, store);
    store_commit(store, NULL);
}

/* --- restoring --- */

struct load {
    struct runner *runner;
    struct partition *partition;
    struct run *run;      /* of the rows being read; NULL: nobody's */
    struct buffer prefix; /* that run's rows begin so */
    bool discarded;       /* they are of another state.version */
};

static void note_broken(struct run *run, const char *reason)
{
    if (!run->broken)
        run_stop(run, reason);
    run->broken = true;
}

/* The run of a row; its rows follow one another, the cursor first. False: not a row of a task. */
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
    l->run = run_find(l->partition, name);
    l->discarded = false;
    return true;
}

static void restore_cursor(struct load *l, struct bytes key, struct bytes value)
{
    struct run *run = l->run;
    if (value.size != CURSOR_SIZE) {
        key_list_add(&run->unread, key);
        note_broken(run, "the stored input position is damaged");
        return;
    }
    if ((int64_t)load_be64(value.data + 16) != chain_state_version(run->chain)) {
        l->discarded = true; /* the version was raised just before the last run ended */
        key_list_add(&l->runner->garbage, key);
        return;
    }
    task_free(run->task);
    run->task = task_create(run->chain, run->topology, run->partition->index,
                            (int64_t)load_be64(value.data));
    run->incarnation = load_be64(value.data + 8);
    run->placed = true;
}

static void restore_state(struct load *l, struct bytes key, struct bytes rest, struct bytes value)
{
    struct run *run = l->run;
    enum error error = run->broken   ? ERR_CORRUPT
                       : run->placed ? task_restore(run->task, rest, value)
                                     : ERR_CORRUPT;
    if (error == ERR_OK)
        return;
    key_list_add(&run->unread, key);
    note_broken(run, "the stored state cannot be read");
}

static enum error load_row(void *context, struct bytes key, struct bytes value)
{
    struct load *l = context;
    if (!find_owner(l, key) || key.size <= l->prefix.size)
        return ERR_CORRUPT;
    struct bytes rest = bytes_from(key, l->prefix.size);
    if (l->run == NULL || l->discarded)
        key_list_add(&l->runner->garbage, key);
    else if (rest.data[0] == RUN_ROW_CURSOR)
        restore_cursor(l, key, value);
    else
        restore_state(l, key, bytes_from(rest, 1), value);
    return ERR_OK;
}

static void end_restore(struct run *run)
{
    struct message message = {""};
    if (run->placed && !run->broken && task_restored(run->task, &message) != ERR_OK)
        note_broken(run, message.text);
    run_name(run);
    run_make_ready(run);
}

enum error run_rows_load(struct runner *runner, struct partition *partition,
                         struct topology *topology)
{
    struct load load = {.runner = runner, .partition = partition};
    buffer_init(&load.prefix, ROW_KEY_MAX);
    for (size_t i = 0; topology && i < topology_chain_count(topology); i++)
        run_create(runner, partition, topology, topology_chain(topology, i));
    buffer_clear(&runner->key);
    append_partition_prefix(&runner->key, partition);
    struct bytes prefix = bytes_copy(buffer_view(&runner->key));
    enum error error = store_scan(runner->shard->store, prefix, load_row, &load);
    free((void *)(uintptr_t)prefix.data);
    buffer_free(&load.prefix);
    LIST_FOR_EACH (node, &partition->tasks)
        end_restore(CONTAINER_OF(node, struct run, in_partition));
    return error;
}
