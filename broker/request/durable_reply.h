/* Replies that leave when what they say is durable.
 *
 * A handler makes its response, writes what must survive into an entry of the journal, and binds
 * the reply to that entry by its struct commit. The commit goes to whoever ends the entry:
 *
 *   store_commit, append_end    one entry of its own (produce)
 *   durable_line_wait           what a keeper of rows has closed so far (groups)
 *   struct change               an entry of the controller, known to all shards (topics, configs)
 *
 * When the journal has answered, commit.done runs on the shard whose entry it was. A reply then
 * leaves for its connection from there (request_reply finds the way home); a part of a scatter goes
 * home by its mail, where `gathered` makes the reply of all parts.
 *
 * Nothing is allocated here: a reply is embedded in what its handler keeps in memory of the
 * request, a part is the scatter's. Both must stay where they are until done() was called. */
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

/* `fail` puts an error into the response, which then leaves: the journal failed (ERR_IO), or what
 * `commit` was given to has other errors. NULL: nothing can be said, the connection ends. */
void durable_reply_init(struct durable_reply *reply, struct request *request, void *response,
                        void (*fail)(struct durable_reply *reply, enum error result));
/* Sends it at once, for what waits for no entry. */
void durable_reply_now(struct durable_reply *reply);
/* Ends a request about which the journal's failure leaves nothing to say. */
void durable_reply_lost(struct request *request);

/* --- a request whose entries are on several shards --- */

/* A part of a scatter that is done when an entry of its shard is durable. Instead of struct
 * scatter_part, in scatter_init. */
struct durable_part {
    struct scatter_part part;
    struct commit commit;
    enum error result; /* at home: ERR_IO when the journal failed under it */
};
_Static_assert(offsetof(struct durable_part, part) == 0, "a part begins with its scatter_part");

struct durable_part *durable_part_of(struct scatter_part *part);
/* In the part's work: the commit that ends it instead of scatter_part_done. */
struct commit *durable_part_commit(struct scatter_part *part);

#endif
