#include "broker/net/transport_factories.h"

#include "broker/connection/transport.h"
#include "broker/net/listener.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

struct plain_transport {
    struct transport transport;
    struct event_loop *loop;
    int descriptor;
    struct event *read_event, *write_event;
    bool reading, writing;
};

static struct plain_transport *plain(struct transport *t)
{
    return CONTAINER_OF(t, struct plain_transport, transport);
}

static ssize_t outcome(ssize_t result)
{
    if (result > 0)
        return result;
    if (result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return TRANSPORT_AGAIN;
    return TRANSPORT_CLOSED;
}

static ssize_t plain_read(struct transport *t, void *data, size_t size)
{
    return outcome(recv(plain(t)->descriptor, data, size, 0));
}

static ssize_t plain_write(struct transport *t, const struct iovec *parts, int count)
{
    if (count == 1)
        return outcome(send(plain(t)->descriptor, parts->iov_base, parts->iov_len, MSG_NOSIGNAL));
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts,
                             .msg_iovlen = (size_t)count};
    return outcome(sendmsg(plain(t)->descriptor, &message, MSG_NOSIGNAL));
}

static ssize_t plain_send_file(struct transport *t, int descriptor, int64_t position, size_t size)
{
    off_t at = position;
    return outcome(sendfile(plain(t)->descriptor, descriptor, &at, size));
}

static void plain_want(struct transport *t, bool read, bool write)
{
    struct plain_transport *p = plain(t);
    if (read != p->reading)
        read ? event_add(p->read_event, NULL) : event_del(p->read_event);
    if (write != p->writing)
        write ? event_add(p->write_event, NULL) : event_del(p->write_event);
    p->reading = read;
    p->writing = write;
}

/* Unread bytes are in the socket, and the loop reports them again. */
static bool plain_pending(struct transport *t)
{
    (void)t;
    return false;
}

static void plain_close(struct transport *t)
{
    struct plain_transport *p = plain(t);
    event_free(p->read_event);
    event_free(p->write_event);
    close(p->descriptor);
    free(p);
}

static const struct transport_ops plain_ops = {
    .read = plain_read,
    .write = plain_write,
    .send_file = plain_send_file,
    .want = plain_want,
    .pending = plain_pending,
    .close = plain_close,
};

static void readable(evutil_socket_t descriptor, short what, void *context)
{
    (void)descriptor, (void)what;
    struct plain_transport *p = context;
    p->loop->woke(p->loop);
    p->transport.events->readable(p->transport.connection);
}

static void writable(evutil_socket_t descriptor, short what, void *context)
{
    (void)descriptor, (void)what;
    struct plain_transport *p = context;
    p->loop->woke(p->loop);
    p->transport.events->writable(p->transport.connection);
}

static struct transport *plain_create(const struct listener *listener, struct event_loop *loop,
                                      int descriptor)
{
    (void)listener;
    struct plain_transport *p = xcalloc(1, sizeof *p);
    p->transport.ops = &plain_ops;
    p->loop = loop;
    p->descriptor = descriptor;
    p->read_event = event_new(loop->base, descriptor, EV_READ | EV_PERSIST, readable, p);
    p->write_event = event_new(loop->base, descriptor, EV_WRITE | EV_PERSIST, writable, p);
    return &p->transport;
}

const struct transport_factory plain_transports = {plain_create};
