/* Flushes and checkpoints: one at a time, on the background worker.
 *
 * A flush writes the tails of the logs to their segments, so that their memory can be freed. A
 * checkpoint does the same and syncs the segments. Then it writes the rows, with a position X of
 * the journal, in one synced batch. After that, recovery does not need the journal below X.
 *
 * Redo starts at X, so the rows must have the state at X. The rows of users are merged when their
 * unit is durable. The states of logs and producers are taken when the unit that ends at X is
 * handed over: at that moment nothing has been appended after X. The job starts when that unit is
 * durable. By then the segments may contain batches after X; recovery cuts them. */
#include "storage/store_internal.h"

#include <stdlib.h>

enum {
    SYNC_EACH_MAX = 16,
    ROWS_RESERVE_BYTES = 4 << 20, /* the key-value store may need them in addition to the rows */
};

struct flush_item {
    struct store_log *log;
    struct log_flush *flush;
    enum error result;
};

static void run_checkpoint(struct job *job);
static void checkpoint_done(struct job *job);

void store_checkpoint_init(struct store *s)
{
    struct checkpoint *c = &s->checkpoint;
    c->job = (struct job){.run = run_checkpoint, .done = checkpoint_done};
    c->store = s;
    list_init(&c->dead_files);
    buffer_init(&c->removed, SIZE_MAX / 2);
}

void store_checkpoint_free(struct store *s)
{
    struct checkpoint *c = &s->checkpoint;
    free(c->flushes);
    row_changes_free(&c->rows);
    buffer_free(&c->removed);
}

/* Deciding */

static bool last_checkpoint_due(struct store *s)
{
    if (!s->closing || s->final_checkpoint_tried || !store_units_idle(s))
        return false;
    if (s->entries_since_checkpoint > 0 || !list_is_empty(&s->dirty))
        return true;
    s->final_checkpoint_tried = true;
    return false;
}

static bool checkpoint_due(struct store *s)
{
    if (s->closing)
        return last_checkpoint_due(s);
    if (s->now_ms < s->retry_checkpoint_ms)
        return false;
    if (s->cleaning.wants_checkpoint)
        return true;
    if (s->entries_since_checkpoint == 0)
        return false;
    return s->checkpoint_owed ||
           (int64_t)(s->journal.lsn - s->checkpoint_lsn) >= s->options.checkpoint_bytes ||
           s->now_ms - s->last_checkpoint_ms >= s->options.checkpoint_interval_ms;
}

static bool flush_due(const struct store *s)
{
    if (s->closing || s->now_ms < s->retry_checkpoint_ms || list_is_empty(&s->unflushed))
        return false;
    return s->unflushed_bytes >= (int64_t)s->options.unflushed_bytes ||
           s->now_ms - s->unflushed_since_ms >= FLUSH_AGE_MS;
}

/* Capturing */

struct producer_rows {
    struct checkpoint *c;
    const struct store_log *log;
};

static void capture_producer(void *context, int64_t producer_id, struct bytes row)
{
    struct producer_rows *p = context;
    struct row_key key = row_key_producer(p->log->topic_id, p->log->partition, producer_id);
    row_changes_put(&p->c->rows, row_key_view(&key), row);
}

static void capture_log(struct checkpoint *c, struct store_log *l)
{
    uint8_t value[LOG_STATE_SIZE];
    struct log_state state = log_state(l->log);
    /* The log's own start rises when the unit is durable. */
    state.log_start_offset = MAX(state.log_start_offset, l->pending_start);
    row_changes_put(&c->rows, row_key_view(&l->key), log_state_encode(&state, value));
    store_clean_captured(c->store, l, state.first_dirty_offset);
    struct producer_rows context = {c, l};
    producer_states_changed(log_producers(l->log), capture_producer, &context);
}

static void capture(struct store *s)
{
    struct checkpoint *c = &s->checkpoint;
    ASSERT(!s->entry_open && s->filling->entries == 0 && list_is_empty(&s->waiting));
    struct list_node *node;
    while ((node = list_pop(&s->dirty))) {
        struct store_log *l = CONTAINER_OF(node, struct store_log, dirty);
        if (!l->removed)
            capture_log(c, l);
    }
    c->mark = (struct journal_mark){.start = s->start,
                                    .run = s->run,
                                    .lsn = s->journal.lsn,
                                    .sequence = s->journal.current->sequence,
                                    .position = s->journal.position};
    c->phase = CHECKPOINT_CAPTURED;
}

void store_checkpoint_capture(struct store *s)
{
    bool is_last = s->filling->entries == 0 && list_is_empty(&s->waiting);
    if (is_last && s->checkpoint.phase == CHECKPOINT_IDLE && checkpoint_due(s))
        capture(s);
}

/* Starting */

static void begin_flushes(struct store *s)
{
    struct checkpoint *c = &s->checkpoint;
    size_t count = 0;
    LIST_FOR_EACH (node, &s->unflushed)
        count++;
    c->flushes = xmalloc((count + 1) * sizeof *c->flushes);
    c->flush_count = 0;
    LIST_FOR_EACH (node, &s->unflushed) {
        struct store_log *l = CONTAINER_OF(node, struct store_log, unflushed);
        struct log_flush *flush = list_contains(&l->dying) ? NULL : log_flush_begin(l->log);
        if (flush)
            c->flushes[c->flush_count++] = (struct flush_item){.log = l, .flush = flush};
    }
    s->unflushed_since_ms = s->now_ms;
}

static void submit(struct store *s)
{
    struct checkpoint *c = &s->checkpoint;
    c->phase = CHECKPOINT_RUNNING;
    c->result = ERR_OK;
    c->final = false;
    s->options.background_worker->submit(s->options.background_worker, &c->job);
}

static void start_flush(struct store *s)
{
    s->checkpoint.is_whole = false;
    begin_flushes(s);
    if (s->checkpoint.flush_count == 0) {
        free(s->checkpoint.flushes);
        s->checkpoint.flushes = NULL;
        return;
    }
    s->flushed_unsynced = true;
    submit(s);
}

/* Another shard may have made a directory above a log and not synced it yet. */
static bool may_sync_each(const struct store *s)
{
    const struct checkpoint *c = &s->checkpoint;
    bool may = !s->flushed_unsynced && c->flush_count <= SYNC_EACH_MAX;
    for (size_t i = 0; i < c->flush_count && may; i++)
        may = c->flushes[i].log->names_durable;
    return may;
}

static void start_checkpoint(struct store *s)
{
    struct checkpoint *c = &s->checkpoint;
    ASSERT(c->phase == CHECKPOINT_CAPTURED && s->durable == c->mark.lsn);
    c->is_whole = true;
    begin_flushes(s);
    c->sync_each = may_sync_each(s);
    s->flushed_unsynced = false;
    /* All rows merged so far are from below X. The states that were captured at X replace them. */
    row_changes_merge(&s->rows, &c->rows);
    c->rows = s->rows;
    s->rows = (struct row_changes){.bytes = 0};
    struct row_key key = row_key_journal(s->options.shard);
    uint8_t value[JOURNAL_MARK_SIZE];
    row_changes_put(&c->rows, row_key_view(&key), journal_mark_encode(&c->mark, value));
    buffer_append_bytes(&c->removed, buffer_view(&s->removed));
    buffer_clear(&s->removed);
    c->entries = s->entries_since_checkpoint;
    s->entries_since_checkpoint = 0;
    c->repeated = s->checkpoint_owed;
    journal_take_dead(&s->journal, c->mark.lsn, &c->dead_files);
    submit(s);
}

void store_checkpoint_unit_durable(struct store *s)
{
    if (s->checkpoint.phase == CHECKPOINT_CAPTURED && !s->has_failed)
        start_checkpoint(s);
}

/* The batches that did not fit may be deleted with their topic. Then no flush shows that there is
 * room. */
static void forget_what_is_gone(struct store *s)
{
    if (list_is_empty(&s->unflushed) && !s->checkpoint_owed)
        s->full &= ~(unsigned)(FULL_FLUSH | FULL_NO_FILES);
}

void store_checkpoint_turn(struct store *s)
{
    if (s->checkpoint.phase != CHECKPOINT_IDLE || s->has_failed)
        return;
    forget_what_is_gone(s);
    if (checkpoint_due(s)) {
        if (!store_units_idle(s))
            return; /* it begins with the next unit */
        s->final_checkpoint_tried = s->closing;
        capture(s);
        start_checkpoint(s);
    } else if (flush_due(s)) {
        start_flush(s);
    }
}

/* On the worker */

/* Whether a later attempt may succeed. ERR_NOT_FOUND: a segment's file vanished, and the log
 * continues in another one. */
static bool passes(enum error error)
{
    return io_error_passes(error) || error == ERR_NOT_FOUND;
}

static enum error note_key(void *context, struct bytes key, struct bytes value)
{
    (void)value;
    row_changes_put(context, key, BYTES_NULL);
    return ERR_OK;
}

/* Deletes the rows of a removed log's producers: those in the key-value store, and those that a
 * failed checkpoint could not write. */
static enum error delete_producers(struct checkpoint *c)
{
    struct kv *kv = c->store->options.kv;
    struct reader r = reader_of(buffer_view(&c->removed));
    enum error error = ERR_OK;
    while (error == ERR_OK && reader_left(&r) > 0) {
        struct uuid topic_id;
        int32_t partition;
        int64_t none;
        size_t size = row_key_log((struct uuid){{0}}, 0).size;
        bool right =
            row_key_parse(bytes_of(read_raw(&r, size), size), &topic_id, &partition, &none);
        ASSERT(right);
        struct row_key prefix = row_key_producers(topic_id, partition);
        if (c->repeated)
            row_changes_delete_prefix(&c->rows, row_key_view(&prefix));
        error = kv->driver->scan(kv, row_key_view(&prefix), note_key, &c->rows);
    }
    return error;
}

/* A write of rows that meets a full disk costs time: the key-value store is opened again. So it is
 * not tried without enough space for the row file, and for the log and a table of the store. */
static enum error rows_have_room(const struct checkpoint *c)
{
    struct io *io = c->store->env->io;
    int64_t room;
    enum error error = io->ops->free_bytes(io, c->store->data_directory, &room);
    if (error != ERR_OK)
        return error;
    int64_t need = ROWS_RESERVE_BYTES + 3 * (int64_t)c->rows.bytes;
    return room < need ? ERR_NO_SPACE : ERR_OK;
}

static enum error write_rows(struct checkpoint *c)
{
    enum error error = delete_producers(c);
    if (error != ERR_OK)
        return error;
    size_t count;
    struct kv_change *changes = row_changes_array(&c->rows, &count);
    struct kv *kv = c->store->options.kv;
    error = kv->driver->write(kv, changes, count);
    free(changes);
    return error;
}

/* Errors in here are final: after a failed sync or write the state of the disk is unknown, so a
 * retry proves nothing. Only the rows may be written again after the disk was full (row_store.h),
 * and after a lack of descriptors, which did nothing. */
static enum error make_durable(struct checkpoint *c)
{
    struct io *io = c->store->env->io;
    enum error error = ERR_OK;
    if (!c->sync_each)
        error = io_sync_all(io, c->store->data_directory);
    c->final = true;
    if (error == ERR_OK) {
        error = write_rows(c);
        c->final = error != ERR_NO_SPACE;
    }
    if (error == ERR_OK)
        error = journal_recycle(&c->store->journal, &c->dead_files);
    c->final &= error != ERR_OK;
    return error;
}

static enum error check_place(const struct checkpoint *c)
{
    struct io *io = c->store->env->io;
    return io->ops->check_place(io, c->store->data_directory);
}

static void write_all(struct checkpoint *c)
{
    for (size_t i = 0; i < c->flush_count; i++) {
        struct flush_item *f = &c->flushes[i];
        f->result = log_flush_run(f->flush, c->is_whole && c->sync_each);
        if (f->result != ERR_OK && (c->result == ERR_OK || passes(c->result)))
            c->result = f->result;
    }
    if (!c->is_whole || c->result != ERR_OK)
        return;
    c->result = rows_have_room(c);
    if (c->result != ERR_OK)
        return;
    c->result = make_durable(c);
    c->final &= c->result != ERR_NO_FILES;
}

/* If the data directory was moved, files of that name are not its files. So what was written is
 * believed only if it is still there afterwards. */
static void run_checkpoint(struct job *job)
{
    struct checkpoint *c = CONTAINER_OF(job, struct checkpoint, job);
    c->result = check_place(c);
    for (size_t i = 0; i < c->flush_count; i++)
        c->flushes[i].result = c->result;
    if (c->result != ERR_OK)
        return;
    write_all(c);
    enum error place = check_place(c);
    if (place != ERR_OK)
        c->result = place;
}

/* Back on the shard */

static void end_flushes(struct store *s)
{
    struct checkpoint *c = &s->checkpoint;
    for (size_t i = 0; i < c->flush_count; i++) {
        struct flush_item *f = &c->flushes[i];
        log_flush_end(f->flush, f->result);
        if (f->result == ERR_NOT_FOUND)
            store_log_changed(s, f->log); /* the checkpoint must not write the row from before */
        f->log->names_durable |= c->is_whole && c->result == ERR_OK;
        store_log_account(s, f->log);
        if (!f->log->removed)
            store_log_delete_segments(s, f->log);
    }
    s->stats.flushes += c->flush_count > 0;
    free(c->flushes);
    c->flushes = NULL;
    c->flush_count = 0;
    store_logs_trim(s);
}

static void checkpoint_succeeded(struct store *s)
{
    struct checkpoint *c = &s->checkpoint;
    s->checkpoint_lsn = c->mark.lsn;
    s->checkpoint_owed = false;
    s->last_checkpoint_ms = s->now_ms;
    s->sealed = false; /* the next unit says that the rows are durable up to here */
    s->stats.checkpoints++;
    journal_recycled(&s->journal, &c->dead_files);
    row_changes_free(&c->rows);
    buffer_clear(&c->removed);
}

/* Restores the state before the checkpoint, so that a later one does everything. The row of a log
 * that has not changed since is among those that are put back. */
static void checkpoint_failed(struct store *s)
{
    struct checkpoint *c = &s->checkpoint;
    journal_keep(&s->journal, &c->dead_files);
    row_changes_put_back(&s->rows, &c->rows);
    buffer_append_bytes(&s->removed, buffer_view(&c->removed));
    buffer_clear(&c->removed);
    s->entries_since_checkpoint += c->entries;
    s->flushed_unsynced = true;
    s->checkpoint_owed = true;
}

static void checkpoint_done(struct job *job)
{
    struct checkpoint *c = CONTAINER_OF(job, struct checkpoint, job);
    struct store *s = c->store;
    store_enter(s);
    c->phase = CHECKPOINT_IDLE;
    end_flushes(s);
    if (c->is_whole && c->result == ERR_OK) {
        checkpoint_succeeded(s);
        store_clean_checkpointed(s);
    }
    if (c->is_whole && c->result != ERR_OK)
        checkpoint_failed(s);
    if (c->result == ERR_OK) {
        s->full &= ~(unsigned)(FULL_FLUSH | FULL_NO_FILES);
        s->close_result = ERR_OK;
    } else if (passes(c->result) && !c->final) {
        if (c->result != ERR_NOT_FOUND)
            s->full |= c->result == ERR_NO_SPACE ? FULL_FLUSH : FULL_NO_FILES;
        s->retry_checkpoint_ms = s->now_ms + FLUSH_AGE_MS;
        if (s->closing)
            s->close_result = c->result;
    } else {
        store_fail(s, c->result);
    }
    if (!s->closing)
        store_check_space(s); /* it has used some: a fast producer must not use up the reserve */
    store_units_hand_over(s);
    store_checkpoint_turn(s);
    store_logs_reap(s);
    store_leave(s);
}
