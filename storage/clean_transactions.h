/* Which transactions a cleaner has met while it goes through a log: what it may drop.
 *
 * The data of an aborted transaction goes. A marker must stay until all data of its transaction is
 * gone, because readers end the transaction with it. */
#ifndef STORAGE_CLEAN_TRANSACTIONS_H
#define STORAGE_CLEAN_TRANSACTIONS_H

#include "protocol/record_batch.h"

/* An aborted transaction of a log. */
struct clean_aborted {
    int64_t producer_id, first_offset;
};

struct clean_transactions;

/* `aborted` by first offset; it lives as long as the result. */
struct clean_transactions *clean_transactions_create(const struct clean_aborted *aborted,
                                                     size_t count);
void clean_transactions_free(struct clean_transactions *t); /* NULL is fine */
/* Takes the log's next batch. True: it may be discarded. It has data of an aborted transaction, or
 * it is a marker after whose transaction no data is left. */
bool clean_transactions_next(struct clean_transactions *t, struct bytes batch);

#endif
