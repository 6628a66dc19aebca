#include "broker/net/acceptor.h"

#include "broker/net/listener.h"
#include "broker/net/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024, ACCEPTS_PER_EVENT = 64, RETRY_MS = 100 };

struct acceptor {
    struct acceptor_options options;
    const struct listener *listener;
    int descriptor;
    int spare; /* closed for a moment to refuse a client when descriptors run out */
    struct event *accept_event, *retry_event;
    int next_loop;
};

/* On loopback the default is cubic, because pacing (BBR) only slows it. */
static void tune(const struct acceptor *a, int descriptor, const struct sockaddr *address)
{
    int on = 1;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    const char *congestion = a->options.congestion;
    if (congestion[0] == '\0' && address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        if (ntohl(in.sin_addr.s_addr) >> 24 == 127)
            congestion = "cubic";
    }
    if (congestion[0])
        setsockopt(descriptor, IPPROTO_TCP, TCP_CONGESTION, congestion,
                   (socklen_t)strlen(congestion));
}

/* There are no descriptors left, and the listening socket stays readable, so the loop would spin.
 * Accepts and closes one client with the spare descriptor, and pauses accepting for a moment. */
static void pause_accepting(struct acceptor *a)
{
    trace_log(a->options.trace, TRACE_WARN, "accepting connections pauses",
              F_STRING("reason", strerror(errno)));
    close(a->spare);
    int refused = accept(a->descriptor, NULL, NULL);
    if (refused >= 0)
        close(refused);
    a->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    event_del(a->accept_event);
    struct timeval wait = {0, RETRY_MS * 1000};
    event_add(a->retry_event, &wait);
}

static void retry(evutil_socket_t descriptor, short what, void *context)
{
    (void)descriptor, (void)what;
    struct acceptor *a = context;
    event_add(a->accept_event, NULL);
}

static void acceptable(evutil_socket_t descriptor, short what, void *context)
{
    (void)what;
    struct acceptor *a = context;
    for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
        struct sockaddr_storage address;
        socklen_t size = sizeof address;
        int accepted =
            accept4(descriptor, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                pause_accepting(a);
            return;
        }
        char host[64] = "unknown";
        getnameinfo((struct sockaddr *)&address, size, host, sizeof host, NULL, 0, NI_NUMERICHOST);
        tune(a, accepted, (struct sockaddr *)&address);
        loop_take_socket(a->options.loops[a->next_loop], a->listener, accepted, host);
        a->next_loop = (a->next_loop + 1) % a->options.loop_count;
    }
}

static int bind_and_listen(const struct addrinfo *a)
{
    int descriptor = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return -1;
    int on = 1;
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(descriptor, a->ai_addr, a->ai_addrlen) == 0 && listen(descriptor, BACKLOG) == 0)
        return descriptor;
    int error = errno;
    close(descriptor);
    errno = error;
    return -1;
}

static int32_t bound_port(int descriptor)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    char port[16];
    if (getsockname(descriptor, (struct sockaddr *)&address, &size) != 0 ||
        getnameinfo((struct sockaddr *)&address, size, NULL, 0, port, sizeof port,
                    NI_NUMERICSERV) != 0)
        return 0;
    return atoi(port);
}

enum error acceptor_open(const struct acceptor_options *options, struct listener *listener,
                         struct acceptor **out, struct message *message)
{
    const struct endpoint *endpoint = &listener->bound;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    char port[16];
    snprintf(port, sizeof port, "%d", endpoint->port);
    int error = getaddrinfo(endpoint->host[0] ? endpoint->host : NULL, port, &hints, &found);
    if (error != 0) {
        message_set(message, "cannot listen on %s:%s: %s", endpoint->host, port,
                    gai_strerror(error));
        return ERR_NETWORK;
    }
    int descriptor = bind_and_listen(found);
    freeaddrinfo(found);
    if (descriptor < 0) {
        message_set(message, "cannot listen on %s:%s: %s", endpoint->host, port, strerror(errno));
        return ERR_NETWORK;
    }
    struct acceptor *a = xcalloc(1, sizeof *a);
    a->options = *options;
    a->listener = listener;
    a->descriptor = descriptor;
    a->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    a->accept_event = event_new(options->base, descriptor, EV_READ | EV_PERSIST, acceptable, a);
    a->retry_event = event_new(options->base, -1, 0, retry, a);
    listener_set_port(listener, bound_port(descriptor));
    *out = a;
    return ERR_OK;
}

void acceptor_start(struct acceptor *a)
{
    event_add(a->accept_event, NULL);
}

void acceptor_close(struct acceptor *a)
{
    event_free(a->accept_event);
    event_free(a->retry_event);
    close(a->descriptor);
    close(a->spare);
    free(a);
}
