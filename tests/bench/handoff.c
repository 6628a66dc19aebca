/* The cost of a mail between two shards. Two threads send one mail forth and back through their
 * mailboxes, and sleep while they have none. Prints the time and the CPU time of a mail, both sides
 * together.
 *
 *   bench_handoff */
#include "base/compiler.h"
#include "broker/mailbox.h"

#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 200000 };

struct side {
    struct mailbox mailbox;
    struct side *other;
    int event; /* an eventfd, like a shard's */
};

static void wake(void *context)
{
    struct side *side = context;
    ASSERT(eventfd_write(side->event, 1) == 0);
}

static void *send_back(void *context)
{
    struct side *side = context;
    for (int left = ROUNDS; left > 0;) {
        eventfd_t count;
        struct list mail;
        ASSERT(eventfd_read(side->event, &count) == 0);
        list_init(&mail);
        mailbox_take(&side->mailbox, &mail);
        while (!list_is_empty(&mail)) {
            mailbox_post(&side->other->mailbox, CONTAINER_OF(list_pop(&mail), struct mail, node));
            left--;
        }
    }
    return NULL;
}

static double now_us(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

int main(void)
{
    struct side sides[2];
    pthread_t threads[2];
    struct mail mail;
    for (int i = 0; i < 2; i++) {
        sides[i] = (struct side){.other = &sides[1 - i], .event = eventfd(0, 0)};
        mailbox_init(&sides[i].mailbox, wake, &sides[i]);
    }
    double elapsed_us = now_us(CLOCK_MONOTONIC), cpu_us = now_us(CLOCK_PROCESS_CPUTIME_ID);
    mailbox_post(&sides[0].mailbox, &mail);
    for (int i = 0; i < 2; i++)
        ASSERT(pthread_create(&threads[i], NULL, send_back, &sides[i]) == 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    elapsed_us = now_us(CLOCK_MONOTONIC) - elapsed_us;
    cpu_us = now_us(CLOCK_PROCESS_CPUTIME_ID) - cpu_us;
    printf("a mail: %.1f us, %.1f us of CPU time\n", elapsed_us / (2.0 * ROUNDS),
           cpu_us / (2.0 * ROUNDS));
    return 0;
}
