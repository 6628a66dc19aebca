#include "broker/net/loop.h"

#include "broker/broker.h"
#include "broker/connection/connection.h"
#include "broker/net/listener.h"
#include "broker/net/ring.h"
#include "broker/turn.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct loop {
    struct event_loop events; /* lent to transports */
    struct shard *shard;
    struct event *wake_event, *timer_event;
    int wake_descriptor;
    struct ring *ring; /* NULL: a worker writes everything */
    pthread_t thread;
    atomic_bool stopping;
    bool clock_is_read;
};

static void wake(void *context)
{
    struct loop *loop = context;
    uint64_t one = 1;
    while (write(loop->wake_descriptor, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

/* The first event of a turn reads the clock. */
static void woke(struct event_loop *events)
{
    struct loop *loop = CONTAINER_OF(events, struct loop, events);
    if (!loop->clock_is_read)
        shard_read_clock(loop->shard);
    loop->clock_is_read = true;
}

static void woken(evutil_socket_t descriptor, short what, void *context)
{
    (void)what;
    struct loop *loop = context;
    uint64_t count;
    while (read(descriptor, &count, sizeof count) < 0 && errno == EINTR)
        ;
    woke(&loop->events);
    ring_reap(loop->ring);
}

static void timer_fired(evutil_socket_t descriptor, short what, void *context)
{
    (void)descriptor, (void)what;
    struct loop *loop = context;
    woke(&loop->events);
}

struct loop *loop_create(struct broker *broker, int id)
{
    struct loop *loop = xcalloc(1, sizeof *loop);
    loop->events.woke = woke;
    struct event_config *config = event_config_new();
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST |
                                      EVENT_BASE_FLAG_PRECISE_TIMER);
    loop->events.base = event_base_new_with_config(config);
    event_config_free(config);
    ASSERT(loop->events.base != NULL);
    loop->wake_descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ASSERT(loop->wake_descriptor >= 0);
    loop->shard = shard_create(broker, id, wake, loop);
    loop->ring = ring_create(loop->wake_descriptor, loop->shard->env->trace);
    loop->wake_event =
        event_new(loop->events.base, loop->wake_descriptor, EV_READ | EV_PERSIST, woken, loop);
    loop->timer_event = event_new(loop->events.base, -1, 0, timer_fired, loop);
    event_add(loop->wake_event, NULL);
    return loop;
}

struct async_writer *loop_writer(struct loop *loop)
{
    return ring_writer(loop->ring);
}

struct shard *loop_shard(struct loop *loop)
{
    return loop->shard;
}

/* Waits for events, at most until next_ms, handles them, and runs the shard's turn. */
static int64_t turn(struct loop *loop, int64_t next_ms)
{
    int flags = EVLOOP_ONCE;
    int64_t wait_ms = next_ms - loop->shard->now_ms;
    if (next_ms == 0 || wait_ms <= 0) {
        flags |= EVLOOP_NONBLOCK;
    } else {
        wait_ms = MIN(wait_ms, (int64_t)60000);
        struct timeval wait = {wait_ms / 1000, wait_ms % 1000 * 1000};
        event_add(loop->timer_event, &wait);
    }
    loop->clock_is_read = false;
    event_base_loop(loop->events.base, flags);
    woke(&loop->events);
    return shard_turn(loop->shard);
}

static void *run(void *context)
{
    struct loop *loop = context;
    int64_t next_ms = 0;
    while (!atomic_load_explicit(&loop->stopping, memory_order_acquire))
        next_ms = turn(loop, next_ms);
    return NULL;
}

void loop_start(struct loop *loop)
{
    char name[16];
    snprintf(name, sizeof name, "shard-%d", loop->shard->id);
    int error = pthread_create(&loop->thread, NULL, run, loop);
    ASSERT(error == 0);
    pthread_setname_np(loop->thread, name);
}

void loop_stop(struct loop *loop)
{
    atomic_store_explicit(&loop->stopping, true, memory_order_release);
    wake(loop);
    pthread_join(loop->thread, NULL);
}

void loop_free(struct loop *loop)
{
    event_free(loop->wake_event);
    event_free(loop->timer_event);
    shard_free(loop->shard);
    ring_free(loop->ring);
    close(loop->wake_descriptor);
    event_base_free(loop->events.base);
    free(loop);
}

struct new_socket {
    struct mail mail;
    struct loop *loop;
    const struct listener *listener;
    int descriptor;
    char host[64];
};

static void take_socket(struct mail *mail, struct shard *shard)
{
    struct new_socket *s = CONTAINER_OF(mail, struct new_socket, mail);
    if (shard->stopping) {
        close(s->descriptor);
    } else {
        struct transport *transport =
            s->listener->transports->create(s->listener, &s->loop->events, s->descriptor);
        connection_create(shard, s->listener, transport, s->host);
    }
    atomic_fetch_sub(&shard->broker->connections, 1); /* it is no longer on its way */
    free(s);
}

void loop_take_socket(struct loop *loop, const struct listener *listener, int descriptor,
                      const char *host)
{
    struct new_socket *s = xcalloc(1, sizeof *s);
    s->mail.deliver = take_socket;
    s->loop = loop;
    s->listener = listener;
    s->descriptor = descriptor;
    snprintf(s->host, sizeof s->host, "%s", host);
    shard_post(loop->shard, &s->mail);
}
