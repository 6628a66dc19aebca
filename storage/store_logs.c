/* The logs of a shard: loads, opens, accounts, trims and removes them. */
#include "storage/deleted_files.h"
#include "storage/shard_map.h"
#include "storage/store_internal.h"
#include "storage/swap_list.h"

#include <stdio.h>
#include <stdlib.h>

static struct store_log *add_log(struct store *s, struct uuid topic_id, int32_t partition)
{
    struct store_log *l = xcalloc(1, sizeof *l);
    l->topic_id = topic_id;
    l->partition = partition;
    l->key = row_key_log(topic_id, partition);
    l->pending_start = -1;
    buffer_init(&l->producers, SIZE_MAX / 2);
    map_put(&s->logs, row_key_view(&l->key), l);
    return l;
}

static void free_log(struct store *s, struct store_log *l)
{
    map_remove(&s->logs, row_key_view(&l->key));
    store_clean_forget(s, l);
    if (l->log)
        map_remove(&s->by_pointer, map_key_u64(&l->pointer));
    struct list_node *nodes[] = {&l->dirty, &l->unflushed, &l->with_tail, &l->moved, &l->dying};
    for (size_t i = 0; i < COUNT_OF(nodes); i++)
        list_remove(nodes[i]);
    s->tail_bytes -= (int64_t)l->tail_bytes;
    s->unflushed_bytes -= l->unflushed_bytes;
    log_close(l->log);
    buffer_free(&l->producers);
    free(l);
}

/* Loading the rows of the last run */

static bool is_ours(const struct store *s, struct uuid topic_id, int32_t partition)
{
    return shard_of_partition(topic_id.bytes, partition, s->options.shard_count) ==
           s->options.shard;
}

static enum error load_log(void *context, struct bytes key, struct bytes value)
{
    struct store *s = context;
    struct uuid topic_id;
    int32_t partition;
    int64_t none;
    if (!row_key_parse(key, &topic_id, &partition, &none))
        return ERR_CORRUPT;
    if (!is_ours(s, topic_id, partition))
        return ERR_OK;
    struct store_log *l = add_log(s, topic_id, partition);
    enum error error = log_state_decode(value, &l->state);
    l->names_durable = l->state.active_size > 0;
    return error;
}

static enum error load_producer(void *context, struct bytes key, struct bytes value)
{
    struct store *s = context;
    struct uuid topic_id;
    int32_t partition;
    int64_t producer_id;
    if (!row_key_parse(key, &topic_id, &partition, &producer_id))
        return ERR_CORRUPT;
    struct row_key log_key = row_key_log(topic_id, partition);
    struct store_log *l = map_get(&s->logs, row_key_view(&log_key));
    if (l == NULL)
        return ERR_OK; /* of another shard, or the log is gone */
    buffer_append_be64(&l->producers, (uint64_t)producer_id);
    buffer_append_be32(&l->producers, (uint32_t)value.size);
    buffer_append_bytes(&l->producers, value);
    return ERR_OK;
}

enum error store_logs_load(struct store *s)
{
    struct kv *kv = s->options.kv;
    uint8_t log_kind = ROW_LOG, producer_kind = ROW_PRODUCER;
    enum error error = kv->driver->scan(kv, bytes_of(&log_kind, 1), load_log, s);
    if (error == ERR_OK)
        error = kv->driver->scan(kv, bytes_of(&producer_kind, 1), load_producer, s);
    return error;
}

static void load_producers(struct store *s, struct store_log *l)
{
    struct reader r = reader_of(buffer_view(&l->producers));
    while (reader_left(&r) > 0) {
        int64_t producer_id = read_i64(&r);
        struct bytes row = read_bytes32(&r);
        ASSERT(!r.failed);
        if (producer_states_load(log_producers(l->log), producer_id, row) != ERR_OK)
            trace_log(
                s->env->trace, TRACE_ERROR,
                "the stored state of a producer is malformed: the broker forgets this producer",
                F_INT("producer_id", producer_id), F_INT("partition", l->partition));
    }
    producer_states_loaded(log_producers(l->log));
    buffer_free(&l->producers);
}

struct log *store_log(struct store *s, struct uuid topic_id, int32_t partition,
                      const struct log_config *config, bool create)
{
    struct row_key key = row_key_log(topic_id, partition);
    struct store_log *l = map_get(&s->logs, row_key_view(&key));
    if (l == NULL && create)
        l = add_log(s, topic_id, partition);
    if (l == NULL || l->removed)
        return NULL;
    if (l->log == NULL) {
        char *directory = partition_directory(s->data_directory, topic_id, partition);
        l->log = log_open(s->env, directory, config, &l->state);
        log_set_read_pool(l->log, s->read_pool);
        free(directory);
        l->pointer = (uint64_t)(uintptr_t)l->log;
        map_put(&s->by_pointer, map_key_u64(&l->pointer), l);
        load_producers(s, l);
    }
    return l->log;
}

struct store_log *store_log_of(struct store *s, struct log *log)
{
    uint64_t pointer = (uint64_t)(uintptr_t)log;
    struct store_log *l = map_get(&s->by_pointer, map_key_u64(&pointer));
    ASSERT(l != NULL && l->log == log);
    return l;
}

/* Sums and lists */

void store_log_account(struct store *s, struct store_log *l)
{
    size_t tail = log_tail_bytes(l->log);
    int64_t unflushed = log_unflushed_bytes(l->log);
    s->tail_bytes += (int64_t)tail - (int64_t)l->tail_bytes;
    s->unflushed_bytes += unflushed - l->unflushed_bytes;
    l->tail_bytes = tail;
    l->unflushed_bytes = unflushed;
    if (unflushed == 0)
        list_remove(&l->unflushed);
    if (tail == 0)
        list_remove(&l->with_tail);
}

void store_log_changed(struct store *s, struct store_log *l)
{
    if (!list_contains(&l->dirty))
        list_append(&s->dirty, &l->dirty);
}

void store_log_appended(struct store *s, struct store_log *l)
{
    store_log_changed(s, l);
    if (list_is_empty(&s->unflushed))
        s->unflushed_since_ms = s->now_ms;
    if (!list_contains(&l->unflushed))
        list_append(&s->unflushed, &l->unflushed);
    list_remove(&l->with_tail);
    list_append(&s->with_tail, &l->with_tail);
    store_log_account(s, l);
}

static void tell_moved(struct store *s, struct store_log *l)
{
    if (!list_contains(&l->moved))
        list_append(&s->moved, &l->moved);
}

void store_log_apply(struct store *s, const struct store_unit_mark *mark)
{
    struct store_log *l = mark->log;
    if (mark->removed) {
        row_changes_put(&s->rows, row_key_view(&l->key), BYTES_NULL);
        buffer_append(&s->removed, l->key.data, l->key.size);
        list_remove(&l->dirty);
        list_remove(&l->moved);
        if (!list_contains(&l->dying))
            list_append(&s->dying, &l->dying);
        return;
    }
    if (mark->next_offset >= 0)
        log_set_durable(l->log, mark->next_offset);
    if (mark->start >= 0) {
        if (mark->start >= l->pending_start)
            l->pending_start = -1;
        log_set_start(l->log, mark->start);
        store_log_delete_segments(s, l);
    }
    tell_moved(s, l);
}

/* All tails lose the same share, so that batches that arrived together are dropped together: the
 * frames of one slab arrived together. */
void store_logs_trim(struct store *s)
{
    int64_t budget = (int64_t)s->options.tail_cache_bytes;
    int64_t flushed = s->tail_bytes - s->unflushed_bytes;
    double share = (double)(flushed - budget) / (double)MAX(flushed, 1);
    LIST_FOR_EACH_SAFE (node, &s->with_tail) {
        if (s->tail_bytes - s->unflushed_bytes <= budget)
            break;
        struct store_log *l = CONTAINER_OF(node, struct store_log, with_tail);
        double own = (double)((int64_t)l->tail_bytes - l->unflushed_bytes);
        log_trim_tail(l->log, l->tail_bytes - MIN((size_t)(own * share) + 1, l->tail_bytes));
        store_log_account(s, l);
    }
}

void store_logs_look_after_files(struct store *s)
{
    if (s->now_ms < s->idle_files_ms)
        return;
    s->idle_files_ms = s->now_ms + IDLE_FILES_MS / 3;
    if (s->read_pool)
        read_pool_trim(s->read_pool, s->now_ms);
    size_t at = 0;
    for (struct store_log *l; (l = map_next(&s->logs, &at));) {
        if (l->log == NULL || l->removed)
            continue;
        log_close_idle_files(l->log, s->now_ms - IDLE_FILES_MS);
        store_log_delete_segments(s, l); /* those that were in use, or not known, when they died */
    }
}

/* Deleting segments below the log start */

struct delete_job {
    struct job job;
    struct store *store;
    struct store_log *log;
    struct log_delete *plan;
    int64_t delay_ms; /* the log's when the job began */
    enum error result;
};

static void run_delete(struct job *job)
{
    struct delete_job *d = CONTAINER_OF(job, struct delete_job, job);
    d->result = log_delete_run(d->plan);
}

static void delete_done(struct job *job)
{
    struct delete_job *d = CONTAINER_OF(job, struct delete_job, job);
    struct store *s = d->store;
    store_enter(s);
    s->jobs--;
    int64_t *renamed = NULL;
    size_t count = log_delete_renamed(d->plan, &renamed);
    if (count > 0)
        store_deleted_segments(
            s, partition_directory(s->data_directory, d->log->topic_id, d->log->partition), renamed,
            count, d->delay_ms);
    log_delete_end(d->plan);
    if (d->result != ERR_OK)
        trace_log(s->env->trace, TRACE_WARN, "old segments could not be deleted",
                  F_INT("partition", d->log->partition), F_STRING("reason", error_text(d->result)));
    free(d);
    store_leave(s);
}

void store_log_delete_segments(struct store *s, struct store_log *l)
{
    struct log_delete *plan = log_delete_begin(l->log);
    if (plan == NULL)
        return;
    struct delete_job *d = xcalloc(1, sizeof *d);
    *d = (struct delete_job){.job = {.run = run_delete, .done = delete_done},
                             .store = s,
                             .log = l,
                             .plan = plan,
                             .delay_ms = log_delete_delay_ms(l->log)};
    s->jobs++;
    s->options.background_worker->submit(s->options.background_worker, &d->job);
}

/* Removing a log's files */

struct remove_job {
    struct job job;
    struct list_node waiting; /* in store.removals */
    struct store *store;
    char *directory, *topic, *swap_list;
    int64_t delay_ms;
    bool is_renamed;
    enum error result;
};

static enum error rename_directory(const struct remove_job *r)
{
    struct io *io = r->store->env->io;
    char *to = deleted_directory(r->directory);
    enum error error = io->ops->rename(io, r->directory, to);
    free(to);
    return error;
}

static void run_remove(struct job *job)
{
    struct remove_job *r = CONTAINER_OF(job, struct remove_job, job);
    struct io *io = r->store->env->io;
    r->is_renamed = r->delay_ms > 0 && rename_directory(r) == ERR_OK;
    if (!r->is_renamed)
        r->result = io_remove_tree(io, r->directory);
    /* This removes the topic's directory with the last partition. Before, it is not empty. */
    if (!r->is_renamed && r->result == ERR_OK)
        (void)!io->ops->remove_directory(io, r->topic);
    (void)!swap_list_remove(io, r->swap_list); /* otherwise the next start removes it */
}

static void free_removal(struct remove_job *r)
{
    free(r->directory);
    free(r->topic);
    free(r->swap_list);
    free(r);
}

static void remove_done(struct job *job)
{
    struct remove_job *r = CONTAINER_OF(job, struct remove_job, job);
    struct store *s = r->store;
    store_enter(s);
    s->jobs--;
    if (r->result == ERR_NO_FILES && !s->closing) {
        r->waiting = (struct list_node){0};
        list_append(&s->removals, &r->waiting);
        store_leave(s);
        return;
    }
    if (r->result != ERR_OK)
        trace_log(
            s->env->trace, TRACE_WARN,
            "the files of a deleted partition could not be removed: the next start removes them",
            F_STRING("directory", r->directory), F_STRING("reason", error_text(r->result)));
    if (r->is_renamed)
        store_deleted_log(s, deleted_directory(r->directory), xstrdup(r->topic), r->delay_ms);
    free_removal(r);
    store_leave(s);
}

static void submit_removal(struct store *s, struct remove_job *r)
{
    r->job = (struct job){.run = run_remove, .done = remove_done};
    s->jobs++;
    s->options.background_worker->submit(s->options.background_worker, &r->job);
}

void store_logs_retry_removals(struct store *s)
{
    struct list waiting;
    list_init(&waiting);
    list_take_all(&waiting, &s->removals);
    for (struct list_node *node; (node = list_pop(&waiting));)
        submit_removal(s, CONTAINER_OF(node, struct remove_job, waiting));
}

void store_logs_reap(struct store *s)
{
    LIST_FOR_EACH_SAFE (node, &s->dying) {
        struct store_log *l = CONTAINER_OF(node, struct store_log, dying);
        ASSERT(l->marked_unit < s->filling->number); /* nothing follows a removal */
        if (l->cleaning || (l->log && log_busy(l->log)))
            continue;
        struct remove_job *r = xcalloc(1, sizeof *r);
        *r = (struct remove_job){
            .store = s,
            .directory = partition_directory(s->data_directory, l->topic_id, l->partition),
            .topic = topic_directory(s->data_directory, l->topic_id),
            .swap_list = swap_list_path(s->data_directory, l->topic_id, l->partition),
            .delay_ms = l->log ? log_delete_delay_ms(l->log) : 0};
        free_log(s, l);
        submit_removal(s, r);
    }
}

void store_logs_free(struct store *s)
{
    for (;;) {
        size_t at = 0;
        struct store_log *l = map_next(&s->logs, &at);
        if (l == NULL)
            break;
        free_log(s, l);
    }
    struct list_node *node;
    while ((node = list_pop(&s->removals))) /* the next start removes them */
        free_removal(CONTAINER_OF(node, struct remove_job, waiting));
    read_pool_free(s->read_pool);
    map_free(&s->logs);
    map_free(&s->by_pointer);
}
