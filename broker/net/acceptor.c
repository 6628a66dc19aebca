#include "broker/net/acceptor.h"

#include "broker/broker.h"
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

static int open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

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

static void wait(struct acceptor *a)
{
    struct timeval time = {0, RETRY_MS * 1000};
    event_del(a->accept_event);
    event_add(a->retry_event, &time);
}

static size_t connection_limit(const struct acceptor *a)
{
    const struct broker *b = a->options.broker;
    return MIN(atomic_load(&b->connections_max), b->descriptors);
}

static bool is_full(const struct acceptor *a)
{
    return atomic_load(&a->options.broker->connections) >= connection_limit(a);
}

/* New clients wait in the queue of the socket. */
static void wait_for_room(struct acceptor *a)
{
    const struct broker *b = a->options.broker;
    bool by_files = b->descriptors < atomic_load(&b->connections_max);
    trace_log(a->options.trace, TRACE_WARN, "too many connections: new clients wait",
              F_INT("limit", connection_limit(a)),
              F_STRING("limited_by", by_files ? "the limit of open files" : "max.connections"));
    wait(a);
}

/* There are no descriptors left, and the listening socket stays readable, so the loop would spin.
 * Accepts and closes one client with the spare descriptor, and pauses accepting for a moment. */
static void pause_accepting(struct acceptor *a)
{
    trace_log(a->options.trace, TRACE_WARN, "accepting connections pauses",
              F_STRING("reason", strerror(errno)));
    if (a->spare >= 0)
        close(a->spare);
    int refused = accept(a->descriptor, NULL, NULL);
    if (refused >= 0)
        close(refused);
    a->spare = open_spare();
    wait(a);
}

static void retry(evutil_socket_t descriptor, short what, void *context)
{
    (void)descriptor, (void)what;
    struct acceptor *a = context;
    if (a->spare < 0)
        a->spare = open_spare();
    if (is_full(a))
        wait(a);
    else
        event_add(a->accept_event, NULL);
}

static void acceptable(evutil_socket_t descriptor, short what, void *context)
{
    (void)what;
    struct acceptor *a = context;
    for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
        struct sockaddr_storage address;
        socklen_t size = sizeof address;
        if (is_full(a)) {
            wait_for_room(a);
            return;
        }
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
        atomic_fetch_add(&a->options.broker->connections, 1);
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
    a->spare = open_spare();
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
    if (a->spare >= 0)
        close(a->spare);
    free(a);
}
