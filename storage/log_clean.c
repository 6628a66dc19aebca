/* One round of a cleaner: what to clean, the map, the groups. */
#include "storage/log_clean.h"

#include "storage/clean_output.h"
#include "storage/log_internal.h"
#include "storage/log_replace.h"
#include "storage/swap_list.h"

#include <stdlib.h>

/* The last batch of a producer: its header stays, because it carries the sequence. */
struct last_batch {
    int64_t producer_id, last_offset;
    int16_t epoch;
};

struct log_clean {
    struct log *log;
    struct log_clean_options options;
    struct log_config config;
    char *list_path;
    int64_t now_ms;
    int64_t from, to;      /* of the offer */
    int64_t sparse_before; /* the log's first dirty offset when the round began */
    int64_t map_end;       /* the map has all keys of [from, map_end) */
    int64_t first_dirty;   /* after the last segment that the round writes */
    int64_t at;            /* the next group starts here */
    struct clean_map *map;
    struct clean_transactions *transactions; /* of the groups */
    struct last_batch *producers;            /* by id */
    size_t producer_count, producer_capacity;
    struct arena scratch;
    struct buffer batch, cleaned;
    struct new_segments *made; /* by the last group, or NULL */
    bool has_files;            /* .swap files and a list */
    struct log_clean_damage damage;
    struct log_clean_work work;
    int64_t bytes_to_read;
    _Atomic int64_t bytes_read, bytes_written;
};

/* --- choosing --- */

bool log_clean_is_swapping(const struct log *log)
{
    return log->swap != NULL;
}

bool log_clean_is_wanted(const struct log *log)
{
    return log->config.compact_enabled;
}

bool log_clean_needs_loading(const struct log *log)
{
    return !log->loaded && log->cleaned_offset < log_active(log)->base_offset;
}

static bool may_be_cleaned(const struct log *log, const struct segment *segment, int64_t wall_ms,
                           int64_t stable_offset)
{
    int64_t lag = log->config.min_compaction_lag_ms, age;
    if (segment == log_active(log) || !segment->completed || !segment->known ||
        segment->flushed_size != segment->size || segment->next_offset > stable_offset)
        return false;
    if (lag <= 0 || segment->size == 0)
        return true;
    return !__builtin_sub_overflow(wall_ms, segment->summary.max_timestamp, &age) && age >= lag;
}

static bool is_overdue(const struct log *log, const struct segment *segment, int64_t wall_ms)
{
    int64_t first = segment->summary.first_timestamp, age;
    return first > 0 && !__builtin_sub_overflow(wall_ms, first, &age) &&
           age > log->config.max_compaction_lag_ms;
}

/* From the newest dirty segment back, so that it takes no time when few are dirty. */
bool log_clean_offer(const struct log *log, int64_t wall_ms, int64_t stable_offset,
                     struct log_clean_offer *out)
{
    *out = (struct log_clean_offer){.from = MAX(log->cleaned_offset, log->start_offset)};
    if (!log->loaded || log->swap || log->segment_count < 2)
        return false;
    size_t first = log->segment_count - 1;
    int64_t behind = log_active(log)->size;
    while (first > 0 && log->segments[first - 1].next_offset > out->from)
        first--;
    out->to = out->from;
    for (size_t i = first; i + 1 < log->segment_count; i++) {
        const struct segment *segment = &log->segments[i];
        if (!may_be_cleaned(log, segment, wall_ms, stable_offset)) {
            for (; i + 1 < log->segment_count; i++)
                behind += log->segments[i].size;
            break;
        }
        out->to = segment->next_offset;
        out->dirty_bytes += segment->size;
        out->overdue |= is_overdue(log, segment, wall_ms);
    }
    out->total_bytes = log->size_bytes - behind;
    return out->to > out->from && out->dirty_bytes > 0;
}

double log_clean_ratio(const struct log_clean_offer *offer)
{
    return offer->total_bytes > 0 ? (double)offer->dirty_bytes / (double)offer->total_bytes : 0;
}

bool log_clean_is_due(const struct log *log, const struct log_clean_offer *offer)
{
    return offer->overdue || log_clean_ratio(offer) > log->config.min_cleanable_ratio;
}

/* --- the round --- */

static void note_producer(void *context, int64_t producer_id, int16_t epoch, int64_t last_offset)
{
    struct log_clean *c = context;
    if (c->producer_count == c->producer_capacity) {
        c->producer_capacity = c->producer_capacity ? 2 * c->producer_capacity : 16;
        c->producers = xrealloc(c->producers, c->producer_capacity * sizeof c->producers[0]);
    }
    c->producers[c->producer_count++] = (struct last_batch){producer_id, last_offset, epoch};
}

static int compare_producers(const void *a, const void *b)
{
    const struct last_batch *left = a, *right = b;
    return left->producer_id < right->producer_id ? -1 : left->producer_id > right->producer_id;
}

/* Decompressed records, and what else the arena holds of them. */
static size_t scratch_max(const struct log_clean_options *options)
{
    return options->max_uncompressed + (1 << 20);
}

struct log_clean *log_clean_begin(struct log *log, const struct log_clean_offer *offer,
                                  const struct log_clean_options *options, int64_t wall_ms,
                                  const char *list_path)
{
    struct log_clean *c = xcalloc(1, sizeof *c);
    *c = (struct log_clean){.log = log,
                            .options = *options,
                            .config = log->config,
                            .list_path = xstrdup(list_path),
                            .now_ms = wall_ms,
                            .from = offer->from,
                            .to = offer->to,
                            .sparse_before = log->first_dirty_offset,
                            .map_end = offer->from,
                            .bytes_to_read = offer->dirty_bytes + offer->total_bytes,
                            .at = log->segments[0].base_offset};
    c->transactions = clean_transactions_create(NULL, 0);
    producer_states_each(log->producers, note_producer, c);
    if (c->producer_count > 0)
        qsort(c->producers, c->producer_count, sizeof c->producers[0], compare_producers);
    arena_init(&c->scratch, scratch_max(options));
    buffer_init(&c->batch, INT32_MAX);
    buffer_init(&c->cleaned, INT32_MAX);
    return c;
}

void log_clean_free(struct log_clean *c)
{
    if (c == NULL)
        return;
    new_segments_free(c->made);
    clean_map_free(c->map);
    clean_transactions_free(c->transactions);
    free(c->producers);
    arena_free(&c->scratch);
    buffer_free(&c->batch);
    buffer_free(&c->cleaned);
    free(c->list_path);
    free(c);
}

int64_t log_clean_first_dirty(const struct log_clean *c)
{
    return c->first_dirty;
}

struct log_clean_damage log_clean_damage(const struct log_clean *c)
{
    return c->damage;
}

struct log_clean_work log_clean_work(const struct log_clean *c)
{
    struct log_clean_work work = c->work;
    work.keys = c->map ? clean_map_count(c->map) : 0;
    work.from = c->from;
    work.to = c->map_end;
    return work;
}

struct log_clean_progress log_clean_progress(struct log_clean *c)
{
    return (struct log_clean_progress){.bytes_read = atomic_load(&c->bytes_read),
                                       .bytes_written = atomic_load(&c->bytes_written),
                                       .bytes_to_read = c->bytes_to_read};
}

/* --- jobs --- */

struct clean_plan {
    struct job_plan plan;
    struct segment_table table;
    enum error (*run)(struct log_clean *c, struct segment_table *table);
};

static bool is_damage(enum error error)
{
    return error == ERR_CORRUPT || error == ERR_TOO_LARGE;
}

static void run_step(struct job *job)
{
    struct log_clean_job *step = CONTAINER_OF(job, struct log_clean_job, job);
    step->result = step->plan->run(step->clean, &step->plan->table);
}

static void step_done(struct job *job)
{
    struct log_clean_job *step = CONTAINER_OF(job, struct log_clean_job, job);
    struct clean_plan *plan = step->plan;
    const struct log *log = step->clean->log;
    if (is_damage(step->result) && step->clean->damage.segment_next <= log->start_offset)
        step->result = ERR_NOT_FOUND; /* retention has deleted it meanwhile */
    segment_table_free(&plan->table);
    job_plan_end(&plan->plan, job);
    free(plan);
    job->done(job);
}

static void submit(struct executor *executor, struct log_clean_job *job, int64_t from, int64_t to,
                   enum error (*run)(struct log_clean *c, struct segment_table *table))
{
    struct clean_plan *plan = xcalloc(1, sizeof *plan);
    struct log *log = job->clean->log;
    plan->run = run;
    job->plan = plan;
    segment_table_take_range(log, from, to, &plan->table);
    job_plan_begin(&plan->plan, log, &job->job, run_step, step_done);
    executor->submit(executor, &job->job);
}

static bool may_go_on(const struct log_clean *c, int64_t bytes)
{
    return c->options.go_on(c->options.context, bytes);
}

/* --- reading a segment --- */

typedef enum error (*each_batch)(struct log_clean *c, struct bytes batch, void *context);

static enum error damaged(struct log_clean *c, const struct segment_view *view, int64_t position,
                          enum error error)
{
    c->damage = (struct log_clean_damage){view->base_offset, view->next_offset, position};
    return error;
}

static enum error read_batch(struct log_clean *c, struct segment_scan *scan, each_batch each,
                             void *context)
{
    buffer_clear(&c->batch);
    enum error error = segment_scan_read(scan, &c->batch);
    atomic_fetch_add(&c->bytes_read, scan->batch_size);
    if (error == ERR_OK && !may_go_on(c, (int64_t)scan->batch_size))
        error = ERR_CLOSED;
    return error == ERR_OK ? each(c, buffer_view(&c->batch), context) : error;
}

static enum error read_segment(struct log_clean *c, struct table_entry *entry, each_batch each,
                               void *context)
{
    struct segment_view *view = &entry->view;
    struct segment_scan scan;
    view->sparse = view->base_offset < c->sparse_before; /* gaps elsewhere are damage */
    enum error error = table_entry_open(c->log->env->io, entry);
    if (error != ERR_OK)
        return error == ERR_CORRUPT ? damaged(c, view, 0, error) : error;
    /* Without the page cache, the kernel reads nothing ahead that a journal's write waits for. */
    segment_scan_init_direct(&scan, view, segment_start(view));
    while (error == ERR_OK && segment_scan_next(&scan)) {
        error = read_batch(c, &scan, each, context);
        if (is_damage(error))
            damaged(c, view, scan.batch_position, error);
    }
    if (error == ERR_OK && scan.error != ERR_OK)
        error = is_damage(scan.error) ? damaged(c, view, scan.position, scan.error) : scan.error;
    bool whole = view->sparse || scan.next_offset == view->next_offset;
    if (error == ERR_OK && (!whole || entry->damaged))
        error = damaged(c, view, scan.position, ERR_CORRUPT);
    segment_scan_free(&scan);
    segment_file_unref(view->file); /* there may be many */
    view->file = NULL;
    return error;
}

/* --- the map --- */

struct mapping {
    struct clean_transactions *transactions;
    bool full;
};

static enum error map_batch(struct log_clean *c, struct bytes batch, void *context)
{
    struct mapping *m = context;
    struct batch_header h;
    int64_t end;
    bool full = false;
    c->work.map_bytes += (int64_t)batch.size;
    if (!batch_header_read(batch, &h))
        return ERR_CORRUPT;
    bool discard = clean_transactions_next(m->transactions, batch);
    if (m->full || batch_last_offset(&h) < c->from)
        return ERR_OK;
    end = batch_last_offset(&h) + 1;
    if (!discard && (h.attributes & BATCH_CONTROL) == 0) {
        enum error error = clean_batch_map(batch, c->from, c->options.max_uncompressed, &c->scratch,
                                           c->map, &full, &end);
        if (error != ERR_OK)
            return error;
    }
    m->full = full;
    c->map_end = MAX(c->map_end, end);
    return ERR_OK;
}

static enum error run_map(struct log_clean *c, struct segment_table *table)
{
    struct mapping m = {.transactions = clean_transactions_create(NULL, 0)};
    enum error error = ERR_OK;
    c->map = clean_map_create(c->log->env->random, c->options.map_bytes,
                              (uint64_t)(c->to - c->from), c->options.map_load);
    for (size_t i = 0; i < table->count && error == ERR_OK && !m.full; i++) {
        error = read_segment(c, &table->entries[i], map_batch, &m);
        if (error == ERR_OK && !m.full)
            c->map_end = MAX(c->map_end, table->entries[i].view.next_offset);
        c->first_dirty = table->entries[i].view.next_offset;
    }
    clean_transactions_free(m.transactions);
    return error;
}

void log_clean_submit_map(struct executor *executor, struct log_clean_job *job)
{
    submit(executor, job, job->clean->from, job->clean->to, run_map);
}

/* --- a group --- */

static bool is_last_of_producer(const struct log_clean *c, const struct batch_header *h)
{
    struct last_batch wanted = {.producer_id = h->producer_id};
    if (h->producer_id < 0 || c->producer_count == 0)
        return false;
    const struct last_batch *last = bsearch(&wanted, c->producers, c->producer_count,
                                            sizeof c->producers[0], compare_producers);
    if (last == NULL)
        return false;
    if (last->last_offset >= 0)
        return batch_last_offset(h) == last->last_offset;
    return (h->attributes & BATCH_CONTROL) && h->producer_epoch == last->epoch;
}

struct group {
    struct clean_output *output;
    bool changed;
};

static enum error group_batch(struct log_clean *c, struct bytes batch, void *context)
{
    struct group *g = context;
    struct batch_header h;
    size_t written = 0;
    if (!batch_header_read(batch, &h))
        return ERR_CORRUPT;
    struct clean_batch_rules rules = {
        .map = c->map,
        .map_end = c->map_end,
        .now_ms = c->now_ms,
        .delete_retention_ms = c->config.delete_retention_ms,
        .max_uncompressed = c->options.max_uncompressed,
        .discard = clean_transactions_next(c->transactions, batch),
        .keep_empty = is_last_of_producer(c, &h) || batch_last_offset(&h) + 1 == c->to,
    };
    buffer_clear(&c->cleaned);
    enum error error = clean_batch(batch, &rules, &c->scratch, &c->cleaned, &c->work.counts);
    struct bytes left = buffer_view(&c->cleaned);
    if (error != ERR_OK)
        return error;
    g->changed |= !bytes_equal(left, batch);
    if (left.size > 0)
        error = clean_output_add(g->output, left, &written);
    atomic_fetch_add(&c->bytes_written, written);
    if (error == ERR_OK && written > 0 && !may_go_on(c, (int64_t)written))
        error = ERR_CLOSED;
    return error;
}

static enum error write_group(struct log_clean *c, struct segment_table *table, struct group *g)
{
    size_t written;
    enum error error =
        swap_list_write(c->log->env->io, c->list_path, &(struct swap_list){.count = 0});
    c->has_files = error == ERR_OK;
    for (size_t i = 0; i < table->count && error == ERR_OK; i++)
        error = read_segment(c, &table->entries[i], group_batch, g);
    return error == ERR_OK ? clean_output_end(g->output, &written) : error;
}

static enum error undo(struct log_clean *c)
{
    if (!c->has_files)
        return ERR_OK;
    enum error error = swap_list_undo(c->log->env->io, c->list_path, c->log->directory);
    c->has_files = error != ERR_OK;
    return error;
}

static enum error open_made(struct log_clean *c, const struct segment_table *table,
                            const struct clean_output *output)
{
    size_t count;
    const int64_t *bases = clean_output_bases(output, &count);
    int64_t end = table->entries[table->count - 1].view.next_offset;
    enum error error =
        new_segments_open(c->log->env, c->log->directory, bases, count, end, &c->made);
    if (error == ERR_OK)
        new_segments_list_in(c->made, c->list_path);
    return is_damage(error) ? ERR_IO : error; /* the disk did not keep what was written */
}

static enum error run_group(struct log_clean *c, struct segment_table *table)
{
    struct clean_output_config config = {.segment_bytes = INT32_MAX,
                                         .index_interval_bytes = c->config.index_interval_bytes,
                                         .buffer_bytes = c->options.buffer_bytes,
                                         .min_free_bytes = c->options.min_free_bytes};
    struct group g = {.changed = table->count > 1};
    g.output = clean_output_create(c->log->env->io, c->log->directory,
                                   table->entries[0].view.base_offset, &config);
    enum error error = write_group(c, table, &g);
    if (error == ERR_OK && g.changed)
        error = open_made(c, table, g.output);
    clean_output_free(g.output);
    if (error != ERR_OK || !g.changed) {
        enum error left = undo(c);
        error = error == ERR_OK ? left : error;
    }
    return error;
}

/* Whether a segment may follow the first one of a group. */
static bool joins(const struct log_clean *c, const struct segment *first,
                  const struct segment *segment, int64_t bytes, int64_t index_bytes,
                  int64_t time_index_bytes)
{
    const struct log_config *config = &c->log->config;
    return bytes + segment->size <= config->segment_bytes &&
           index_bytes + segment->flushed.index_bytes <= config->segment_index_bytes &&
           time_index_bytes + segment->flushed.time_index_bytes <= config->segment_index_bytes &&
           (segment->size == 0 || segment->next_offset - 1 - first->base_offset <= INT32_MAX);
}

/* The end of the group that starts with segment `first`. */
static int64_t group_end(const struct log_clean *c, size_t first)
{
    const struct segment *segments = c->log->segments;
    int64_t bytes = 0, index_bytes = 0, time_index_bytes = 0;
    size_t i = first;
    for (; segments[i].base_offset < c->map_end && segments[i].next_offset <= c->first_dirty; i++) {
        if (i > first &&
            !joins(c, &segments[first], &segments[i], bytes, index_bytes, time_index_bytes))
            break;
        bytes += segments[i].size;
        index_bytes += segments[i].flushed.index_bytes;
        time_index_bytes += segments[i].flushed.time_index_bytes;
    }
    return segments[i].base_offset;
}

/* The first segment that is not done, without those that retention deletes. */
static size_t next_segment(const struct log_clean *c)
{
    const struct log *log = c->log;
    size_t i = (size_t)(log_find_segment(log, c->at) - log->segments);
    while (log->segments[i].base_offset < c->at ||
           log->segments[i].next_offset <= log->start_offset)
        if (&log->segments[i] == log_active(log))
            break;
        else
            i++;
    return i;
}

bool log_clean_is_complete(const struct log_clean *c)
{
    return c->log->segments[next_segment(c)].base_offset >= c->map_end;
}

void log_clean_submit_group(struct executor *executor, struct log_clean_job *job)
{
    struct log_clean *c = job->clean;
    ASSERT(!log_clean_is_complete(c) && c->made == NULL);
    size_t first = next_segment(c);
    int64_t from = c->log->segments[first].base_offset;
    c->at = group_end(c, first);
    ASSERT(c->at > from);
    c->work.groups++;
    submit(executor, job, from, c->at, run_group);
}

enum error log_clean_swap(struct log_clean *c, bool *swapped)
{
    *swapped = c->made != NULL;
    if (c->made == NULL)
        return ERR_OK;
    enum error error = log_replace_segments(c->log, c->made);
    if (error != ERR_OK) {
        *swapped = false;
        return error;
    }
    c->made = NULL;
    c->has_files = false; /* they belong to the swap now */
    return ERR_OK;
}

static enum error run_undo(struct log_clean *c, struct segment_table *table)
{
    (void)table;
    return undo(c);
}

void log_clean_submit_undo(struct executor *executor, struct log_clean_job *job)
{
    new_segments_free(job->clean->made);
    job->clean->made = NULL;
    submit(executor, job, 0, 0, run_undo);
}

void log_clean_finish(struct log_clean *c)
{
    struct log *log = c->log;
    ASSERT(log->swap == NULL && c->map_end <= log->first_dirty_offset);
    log->cleaned_offset = MAX(log->cleaned_offset, c->map_end);
}
