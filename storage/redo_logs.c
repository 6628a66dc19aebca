/* The logs during redo: cuts them to their checkpointed state, appends to them, updates their rows.
 */
#include "storage/redo_internal.h"

#include <stdlib.h>

enum { UNFLUSHED_MAX = 64 << 20 }; /* of all logs; more starts a flush */

struct redo_log *redo_find_log(struct redo *redo, struct uuid topic_id, int32_t partition)
{
    struct row_key key = row_key_log(topic_id, partition);
    struct redo_log *l = map_get(&redo->logs, row_key_view(&key));
    if (l)
        return l;
    l = xcalloc(1, sizeof *l);
    l->key = key;
    l->topic_id = topic_id;
    l->partition = partition;
    l->directory = partition_directory(redo->data_directory, topic_id, partition);
    map_put(&redo->logs, row_key_view(&l->key), l);
    return l;
}

void redo_free_logs(struct redo *redo)
{
    size_t at = 0;
    for (struct redo_log *l; (l = map_next(&redo->logs, &at));) {
        log_close(l->log);
        free(l->directory);
        free(l);
    }
    map_free(&redo->logs);
}

bool redo_log_exists(const struct redo *redo, const struct redo_log *l)
{
    return !l->removed && !redo_topic_deleted(redo, l->topic_id);
}

static enum error load_producer(void *context, struct bytes key, struct bytes value)
{
    struct redo_log *l = context;
    struct uuid topic_id;
    int32_t partition;
    int64_t producer_id;
    if (!row_key_parse(key, &topic_id, &partition, &producer_id))
        return ERR_CORRUPT;
    return producer_states_load(log_producers(l->log), producer_id, value);
}

/* A config that rolls before each batch, or never: the journal decides where segments start. */
static struct log_config redo_config(bool roll)
{
    return (struct log_config){.segment_bytes = roll ? 1 : INT32_MAX,
                               .segment_ms = INT64_MAX,
                               .segment_index_bytes = INT64_MAX,
                               .index_interval_bytes = 4096,
                               .retention_ms = -1,
                               .retention_bytes = -1};
}

/* Whether all batches of the checkpoint are below the log's start: their files may be deleted. */
static bool is_dead(const struct redo_log *l)
{
    return l->start > 0 && l->start >= l->state.next_offset;
}

static enum error clear_files(struct redo *redo, const struct redo_log *l)
{
    struct io *io = redo->env->io;
    enum error error = io_remove_tree(io, l->directory);
    char *topic = topic_directory(redo->data_directory, l->topic_id);
    if (error == ERR_OK)
        error = io_sync_directory(io, topic);
    free(topic);
    return error == ERR_NOT_FOUND ? ERR_OK : error;
}

/* A damaged file affects only its own log: reads of the lost offsets get an error. */
static enum error check_files(struct redo *redo, const struct redo_log *l, struct log_state *state)
{
    struct message damage;
    enum error error = log_check_files(redo->env, l->directory, state, &damage);
    if (error != ERR_CORRUPT)
        return error;
    trace_log(redo->env->trace, TRACE_ERROR, "a partition lost records",
              F_INT("partition", l->partition), F_INT("end_offset", state->next_offset),
              F_STRING("reason", damage.text));
    redo->report->damaged_logs++;
    return ERR_OK;
}

/* All batches that a segment has after the state are in the journal and are written again, except
 * after accepted damage. */
static enum error cut_files(struct redo *redo, const struct redo_log *l,
                            const struct log_state *state)
{
    return redo->report->damaged > 0 ? log_cut_files(redo->env, l->directory, state)
                                     : log_cut_files_for_redo(redo->env, l->directory, state);
}

enum error redo_open_log(struct redo *redo, struct redo_log *l)
{
    enum error error;
    struct log_state state = l->state;
    state.log_start_offset = MIN(l->start, state.next_offset);
    if (is_dead(l)) {
        state.active_base = state.next_offset;
        state.active_size = 0;
        error = clear_files(redo, l);
    } else {
        error = check_files(redo, l, &state);
        if (error == ERR_OK)
            error = cut_files(redo, l, &state);
    }
    if (error != ERR_OK)
        return error;
    struct log_config config = redo_config(false);
    l->log = log_open(redo->env, l->directory, &config, &state);
    redo->report->logs++;
    struct row_key prefix = row_key_producers(l->topic_id, l->partition);
    return redo->kv->driver->scan(redo->kv, row_key_view(&prefix), load_producer, l);
}

static enum error flush_log(struct redo *redo, struct redo_log *l)
{
    log_set_durable(l->log, log_next_offset(l->log));
    struct log_flush *flush = log_flush_begin(l->log);
    if (flush == NULL)
        return ERR_OK;
    enum error error = log_flush_run(flush, false);
    log_flush_end(flush, error);
    log_trim_tail(l->log, 0);
    if (error != ERR_OK)
        message_set(redo->message, "%s: cannot write the segments: %s", l->directory,
                    error_text(error));
    return error;
}

enum error redo_flush_logs(struct redo *redo)
{
    size_t at = 0;
    enum error error = ERR_OK;
    for (struct redo_log *l; error == ERR_OK && (l = map_next(&redo->logs, &at));) {
        if (l->log)
            error = flush_log(redo, l);
    }
    redo->unflushed = 0;
    return error;
}

enum error redo_append_batch(struct redo *redo, struct redo_log *l, const struct journal_part *part,
                             struct shared_buffer *unit)
{
    if (part->starts_segment) {
        struct log_config roll = redo_config(true);
        log_configure(l->log, &roll);
    }
    enum error error = log_append_recovered(l->log, unit, part->bytes.data, part->bytes.size);
    if (part->starts_segment) {
        struct log_config config = redo_config(false);
        log_configure(l->log, &config);
    }
    redo->report->batches++;
    redo->unflushed += (int64_t)part->bytes.size;
    if (error == ERR_OK && redo->unflushed > UNFLUSHED_MAX)
        error = redo_flush_logs(redo);
    return error;
}

static void put_producer(void *context, int64_t producer_id, struct bytes row)
{
    void **both = context;
    struct redo *redo = both[0];
    struct redo_log *l = both[1];
    struct row_key key = row_key_producer(l->topic_id, l->partition, producer_id);
    row_changes_put(&redo->rows, row_key_view(&key), row);
}

static void put_log_row(struct redo *redo, struct redo_log *l)
{
    struct log_state state = l->state;
    if (l->log) {
        log_set_start(l->log, MIN(l->start, log_next_offset(l->log)));
        state = log_state(l->log);
        void *context[] = {redo, l};
        producer_states_changed(log_producers(l->log), put_producer, context);
    } else if (is_dead(l)) {
        state = (struct log_state){
            .log_start_offset = l->start, .next_offset = l->start, .active_base = l->start};
    } else {
        state.log_start_offset = l->start;
    }
    uint8_t value[LOG_STATE_SIZE];
    row_changes_put(&redo->rows, row_key_view(&l->key), log_state_encode(&state, value));
}

static enum error finish_log(struct redo *redo, struct redo_log *l)
{
    if (!redo_log_exists(redo, l)) {
        redo->something_removed = true;
        row_changes_put(&redo->rows, row_key_view(&l->key), BYTES_NULL);
        return clear_files(redo, l);
    }
    bool cleared = l->log == NULL && is_dead(l) && l->state.active_base < l->start;
    int64_t base = l->state.active_base;
    if (l->log == NULL && !is_dead(l)) {
        enum error error = check_files(redo, l, &l->state);
        if (error != ERR_OK)
            return error;
    }
    if (l->log || cleared || l->start > l->state.log_start_offset || l->state.active_base != base)
        put_log_row(redo, l);
    return cleared ? clear_files(redo, l) : ERR_OK;
}

enum error redo_finish_logs(struct redo *redo)
{
    size_t at = 0;
    enum error error = ERR_OK;
    for (struct redo_log *l; error == ERR_OK && (l = map_next(&redo->logs, &at));)
        error = finish_log(redo, l);
    return error;
}

struct partition_walk {
    struct redo *redo;
    struct uuid topic_id;
    enum error error;
};

/* Log starts and deletions that are left out may have removed segments already. */
static enum error follow_files(struct redo *redo, struct redo_log *l)
{
    int64_t first = l->state.next_offset;
    enum error error = log_first_segment(redo->env, l->directory, &first);
    l->start = MAX(l->start, MIN(first, l->state.next_offset));
    return error;
}

static void cut_partition(void *context, const char *name)
{
    struct partition_walk *w = context;
    char *end;
    long partition = strtol(name, &end, 10);
    if (*end != '\0' || partition < 0 || partition > INT32_MAX || w->error != ERR_OK)
        return;
    struct redo_log *l = redo_find_log(w->redo, w->topic_id, (int32_t)partition);
    if (l->log || !redo_log_exists(w->redo, l) || is_dead(l))
        return;
    struct log_state state = l->state;
    struct message damage;
    w->error = log_check_files(w->redo->env, l->directory, &state, &damage);
    if (w->error == ERR_OK || w->error == ERR_CORRUPT) /* finish_log reports it */
        w->error = log_cut_files(w->redo->env, l->directory, &state);
}

enum error redo_cut_all(struct redo *redo)
{
    struct io *io = redo->env->io;
    struct partition_walk walk = {.redo = redo};
    size_t at = 0;
    for (struct redo_log *l; walk.error == ERR_OK && (l = map_next(&redo->logs, &at));)
        walk.error = follow_files(redo, l);
    at = 0;
    for (struct redo_topic *t; walk.error == ERR_OK && (t = map_next(&redo->topics, &at));) {
        walk.topic_id = t->id;
        char *directory = topic_directory(redo->data_directory, t->id);
        enum error error = io->ops->list(io, directory, cut_partition, &walk);
        free(directory);
        if (error != ERR_OK && error != ERR_NOT_FOUND)
            return error;
    }
    return walk.error;
}
