#include "broker/request/durable_line.h"

#include <stdlib.h>

struct durable_entry {
    struct commit commit;
    struct durable_line *line;
    struct list waiting; /* struct commit */
};

void durable_line_init(struct durable_line *line, struct store *store)
{
    line->store = store;
}

void durable_line_end(const struct durable_line *line)
{
    ASSERT(line->open == NULL && line->on_their_way == 0);
}

/* Removes the entry from the line before it calls any commit, because a commit may make the next
 * one. */
static void entry_done(struct commit *commit, enum error result)
{
    struct durable_entry *e = CONTAINER_OF(commit, struct durable_entry, commit);
    struct durable_line *line = e->line;
    struct list waiting;
    list_init(&waiting);
    list_take_all(&waiting, &e->waiting);
    line->on_their_way--;
    if (line->newest == e)
        line->newest = NULL;
    ASSERT((line->newest == NULL) == (line->on_their_way == 0));
    free(e);
    for (struct list_node *node; (node = list_pop(&waiting));) {
        struct commit *waiter = CONTAINER_OF(node, struct commit, node);
        waiter->done(waiter, result);
    }
}

void durable_line_open(struct durable_line *line)
{
    if (line->open)
        return;
    line->open = xcalloc(1, sizeof *line->open);
    line->open->line = line;
    line->open->commit.done = entry_done;
    list_init(&line->open->waiting);
    store_begin(line->store);
}

void durable_line_close(struct durable_line *line)
{
    if (line->open == NULL)
        return;
    line->newest = line->open;
    line->open = NULL;
    line->on_their_way++;
    store_commit(line->store, &line->newest->commit);
}

void durable_line_wait(struct durable_line *line, struct commit *commit)
{
    ASSERT(line->open == NULL);
    commit->node = (struct list_node){0};
    if (line->newest)
        list_append(&line->newest->waiting, &commit->node);
    else
        commit->done(commit, ERR_OK);
}
