#include "broker/net/loop.h"

#include "broker/broker.h"
#include "broker/connection/connection.h"
#include "broker/net/alarm.h"
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
    struct event *wake_event, *alarm_event;
    int wake_descriptor;
    struct alarm alarm;
    struct ring *ring; /* NULL: a worker writes everything */
    pthread_t thread;
    atomic_bool stopping, sleeping;
    bool clock_is_read;
};

static void ring_bell(struct loop *loop)
{
    uint64_t one = 1;
    while (write(loop->wake_descriptor, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

/* There is mail: a loop that is awake finds it without a bell. */
static void wake(void *context)
{
    struct loop *loop = context;
    if (atomic_exchange(&loop->sleeping, false))
        ring_bell(loop);
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
    (void)descriptor, (void)what;
    struct loop *loop = context;
    woke(&loop->events);
}

static void rang(evutil_socket_t descriptor, short what, void *context)
{
    (void)descriptor, (void)what;
    struct loop *loop = context;
    alarm_rang(&loop->alarm);
    woke(&loop->events);
}

/* Nobody reads the descriptor: its next event is a new edge. */
static struct event *watch(struct loop *loop, int descriptor, event_callback_fn callback)
{
    struct event *event =
        event_new(loop->events.base, descriptor, EV_READ | EV_PERSIST | EV_ET, callback, loop);
    event_add(event, NULL);
    return event;
}

struct loop *loop_create(struct broker *broker, int id)
{
    struct loop *loop = xcalloc(1, sizeof *loop);
    loop->events.woke = woke;
    struct event_config *config = event_config_new();
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
    loop->events.base = event_base_new_with_config(config);
    event_config_free(config);
    ASSERT(loop->events.base != NULL);
    loop->wake_descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ASSERT(loop->wake_descriptor >= 0);
    loop->shard = shard_create(broker, id, wake, loop);
    loop->ring = ring_create(loop->wake_descriptor, loop->shard->env->trace);
    alarm_open(&loop->alarm);
    loop->wake_event = watch(loop, loop->wake_descriptor, woken);
    loop->alarm_event = watch(loop, loop->alarm.descriptor, rang);
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

/* Whether only an event can bring work. From then on each sender of mail and each end of a write
 * makes one: `sleeping` is set before the mailbox is read, and read after mail is put into it. */
static bool may_sleep(struct loop *loop, int64_t next_ms)
{
    if (next_ms <= loop->shard->now_ms)
        return false;
    atomic_store(&loop->sleeping, true);
    return mailbox_is_empty(&loop->shard->mailbox) && ring_may_sleep(loop->ring);
}

/* Waits for events, at most until next_ms, handles them, and runs the shard's turn. */
static int64_t turn(struct loop *loop, int64_t next_ms)
{
    bool sleeps = may_sleep(loop, next_ms);
    if (sleeps)
        alarm_set(&loop->alarm, next_ms);
    loop->clock_is_read = false;
    event_base_loop(loop->events.base, EVLOOP_ONCE | (sleeps ? 0 : EVLOOP_NONBLOCK));
    atomic_store_explicit(&loop->sleeping, false, memory_order_relaxed);
    ring_stay_awake(loop->ring);
    woke(&loop->events);
    ring_reap(loop->ring);
    return shard_turn(loop->shard);
}

static void *run(void *context)
{
    struct loop *loop = context;
    int64_t next_ms = 0;
    ring_take_over(loop->ring);
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
    ring_bell(loop);
    pthread_join(loop->thread, NULL);
}

void loop_free(struct loop *loop)
{
    event_free(loop->wake_event);
    event_free(loop->alarm_event);
    alarm_close(&loop->alarm);
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
