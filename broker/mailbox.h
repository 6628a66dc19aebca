/* A mailbox: the mail for a shard, and the only structure that two threads share. The sender hands
 * over the content of a mail, unless it is immutable. Mail from one sender arrives in the order of
 * sending. */
#ifndef BROKER_MAILBOX_H
#define BROKER_MAILBOX_H

#include "base/list.h"

#include <pthread.h>

struct shard;

struct mail {
    struct list_node node;
    /* Called on the receiving shard, in its turn. The mail then belongs to that shard. */
    void (*deliver)(struct mail *mail, struct shard *shard);
};

struct mailbox {
    pthread_mutex_t mutex;
    struct list mail;
    /* Called on the sender's thread, after a mail came into an empty box. It must be safe there (it
     * writes to an eventfd). NULL in simulations. */
    void (*wake)(void *context);
    void *context;
};

void mailbox_init(struct mailbox *m, void (*wake)(void *context), void *context);
void mailbox_free(struct mailbox *m);
void mailbox_post(struct mailbox *m, struct mail *mail);
bool mailbox_is_empty(struct mailbox *m);
/* Moves all mail to `out` (an initialised list). */
void mailbox_take(struct mailbox *m, struct list *out);

#endif
