/* A transport carries the bytes of a connection: a socket, encrypted or not, or a test's memory.
 * The connection drives it. It reports events to the connection, on the thread of the connection's
 * shard. A transport knows no connection, so it stands below listeners and connections. */
#ifndef BROKER_CONNECTION_TRANSPORT_H
#define BROKER_CONNECTION_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct connection;
struct transport;

enum { TRANSPORT_AGAIN = -1, TRANSPORT_CLOSED = -2 };

struct transport_ops {
    /* Bytes read or written (> 0), TRANSPORT_AGAIN, or TRANSPORT_CLOSED (end or error). */
    ssize_t (*read)(struct transport *t, void *data, size_t size);
    ssize_t (*write)(struct transport *t, const struct iovec *parts, int count);
    /* Sends from a file descriptor without a copy. */
    ssize_t (*send_file)(struct transport *t, int descriptor, int64_t position, size_t size);
    /* Says what the connection waits for. The transport reports readable and writable then. It
     * chooses the events of its socket: an encrypted read may have to
     * wait until the socket is writable, and the reverse. */
    void (*want)(struct transport *t, bool read, bool write);
    /* Whether a read would now give bytes that the transport took from its socket before. No event
     * announces such bytes (decrypted ones), so the connection comes back for them by itself. */
    bool (*pending)(struct transport *t);
    void (*close)(struct transport *t); /* also frees it */
};

/* The events that a transport reports to its connection. */
struct transport_events {
    void (*readable)(struct connection *c);
    void (*writable)(struct connection *c);
};

/* connection_create sets `connection` and `events`. */
struct transport {
    const struct transport_ops *ops;
    struct connection *connection;
    const struct transport_events *events;
};

#endif
