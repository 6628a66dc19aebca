/* A client of a connection, without a network. */
#ifndef TESTS_BROKER_SUPPORT_SOCKET_H
#define TESTS_BROKER_SUPPORT_SOCKET_H

#include "broker/connection/connection.h"
#include "broker/connection/transport.h"
#include "tests/broker/support_broker.h"

enum { ALL = 1 << 30 };

/* A socket of the test, which decides how much each call reads or writes. */
struct socket {
    struct transport transport;
    struct test_broker *broker;
    struct shard *shard;
    struct connection *connection; /* NULL once the broker closed it */
    struct buffer in, out;
    struct buffer held;           /* taken from the socket and not read yet */
    size_t taken;                 /* of the bytes that came in */
    size_t read_most, write_most; /* in one call */
    size_t room;                  /* that the client has for answers */
    bool wants_read, wants_write;
    bool breaks; /* if it has no more room */
    bool holds;  /* takes all input at the first read, like a transport that decrypts */
    int correlation, writes, file_writes;
};

/* Bytes that the broker has not read yet. */
size_t untaken(const struct socket *s);
struct socket *socket_open(struct test_broker *b);
void socket_free(struct socket *s);
/* Does the work of an event loop, until there is no more progress. */
void pump(struct socket *s);
/* Appends a frame for the client to send. */
void append_frame(struct socket *s, int16_t api_key, int16_t version, const void *request);
void ask_versions(struct socket *s);
void ask_fetch(struct socket *s, const char *topic, int64_t offset, int32_t wait_ms);
void ask_produce_of(struct socket *s, const char *topic, int16_t acks, size_t value_size);
void ask_produce(struct socket *s, const char *topic, int16_t acks);
/* The correlation ids of the complete answers so far, in order: "1 2 3". */
const char *answers(struct socket *s);
void create_topic(struct test_broker *b, const char *name);

#endif
