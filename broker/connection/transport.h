/* What carries the bytes of a connection: a socket, encrypted or not, or a test's memory. The
 * connection drives it; it reports events through connection_readable and connection_writable. */
#ifndef BROKER_CONNECTION_TRANSPORT_H
#define BROKER_CONNECTION_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct transport;

enum { TRANSPORT_AGAIN = -1, TRANSPORT_CLOSED = -2 };

struct transport_ops {
    /* Bytes read or written (> 0), TRANSPORT_AGAIN, or TRANSPORT_CLOSED (end or error). */
    ssize_t (*read)(struct transport *t, void *data, size_t size);
    ssize_t (*write)(struct transport *t, const struct iovec *parts, int count);
    /* Sends from a file descriptor without a copy. */
    ssize_t (*send_file)(struct transport *t, int descriptor, int64_t position, size_t size);
    /* Which events the loop should report through connection_readable and connection_writable. */
    void (*want)(struct transport *t, bool read, bool write);
    void (*close)(struct transport *t); /* also frees it */
};

struct transport {
    const struct transport_ops *ops;
};

#endif
