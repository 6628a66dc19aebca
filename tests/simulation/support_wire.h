/* A connection between a simulated client and the broker.
 *
 * The network delays bytes, splits them and loses connections. A lost connection loses what is on
 * its way to the client. What is on its way to the broker is lost, too, or arrives when the client
 * has long sent it again on another connection. */
#ifndef TESTS_SIMULATION_SUPPORT_WIRE_H
#define TESTS_SIMULATION_SUPPORT_WIRE_H

#include "broker/connection/transport.h"
#include "tests/simulation/support_machine.h"

enum { WIRE_ROOM = 1 << 20 }; /* for bytes to a client that reads */

struct wire;

/* A request that waits for its reply. The client's structs embed it. */
struct exchange {
    struct list_node node;
    int16_t api, version;
    int32_t correlation;
    uint64_t wire;      /* its number */
    uint64_t sent_step; /* of the machine */
    int64_t sent_ms;
};

struct wire_owner {
    /* The response is valid during the call. */
    void (*answered)(struct wire_owner *owner, struct exchange *exchange, const void *response);
    /* The connection is lost. The exchanges without an answer were taken off; the wire is gone. */
    void (*lost)(struct wire_owner *owner);
};

struct wire {
    struct list_node node;
    struct machine *machine;
    struct wire_owner *owner; /* NULL: the client is gone */
    struct transport transport;
    int shard;
    uint64_t number;
    bool open;                       /* on the broker's side */
    bool cut;                        /* the end of the stream follows the last byte */
    struct buffer to_broker;         /* on its way or arrived */
    size_t arrived;                  /* of these bytes */
    struct buffer to_client, client; /* client: received, not yet a whole response */
    bool wants_read, wants_write;
    size_t room; /* for bytes to the client */
    int64_t broker_due_ms, client_due_ms;
    int32_t correlation;
    uint64_t frames_left; /* until the network loses it */
    struct list exchanges;
};

/* NULL: the broker does not run. */
struct wire *wire_open(struct machine *m, struct wire_owner *owner);
/* Sends a request. `exchange` may be NULL for a request without a reply. */
void wire_send(struct wire *w, int16_t api, int16_t version, const void *request,
               struct exchange *exchange);
/* The client closes the connection. lost() is not called. */
void wire_close(struct wire *w);
/* The network loses the connection. */
void wire_cut(struct wire *w);
/* Loses all connections at once, at the broker's end. */
void wires_lose_all(struct machine *m);

/* For the machine. */
bool wire_can_move(const struct wire *w);
void wire_move(struct wire *w);
int64_t wire_due_ms(const struct wire *w);
/* Reports events of a shard's wires, as the event loop does. */
void wires_report(struct machine *m, int shard);
bool wires_have_events(const struct machine *m, int shard);
/* Frees the wires that neither side uses. */
void wires_collect(struct machine *m);

#endif
