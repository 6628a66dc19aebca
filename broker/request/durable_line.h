/* A line of journal entries, and the answers that wait for them.
 *
 * A keeper of rows (the coordinator of groups, the controller of topics) makes entry after entry,
 * and tells nobody what a crash could take back: an answer waits for the newest entry that it may
 * know of, and an answer about what was only read waits like the answer to a change. Any number of
 * answers may wait for one entry.
 *
 *   durable_line_open -> store_put, store_delete -> durable_line_close -> durable_line_wait
 *
 * Ownership: the line allocates each entry and frees it when the journal has answered. A waiting
 * struct commit is its caller's, mostly embedded in memory of a request (durable_reply.h), and
 * belongs to the line until done() is called. A line belongs to one shard and is used there only.
 */
#ifndef BROKER_REQUEST_DURABLE_LINE_H
#define BROKER_REQUEST_DURABLE_LINE_H

#include "storage/store.h"

struct durable_entry;

struct durable_line {
    struct store *store;
    struct durable_entry *open;   /* being filled, or NULL */
    struct durable_entry *newest; /* closed last, and not durable yet; or NULL */
    size_t on_their_way;          /* entries that the journal has not answered */
};

/* Of a zeroed line. */
void durable_line_init(struct durable_line *line, struct store *store);
/* Before its owner frees it: nothing may be open or on its way. */
void durable_line_end(const struct durable_line *line);

/* Begins the store's entry, unless this line has it open already. */
void durable_line_open(struct durable_line *line);
/* Ends the open entry and hands it to the store. Without an open one it does nothing. */
void durable_line_close(struct durable_line *line);

/* Calls commit->done once, in the order of these calls: ERR_OK when every entry that was closed
 * before is durable, which may be at once; ERR_IO when the journal failed. No entry may be open. */
void durable_line_wait(struct durable_line *line, struct commit *commit);

#endif
