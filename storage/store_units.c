/* Units on their way to the journal.
 *
 * Two units take turns: the journal worker writes one, the other collects entries. So at most one
 * write is under way, and the next unit takes all entries that arrive meanwhile. Only a unit at its
 * limit waits, and a third one collects entries. The buffers grow as needed and keep their memory,
 * which is faster than new pages. */
#include "base/pages.h"
#include "storage/store_internal.h"

#include <stdlib.h>

/* The memory that an empty unit keeps: a busy turn exceeds unit_bytes, and the kernel must clear
 * new pages first. */
enum { MARKS_KEPT = 4096, UNITS_KEPT = 6 };

/* After an asynchronous write that took so long, the journal worker writes for a while. */
enum { ASYNC_SLOW_MS = 2, ASYNC_PAUSE_MS = 1000 };

/* For fewer blocks a copy costs less than a range. One write takes this many ranges. */
enum { RANGE_BLOCKS_MIN = 4, RANGES_MAX = 1000 };

/* The filling unit becomes another one. */
static void fill_another(struct store *s)
{
    struct store_unit *u = s->idle;
    s->idle = NULL;
    if (u == NULL) {
        u = xcalloc(1, sizeof *u);
        u->store = s;
        u->size = JOURNAL_HEADER_SIZE;
        list_init(&u->commits);
    }
    u->number = ++s->unit_count;
    s->filling = u;
}

void store_units_init(struct store *s)
{
    fill_another(s);
}

/* Large buffers use large pages, because all stored bytes go through them. */
static uint8_t *take_data(size_t capacity)
{
    uint8_t *data =
        capacity % LARGE_PAGE == 0 ? pages_take(capacity) : aligned_alloc(IO_ALIGNMENT, capacity);
    ASSERT(data != NULL);
    return data;
}

static void give_data(struct store_unit *u)
{
    if (u->capacity > 0 && u->capacity % LARGE_PAGE == 0)
        pages_give(u->data, u->capacity);
    else
        free(u->data);
    u->data = NULL;
}

static void resize(struct store_unit *u, size_t capacity)
{
    if (capacity > LARGE_PAGE / 2)
        capacity = (capacity + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
    uint8_t *data = take_data(capacity);
    if (u->data)
        memcpy(data, u->data, u->size);
    give_data(u);
    u->data = data;
    u->capacity = capacity;
}

static void drop_ranges(struct store_unit *u)
{
    for (int i = 0; i < u->range_count; i++)
        shared_buffer_unref(u->ranges[i].buffer);
    u->range_count = 0;
    u->block_count = 0;
}

static void free_unit(struct store_unit *u)
{
    if (u == NULL)
        return;
    drop_ranges(u);
    give_data(u);
    free(u->ranges);
    free(u->marks);
    free(u);
}

void store_units_free(struct store *s)
{
    struct list_node *node;
    while ((node = list_pop(&s->waiting)))
        free_unit(CONTAINER_OF(node, struct store_unit, waiting));
    free_unit(s->in_flight);
    free_unit(s->filling);
    free_unit(s->idle);
}

void store_units_fail(struct store *s)
{
    if (s->in_flight)
        list_take_all(&s->failed, &s->in_flight->commits);
    LIST_FOR_EACH (node, &s->waiting)
        list_take_all(&s->failed, &CONTAINER_OF(node, struct store_unit, waiting)->commits);
    list_take_all(&s->failed, &s->filling->commits);
    if (s->write_refused) { /* it is not written again */
        free_unit(s->in_flight);
        s->in_flight = NULL;
    }
}

void store_unit_limit(struct store *s)
{
    struct store_unit *u = s->filling;
    if (store_unit_bytes(u) < s->options.unit_max_bytes)
        return;
    s->waiting_bytes += store_unit_bytes(u);
    list_append(&s->waiting, &u->waiting);
    fill_another(s);
}

uint8_t *store_unit_reserve(struct store *s, size_t size)
{
    struct store_unit *u = s->filling;
    size_t need = journal_padded(u->size + size);
    /* A unit with unit_max_bytes gets no further entry. A request's rows are limited, and a
     * processor's step is far smaller than the rest. */
    ASSERT(need + (size_t)u->block_count * IO_ALIGNMENT <= JOURNAL_UNIT_MAX);
    if (need > u->capacity) {
        size_t capacity = MAX(u->capacity * 2, (size_t)UNIT_START_BYTES);
        resize(u, MAX(capacity, need));
    }
    return u->data + u->size;
}

static void add_range(struct store_unit *u, struct shared_buffer *buffer, const uint8_t *at,
                      uint32_t count)
{
    if (u->range_count == u->range_capacity) {
        u->range_capacity = u->range_capacity ? u->range_capacity * 2 : 16;
        u->ranges = xrealloc(u->ranges, (size_t)u->range_capacity * sizeof *u->ranges);
    }
    u->ranges[u->range_count++] = (struct store_unit_blocks){shared_buffer_ref(buffer), at, count};
    u->block_count += count;
}

void store_unit_take_blocks(struct store *s, struct shared_buffer *buffer,
                            struct journal_part *part)
{
    struct store_unit *u = s->filling;
    struct bytes batch = part->bytes;
    uintptr_t header_end = (uintptr_t)batch.data + BATCH_HEADER_SIZE;
    size_t head = journal_padded(header_end) - (uintptr_t)batch.data;
    if (batch.size < head + RANGE_BLOCKS_MIN * IO_ALIGNMENT || u->range_count == RANGES_MAX)
        return;
    uint32_t count = (uint32_t)((batch.size - head) / IO_ALIGNMENT);
    size_t inside = (size_t)count * IO_ALIGNMENT;
    part->bytes = bytes_of(batch.data, head);
    part->first_block = u->block_count;
    part->blocks = count;
    part->tail = bytes_of(batch.data + head + inside, batch.size - head - inside);
    add_range(u, buffer, batch.data + head, count);
}

struct store_unit_mark *store_unit_mark(struct store *s, struct store_log *log)
{
    struct store_unit *u = s->filling;
    if (log->marked_unit != u->number) {
        if (u->mark_count == u->mark_capacity) {
            u->mark_capacity = u->mark_capacity ? u->mark_capacity * 2 : 16;
            u->marks = xrealloc(u->marks, u->mark_capacity * sizeof *u->marks);
        }
        log->marked_unit = u->number;
        log->mark = u->mark_count++;
        u->marks[log->mark] = (struct store_unit_mark){.log = log, .next_offset = -1, .start = -1};
    }
    return &u->marks[log->mark];
}

/* Empties a unit for its next use, and frees its memory if it is unusually large. */
static void recycle(struct store *s, struct store_unit *u)
{
    drop_ranges(u);
    u->size = JOURNAL_HEADER_SIZE;
    u->entries = 0;
    u->has_rows = u->closing = false;
    u->mark_count = 0;
    if (u->mark_capacity > MARKS_KEPT) {
        free(u->marks);
        u->marks = NULL;
        u->mark_capacity = 0;
    }
    if (u->capacity > UNITS_KEPT * journal_padded(u->store->options.unit_bytes) &&
        u->capacity > UNIT_START_BYTES) {
        give_data(u);
        u->capacity = 0;
    }
    free_unit(s->idle);
    s->idle = u;
}

/* Writing */

/* Completes the header and names the parts of the write. Returns their number. */
static int finish_unit(struct store_unit *u, struct iovec *parts)
{
    journal_unit_seal(u->data, &u->header);
    parts[0] = (struct iovec){u->data, journal_padded(u->size)};
    for (int i = 0; i < u->range_count; i++)
        parts[1 + i] = (struct iovec){(void *)(uintptr_t)u->ranges[i].at,
                                      (size_t)u->ranges[i].count * IO_ALIGNMENT};
    return 1 + u->range_count;
}

static void run_write(struct job *job)
{
    struct store_unit *u = CONTAINER_OF(job, struct store_unit, job);
    struct iovec parts[1 + RANGES_MAX];
    int count = finish_unit(u, parts);
    u->result = journal_write(&u->store->journal, u->place.file, parts, count, u->place.position);
}

static void write_done(struct job *job);

/* Adds the rows of a durable unit to the changes for the next checkpoint. */
static void collect_rows(struct store *s, const struct store_unit *u)
{
    struct reader r =
        reader_of(bytes_of(u->data + JOURNAL_HEADER_SIZE, u->size - JOURNAL_HEADER_SIZE));
    struct journal_part part;
    while (journal_part_next(&r, &part)) {
        if (part.kind == JOURNAL_PUT || part.kind == JOURNAL_DELETE)
            row_changes_put(&s->rows, part.key, part.bytes);
    }
    ASSERT(!r.failed);
}

static void unit_durable(struct store *s, struct store_unit *u)
{
    size_t size = journal_padded(store_unit_bytes(u));
    s->durable = u->place.lsn + size;
    if (s->journal.direct && !u->place.file->direct)
        store_note_fallback(s);
    s->full &= ~(unsigned)FULL_JOURNAL;
    s->stats.units++;
    s->stats.journal_bytes += size;
    s->entries_since_checkpoint += u->entries;
    s->sealed = u->entries == 0;
    if (u->entries > 0)
        store_witness_durable(s, u);
    if (u->has_rows)
        collect_rows(s, u);
    for (uint32_t i = 0; i < u->mark_count; i++)
        store_log_apply(s, &u->marks[i]);
    list_take_all(&s->finished, &u->commits);
}

static void write_on_worker(struct store *s, struct store_unit *u)
{
    u->job = (struct job){.run = run_write, .done = write_done};
    s->options.journal_worker->submit(s->options.journal_worker, &u->job);
}

/* The kernel ends such a write on a thread of its own that cannot leave its CPU. When that CPU is
 * busy, the write waits for a whole slice of the scheduler, and the journal worker is faster. */
static void note_async_time(struct store *s, int64_t started_ms)
{
    int64_t now_ms = clock_monotonic_ms(s->env->clock);
    if (now_ms - started_ms >= ASYNC_SLOW_MS)
        s->async_again_ms = now_ms + ASYNC_PAUSE_MS;
}

static void async_done(struct async_write *write, enum error result)
{
    struct store_unit *u = CONTAINER_OF(write, struct store_unit, async);
    note_async_time(u->store, u->async_started_ms);
    if (result == ERR_UNSUPPORTED) {
        write_on_worker(u->store, u);
        return;
    }
    u->result = result;
    write_done(&u->job);
}

/* Writes a small unit from the shard's thread. The two changes of threads, to the journal worker
 * and back, would cost more time than anything else but the disk. */
static bool write_async(struct store *s, struct store_unit *u)
{
    struct async_writer *writer = s->options.async_writer;
    const struct journal_file *file = u->place.file;
    size_t size = journal_padded(store_unit_bytes(u));
    if (writer == NULL || !file->direct || size > ASYNC_UNIT_BYTES ||
        1 + u->range_count > ASYNC_UNIT_PARTS)
        return false;
    u->async_started_ms = clock_monotonic_ms(s->env->clock);
    if (u->async_started_ms < s->async_again_ms)
        return false;
    int descriptor = s->env->io->ops->descriptor(s->env->io, file->file);
    if (descriptor < 0)
        return false;
    u->async = (struct async_write){.descriptor = descriptor,
                                    .parts = u->async_parts,
                                    .count = finish_unit(u, u->async_parts),
                                    .size = size,
                                    .position = u->place.position,
                                    .done = async_done};
    return writer->start(writer, &u->async);
}

static void submit(struct store *s, struct store_unit *u)
{
    if (!write_async(s, u))
        write_on_worker(s, u);
}

static void write_done(struct job *job)
{
    struct store_unit *u = CONTAINER_OF(job, struct store_unit, job);
    struct store *s = u->store;
    store_enter(s);
    if (io_error_passes(u->result) && !s->closing) {
        /* Nothing is lost: the same unit is written again to the same place. */
        s->full |= u->result == ERR_NO_SPACE ? FULL_JOURNAL : FULL_NO_FILES;
        s->write_refused = true;
        timers_set(s->options.timers, &s->retry, s->now_ms + RETRY_MS);
    } else if (u->result != ERR_OK) {
        store_fail(s, u->result);
        s->in_flight = NULL;
        free_unit(u);
    } else {
        unit_durable(s, u);
        s->in_flight = NULL;
        recycle(s, u);
        store_checkpoint_unit_durable(s);
        store_units_hand_over(s);
        store_checkpoint_turn(s);
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
    struct io *io = p->store->env->io;
    p->result = journal_prepare(&p->store->journal, p->file, !p->on_demand);
    if (p->result == ERR_OK || p->result == ERR_NOT_FOUND) { /* it may be another directory */
        enum error place = io->ops->check_place(io, p->store->data_directory);
        p->result = place != ERR_OK ? place : p->result;
    }
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
        s->full &= ~(unsigned)(FULL_JOURNAL | FULL_NO_FILES);
        store_units_hand_over(s);
    } else {
        journal_file_free(&s->journal, p->file);
        s->prepare_retry_ms = s->now_ms + RETRY_MS;
        if (!io_error_passes(p->result))
            store_fail(s, p->result);
        else
            s->full |= p->result == ERR_NO_SPACE ? FULL_JOURNAL : FULL_NO_FILES;
        if (io_error_passes(p->result) && s->closing && !store_units_idle(s))
            store_fail(s, p->result);
        timers_set(s->options.timers, &s->retry, s->now_ms + RETRY_MS);
    }
    free(p);
    store_leave(s);
}

/* On the journal worker if the next unit waits for the file, else in the background. */
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

void store_units_prepare_spare(struct store *s)
{
    if (s->journal.spare_count == 0 && !s->closing)
        prepare(s, false);
}

/* Handing over */

static void start_write(struct store *s, struct store_unit *u)
{
    u->header = (struct journal_unit){
        .length = (uint32_t)u->size,
        .blocks = u->block_count,
        .shard = (uint32_t)s->options.shard,
        .entries = u->entries,
        .flags = u->closing ? JOURNAL_CLOSED : 0,
        .run = s->run,
        .sequence = u->place.file->sequence,
        .lsn = u->place.lsn,
        .durable = s->durable,
        .checkpoint = s->checkpoint_lsn,
        .next = journal_next(&s->journal),
    };
    s->in_flight = u;
    if (u == s->filling) {
        fill_another(s);
    } else {
        list_remove(&u->waiting);
        s->waiting_bytes -= store_unit_bytes(u);
    }
    if (s->options.clean.gate)
        s->options.clean.gate->journal_writes(s->options.clean.gate, store_unit_bytes(u));
    store_checkpoint_capture(s);
    submit(s, u);
}

static void write_unit(struct store *s)
{
    struct list_node *first = list_first(&s->waiting);
    struct store_unit *u = first ? CONTAINER_OF(first, struct store_unit, waiting) : s->filling;
    if (u == s->filling)
        store_unit_reserve(s, 0);
    if (!journal_place(&s->journal, journal_padded(store_unit_bytes(u)), &u->place)) {
        prepare(s, true);
        return;
    }
    start_write(s, u);
    store_units_prepare_spare(s);
}

void store_units_hand_over(struct store *s)
{
    if (s->has_failed || s->entry_open)
        return;
    if (s->write_refused && !timer_is_set(&s->retry)) {
        s->write_refused = false;
        submit(s, s->in_flight);
    }
    if (!s->in_flight && !store_units_idle(s))
        write_unit(s);
}

void store_units_seal(struct store *s, bool closing)
{
    if (s->has_failed || s->journal.lsn == 0 || !store_units_idle(s))
        return;
    s->filling->closing = closing;
    write_unit(s);
}
