#include "broker/mailbox.h"

void mailbox_init(struct mailbox *m, void (*wake)(void *context), void *context)
{
    pthread_mutex_init(&m->mutex, NULL);
    list_init(&m->mail);
    m->wake = wake;
    m->context = context;
}

void mailbox_free(struct mailbox *m)
{
    ASSERT(list_is_empty(&m->mail));
    pthread_mutex_destroy(&m->mutex);
}

void mailbox_post(struct mailbox *m, struct mail *mail)
{
    ASSERT(!list_contains(&mail->node));
    pthread_mutex_lock(&m->mutex);
    bool was_empty = list_is_empty(&m->mail);
    list_append(&m->mail, &mail->node);
    pthread_mutex_unlock(&m->mutex);
    if (was_empty && m->wake)
        m->wake(m->context);
}

bool mailbox_is_empty(struct mailbox *m)
{
    pthread_mutex_lock(&m->mutex);
    bool is_empty = list_is_empty(&m->mail);
    pthread_mutex_unlock(&m->mutex);
    return is_empty;
}

void mailbox_take(struct mailbox *m, struct list *out)
{
    pthread_mutex_lock(&m->mutex);
    list_take_all(out, &m->mail);
    pthread_mutex_unlock(&m->mutex);
}
