/* A line of journal entries, and the answers that wait for them.
 *
 * An owner of rows (the coordinator of groups, the controller of topics) makes entry after entry.
 * No answer may report what a crash could take back. So each answer waits for the newest entry that
 * it may reflect, also an answer to a read. Any number of answers may wait for one entry.
 *
 *   durable_line_open -> store_put, store_delete -> durable_line_close -> durable_line_wait
 *
 * Ownership: the line allocates each entry and frees it when the journal has answered. The caller
 * owns a waiting struct commit, which is mostly embedded in memory of a request (durable_reply.h).
 * It must stay in place until done() is called. Only one shard uses a line. */
#ifndef BROKER_REQUEST_DURABLE_LINE_H
#define BROKER_REQUEST_DURABLE_LINE_H

#include "storage/store.h"

struct durable_entry;

struct durable_line {
    struct store *store;
    struct durable_entry *open;   /* being filled, or NULL */
    struct durable_entry *newest; /* the last closed entry, if it is not durable yet; or NULL */
    size_t on_their_way;          /* entries that the journal has not answered yet */
};

/* `line` must be zeroed. */
void durable_line_init(struct durable_line *line, struct store *store);
/* Called before the owner frees the line. No entry may be open or on its way. */
void durable_line_end(const struct durable_line *line);

/* Begins the store's entry, unless this line has it open already. */
void durable_line_open(struct durable_line *line);
/* Ends the open entry, if any, and hands it to the store. */
void durable_line_close(struct durable_line *line);

/* Calls commit->done once, in the order of these calls. ERR_OK: every entry that was closed before
 * is durable, which may be true at once. ERR_IO: the journal failed. No entry may be open. */
void durable_line_wait(struct durable_line *line, struct commit *commit);

#endif
