/* A shard's thread: an event loop around shard_turn().
 *
 * The loop waits for sockets, the mailbox and the next timer; nothing else waits. Each loop has one
 * thread and needs no locks in libevent. */
#ifndef BROKER_NET_LOOP_H
#define BROKER_NET_LOOP_H

#include "broker/shard.h"

struct async_writer;
struct listener;
struct loop;

/* Makes the loop and its shard. The thread does not run yet. */
struct loop *loop_create(struct broker *broker, int id);
struct shard *loop_shard(struct loop *loop);
/* For writes of the shard's thread; NULL: the kernel has none. */
struct async_writer *loop_writer(struct loop *loop);

/* Starts the thread. Before this call the caller may use the shard; after it only the thread
 * may. */
void loop_start(struct loop *loop);
/* Asks the thread to end after its turn and waits for it. Called on another thread. */
void loop_stop(struct loop *loop);
void loop_free(struct loop *loop);

/* Hands over a non-blocking socket that a listener accepted. Called on any thread. */
void loop_take_socket(struct loop *loop, const struct listener *listener, int descriptor,
                      const char *host);

#endif
