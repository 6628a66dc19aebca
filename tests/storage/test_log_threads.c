/* A shard and its disk workers in parallel threads. The thread sanitizer does most of the checking.
 */
#include "tests/storage/support_log.h"

#include "storage/log_internal.h"
#include "storage/log_replace.h"

#include <pthread.h>
#include <stdlib.h>

struct worker {
    struct executor executor;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct list waiting, ran;
    bool stopping;
};

static void submit(struct executor *executor, struct job *job)
{
    struct worker *w = CONTAINER_OF(executor, struct worker, executor);
    job->node = (struct list_node){0};
    pthread_mutex_lock(&w->mutex);
    list_append(&w->waiting, &job->node);
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->mutex);
}

static void *work(void *context)
{
    struct worker *w = context;
    pthread_mutex_lock(&w->mutex);
    for (;;) {
        struct list_node *node = list_pop(&w->waiting);
        if (node == NULL && w->stopping)
            break;
        if (node == NULL) {
            pthread_cond_wait(&w->changed, &w->mutex);
            continue;
        }
        pthread_mutex_unlock(&w->mutex);
        struct job *job = CONTAINER_OF(node, struct job, node);
        job->run(job);
        pthread_mutex_lock(&w->mutex);
        list_append(&w->ran, &job->node);
        pthread_cond_broadcast(&w->changed);
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

static void start(struct worker *w)
{
    *w = (struct worker){.executor.submit = submit};
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->changed, NULL);
    list_init(&w->waiting);
    list_init(&w->ran);
    EXPECT_INT(pthread_create(&w->thread, NULL, work, w), 0);
}

/* Calls done() of a job that has run. False: there is none. */
static bool finish_one(struct worker *w)
{
    pthread_mutex_lock(&w->mutex);
    struct list_node *node = list_pop(&w->ran);
    pthread_mutex_unlock(&w->mutex);
    if (node) {
        struct job *job = CONTAINER_OF(node, struct job, node);
        job->done(job);
    }
    return node != NULL;
}

static void stop(struct worker *w)
{
    pthread_mutex_lock(&w->mutex);
    w->stopping = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->mutex);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->mutex);
}

/* A flush as a job, as in the store. */
struct flush_job {
    struct job job;
    struct log_flush *flush;
    enum error result;
};

static void run_flush(struct job *job)
{
    struct flush_job *f = CONTAINER_OF(job, struct flush_job, job);
    f->result = log_flush_run(f->flush, false);
}

static void end_flush(struct job *job)
{
    struct flush_job *f = CONTAINER_OF(job, struct flush_job, job);
    log_flush_end(f->flush, f->result);
    f->flush = NULL;
}

struct delete_job {
    struct job job;
    struct log_delete *files;
};

static void run_delete(struct job *job)
{
    struct delete_job *d = CONTAINER_OF(job, struct delete_job, job);
    EXPECT_INT(log_delete_run(d->files), ERR_OK);
}

static void end_delete(struct job *job)
{
    struct delete_job *d = CONTAINER_OF(job, struct delete_job, job);
    log_delete_end(d->files);
    d->files = NULL;
}

struct read_task {
    struct log_read_job job;
    bool running;
    int64_t bytes;
};

static void end_read(struct job *job)
{
    struct log_read_job *read = CONTAINER_OF(job, struct log_read_job, job);
    struct read_task *reader = CONTAINER_OF(read, struct read_task, job);
    reader->running = false;
    EXPECT(read->result == ERR_OK || read->result == ERR_OUT_OF_RANGE);
    if (read->slice)
        reader->bytes += (int64_t)read->slice->size;
    log_slice_unref(read->slice);
    read->slice = NULL;
}

struct search_task {
    struct log_time_job job;
    bool running;
};

static void end_search(struct job *job)
{
    struct log_time_job *time = CONTAINER_OF(job, struct log_time_job, job);
    CONTAINER_OF(time, struct search_task, job)->running = false;
    EXPECT_INT(time->result, ERR_OK);
}

/* Makes one segment of two closed ones. */
struct clean_job {
    struct job job;
    struct log_world *w;
    int64_t bases[2], end;
    struct new_segments *segments;
    bool running;
    int swaps;
};

static void run_clean(struct job *job)
{
    struct clean_job *c = CONTAINER_OF(job, struct clean_job, job);
    make_swap_files(c->w, c->bases, 2, c->bases[0], c->end);
    EXPECT_INT(new_segments_open(&c->w->env, c->w->directory, c->bases, 1, c->end, &c->segments),
               ERR_OK);
}

static void end_clean(struct job *job)
{
    struct clean_job *c = CONTAINER_OF(job, struct clean_job, job);
    c->running = false;
    c->swaps++;
    EXPECT_INT(log_replace_segments(c->w->log, c->segments), ERR_OK);
}

struct play {
    struct log_world w;
    struct worker worker, reader, cleaner;
    struct clean_job clean;
    struct flush_job flush;
    struct delete_job deletion;
    struct read_task readers[3];
    struct search_task searcher;
};

static void submit_reads(struct play *p, int turn)
{
    struct log *log = p->w.log;
    int64_t start_offset = log_start_offset(log), durable = log_durable_offset(log);
    for (int i = 0; i < 3; i++) {
        struct read_task *r = &p->readers[i];
        if (r->running || durable == start_offset)
            continue;
        r->running = true;
        r->job = (struct log_read_job){.job.done = end_read,
                                       .log = log,
                                       .offset = start_offset +
                                                 (turn * 7 + i * 31) % (durable - start_offset),
                                       .end_offset = durable,
                                       .max_bytes = 3000,
                                       .at_least_one = true};
        log_read_submit(&p->reader.executor, &r->job);
    }
    if (!p->searcher.running) {
        p->searcher.running = true;
        p->searcher.job = (struct log_time_job){.job.done = end_search,
                                                .log = log,
                                                .timestamp = turn % 5 ? turn : LOG_MAX_TIMESTAMP,
                                                .end_offset = durable};
        log_time_submit(&p->reader.executor, &p->searcher.job);
    }
}

/* Takes two adjacent segments that are closed, flushed, and not cleaned. */
static void submit_clean(struct play *p)
{
    struct log *log = p->w.log;
    struct clean_job *c = &p->clean;
    if (c->running || log->swap)
        return;
    for (size_t i = 0; i + 2 < log->segment_count && !c->running; i++) {
        const struct segment *s = &log->segments[i];
        c->running = !log_is_sparse(log, s) && s[0].completed && s[1].completed;
        *c = (struct clean_job){.job = {.run = run_clean, .done = end_clean},
                                .w = &p->w,
                                .bases = {s[0].base_offset, s[1].base_offset},
                                .end = s[1].next_offset,
                                .running = c->running,
                                .swaps = c->swaps};
    }
    if (!c->running)
        return;
    log_set_first_dirty(log, c->end);
    submit(&p->cleaner.executor, &c->job);
}

static void take_turn(struct play *p, int turn)
{
    struct log *log = p->w.log;
    log_world_append(&p->w, (struct batch_spec){.count = 2, .timestamp = turn, .value_size = 200});
    log_set_durable(log, log_next_offset(log));
    if (p->flush.flush == NULL && (p->flush.flush = log_flush_begin(log))) {
        p->flush.job = (struct job){.run = run_flush, .done = end_flush};
        submit(&p->worker.executor, &p->flush.job);
    }
    submit_reads(p, turn);
    log_trim_tail(log, 2000);
    submit_clean(p);
    if (turn % 10 == 0 && !p->clean.running) /* a cleaner would keep the files open that it reads */
        log_set_start(log, MAX(log_start_offset(log), log_next_offset(log) - 200));
    if (p->deletion.files == NULL && (p->deletion.files = log_delete_begin(log))) {
        p->deletion.job = (struct job){.run = run_delete, .done = end_delete};
        submit(&p->worker.executor, &p->deletion.job);
    }
    if (turn % 16 == 0)
        log_close_idle_files(log, INT64_MAX);
    while (finish_one(&p->worker) || finish_one(&p->reader) || finish_one(&p->cleaner))
        continue;
}

TEST(a_shard_and_its_workers_share_nothing_that_changes)
{
    struct play *p = xcalloc(1, sizeof *p);
    log_world_init(&p->w);
    p->w.config.segment_bytes = 8000;
    p->w.config.index_interval_bytes = 500;
    log_world_open(&p->w, (struct log_state){0});
    start(&p->worker);
    start(&p->reader);
    start(&p->cleaner);
    for (int turn = 0; turn < 1500 || (p->clean.swaps < 10 && turn < 5000); turn++)
        take_turn(p, turn);
    while (log_busy(p->w.log) || p->clean.running)
        if (!finish_one(&p->worker) && !finish_one(&p->reader))
            finish_one(&p->cleaner);
    stop(&p->worker);
    stop(&p->reader);
    stop(&p->cleaner);
    EXPECT(p->readers[0].bytes > 0);
    log_world_close(&p->w);
    free(p);
}
