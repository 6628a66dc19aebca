#include "client-tools/cluster/link.h"

#include "base/clock.h"
#include "base/units.h"
#include "client-tools/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

enum { DEFAULT_PORT = 9092 };

bool address_parse(struct bytes text, char host[256], int *port, struct failure *f)
{
    struct bytes name = text;
    int64_t number = DEFAULT_PORT;
    const uint8_t *colon = text.size ? memrchr(text.data, ':', text.size) : NULL;
    bool bracketed = text.size > 2 && text.data[0] == '[';
    const uint8_t *bracket = bracketed ? memchr(text.data, ']', text.size) : NULL;
    if (colon && (!bracket || colon > bracket)) {
        struct bytes digits = bytes_from(text, (size_t)(colon + 1 - text.data));
        name.size = (size_t)(colon - text.data);
        if (!parse_i64(digits, &number) || number < 1 || number > 65535)
            return fail_usage(f, "%.*s: the port is not a number from 1 to 65535",
                              BYTES_PRINTF(text));
    }
    if (bracket)
        name = bytes_of(text.data + 1, (size_t)(bracket - text.data - 1));
    if (name.size == 0 || name.size > 255)
        return fail_usage(f, "\"%.*s\" is not an address; expected HOST:PORT", BYTES_PRINTF(text));
    snprintf(host, 256, "%.*s", BYTES_PRINTF(name));
    *port = (int)number;
    return true;
}

int64_t link_now_ms(void)
{
    return clock_monotonic_ms(clock_system());
}

/* Makes the first letter small, because "Connection refused" comes in the middle of a sentence. */
static const char *reason(const char *text, char space[128])
{
    snprintf(space, 128, "%.127s", text);
    if (space[0] >= 'A' && space[0] <= 'Z')
        space[0] = (char)(space[0] | 0x20);
    return space;
}

/* Waits for the socket. False: the deadline passed, or a signal asked to stop. */
static bool wait_for(int fd, short events, int64_t deadline_ms, struct failure *f)
{
    for (;;) {
        if (stop_requested())
            return fail(f, "INTERRUPTED", "interrupted");
        int64_t left = deadline_ms - link_now_ms();
        if (left <= 0)
            return fail_unreachable(f, "no response within the time limit");
        struct pollfd p = {.fd = fd, .events = events};
        int ready = poll(&p, 1, (int)MIN(left, 60000));
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return fail_unreachable(f, "%s", strerror(errno));
    }
}

static bool connect_to(struct link *l, const struct addrinfo *address, int64_t deadline_ms,
                       struct failure *f)
{
    l->fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        return fail_unreachable(f, "%s", strerror(errno));
    int error = 0;
    socklen_t size = sizeof error;
    if (connect(l->fd, address->ai_addr, address->ai_addrlen) < 0) {
        if (errno != EINPROGRESS)
            error = errno;
        else if (!wait_for(l->fd, POLLOUT, deadline_ms, f))
            return false;
        else
            getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    if (error != 0)
        return fail_unreachable(f, "%s", strerror(error));
    int on = 1;
    setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    memcpy(&l->peer, address->ai_addr, address->ai_addrlen);
    return true;
}

static int resolve(const char *host, int port, struct addrinfo **out)
{
    char service[16];
    snprintf(service, sizeof service, "%d", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    return getaddrinfo(host, service, &hints, out);
}

bool link_open(struct link *l, const char *host, int port, int64_t deadline_ms, struct failure *f)
{
    *l = (struct link){.fd = -1, .port = port};
    snprintf(l->host, sizeof l->host, "%s", host);
    struct addrinfo *addresses;
    char space[128];
    int error = resolve(host, port, &addresses);
    const char *text = error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error);
    if (error != 0)
        return fail_unreachable(f, "cannot reach %s:%d: %s", host, port, reason(text, space));
    bool connected = false;
    struct failure why = {0};
    for (struct addrinfo *a = addresses; a && !connected; a = a->ai_next) {
        connected = connect_to(l, a, deadline_ms, &why);
        if (!connected)
            link_close(l);
    }
    freeaddrinfo(addresses);
    if (!connected && strcmp(why.name, "INTERRUPTED") == 0)
        *f = why;
    else if (!connected)
        fail_unreachable(f, "cannot reach %s:%d: %s", host, port, reason(why.message.text, space));
    return connected;
}

void link_close(struct link *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}

static bool same_address(const struct sockaddr_storage *peer, const struct addrinfo *a)
{
    if (peer->ss_family != a->ai_family)
        return false;
    if (a->ai_family == AF_INET) {
        const struct sockaddr_in *x = (const void *)peer, *y = (const void *)a->ai_addr;
        return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
    }
    const struct sockaddr_in6 *x = (const void *)peer, *y = (const void *)a->ai_addr;
    return x->sin6_port == y->sin6_port &&
           memcmp(&x->sin6_addr, &y->sin6_addr, sizeof x->sin6_addr) == 0;
}

bool link_leads_to(const struct link *l, const char *host, int port)
{
    if (l->port == port && strcmp(l->host, host) == 0)
        return true;
    struct addrinfo *addresses;
    if (resolve(host, port, &addresses) != 0)
        return false;
    bool same = false;
    for (struct addrinfo *a = addresses; a && !same; a = a->ai_next)
        same = same_address(&l->peer, a);
    freeaddrinfo(addresses);
    return same;
}

static bool fail_closed(const struct link *l, const char *why, struct failure *f)
{
    char space[128];
    return fail_unreachable(f, "%s:%d closed the connection%s%s", l->host, l->port, why ? ": " : "",
                            why ? reason(why, space) : "");
}

bool link_write(struct link *l, struct bytes bytes, int64_t deadline_ms, struct failure *f)
{
    while (bytes.size > 0) {
        ssize_t size = send(l->fd, bytes.data, bytes.size, MSG_NOSIGNAL);
        if (size >= 0) {
            bytes = bytes_from(bytes, (size_t)size);
        } else if (errno == EAGAIN) {
            if (!wait_for(l->fd, POLLOUT, deadline_ms, f))
                return false;
        } else if (errno != EINTR) {
            return fail_closed(l, strerror(errno), f);
        }
    }
    return true;
}

static bool read_exactly(struct link *l, uint8_t *at, size_t size, int64_t deadline_ms,
                         struct failure *f)
{
    while (size > 0) {
        ssize_t count = recv(l->fd, at, size, 0);
        if (count > 0) {
            at += count;
            size -= (size_t)count;
        } else if (count == 0) {
            return fail_closed(l, NULL, f);
        } else if (errno == EAGAIN) {
            if (!wait_for(l->fd, POLLIN, deadline_ms, f))
                return false;
        } else if (errno != EINTR) {
            return fail_closed(l, strerror(errno), f);
        }
    }
    return true;
}

bool link_read_frame(struct link *l, size_t max, int64_t deadline_ms, struct arena *arena,
                     struct bytes *out, struct failure *f)
{
    uint8_t prefix[4];
    if (!read_exactly(l, prefix, sizeof prefix, deadline_ms, f))
        return false;
    size_t size = load_be32(prefix);
    if (size < 4 || size > max)
        return fail_unreachable(f, "%s:%d does not speak Kafka's protocol", l->host, l->port);
    uint8_t *data = arena_alloc(arena, size);
    if (data == NULL)
        return fail(f, "OUT_OF_MEMORY", "a response of %zu bytes is too large", size);
    *out = bytes_of(data, size);
    return read_exactly(l, data, size, deadline_ms, f);
}
