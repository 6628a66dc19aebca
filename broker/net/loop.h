/* A shard's thread: an event loop around shard_turn().
 *
 * Sockets, the wake-up of the mailbox and the clock's next timer come together here; nothing else
 * waits. One loop, one thread, no locks in libevent. */
#ifndef BROKER_NET_LOOP_H
#define BROKER_NET_LOOP_H

#include "broker/shard.h"

struct event_base;
struct listener;
struct loop;

/* Makes the loop and its shard; the thread does not run yet. */
struct loop *loop_create(struct broker *broker, int id);
struct shard *loop_shard(struct loop *loop);
struct event_base *loop_base(struct loop *loop);

/* Starts the thread. Before that the caller may use the shard; then nobody else may. */
void loop_start(struct loop *loop);
/* Asks the thread to end after its turn and waits for it. Any other thread. */
void loop_stop(struct loop *loop);
void loop_free(struct loop *loop);

/* Hands over a non-blocking socket that a listener accepted. Any thread. */
void loop_take_socket(struct loop *loop, const struct listener *listener, int descriptor,
                      const char *host);

/* The clock is read once a turn: the first event of a turn does it. */
void loop_woke(struct loop *loop);

#endif
