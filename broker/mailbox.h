/* The one structure that two threads share: mail for a shard. What travels in it is handed over, or
 * immutable. Mail from one sender arrives in the order it was sent. */
#ifndef BROKER_MAILBOX_H
#define BROKER_MAILBOX_H

#include "base/list.h"

#include <pthread.h>

struct shard;

struct mail {
    struct list_node node;
    /* Called on the receiving shard, in its turn; the mail belongs to it then. */
    void (*deliver)(struct mail *mail, struct shard *shard);
};

struct mailbox {
    pthread_mutex_t mutex;
    struct list mail;
    /* Called after the first mail came into an empty box, on the sender's thread; must be safe
     * there (writes to an eventfd). NULL in simulations. */
    void (*wake)(void *context);
    void *context;
};

void mailbox_init(struct mailbox *m, void (*wake)(void *context), void *context);
void mailbox_free(struct mailbox *m);
void mailbox_post(struct mailbox *m, struct mail *mail);
/* Moves all mail to `out` (an initialised list). */
void mailbox_take(struct mailbox *m, struct list *out);

#endif
