/* One TCP connection; every call has a time limit. */
#ifndef CLIENT_TOOLS_CLUSTER_LINK_H
#define CLIENT_TOOLS_CLUSTER_LINK_H

#include "base/arena.h"
#include "client-tools/failure.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct link {
    int fd; /* -1: not connected */
    struct sockaddr_storage peer;
    char host[256];
    int port;
};

/* Parses "host:port", "[v6]:port", "host" (port 9092). */
bool address_parse(struct bytes text, char host[256], int *port, struct failure *f);

/* The time now, by the clock of the deadlines. */
int64_t link_now_ms(void);

/* Connects with TCP_NODELAY. */
bool link_open(struct link *l, const char *host, int port, int64_t deadline_ms, struct failure *f);
void link_close(struct link *l);
/* Whether this connection leads to host:port. */
bool link_leads_to(const struct link *l, const char *host, int port);

bool link_write(struct link *l, struct bytes bytes, int64_t deadline_ms, struct failure *f);
/* Reads one frame into the arena, without the size in front. */
bool link_read_frame(struct link *l, size_t max, int64_t deadline_ms, struct arena *arena,
                     struct bytes *out, struct failure *f);

#endif
