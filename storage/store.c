/* Entries, and the store as a whole: opening, turns, closing, failure. */
#include "storage/store.h"

#include "storage/store_internal.h"

#include <stdlib.h>

/* Opening */

struct found_mark {
    int shard;
    bool found;
    struct journal_mark mark;
};

static enum error note_mark(void *context, struct bytes key, struct bytes value)
{
    struct found_mark *f = context;
    int shard;
    if (!row_key_parse_journal(key, &shard))
        return ERR_CORRUPT;
    if (shard != f->shard)
        return ERR_OK;
    f->found = true;
    return journal_mark_decode(value, &f->mark);
}

static enum error read_mark(struct store *s, struct message *message)
{
    struct found_mark f = {.shard = s->options.shard};
    uint8_t prefix = ROW_JOURNAL;
    struct kv *kv = s->options.kv;
    enum error error = kv->driver->scan(kv, bytes_of(&prefix, 1), note_mark, &f);
    if (error == ERR_OK && !f.found)
        error = ERR_NOT_FOUND;
    if (error != ERR_OK)
        message_set(message,
                    "cannot read the journal position of shard %d in the rows: %s: restore the "
                    "whole data directory from a copy",
                    s->options.shard, error_text(error));
    s->start = f.mark.start;
    s->run = f.mark.run;
    return error;
}

/* Writes the first journal file of the run, so that recovery detects its loss. */
static enum error write_mark(struct store *s)
{
    struct row_key key = row_key_journal(s->options.shard);
    struct journal_mark mark = {
        .start = s->start, .run = s->run, .sequence = s->journal.current->sequence};
    uint8_t value[JOURNAL_MARK_SIZE];
    struct kv_change change = {row_key_view(&key), journal_mark_encode(&mark, value)};
    return s->options.kv->driver->write(s->options.kv, &change, 1);
}

static void tick(struct timer *timer, int64_t now_ms);
static void retry(struct timer *timer, int64_t now_ms);

static struct store *store_create(struct env *env, const struct store_options *options)
{
    struct store *s = xcalloc(1, sizeof *s);
    s->env = env;
    s->options = *options;
    s->data_directory = xstrdup(options->data_directory);
    s->options.data_directory = s->data_directory;
    if (s->options.unit_max_bytes == 0)
        s->options.unit_max_bytes = UNIT_MAX_BYTES;
    s->options.journal_file_bytes = (int64_t)journal_padded((size_t)options->journal_file_bytes);
    s->now_ms = clock_monotonic_ms(env->clock);
    s->last_checkpoint_ms = s->now_ms;
    s->sealed = true;
    s->tick.fire = tick;
    s->retry.fire = retry;
    struct list *lists[] = {&s->dirty,   &s->unflushed, &s->with_tail, &s->moved,    &s->dying,
                            &s->deleted, &s->finished,  &s->failed,    &s->removals, &s->waiting};
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        list_init(lists[i]);
    buffer_init(&s->removed, SIZE_MAX / 2);
    if (options->read_worker)
        s->read_pool = read_pool_create(options->read_buffer_bytes, options->read_worker);
    store_units_init(s);
    store_checkpoint_init(s);
    store_clean_init(s);
    return s;
}

void store_note_fallback(struct store *s)
{
    s->journal.direct = false;
    trace_log(s->env->trace, TRACE_INFO,
              "the file system has no direct I/O; the journal uses write and sync instead",
              F_STRING("directory", s->journal.directory));
}

static int64_t spares_max(int64_t checkpoint_bytes, int64_t journal_file_bytes)
{
    return 2 + 2 * checkpoint_bytes / journal_file_bytes;
}

int64_t store_journal_files(int64_t checkpoint_bytes, int64_t journal_file_bytes)
{
    return spares_max(checkpoint_bytes, journal_file_bytes) + 2;
}

enum error store_open(struct env *env, const struct store_options *options, struct store **out,
                      struct message *message)
{
    ASSERT(options->journal_file_bytes > 0 && options->unit_bytes > 0);
    struct store *s = store_create(env, options);
    enum error error = read_mark(s, message);
    char *directory = journal_directory(options->data_directory, options->shard);
    if (error == ERR_OK) {
        int64_t spares = spares_max(options->checkpoint_bytes, options->journal_file_bytes);
        error = journal_open(&s->journal, env, directory, s->options.journal_file_bytes,
                             (size_t)spares, message);
        s->started = error == ERR_OK;
    }
    if (error == ERR_OK && !s->journal.direct)
        store_note_fallback(s);
    free(directory);
    if (error == ERR_OK) {
        error = write_mark(s);
        if (error == ERR_OK)
            error = store_logs_load(s);
        if (error != ERR_OK)
            message_set(message,
                        "%s/kv: cannot read the rows of the logs, or write those of a shard: %s",
                        s->options.data_directory, error_text(error));
    }
    if (error != ERR_OK) {
        store_free(s);
        return error;
    }
    timers_set(options->timers, &s->tick, s->now_ms + TICK_MS);
    store_enter(s);
    store_units_prepare_spare(s);
    store_witness_turn(s);
    store_check_space(s);
    store_deleted_search(s);
    store_leave(s);
    *out = s;
    return ERR_OK;
}

void store_free(struct store *s)
{
    if (s == NULL)
        return;
    timers_cancel(s->options.timers, &s->tick);
    timers_cancel(s->options.timers, &s->retry);
    store_checkpoint_free(s);
    store_clean_free(s);
    store_logs_free(s);
    store_deleted_free(s);
    store_units_free(s);
    row_changes_free(&s->rows);
    buffer_free(&s->removed);
    if (s->started)
        journal_close(&s->journal);
    free(s->data_directory);
    free(s);
}

/* Entries */

static void hand_over_large_unit(struct store *s)
{
    if (store_units_backlog(s) >= s->options.unit_bytes && !s->closing)
        store_units_hand_over(s);
}

size_t store_batch_max(const struct store *s)
{
    return s->options.unit_max_bytes - UNIT_START_BYTES;
}

bool store_has_room(struct store *s, size_t bytes)
{
    ASSERT(!s->entry_open);
    hand_over_large_unit(s);
    size_t used = store_units_backlog(s);
    return bytes <= store_batch_max(s) &&
           used + bytes + JOURNAL_PART_OVERHEAD <= s->options.unit_max_bytes;
}

void store_begin(struct store *s)
{
    ASSERT(!s->entry_open && !s->closed);
    hand_over_large_unit(s);
    store_unit_limit(s);
    s->entry_open = true;
}

static void add_part(struct store *s, const struct journal_part *part)
{
    ASSERT(s->entry_open);
    size_t room = JOURNAL_PART_OVERHEAD + part->key.size + part->bytes.size + part->tail.size;
    uint8_t *at = store_unit_reserve(s, room);
    struct store_unit *u = s->filling;
    u->size += (size_t)(journal_part_write(at, part) - at);
    u->has_rows |= part->kind == JOURNAL_PUT || part->kind == JOURNAL_DELETE;
}

int64_t store_append(struct store *s, struct log *log, struct shared_buffer *buffer, uint8_t *batch,
                     size_t size, int64_t steady_ms)
{
    struct store_log *l = store_log_of(s, log);
    ASSERT(s->entry_open && !l->removed);
    int64_t base = log_append(log, buffer, batch, size, steady_ms);
    struct journal_part part = {.kind = JOURNAL_BATCH,
                                .topic_id = l->topic_id,
                                .partition = l->partition,
                                .offset = base,
                                .starts_segment = log_state(log).active_base == base,
                                .bytes = bytes_of(batch, size)};
    store_unit_take_blocks(s, buffer, &part);
    add_part(s, &part);
    store_unit_mark(s, l)->next_offset = log_next_offset(log);
    store_log_appended(s, l);
    return base;
}

void store_put(struct store *s, struct bytes key, struct bytes value)
{
    ASSERT(key.size > 0 && !bytes_is_null(value));
    add_part(s, &(struct journal_part){.kind = JOURNAL_PUT, .key = key, .bytes = value});
}

void store_delete(struct store *s, struct bytes key)
{
    ASSERT(key.size > 0);
    add_part(s, &(struct journal_part){.kind = JOURNAL_DELETE, .key = key});
}

void store_delete_topic(struct store *s, struct uuid topic_id)
{
    struct row_key topic = row_key_topic(topic_id), deleted = row_key_deleted_topic(topic_id);
    uint8_t value[DELETED_TOPIC_SIZE];
    store_delete(s, row_key_view(&topic));
    store_put(s, row_key_view(&deleted), deleted_topic_encode(value));
}

void store_set_log_start(struct store *s, struct log *log, int64_t offset)
{
    struct store_log *l = store_log_of(s, log);
    ASSERT(s->entry_open && !l->removed);
    int64_t known = MAX(log_start_offset(log), l->pending_start);
    if (offset <= known)
        return;
    ASSERT(offset <= log_next_offset(log));
    add_part(s, &(struct journal_part){.kind = JOURNAL_LOG_START,
                                       .topic_id = l->topic_id,
                                       .partition = l->partition,
                                       .offset = offset});
    l->pending_start = offset;
    store_log_changed(s, l);
    store_unit_mark(s, l)->start = offset;
}

void store_remove_log(struct store *s, struct uuid topic_id, int32_t partition)
{
    struct row_key key = row_key_log(topic_id, partition);
    struct store_log *l = map_get(&s->logs, row_key_view(&key));
    if (l == NULL || l->removed)
        return;
    add_part(s, &(struct journal_part){
                    .kind = JOURNAL_LOG_REMOVED, .topic_id = topic_id, .partition = partition});
    l->removed = true;
    store_unit_mark(s, l)->removed = true;
}

void store_commit(struct store *s, struct commit *commit)
{
    add_part(s, &(struct journal_part){.kind = JOURNAL_ENTRY_END});
    s->entry_open = false;
    struct store_unit *u = s->filling;
    u->entries++;
    s->stats.entries++;
    if (commit) {
        commit->node = (struct list_node){0};
        list_append(s->has_failed ? &s->failed : &u->commits, &commit->node);
    }
}

/* Turning */

void store_turn(struct store *s, int64_t now_ms, int64_t wall_ms)
{
    store_enter(s);
    s->now_ms = now_ms;
    s->wall_ms = wall_ms;
    store_units_hand_over(s);
    store_checkpoint_turn(s);
    store_logs_reap(s);
    store_clean_turn(s);
    store_leave(s);
}

bool store_accepts(const struct store *s)
{
    if (s->has_failed || s->closing)
        return false;
    if (store_units_backlog(s) >= s->options.unit_bytes && s->in_flight)
        return false;
    /* Wait for a flush if the segments are far behind, but not if the flush waits for space. */
    return s->full != 0 ||
           s->unflushed_bytes < UNFLUSHED_FACTOR * (int64_t)s->options.unflushed_bytes;
}

enum error store_lack(const struct store *s)
{
    if (s->full & ~(unsigned)FULL_NO_FILES)
        return ERR_NO_SPACE;
    bool much_waits =
        s->unflushed_bytes >= UNFLUSHED_FACTOR * (int64_t)s->options.unflushed_bytes ||
        store_units_backlog(s) >= s->options.unit_bytes;
    return s->full && much_waits ? ERR_NO_FILES : ERR_OK;
}

bool store_is_full(const struct store *s)
{
    return store_lack(s) != ERR_OK;
}

void store_on_durable(struct store *s, void (*moved)(void *context, struct log *log), void *context)
{
    s->moved_callback = moved;
    s->moved_context = context;
}

static void tick(struct timer *timer, int64_t now_ms)
{
    struct store *s = CONTAINER_OF(timer, struct store, tick);
    store_enter(s);
    s->now_ms = now_ms;
    timers_set(s->options.timers, &s->tick, now_ms + TICK_MS);
    store_check_space(s);
    if (!s->sealed && store_units_idle(s))
        store_units_seal(s, false);
    store_witness_turn(s);
    store_checkpoint_turn(s);
    store_logs_reap(s);
    store_logs_retry_removals(s);
    store_logs_look_after_files(s);
    store_deleted_remove_due(s);
    store_clean_turn(s);
    store_leave(s);
}

static void retry(struct timer *timer, int64_t now_ms)
{
    struct store *s = CONTAINER_OF(timer, struct store, retry);
    store_enter(s);
    s->now_ms = now_ms;
    store_units_hand_over(s);
    store_units_prepare_spare(s);
    store_leave(s);
}

/* Makes one callback: for moved logs first, then for commits in order. */
static bool tell_next(struct store *s)
{
    struct list_node *node = list_pop(&s->moved);
    if (node) {
        struct store_log *l = CONTAINER_OF(node, struct store_log, moved);
        if (s->moved_callback && l->log)
            s->moved_callback(s->moved_context, l->log);
        return true;
    }
    struct list *list = list_is_empty(&s->finished) ? &s->failed : &s->finished;
    node = list_pop(list);
    if (node == NULL)
        return false;
    struct commit *commit = CONTAINER_OF(node, struct commit, node);
    commit->done(commit, list == &s->finished ? ERR_OK : ERR_IO);
    return true;
}

void store_fail(struct store *s, enum error error)
{
    if (s->has_failed)
        return;
    s->has_failed = true;
    trace_log(s->env->trace, TRACE_ERROR,
              "writing the journal or the segments failed: the shard stores nothing more",
              F_INT("shard", s->options.shard), F_STRING("reason", error_text(error)));
    store_units_fail(s);
    if (s->options.failed)
        s->options.failed(s->options.context, error);
}

/* Closing */

void store_close(struct store *s, void (*done)(void *context, enum error result), void *context)
{
    ASSERT(!s->closing && !s->entry_open);
    store_enter(s);
    s->closing = true;
    s->close_done = done;
    s->close_context = context;
    timers_cancel(s->options.timers, &s->tick);
    store_clean_stop(s);
    store_leave(s);
}

static bool job_is_running(const struct store *s)
{
    return s->in_flight || s->jobs > 0 || s->checkpoint.phase == CHECKPOINT_RUNNING;
}

enum close_step { CLOSE_WAITS, CLOSE_GOES_ON, CLOSE_FINISHED };

/* The steps of closing: entries, removed logs, a last checkpoint, a unit marked as the last. If the
 * checkpoint failed, the next start needs the journal, so the witness is brought up to date. */
static enum close_step close_step(struct store *s)
{
    if (job_is_running(s))
        return CLOSE_WAITS;
    if (s->has_failed)
        return CLOSE_FINISHED;
    if (!store_units_idle(s)) {
        store_units_hand_over(s);
        return store_units_idle(s) ? CLOSE_GOES_ON : CLOSE_WAITS;
    }
    if (!list_is_empty(&s->dying)) {
        store_logs_reap(s);
        return list_is_empty(&s->dying) ? CLOSE_GOES_ON : CLOSE_WAITS;
    }
    if (!s->final_checkpoint_tried) {
        store_checkpoint_turn(s);
        return s->final_checkpoint_tried ? CLOSE_GOES_ON : CLOSE_WAITS;
    }
    if (s->closing_unit_tried)
        return CLOSE_FINISHED;
    if (!s->closing_witness_tried && s->witness.known.durable > s->checkpoint_lsn) {
        s->closing_witness_tried = true;
        store_witness_turn(s);
        return CLOSE_GOES_ON;
    }
    s->closing_unit_tried = true;
    store_units_seal(s, true);
    return CLOSE_GOES_ON;
}

void store_enter(struct store *s)
{
    s->depth++;
}

/* Jobs that can be tried again, as those of the cleaner and of retention, do not stop the shard
 * themselves. */
void store_leave(struct store *s)
{
    enum close_step step = CLOSE_WAITS;
    if (!s->closed && io_sync_failed(s->env->io))
        store_fail(s, ERR_IO);
    do {
        if (s->depth > 1)
            break;
        while (tell_next(s))
            ;
        step = s->closing && !s->closed ? close_step(s) : CLOSE_WAITS;
    } while (step == CLOSE_GOES_ON);
    s->depth--;
    if (step != CLOSE_FINISHED)
        return;
    s->closed = true;
    if (s->has_failed && s->close_result == ERR_OK)
        s->close_result = ERR_IO;
    s->close_done(s->close_context, s->close_result);
}

enum error store_scan(struct store *s, struct bytes prefix,
                      enum error (*each)(void *context, struct bytes key, struct bytes value),
                      void *context)
{
    ASSERT(s->stats.checkpoints == 0); /* the rows are still those of recovery */
    return s->options.kv->driver->scan(s->options.kv, prefix, each, context);
}

struct store_stats store_stats(const struct store *s)
{
    struct store_stats stats = s->stats;
    stats.tail_bytes = s->tail_bytes;
    stats.unflushed_bytes = s->unflushed_bytes;
    stats.journal_behind_bytes = (int64_t)(s->journal.lsn - s->durable) +
                                 (int64_t)store_units_backlog(s) - JOURNAL_HEADER_SIZE;
    return stats;
}
