/* Compaction in a store: finds the log with the largest dirty share, and takes it through a round
 * of log_clean.h. One log at a time, on the cleaner's worker. */
#include "storage/store_internal.h"
#include "storage/swap_list.h"

#include <stdlib.h>

enum {
    SCAN_LOGS = 2000, /* in one turn */
    PATIENCE = 4,     /* times the backoff, until a log whose cleaning failed is tried again */
};

static void next_step(struct store *s);

static bool is_enabled(const struct store *s)
{
    return s->options.clean.worker != NULL;
}

/* On the worker. */

static bool go_on(void *context, int64_t bytes)
{
    struct store *s = context;
    struct clean_gate *gate = s->options.clean.gate;
    if (gate)
        gate->took(gate, &s->cleaning.visit, bytes);
    return !atomic_load(&s->cleaning.visit.stop);
}

static void run_enter(struct job *job)
{
    struct store_cleaning *c = CONTAINER_OF(job, struct store_cleaning, enter_job);
    struct store *s = CONTAINER_OF(c, struct store, cleaning);
    struct clean_gate *gate = s->options.clean.gate;
    gate->enter(gate, &c->visit);
}

/* The end of a round */

static void leave_gate(struct store *s)
{
    struct clean_gate *gate = s->options.clean.gate;
    if (gate && s->cleaning.is_inside)
        gate->leave(gate, &s->cleaning.visit);
    s->cleaning.is_inside = false;
}

static void rest(struct store *s)
{
    leave_gate(s);
    s->cleaning.phase = CLEAN_RESTING;
    s->cleaning.next_ms = s->now_ms + s->options.clean.backoff_ms;
}

static void release(struct store *s)
{
    struct store_cleaning *c = &s->cleaning;
    ASSERT(!c->job_runs);
    log_clean_free(c->round);
    c->round = NULL;
    if (c->log)
        c->log->cleaning = false;
    c->log = NULL;
    c->wants_checkpoint = false;
    atomic_store(&c->visit.stop, false);
}

static void mark_uncleanable(struct store *s, struct store_log *l, enum error error)
{
    struct log_clean_damage damage = log_clean_damage(s->cleaning.round);
    char *directory = partition_directory(s->data_directory, l->topic_id, l->partition);
    char *path = segment_path(directory, damage.segment_base, SEGMENT_LOG);
    trace_log(s->env->trace, TRACE_ERROR,
              "a partition has a batch that cannot be read: it is not compacted any more",
              F_STRING("file", path), F_INT("byte", damage.position),
              F_INT("partition", l->partition), F_STRING("reason", error_text(error)));
    if (l->uncleanable_until == 0) {
        s->stats.uncleanable++;
        list_append(&s->cleaning.uncleanable, &l->uncleanable);
    }
    l->uncleanable_until = damage.segment_next;
    free(path);
    free(directory);
}

/* Gives the round up. Nothing is lost: the old segments are in place, or the swap is complete. */
static void give_up(struct store *s, enum error why)
{
    struct store_log *l = s->cleaning.log;
    s->cleaning.lacks_space = why == ERR_NO_SPACE;
    if (why == ERR_CORRUPT || why == ERR_TOO_LARGE) {
        mark_uncleanable(s, l, why);
    } else if (why != ERR_CLOSED && why != ERR_NOT_FOUND && !io_sync_failed(s->env->io)) {
        l->clean_after_ms = s->now_ms + PATIENCE * s->options.clean.backoff_ms;
        trace_log(s->env->trace, TRACE_WARN,
                  "a partition could not be compacted: it is tried again",
                  F_INT("partition", l->partition), F_STRING("reason", error_text(why)));
    }
    release(s);
    rest(s);
}

static void succeed(struct store *s)
{
    struct store_cleaning *c = &s->cleaning;
    struct log_clean_work work = log_clean_work(c->round);
    log_clean_finish(c->round);
    store_log_changed(s, c->log);
    s->stats.cleanings++;
    s->stats.records_dropped += work.counts.records - work.counts.kept;
    s->stats.clean_bytes_read += work.map_bytes + work.counts.bytes;
    s->stats.clean_bytes_written += work.counts.kept_bytes;
    s->stats.last_clean_wall_ms = s->wall_ms;
    char *directory = partition_directory(s->data_directory, c->log->topic_id, c->log->partition);
    trace_log(s->env->trace, TRACE_INFO, "a partition was compacted",
              F_STRING("directory", directory), F_INT("from_offset", work.from),
              F_INT("to_offset", work.to), F_INT("keys", (int64_t)work.keys),
              F_INT("records", (int64_t)work.counts.records),
              F_INT("kept", (int64_t)work.counts.kept), F_INT("bytes", work.counts.bytes),
              F_INT("kept_bytes", work.counts.kept_bytes), F_INT("ms", s->now_ms - c->began_ms),
              F_INT("compactions", (int64_t)s->stats.cleanings),
              F_INT("uncleanable", (int64_t)s->stats.uncleanable));
    free(directory);
    release(s);
    c->lacks_space = false;
    /* The next log does not wait. The cleaner keeps its place until it knows how urgent it is. */
    c->phase = CLEAN_RESTING;
    c->next_ms = s->now_ms;
}

/* Steps */

static bool must_stop(const struct store *s)
{
    const struct store_log *l = s->cleaning.log;
    return s->closing || s->has_failed || l->removed || !log_clean_is_wanted(l->log);
}

/* The job's done(): true if the round goes on. */
static bool step_ended(struct store *s)
{
    s->jobs--;
    s->cleaning.job_runs = false;
    return !must_stop(s);
}

static void begin_job(struct store *s, enum clean_phase phase)
{
    s->jobs++;
    s->cleaning.job_runs = true;
    s->cleaning.phase = phase;
}

static void undo_done(struct job *job)
{
    struct log_clean_job *step = CONTAINER_OF(job, struct log_clean_job, job);
    struct store *s = CONTAINER_OF(step, struct store, cleaning.step);
    store_enter(s);
    step_ended(s);
    give_up(s, s->cleaning.why);
    store_leave(s);
}

static void begin_undo(struct store *s, enum error why)
{
    struct store_cleaning *c = &s->cleaning;
    c->why = why;
    c->step = (struct log_clean_job){.job.done = undo_done, .clean = c->round};
    begin_job(s, CLEAN_UNDOING);
    log_clean_submit_undo(s->options.clean.worker, &c->step);
}

static void run_names(struct job *job)
{
    struct store_cleaning *c = CONTAINER_OF(job, struct store_cleaning, names_job);
    c->names_result = log_delete_run(c->names);
}

static void names_done(struct job *job)
{
    struct store *s = CONTAINER_OF(job, struct store, cleaning.names_job);
    struct store_cleaning *c = &s->cleaning;
    store_enter(s);
    bool goes_on = step_ended(s);
    log_delete_end(c->names);
    if (!goes_on || c->names_result != ERR_OK)
        give_up(s, goes_on ? c->names_result : ERR_CLOSED);
    else
        next_step(s);
    store_leave(s);
}

/* Readers of the old segments may delay the names: the next turn tries again. */
static void give_names(struct store *s)
{
    struct store_cleaning *c = &s->cleaning;
    c->names = log_delete_begin(c->log->log);
    if (c->names == NULL)
        return;
    c->names_job = (struct job){.run = run_names, .done = names_done};
    begin_job(s, CLEAN_NAMES);
    s->options.clean.worker->submit(s->options.clean.worker, &c->names_job);
}

static void group_done(struct job *job)
{
    struct log_clean_job *step = CONTAINER_OF(job, struct log_clean_job, job);
    struct store *s = CONTAINER_OF(step, struct store, cleaning.step);
    struct store_cleaning *c = &s->cleaning;
    bool swapped = false;
    store_enter(s);
    bool goes_on = step_ended(s);
    enum error error = goes_on || step->result != ERR_OK ? step->result : ERR_CLOSED;
    bool is_written = step->result == ERR_OK;
    if (error == ERR_OK)
        error = log_clean_swap(c->round, &swapped);
    if (error == ERR_OK) {
        c->phase = swapped ? CLEAN_NAMES : CLEAN_GROUP;
        store_log_account(s, c->log);
        next_step(s);
    } else if (is_written) {
        begin_undo(s, error);
    } else {
        give_up(s, error);
    }
    store_leave(s);
}

static void begin_group(struct store *s)
{
    struct store_cleaning *c = &s->cleaning;
    c->step = (struct log_clean_job){.job.done = group_done, .clean = c->round};
    begin_job(s, CLEAN_GROUP);
    log_clean_submit_group(s->options.clean.worker, &c->step);
}

/* When no job of the round is under way. */
static void next_step(struct store *s)
{
    struct store_cleaning *c = &s->cleaning;
    if (c->phase == CLEAN_ROW && c->durable_dirty < log_clean_first_dirty(c->round))
        return;
    if (log_clean_is_swapping(c->log->log))
        give_names(s);
    else if (log_clean_is_complete(c->round))
        succeed(s);
    else
        begin_group(s);
}

static void map_done(struct job *job)
{
    struct log_clean_job *step = CONTAINER_OF(job, struct log_clean_job, job);
    struct store *s = CONTAINER_OF(step, struct store, cleaning.step);
    struct store_cleaning *c = &s->cleaning;
    store_enter(s);
    bool goes_on = step_ended(s);
    if (!goes_on || step->result != ERR_OK) {
        give_up(s, goes_on ? step->result : ERR_CLOSED);
    } else {
        log_set_first_dirty(c->log->log, log_clean_first_dirty(c->round));
        store_log_changed(s, c->log);
        c->phase = CLEAN_ROW;
        c->captured_dirty = c->durable_dirty = -1;
        c->wants_checkpoint = true;
    }
    store_leave(s);
}

/* With the best log. */
static void begin_round(struct store *s)
{
    struct store_cleaning *c = &s->cleaning;
    const struct clean_options *options = &s->options.clean;
    struct store_log *l = c->best;
    struct log_clean_offer offer;
    c->best = NULL;
    if (l == NULL || !log_clean_is_wanted(l->log) ||
        !log_clean_offer(l->log, s->wall_ms, log_durable_offset(l->log), &offer)) {
        rest(s);
        return;
    }
    struct log_clean_options limits = {.map_bytes = options->map_bytes,
                                       .map_load = options->map_load,
                                       .buffer_bytes = options->buffer_bytes,
                                       .max_uncompressed = options->max_uncompressed,
                                       .min_free_bytes = s->options.min_free_bytes,
                                       .go_on = go_on,
                                       .context = s};
    char *list = swap_list_path(s->data_directory, l->topic_id, l->partition);
    c->log = l;
    c->began_ms = s->now_ms;
    l->cleaning = true;
    c->round = log_clean_begin(l->log, &offer, &limits, s->wall_ms, list);
    free(list);
    c->step = (struct log_clean_job){.job.done = map_done, .clean = c->round};
    begin_job(s, CLEAN_MAPPING);
    log_clean_submit_map(options->worker, &c->step);
}

/* The turn among the shards */

static void enter_done(struct job *job)
{
    struct store_cleaning *c = CONTAINER_OF(job, struct store_cleaning, enter_job);
    struct store *s = CONTAINER_OF(c, struct store, cleaning);
    store_enter(s);
    s->jobs--;
    c->enters = false;
    c->is_inside = true; /* leaving is harmless after a stop */
    if (s->closing || s->has_failed || c->phase == CLEAN_RESTING)
        rest(s);
    else if (c->phase == CLEAN_WAITING)
        begin_round(s);
    store_leave(s);
}

static void ask_for_turn(struct store *s)
{
    struct store_cleaning *c = &s->cleaning;
    struct clean_gate *gate = s->options.clean.gate;
    gate->set_urgency(gate, &c->visit, c->best_urgency);
    c->phase = CLEAN_WAITING;
    c->next_ms = s->now_ms + s->options.clean.backoff_ms;
    if (c->enters)
        return;
    c->enters = true;
    s->jobs++;
    c->enter_job = (struct job){.run = run_enter, .done = enter_done};
    s->options.clean.worker->submit(s->options.clean.worker, &c->enter_job);
}

/* The search */

static void load_done(struct job *job)
{
    struct log_load_job *load = CONTAINER_OF(job, struct log_load_job, job);
    struct store *s = CONTAINER_OF(load, struct store, cleaning.load);
    struct store_cleaning *c = &s->cleaning;
    store_enter(s);
    s->jobs--;
    c->job_runs = false;
    if (load->result != ERR_OK)
        c->log->clean_after_ms = s->now_ms + PATIENCE * s->options.clean.backoff_ms;
    c->log->cleaning = false;
    c->log = NULL;
    c->phase = CLEAN_SCANNING; /* the next scan sees it loaded */
    store_leave(s);
}

static void load_log(struct store *s, struct store_log *l)
{
    struct store_cleaning *c = &s->cleaning;
    c->log = l;
    l->cleaning = true;
    c->load = (struct log_load_job){.job.done = load_done, .log = l->log};
    begin_job(s, CLEAN_LOADING);
    log_load_submit(s->options.clean.worker, &c->load);
}

static void forget_damage(struct store *s, struct store_log *l)
{
    if (l->uncleanable_until == 0)
        return;
    l->uncleanable_until = 0;
    list_remove(&l->uncleanable);
    s->stats.uncleanable--;
}

/* Segments below the log start are gone, and damage with them. */
static bool is_uncleanable(struct store *s, struct store_log *l)
{
    if (l->uncleanable_until == 0)
        return false;
    if (l->uncleanable_until > log_start_offset(l->log))
        return true;
    forget_damage(s, l);
    return false;
}

static void consider(struct store *s, struct store_log *l)
{
    struct store_cleaning *c = &s->cleaning;
    struct log_clean_offer offer;
    if (l->log == NULL || l->removed || !log_clean_is_wanted(l->log) ||
        s->now_ms < l->clean_after_ms || is_uncleanable(s, l))
        return;
    if (log_clean_needs_loading(l->log)) {
        if (!c->enters) /* the worker waits for the turn */
            load_log(s, l);
        return;
    }
    if (!log_clean_offer(l->log, s->wall_ms, log_durable_offset(l->log), &offer))
        return;
    double ratio = log_clean_ratio(&offer), urgency = ratio + offer.overdue;
    c->worst_ratio = MAX(c->worst_ratio, ratio);
    if (log_clean_is_due(l->log, &offer) && (c->best == NULL || urgency > c->best_urgency)) {
        c->best = l;
        c->best_urgency = urgency;
    }
}

static void scan_ended(struct store *s)
{
    struct store_cleaning *c = &s->cleaning;
    s->stats.max_dirty_ratio = c->worst_ratio;
    if (c->best && s->options.clean.gate)
        ask_for_turn(s);
    else if (c->best)
        begin_round(s);
    else
        rest(s);
}

static void scan(struct store *s)
{
    struct store_cleaning *c = &s->cleaning;
    for (int i = 0; i < SCAN_LOGS && c->phase == CLEAN_SCANNING; i++) {
        size_t before = c->cursor;
        struct store_log *l = map_next(&s->logs, &c->cursor);
        if (l == NULL) {
            scan_ended(s);
            return;
        }
        consider(s, l);
        if (c->phase == CLEAN_LOADING)
            c->cursor = before; /* looks at it again when it is loaded */
    }
}

void store_clean_init(struct store *s)
{
    list_init(&s->cleaning.uncleanable);
}

void store_set_clean_options(struct store *s, const struct clean_options *options)
{
    struct clean_options *now = &s->options.clean;
    struct executor *worker = now->worker;
    struct clean_gate *gate = now->gate;
    *now = *options;
    now->worker = worker;
    now->gate = gate;
    s->cleaning.next_ms = MIN(s->cleaning.next_ms, s->now_ms + now->backoff_ms);
}

void store_clean_turn(struct store *s)
{
    struct store_cleaning *c = &s->cleaning;
    if (!is_enabled(s) || s->closing || s->has_failed || s->wall_ms <= 0)
        return;
    if (c->round && must_stop(s)) {
        store_clean_stop(s);
        return;
    }
    if ((c->phase == CLEAN_RESTING || c->phase == CLEAN_WAITING) && s->now_ms >= c->next_ms) {
        c->phase = CLEAN_SCANNING;
        c->cursor = 0;
        c->best = NULL;
        c->worst_ratio = 0;
    }
    if (c->phase == CLEAN_SCANNING)
        scan(s);
    else if (c->round && !c->job_runs)
        next_step(s);
}

void store_clean_stop(struct store *s)
{
    struct store_cleaning *c = &s->cleaning;
    if (c->round == NULL && !c->enters) {
        leave_gate(s);
        return;
    }
    atomic_store(&c->visit.stop, true);
    if (s->options.clean.gate)
        s->options.clean.gate->wake(s->options.clean.gate);
    if (c->round && !c->job_runs) {
        release(s);
        rest(s);
    }
}

void store_clean_free(struct store *s)
{
    log_clean_free(s->cleaning.round);
    s->cleaning.round = NULL;
}

void store_clean_forget(struct store *s, struct store_log *l)
{
    if (s->cleaning.best == l)
        s->cleaning.best = NULL;
    forget_damage(s, l);
}

void store_clean_captured(struct store *s, const struct store_log *l, int64_t first_dirty_offset)
{
    if (s->cleaning.log == l)
        s->cleaning.captured_dirty = first_dirty_offset;
}

void store_clean_checkpointed(struct store *s)
{
    struct store_cleaning *c = &s->cleaning;
    c->durable_dirty = c->captured_dirty;
    if (c->phase != CLEAN_ROW || c->durable_dirty < log_clean_first_dirty(c->round))
        return;
    c->wants_checkpoint = false;
    if (!must_stop(s))
        next_step(s);
}
