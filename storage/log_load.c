/* Finds a log's segments on disk, in the first job that needs them. */
#include "storage/log_internal.h"

#include <stdlib.h>

enum { UNINDEXED_MAX = 1 << 20 }; /* a smaller segment needs no index */

static void add_entry(const struct log *log, const struct segment *segment,
                      struct segment_table *table)
{
    bool whole = segment->flushed_size == segment->size;
    table->entries[table->count++] = (struct table_entry){
        .view = {.directory = log->directory,
                 .base_offset = segment->base_offset,
                 .next_offset = whole ? segment->next_offset : log->flushed_offset,
                 .size = segment->flushed_size,
                 .file = log_open_file(segment),
                 .sparse = log_is_sparse(log, segment)},
        .known = segment->known,
        .damaged = segment->damaged,
        .summary = segment->flushed,
    };
}

static void init_table(const struct log *log, size_t capacity, struct segment_table *out)
{
    *out = (struct segment_table){
        .entries = xcalloc(capacity + 1, sizeof out->entries[0]),
        .complete = log->loaded,
        .before = log->segments[0].base_offset,
        .first_dirty_offset = log->first_dirty_offset,
        .start = log->start_offset,
    };
}

void segment_table_take(const struct log *log, struct segment_table *out)
{
    init_table(log, log->segment_count, out);
    for (size_t i = 0; i < log->segment_count; i++) {
        if (log->segments[i].flushed_size > 0)
            add_entry(log, &log->segments[i], out);
    }
}

void segment_table_take_one(const struct log *log, int64_t offset, struct segment_table *out)
{
    if (!log->loaded && offset < log->segments[0].base_offset) {
        segment_table_take(log, out);
        return;
    }
    const struct segment *segment = log_find_segment(log, offset);
    size_t count = 1; /* ends: the last segment is never sparse */
    while (segment[count - 1].size == 0 && log_is_sparse(log, &segment[count - 1]))
        count++;
    init_table(log, count, out);
    for (size_t i = 0; i < count; i++)
        add_entry(log, &segment[i], out);
    out->complete = true;
}

void segment_table_take_range(const struct log *log, int64_t from, int64_t end,
                              struct segment_table *out)
{
    init_table(log, log->segment_count, out);
    for (size_t i = 0; i < log->segment_count; i++) {
        if (log->segments[i].next_offset > from && log->segments[i].base_offset < end)
            add_entry(log, &log->segments[i], out);
    }
    out->complete = true;
}

struct table_entry *segment_table_find(struct segment_table *table, int64_t offset)
{
    for (size_t i = table->count; i-- > 0;) {
        const struct segment_view *view = &table->entries[i].view;
        if (view->base_offset <= offset)
            return offset < view->next_offset ? &table->entries[i] : NULL;
    }
    return NULL;
}

void segment_table_free(struct segment_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        segment_file_unref(table->entries[i].view.file);
    free(table->entries);
    *table = (struct segment_table){0};
}

enum error table_entry_open(struct io *io, struct table_entry *entry)
{
    if (entry->view.file)
        return ERR_OK;
    enum error error = segment_file_open(io, entry->view.directory, entry->view.base_offset,
                                         IO_READ, &entry->view.file);
    return error == ERR_NOT_FOUND ? ERR_CORRUPT : error; /* the file must exist */
}

struct listing {
    int64_t *offsets, before;
    size_t count, capacity;
};

static void note_segment(void *context, const char *name)
{
    struct listing *listing = context;
    int64_t base_offset;
    enum segment_part part;
    if (!segment_name_parse(name, &base_offset, &part) || part != SEGMENT_LOG ||
        base_offset >= listing->before)
        return;
    if (listing->count == listing->capacity) {
        listing->capacity = listing->capacity ? listing->capacity * 2 : 16;
        listing->offsets = xrealloc(listing->offsets, listing->capacity * sizeof(int64_t));
    }
    listing->offsets[listing->count++] = base_offset;
}

static int compare_offsets(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

static void put_before(struct segment_table *table, const struct listing *listing,
                       const char *directory)
{
    size_t found = listing->count;
    struct table_entry *entries = xcalloc(found + table->count + 1, sizeof *entries);
    for (size_t i = 0; i < found; i++) {
        entries[i].view = (struct segment_view){
            .directory = directory,
            .base_offset = listing->offsets[i],
            .next_offset = i + 1 < found ? listing->offsets[i + 1] : table->before,
            .size = -1,
            .sparse = listing->offsets[i] < table->first_dirty_offset,
        };
    }
    if (table->count > 0)
        memcpy(entries + found, table->entries, table->count * sizeof *entries);
    free(table->entries);
    table->entries = entries;
    table->count += found;
}

static enum error find_segments(struct env *env, const char *directory, struct segment_table *table)
{
    struct io *io = env->io;
    struct listing listing = {.before = table->before};
    enum error error = io->ops->list(io, directory, note_segment, &listing);
    if (error == ERR_NOT_FOUND)
        error = ERR_OK;
    if (error == ERR_OK && listing.count > 0) {
        qsort(listing.offsets, listing.count, sizeof(int64_t), compare_offsets);
        put_before(table, &listing, directory);
    }
    free(listing.offsets);
    return error;
}

/* Whether the index leads near the end of the segment. */
static bool index_reaches_end(const struct segment_view *view)
{
    struct segment_place place;
    return segment_locate(view, view->next_offset - 1, &place) == ERR_OK &&
           view->size - place.position <= SEGMENT_INDEX_GAP_MAX;
}

/* Without sound indexes every read of a large closed segment is slow. If they cannot be written,
 * the data is still good. */
static void mend_indexes(struct env *env, struct table_entry *entry)
{
    bool useful = entry->summary.index_bytes > 0 && index_reaches_end(&entry->view);
    if (useful || entry->view.size < UNINDEXED_MAX)
        return;
    struct segment_summary summary;
    if (segment_check_indexes(&entry->view, env->trace) == ERR_OK &&
        segment_summarize(&entry->view, &summary) == ERR_OK)
        entry->summary = summary;
}

/* Reads size and summary, and closes the file again, since there may be many. A dead segment is
 * deleted soon, and after a crash the next segment may be missing, so it is not summarized. */
static enum error load_entry(struct env *env, struct table_entry *entry, int64_t start)
{
    struct io *io = env->io;
    bool was_open = entry->view.file != NULL, closed = entry->view.size < 0;
    bool dead = closed && entry->view.next_offset <= start;
    enum error error = table_entry_open(io, entry);
    if (error == ERR_OK && entry->view.size < 0)
        error = io->ops->size(io, entry->view.file->file, &entry->view.size);
    if (dead)
        segment_summary_init(&entry->summary);
    if (error == ERR_OK && !dead)
        error = segment_summarize(&entry->view, &entry->summary);
    if (error == ERR_OK && closed && !dead)
        mend_indexes(env, entry);
    if (!was_open) {
        segment_file_unref(entry->view.file);
        entry->view.file = NULL;
    }
    if (error == ERR_CORRUPT) {
        entry->damaged = entry->found_damaged = true;
        entry->view.size = MAX(entry->view.size, 0);
        error = ERR_OK;
    }
    entry->known = error == ERR_OK;
    return error;
}

enum error segment_table_load(struct env *env, const char *directory, struct segment_table *table)
{
    if (table->complete)
        return ERR_OK;
    enum error error = find_segments(env, directory, table);
    for (size_t i = 0; i < table->count && error == ERR_OK; i++) {
        if (!table->entries[i].known)
            error = load_entry(env, &table->entries[i], table->start);
    }
    table->loaded = error == ERR_OK;
    return error;
}

void segment_learn(struct segment *segment, const struct segment_summary *summary)
{
    if (segment->known)
        return;
    struct segment_summary *all = &segment->summary;
    segment->known = true;
    segment->flushed = *summary;
    segment->index_entries += summary->index_bytes / 8;
    all->first_timestamp = summary->first_timestamp;
    if (summary->max_timestamp >= all->max_timestamp) { /* of equal ones the older one counts */
        all->max_timestamp = summary->max_timestamp;
        all->max_timestamp_offset = summary->max_timestamp_offset;
    }
}

static void put_segments_before(struct log *log, const struct segment_table *table, size_t count)
{
    size_t total = count + log->segment_count;
    struct segment *segments = xcalloc(total, sizeof *segments);
    for (size_t i = 0; i < count; i++) {
        const struct table_entry *entry = &table->entries[i];
        segments[i] = (struct segment){
            .base_offset = entry->view.base_offset,
            .next_offset = entry->view.next_offset,
            .size = entry->view.size,
            .flushed_size = entry->view.size,
            .created = true,
            .damaged = entry->damaged,
            .known = true,
            .completed = true,
            .summary = entry->summary,
            .flushed = entry->summary,
            .index_entries = entry->summary.index_bytes / 8,
        };
        log->size_bytes += entry->view.size;
    }
    memcpy(segments + count, log->segments, log->segment_count * sizeof *segments);
    free(log->segments);
    log->segments = segments;
    log->segment_count = log->segment_capacity = total;
}

/* Reports missing first segments, and damaged ones. A segment that is missing in the middle makes
 * the previous one damaged, unless that is sparse. */
static void report_damage(const struct log *log, const struct segment_table *table)
{
    int64_t first = table->count > 0 ? table->entries[0].view.base_offset : table->before;
    if (first > table->start)
        trace_log(log->env->trace, TRACE_ERROR, "segments are missing",
                  F_STRING("directory", log->directory), F_INT("from_offset", table->start),
                  F_INT("to_offset", first));
    for (size_t i = 0; i < table->count; i++) {
        if (table->entries[i].found_damaged)
            trace_log(log->env->trace, TRACE_ERROR, "segment is damaged",
                      F_STRING("directory", log->directory),
                      F_INT("base_offset", table->entries[i].view.base_offset));
    }
}

/* Segments are deleted only when the log is loaded. So the job that loads it has seen all of them,
 * and a slower job may miss some without any damage. */
void segment_table_install(struct log *log, const struct segment_table *table)
{
    if (log->loaded || !table->loaded)
        return;
    report_damage(log, table);
    int64_t first_known = log->segments[0].base_offset;
    size_t older = 0;
    while (older < table->count && table->entries[older].view.base_offset < first_known)
        older++;
    if (older < table->count && table->entries[older].view.base_offset == first_known) {
        log->segments[0].damaged = table->entries[older].damaged;
        segment_learn(&log->segments[0], &table->entries[older].summary);
    }
    if (older > 0)
        put_segments_before(log, table, older);
    log->loaded = true;
}

/* --- the job --- */

struct load_plan {
    struct job_plan plan;
    struct segment_table table;
};

static void run_load(struct job *job)
{
    struct log_load_job *load = CONTAINER_OF(job, struct log_load_job, job);
    struct load_plan *plan = load->plan;
    load->result = segment_table_load(load->log->env, load->log->directory, &plan->table);
}

static void load_done(struct job *job)
{
    struct log_load_job *load = CONTAINER_OF(job, struct log_load_job, job);
    struct load_plan *plan = load->plan;
    segment_table_install(load->log, &plan->table);
    segment_table_free(&plan->table);
    job_plan_end(&plan->plan, job);
    free(plan);
    job->done(job);
}

void log_load_submit(struct executor *executor, struct log_load_job *job)
{
    struct load_plan *plan = xcalloc(1, sizeof *plan);
    job->plan = plan;
    segment_table_take(job->log, &plan->table);
    job_plan_begin(&plan->plan, job->log, &job->job, run_load, load_done);
    executor->submit(executor, &job->job);
}

bool log_is_loaded(const struct log *log)
{
    return log->loaded;
}
