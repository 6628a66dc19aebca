#include "broker/disk_worker.h"

#include "broker/shard.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { YIELDING_NICE = 10, IO_LOWEST = 2 << 13 | 7 /* best effort, level 7: ioprio_set(2) */ };

struct disk_worker {
    struct executor executor;
    enum disk_worker_rank rank;
    struct shard *shard;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t work;
    struct list queued, finished; /* under the mutex, like all fields below */
    bool stopping, stopped, mailed;
    struct mail mail; /* on its way while `mailed` */
};

static void deliver(struct mail *mail, struct shard *shard)
{
    (void)shard;
    struct disk_worker *w = CONTAINER_OF(mail, struct disk_worker, mail);
    struct list finished;
    list_init(&finished);
    pthread_mutex_lock(&w->mutex);
    list_take_all(&finished, &w->finished);
    w->mailed = false;
    pthread_mutex_unlock(&w->mutex);
    for (struct list_node *node; (node = list_pop(&finished));) {
        struct job *job = CONTAINER_OF(node, struct job, node);
        job->done(job);
    }
}

static void finish(struct disk_worker *w, struct job *job)
{
    pthread_mutex_lock(&w->mutex);
    list_append(&w->finished, &job->node);
    bool post = !w->mailed;
    w->mailed = true;
    pthread_mutex_unlock(&w->mutex);
    if (post)
        shard_post(w->shard, &w->mail);
}

/* On Linux both calls are about the calling thread. A refusal changes only the speed. */
static void yield(void)
{
    (void)!setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + YIELDING_NICE);
    (void)!syscall(SYS_ioprio_set, 1, 0, IO_LOWEST);
}

static void *run(void *context)
{
    struct disk_worker *w = context;
    if (w->rank == DISK_WORKER_YIELDS)
        yield();
    pthread_mutex_lock(&w->mutex);
    for (;;) {
        struct list_node *node = list_pop(&w->queued);
        if (node == NULL && w->stopping)
            break;
        if (node == NULL) {
            pthread_cond_wait(&w->work, &w->mutex);
            continue;
        }
        pthread_mutex_unlock(&w->mutex);
        struct job *job = CONTAINER_OF(node, struct job, node);
        job->run(job);
        finish(w, job);
        pthread_mutex_lock(&w->mutex);
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

static void submit(struct executor *executor, struct job *job)
{
    struct disk_worker *w = CONTAINER_OF(executor, struct disk_worker, executor);
    if (w->stopped) {
        job->run(job);
        finish(w, job);
        return;
    }
    pthread_mutex_lock(&w->mutex);
    list_append(&w->queued, &job->node);
    pthread_mutex_unlock(&w->mutex);
    /* Not under the mutex: the worker would wake up only to wait for it. */
    pthread_cond_signal(&w->work);
}

struct disk_worker *disk_worker_start(struct shard *shard, const char *name,
                                      enum disk_worker_rank rank)
{
    struct disk_worker *w = xcalloc(1, sizeof *w);
    w->rank = rank;
    w->executor.submit = submit;
    w->shard = shard;
    w->mail.deliver = deliver;
    list_init(&w->queued);
    list_init(&w->finished);
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->work, NULL);
    int error = pthread_create(&w->thread, NULL, run, w);
    ASSERT(error == 0);
    pthread_setname_np(w->thread, name);
    return w;
}

struct executor *disk_worker_executor(struct disk_worker *w)
{
    return &w->executor;
}

void disk_worker_stop(struct disk_worker *w)
{
    pthread_mutex_lock(&w->mutex);
    w->stopping = true;
    pthread_cond_signal(&w->work);
    pthread_mutex_unlock(&w->mutex);
    pthread_join(w->thread, NULL);
    w->stopped = true;
}

void disk_worker_free(struct disk_worker *w)
{
    ASSERT(w->stopped && !w->mailed);
    pthread_mutex_destroy(&w->mutex);
    pthread_cond_destroy(&w->work);
    free(w);
}
