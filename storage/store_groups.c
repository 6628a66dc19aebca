/* Groups on their way to the journal.
 *
 * Two buffers take turns: one is written by the journal worker, the other collects entries. So
 * there is one write under way at most, and the next group takes all that came in meanwhile. The
 * buffers grow to what is needed and keep their memory, which is faster than fresh pages. */
#include "base/pages.h"
#include "storage/store_internal.h"

#include <stdlib.h>

/* How much a group keeps when it is empty: a busy turn overshoots group_bytes, and fresh pages must
 * be cleared first. */
enum { MARKS_KEPT = 4096, KEPT_GROUPS = 6 };

/* Below this a copy costs less than blocks of its own; and one write takes so many pieces. */
enum { RUN_BLOCKS_MIN = 4, RUNS_MAX = 1000 };

void groups_init(struct store *s)
{
    for (int i = 0; i < 2; i++) {
        struct store_group *g = &s->groups[i];
        g->store = s;
        g->size = JOURNAL_HEADER_SIZE;
        list_init(&g->commits);
    }
}

/* Large ones in large pages: every byte that is stored goes through them. */
static uint8_t *take_data(size_t capacity)
{
    uint8_t *data =
        capacity % LARGE_PAGE == 0 ? pages_take(capacity) : aligned_alloc(IO_ALIGNMENT, capacity);
    ASSERT(data != NULL);
    return data;
}

static void give_data(struct store_group *g)
{
    if (g->capacity > 0 && g->capacity % LARGE_PAGE == 0)
        pages_give(g->data, g->capacity);
    else
        free(g->data);
    g->data = NULL;
}

static void resize(struct store_group *g, size_t capacity)
{
    if (capacity > LARGE_PAGE / 2)
        capacity = (capacity + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
    uint8_t *data = take_data(capacity);
    if (g->data)
        memcpy(data, g->data, g->size);
    give_data(g);
    g->data = data;
    g->capacity = capacity;
}

static void drop_runs(struct store_group *g)
{
    for (int i = 0; i < g->run_count; i++)
        shared_buffer_unref(g->runs[i].buffer);
    g->run_count = 0;
    g->block_count = 0;
}

void groups_free(struct store *s)
{
    for (int i = 0; i < 2; i++) {
        struct store_group *g = &s->groups[i];
        drop_runs(g);
        give_data(g);
        free(g->runs);
        free(g->marks);
    }
}

uint8_t *group_reserve(struct store *s, size_t size)
{
    struct store_group *g = &s->groups[s->filling];
    size_t need = journal_padded(g->size + size);
    ASSERT(need <= JOURNAL_GROUP_MAX);
    if (need > g->capacity) {
        size_t capacity = MAX(g->capacity * 2, (size_t)GROUP_START_BYTES);
        resize(g, MAX(capacity, need));
    }
    return g->data + g->size;
}

static void add_run(struct store_group *g, struct shared_buffer *buffer, const uint8_t *at,
                    uint32_t count)
{
    if (g->run_count == g->run_capacity) {
        g->run_capacity = g->run_capacity ? g->run_capacity * 2 : 16;
        g->runs = xrealloc(g->runs, (size_t)g->run_capacity * sizeof *g->runs);
    }
    g->runs[g->run_count++] = (struct group_blocks){shared_buffer_ref(buffer), at, count};
    g->block_count += count;
}

void group_take_blocks(struct store *s, struct shared_buffer *buffer, struct journal_part *part)
{
    struct store_group *g = &s->groups[s->filling];
    struct bytes batch = part->bytes;
    uintptr_t header_end = (uintptr_t)batch.data + BATCH_HEADER_SIZE;
    size_t head = journal_padded(header_end) - (uintptr_t)batch.data;
    if (batch.size < head + RUN_BLOCKS_MIN * IO_ALIGNMENT || g->run_count == RUNS_MAX)
        return;
    uint32_t count = (uint32_t)((batch.size - head) / IO_ALIGNMENT);
    size_t inside = (size_t)count * IO_ALIGNMENT;
    part->bytes = bytes_of(batch.data, head);
    part->first_block = g->block_count;
    part->blocks = count;
    part->tail = bytes_of(batch.data + head + inside, batch.size - head - inside);
    add_run(g, buffer, batch.data + head, count);
}

struct group_mark *group_mark(struct store *s, struct store_log *log)
{
    struct store_group *g = &s->groups[s->filling];
    if (log->marks[s->filling] == 0) {
        if (g->mark_count == g->mark_capacity) {
            g->mark_capacity = g->mark_capacity ? g->mark_capacity * 2 : 16;
            g->marks = xrealloc(g->marks, g->mark_capacity * sizeof *g->marks);
        }
        g->marks[g->mark_count++] = (struct group_mark){.log = log, .next_offset = -1, .start = -1};
        log->marks[s->filling] = g->mark_count;
    }
    return &g->marks[log->marks[s->filling] - 1];
}

/* The group is done: empty again, memory of an unusually large one given back. */
static void reset(struct store_group *g)
{
    drop_runs(g);
    g->size = JOURNAL_HEADER_SIZE;
    g->entries = 0;
    g->has_rows = g->closing = false;
    g->mark_count = 0;
    if (g->mark_capacity > MARKS_KEPT) {
        free(g->marks);
        g->marks = NULL;
        g->mark_capacity = 0;
    }
    if (g->capacity > KEPT_GROUPS * journal_padded(g->store->options.group_bytes) &&
        g->capacity > GROUP_START_BYTES) {
        give_data(g);
        g->capacity = 0;
    }
}

/* Writing */

static void run_write(struct job *job)
{
    struct store_group *g = CONTAINER_OF(job, struct store_group, job);
    struct iovec parts[1 + RUNS_MAX];
    journal_group_seal(g->data, &g->header);
    parts[0] = (struct iovec){g->data, journal_padded(g->size)};
    for (int i = 0; i < g->run_count; i++)
        parts[1 + i] = (struct iovec){(void *)(uintptr_t)g->runs[i].at,
                                      (size_t)g->runs[i].count * IO_ALIGNMENT};
    g->result = journal_write(&g->store->journal, g->place.file, parts, 1 + g->run_count,
                              g->place.position);
}

/* The rows of a durable group join the changes for the next checkpoint. */
static void collect_rows(struct store *s, const struct store_group *g)
{
    struct reader r =
        reader_of(bytes_of(g->data + JOURNAL_HEADER_SIZE, g->size - JOURNAL_HEADER_SIZE));
    struct journal_part part;
    while (journal_part_next(&r, &part)) {
        if (part.kind == JOURNAL_PUT || part.kind == JOURNAL_DELETE)
            row_changes_put(&s->rows, part.key, part.bytes);
    }
    ASSERT(!r.failed);
}

static void group_durable(struct store *s, struct store_group *g)
{
    size_t size = journal_padded(group_bytes(g));
    s->durable = g->place.lsn + size;
    if (s->journal.direct && !g->place.file->direct)
        store_note_fallback(s);
    s->full &= ~(unsigned)FULL_JOURNAL;
    s->stats.groups++;
    s->stats.journal_bytes += size;
    s->entries_since_checkpoint += g->entries;
    s->sealed = g->entries == 0;
    if (g->has_rows)
        collect_rows(s, g);
    int index = (int)(g - s->groups);
    for (uint32_t i = 0; i < g->mark_count; i++) {
        g->marks[i].log->marks[index] = 0;
        store_log_apply(s, &g->marks[i]);
    }
    list_take_all(&s->finished, &g->commits);
    reset(g);
}

static void submit(struct store *s, struct store_group *g)
{
    g->job = (struct job){.run = g->job.run, .done = g->job.done};
    s->options.journal_worker->submit(s->options.journal_worker, &g->job);
}

static void write_done(struct job *job)
{
    struct store_group *g = CONTAINER_OF(job, struct store_group, job);
    struct store *s = g->store;
    store_enter(s);
    if (g->result == ERR_NO_SPACE && !s->closing) {
        /* Nothing is lost: the same group is written again to the same place. */
        s->full |= FULL_JOURNAL;
        s->write_refused = true;
        timers_set(s->options.timers, &s->retry, s->now_ms + RETRY_MS);
    } else if (g->result != ERR_OK) {
        store_fail(s, g->result);
        s->in_flight = false;
    } else {
        group_durable(s, g);
        s->in_flight = false;
        maintenance_group_durable(s);
        groups_hand_over(s);
        maintenance_turn(s);
    }
    store_leave(s);
}

/* Spares */

struct prepare_job {
    struct job job;
    struct store *store;
    struct journal_file *file;
    bool on_demand;
    enum error result;
};

static void run_prepare(struct job *job)
{
    struct prepare_job *p = CONTAINER_OF(job, struct prepare_job, job);
    p->result = journal_prepare(&p->store->journal, p->file);
}

static void prepare_done(struct job *job)
{
    struct prepare_job *p = CONTAINER_OF(job, struct prepare_job, job);
    struct store *s = p->store;
    store_enter(s);
    s->jobs--;
    s->preparing[p->on_demand] = false;
    if (p->result == ERR_OK) {
        journal_add_spare(&s->journal, p->file);
        s->full &= ~(unsigned)FULL_JOURNAL;
        groups_hand_over(s);
    } else {
        journal_file_free(&s->journal, p->file);
        s->prepare_retry_ms = s->now_ms + RETRY_MS;
        if (p->result != ERR_NO_SPACE)
            store_fail(s, p->result);
        else
            s->full |= FULL_JOURNAL;
        if (p->result == ERR_NO_SPACE && s->closing && !groups_idle(s))
            store_fail(s, ERR_NO_SPACE);
        timers_set(s->options.timers, &s->retry, s->now_ms + RETRY_MS);
    }
    free(p);
    store_leave(s);
}

/* On the journal worker when the next group waits for the file; else away from its path. */
static void prepare(struct store *s, bool on_demand)
{
    if (s->preparing[on_demand] || s->has_failed || s->now_ms < s->prepare_retry_ms)
        return;
    s->preparing[on_demand] = true;
    s->jobs++;
    struct prepare_job *p = xcalloc(1, sizeof *p);
    *p = (struct prepare_job){.job = {.run = run_prepare, .done = prepare_done},
                              .store = s,
                              .on_demand = on_demand,
                              .file = journal_file_create(&s->journal)};
    struct executor *executor =
        on_demand ? s->options.journal_worker : s->options.background_worker;
    executor->submit(executor, &p->job);
}

void groups_prepare_spare(struct store *s)
{
    if (s->journal.spare_count == 0 && !s->closing)
        prepare(s, false);
}

/* Handing over */

static void start_write(struct store *s, struct store_group *g)
{
    g->header = (struct journal_group){
        .length = (uint32_t)g->size,
        .blocks = g->block_count,
        .shard = (uint32_t)s->options.shard,
        .entries = g->entries,
        .flags = g->closing ? JOURNAL_CLOSED : 0,
        .run = s->run,
        .sequence = g->place.file->sequence,
        .lsn = g->place.lsn,
        .durable = s->durable,
        .checkpoint = s->checkpoint_lsn,
        .next = journal_next(&s->journal),
    };
    g->job.run = run_write;
    g->job.done = write_done;
    s->in_flight = true;
    s->filling ^= 1;
    maintenance_capture(s);
    submit(s, g);
}

static void write_group(struct store *s)
{
    struct store_group *g = &s->groups[s->filling];
    group_reserve(s, 0);
    if (!journal_place(&s->journal, journal_padded(group_bytes(g)), &g->place)) {
        prepare(s, true);
        return;
    }
    start_write(s, g);
    groups_prepare_spare(s);
}

void groups_hand_over(struct store *s)
{
    if (s->has_failed || s->entry_open)
        return;
    struct store_group *other = &s->groups[s->filling ^ 1];
    if (s->write_refused && !timer_is_set(&s->retry)) {
        s->write_refused = false;
        submit(s, other);
    }
    if (!s->in_flight && s->groups[s->filling].entries > 0)
        write_group(s);
}

void groups_seal(struct store *s, bool closing)
{
    if (s->has_failed || s->journal.lsn == 0 || !groups_idle(s))
        return;
    s->groups[s->filling].closing = closing;
    write_group(s);
}
