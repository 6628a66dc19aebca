/* Replies that are sent when their content is durable.
 *
 * A handler makes its response, writes durable changes into an entry of the journal, and binds the
 * reply to that entry by its struct commit. The commit goes to the code that ends the entry:
 *
 *   store_commit, append_end    one entry of its own (produce)
 *   durable_line_wait           what a keeper of rows has closed so far (groups)
 *   struct change               an entry of the controller, known to all shards (topics, configs)
 *
 * When the journal has answered, commit.done runs on the shard of the entry. A reply goes from
 * there to its connection (request_reply finds the way home). A part of a scatter goes home by its
 * mail, and `gathered` makes the reply of all parts there.
 *
 * This module allocates nothing. A reply is embedded in the handler's structure in memory of the
 * request. A part belongs to the scatter. Both must stay in place until done() was called. */
#ifndef BROKER_REQUEST_DURABLE_REPLY_H
#define BROKER_REQUEST_DURABLE_REPLY_H

#include "broker/request/request.h"
#include "broker/request/scatter.h"

/* --- a request whose entry is on one shard --- */

struct durable_reply {
    struct commit commit;
    struct request *request;
    void *response; /* of the request's API; lives as long as the request */
    void (*fail)(struct durable_reply *reply, enum error result);
};

/* On an error `fail` puts it into the response, which is then sent. The error is ERR_IO if the
 * journal failed, or another one of the code that has the commit. If `fail` is NULL, the connection
 * is closed instead. */
void durable_reply_init(struct durable_reply *reply, struct request *request, void *response,
                        void (*fail)(struct durable_reply *reply, enum error result));
/* Sends it at once: it waits for no entry. */
void durable_reply_now(struct durable_reply *reply);
/* Closes the connection of a request whose result is unknown, because the journal failed. */
void durable_reply_lost(struct request *request);

/* --- a request whose entries are on several shards --- */

/* A part of a scatter that is done when an entry of its shard is durable. It replaces struct
 * scatter_part in scatter_init. */
struct durable_part {
    struct scatter_part part;
    struct commit commit;
    enum error result; /* at home: ERR_IO if the part's journal failed */
};
_Static_assert(offsetof(struct durable_part, part) == 0, "a part begins with its scatter_part");

struct durable_part *durable_part_of(struct scatter_part *part);
/* For the part's work: the commit ends the part instead of scatter_part_done. */
struct commit *durable_part_commit(struct scatter_part *part);

#endif
