/* Removes files after file.delete.delay.ms: of deleted segments, and of logs of deleted topics.
 * They are renamed already (deleted_files.h). What is left at the end of a run is removed by the
 * next start: the logs of deleted topics by recovery, the segments by a search in the background.
 */
#include "storage/deleted_files.h"
#include "storage/store_internal.h"

#include <stdlib.h>

enum {
    SEARCHED_AT_ONCE = 64, /* directories in one job */
    REMOVED_AT_ONCE = 256, /* jobs begun in one tick */
};

struct store_deleted {
    struct list_node node; /* in store.deleted */
    struct job job;
    struct store *store;
    int64_t due_ms;
    char *directory, *topic; /* topic: set for a whole log */
    int64_t *bases;          /* of segments */
    size_t count;
    enum error result;
};

static void free_deleted(struct store_deleted *d)
{
    free(d->directory);
    free(d->topic);
    free(d->bases);
    free(d);
}

static void run(struct job *job)
{
    struct store_deleted *d = CONTAINER_OF(job, struct store_deleted, job);
    struct io *io = d->store->env->io;
    if (d->topic) {
        d->result = io_remove_tree(io, d->directory);
        /* This removes the topic's directory with the last partition. Before, it is not empty. */
        if (d->result == ERR_OK)
            (void)!io->ops->remove_directory(io, d->topic);
        return;
    }
    for (size_t i = 0; i < d->count; i++) {
        enum error error = deleted_files_unlink(io, d->directory, d->bases[i]);
        if (error != ERR_OK)
            d->result = error;
    }
}

static void done(struct job *job)
{
    struct store_deleted *d = CONTAINER_OF(job, struct store_deleted, job);
    struct store *s = d->store;
    store_enter(s);
    s->jobs--;
    if (d->result != ERR_OK)
        trace_log(s->env->trace, TRACE_WARN,
                  "deleted files could not be removed: the next start removes them",
                  F_STRING("directory", d->directory), F_STRING("reason", error_text(d->result)));
    free_deleted(d);
    store_leave(s);
}

void store_deleted_segments(struct store *s, char *directory, int64_t *bases, size_t count,
                            int64_t delay_ms)
{
    struct store_deleted *d = xcalloc(1, sizeof *d);
    *d = (struct store_deleted){.store = s,
                                .directory = directory,
                                .bases = bases,
                                .count = count,
                                .due_ms = s->now_ms + delay_ms};
    list_append(&s->deleted, &d->node);
}

void store_deleted_log(struct store *s, char *directory, char *topic, int64_t delay_ms)
{
    struct store_deleted *d = xcalloc(1, sizeof *d);
    *d = (struct store_deleted){
        .store = s, .directory = directory, .topic = topic, .due_ms = s->now_ms + delay_ms};
    list_append(&s->deleted, &d->node);
}

/* A full disk needs the space now. */
void store_deleted_remove_due(struct store *s)
{
    struct executor *worker = s->options.background_worker;
    int begun = 0;
    LIST_FOR_EACH_SAFE (node, &s->deleted) {
        struct store_deleted *d = CONTAINER_OF(node, struct store_deleted, node);
        if (d->due_ms > s->now_ms && s->full == 0)
            continue;
        if (begun++ == REMOVED_AT_ONCE)
            break;
        list_remove(&d->node);
        d->job = (struct job){.run = run, .done = done};
        s->jobs++;
        worker->submit(worker, &d->job);
    }
}

void store_deleted_free(struct store *s)
{
    for (struct list_node *node; (node = list_pop(&s->deleted));)
        free_deleted(CONTAINER_OF(node, struct store_deleted, node));
}

/* --- files that the last run left --- */

struct search {
    struct job job;
    struct store *store;
    char **directories;
    size_t count, at;
};

static void free_search(struct search *search)
{
    for (size_t i = 0; i < search->count; i++)
        free(search->directories[i]);
    free(search->directories);
    free(search);
}

/* A file that stays does no harm: the next start tries again. */
static void run_search(struct job *job)
{
    struct search *search = CONTAINER_OF(job, struct search, job);
    size_t end = MIN(search->at + SEARCHED_AT_ONCE, search->count);
    while (search->at < end)
        (void)!deleted_files_unlink_all(search->store->env->io, search->directories[search->at++]);
}

static void search_on(struct search *search);

static void search_done(struct job *job)
{
    struct search *search = CONTAINER_OF(job, struct search, job);
    struct store *s = search->store;
    store_enter(s);
    s->jobs--;
    if (search->at < search->count && !s->closing)
        search_on(search);
    else
        free_search(search);
    store_leave(s);
}

static void search_on(struct search *search)
{
    struct store *s = search->store;
    search->job = (struct job){.run = run_search, .done = search_done};
    s->jobs++;
    s->options.background_worker->submit(s->options.background_worker, &search->job);
}

/* A log that still starts at offset 0 has never lost a segment. */
void store_deleted_search(struct store *s)
{
    struct search *search = xcalloc(1, sizeof *search);
    search->store = s;
    search->directories = xcalloc(s->logs.count + 1, sizeof search->directories[0]);
    size_t at = 0;
    for (struct store_log *l; (l = map_next(&s->logs, &at));) {
        if (l->state.log_start_offset > 0)
            search->directories[search->count++] =
                partition_directory(s->data_directory, l->topic_id, l->partition);
    }
    if (search->count > 0)
        search_on(search);
    else
        free_search(search);
}
