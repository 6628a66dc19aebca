#include "tests/simulation/support_wire.h"

#include "broker/connection/connection.h"
#include "protocol/api.h"
#include "protocol/messages.h"

#include <stdlib.h>

enum { WIRE_BYTES_MAX = 64 << 20 };

static struct wire *wire_of(struct transport *t)
{
    return CONTAINER_OF(t, struct wire, transport);
}

/* --- the broker's side --- */

static ssize_t wire_read(struct transport *t, void *data, size_t size)
{
    struct wire *w = wire_of(t);
    size_t part = MIN(size, w->arrived);
    if (part == 0)
        return w->cut && w->to_broker.size == 0 ? TRANSPORT_CLOSED : TRANSPORT_AGAIN;
    memcpy(data, w->to_broker.data, part);
    buffer_consume(&w->to_broker, part);
    w->arrived -= part;
    return (ssize_t)part;
}

static ssize_t wire_write(struct transport *t, const struct iovec *parts, int count)
{
    struct wire *w = wire_of(t);
    size_t size = 0;
    for (int i = 0; i < count; i++) {
        size_t part = parts[i].iov_len;
        if (w->owner && !w->machine->dead) {
            if (w->to_client.size >= w->room)
                break;
            part = MIN(part, w->room - w->to_client.size);
            buffer_append(&w->to_client, parts[i].iov_base, part);
        }
        size += part;
        if (part < parts[i].iov_len)
            break;
    }
    return size > 0 ? (ssize_t)size : TRANSPORT_AGAIN;
}

static ssize_t wire_send_file(struct transport *t, int descriptor, int64_t position, size_t size)
{
    (void)t, (void)descriptor, (void)position, (void)size;
    return TRANSPORT_CLOSED; /* the simulated disk has no descriptors */
}

static void wire_want(struct transport *t, bool read, bool write)
{
    wire_of(t)->wants_read = read;
    wire_of(t)->wants_write = write;
}

static bool wire_pending(struct transport *t)
{
    (void)t;
    return false;
}

static void wire_closed(struct transport *t)
{
    struct wire *w = wire_of(t);
    w->open = false;
    buffer_clear(&w->to_broker);
    w->arrived = 0;
    machine_wire_ended(w->machine, w->number);
}

static const struct transport_ops wire_ops = {
    .read = wire_read,
    .write = wire_write,
    .send_file = wire_send_file,
    .want = wire_want,
    .pending = wire_pending,
    .close = wire_closed,
};

static bool is_readable(const struct wire *w)
{
    return w->open && w->wants_read && (w->arrived > 0 || (w->cut && w->to_broker.size == 0));
}

static bool is_writable(const struct wire *w)
{
    return w->open && w->wants_write && (w->owner == NULL || w->to_client.size < w->room);
}

bool wires_have_events(const struct machine *m, int shard)
{
    LIST_FOR_EACH (node, &m->wires) {
        const struct wire *w = CONTAINER_OF(node, struct wire, node);
        if (w->shard == shard && (is_readable(w) || is_writable(w)))
            return true;
    }
    return false;
}

void wires_report(struct machine *m, int shard)
{
    LIST_FOR_EACH (node, &m->wires) {
        struct wire *w = CONTAINER_OF(node, struct wire, node);
        if (w->shard != shard)
            continue;
        if (is_readable(w))
            w->transport.events->readable(w->transport.connection);
        if (is_writable(w))
            w->transport.events->writable(w->transport.connection);
    }
}

/* --- the client's side --- */

struct wire *wire_open(struct machine *m, struct wire_owner *owner)
{
    if (m->state != MACHINE_UP)
        return NULL;
    struct wire *w = xcalloc(1, sizeof *w);
    w->machine = m;
    w->owner = owner;
    w->shard = (int)machine_below(m, (uint64_t)m->broker.shard_count);
    w->number = m->wire_count++;
    if (w->number >= m->settled_capacity) {
        m->settled_capacity = MAX(m->settled_capacity * 2, (size_t)256);
        m->settled = xrealloc(m->settled, m->settled_capacity * sizeof *m->settled);
    }
    m->settled[w->number] = 0;
    w->transport.ops = &wire_ops;
    w->open = w->wants_read = true;
    w->room = !m->calm && machine_once_in(m, 4) ? 50 + machine_below(m, 500) : WIRE_ROOM;
    w->frames_left = m->calm || machine_once_in(m, 3) ? UINT64_MAX : 1 + machine_below(m, 300);
    buffer_init(&w->to_broker, WIRE_BYTES_MAX);
    buffer_init(&w->to_client, WIRE_BYTES_MAX);
    buffer_init(&w->client, WIRE_BYTES_MAX);
    list_init(&w->exchanges);
    list_append(&m->wires, &w->node);
    shard_read_clock(m->shards[w->shard]);
    connection_create(m->shards[w->shard], &m->broker.listeners[0], &w->transport, "10.0.0.1");
    return w;
}

void wire_send(struct wire *w, int16_t api_key, int16_t version, const void *request,
               struct exchange *exchange)
{
    const struct api_messages *api = api_messages(api_key);
    struct buffer frame;
    struct writer writer;
    buffer_init(&frame, WIRE_BYTES_MAX);
    writer_init(&writer, &frame);
    write_request_header(&writer, &(struct request_header){.api_key = api_key,
                                                           .api_version = version,
                                                           .correlation_id = ++w->correlation,
                                                           .client_id = BYTES_LITERAL("sim")});
    enum error error = schema_encode(api->request, version, request, &writer);
    ASSERT(error == ERR_OK);
    writer_free(&writer);
    if (w->open) {
        buffer_append_be32(&w->to_broker, (uint32_t)frame.size);
        buffer_append_bytes(&w->to_broker, buffer_view(&frame));
    }
    buffer_free(&frame);
    if (exchange == NULL)
        return;
    *exchange = (struct exchange){.api = api_key,
                                  .version = version,
                                  .correlation = w->correlation,
                                  .wire = w->number,
                                  .sent_step = w->machine->step,
                                  .sent_ms = w->machine->now_ms};
    list_append(&w->exchanges, &exchange->node);
}

static void forget_exchanges(struct wire *w)
{
    while (list_pop(&w->exchanges))
        ;
    w->owner = NULL;
}

/* Bytes on their way to the broker are lost or not; then the stream ends. */
static void end_stream(struct wire *w)
{
    struct machine *m = w->machine;
    bool arrives = machine_once_in(m, 2);
    w->cut = true;
    buffer_clear(&w->to_client);
    if (!w->open)
        return;
    if (w->to_broker.size > w->arrived)
        chronicle_reach(m->chronicle, arrives ? REACH_LATE_REQUEST : REACH_LOST_REQUEST);
    else
        chronicle_reach(m->chronicle, REACH_LOST_REPLY);
    if (!arrives)
        w->to_broker.size = w->arrived;
    w->broker_due_ms = m->now_ms + (int64_t)machine_below(m, m->calm ? 5 : 3000);
}

void wire_close(struct wire *w)
{
    forget_exchanges(w);
    end_stream(w);
}

static void lose(struct wire *w)
{
    struct wire_owner *owner = w->owner;
    forget_exchanges(w);
    if (owner)
        owner->lost(owner);
}

void wire_cut(struct wire *w)
{
    end_stream(w);
    lose(w);
}

void wires_lose_all(struct machine *m)
{
    LIST_FOR_EACH (node, &m->wires) {
        struct wire *w = CONTAINER_OF(node, struct wire, node);
        w->cut = true;
        if (w->open)
            connection_close(w->transport.connection);
        lose(w);
    }
}

void wires_collect(struct machine *m)
{
    LIST_FOR_EACH_SAFE (node, &m->wires) {
        struct wire *w = CONTAINER_OF(node, struct wire, node);
        if (w->open || w->owner)
            continue;
        list_remove(node);
        buffer_free(&w->to_broker);
        buffer_free(&w->to_client);
        buffer_free(&w->client);
        free(w);
    }
}

/* --- the network --- */

static bool brings_to_broker(const struct wire *w)
{
    return w->open && w->to_broker.size > w->arrived;
}

/* Bytes, or the news that the broker has closed it. */
static bool brings_to_client(const struct wire *w)
{
    return w->owner && (w->to_client.size > 0 || !w->open);
}

bool wire_can_move(const struct wire *w)
{
    int64_t now_ms = w->machine->now_ms;
    return (brings_to_broker(w) && w->broker_due_ms <= now_ms) ||
           (brings_to_client(w) && w->client_due_ms <= now_ms);
}

int64_t wire_due_ms(const struct wire *w)
{
    int64_t due_ms = brings_to_broker(w) ? w->broker_due_ms : INT64_MAX;
    return brings_to_client(w) ? MIN(due_ms, w->client_due_ms) : due_ms;
}

/* How much of `size` bytes the network brings at once. */
static size_t piece_of(struct machine *m, size_t size)
{
    if (m->calm || machine_once_in(m, 2))
        return size;
    size_t most =
        machine_once_in(m, 3) ? 1 : 1 + machine_below(m, machine_once_in(m, 3) ? 40 : size);
    return MIN(size, most);
}

static int64_t next_ms(struct machine *m)
{
    if (m->calm || !machine_once_in(m, 4))
        return m->now_ms;
    return m->now_ms + (int64_t)machine_below(m, machine_once_in(m, 30) ? 4000 : 20);
}

static void bring_to_broker(struct wire *w)
{
    struct machine *m = w->machine;
    size_t left = w->to_broker.size - w->arrived, part = piece_of(m, left);
    if (part < left)
        chronicle_reach(m->chronicle, REACH_SPLIT);
    w->arrived += part;
    w->broker_due_ms = next_ms(m);
}

/* Gives the owner one whole response. False: there is none. */
static bool answer(struct wire *w)
{
    if (w->owner == NULL || w->client.size < 4 || w->client.size - 4 < load_be32(w->client.data))
        return false;
    struct list_node *node = list_pop(&w->exchanges);
    struct exchange *e = node ? CONTAINER_OF(node, struct exchange, node) : NULL;
    size_t size = load_be32(w->client.data);
    struct reader r = reader_of(bytes_of(w->client.data + 4, size));
    int32_t correlation = read_i32(&r);
    if (e == NULL || correlation != e->correlation)
        chronicle_fail(w->machine->chronicle, "replies come in the order of the requests",
                       "wire %d: reply %d", (int)w->number, correlation);
    const struct api_messages *api = api_messages(e->api);
    struct arena arena;
    arena_init(&arena, WIRE_BYTES_MAX);
    if (api_response_header_version(api, e->version) == 1)
        (void)read_uvarint(&r);
    void *response = arena_alloc(&arena, schema_size(api->response));
    if (schema_decode(api->response, e->version, &r, &arena, response) != ERR_OK || reader_left(&r))
        chronicle_fail(w->machine->chronicle, "a response can be decoded", "%s v%d", api->name,
                       e->version);
    /* The owner may close the wire meanwhile, which keeps the buffer. */
    w->owner->answered(w->owner, e, response);
    arena_free(&arena);
    buffer_consume(&w->client, 4 + size);
    return true;
}

static void bring_to_client(struct wire *w)
{
    struct machine *m = w->machine;
    if (w->to_client.size == 0) {
        lose(w); /* the broker has closed it */
        return;
    }
    size_t part = piece_of(m, w->to_client.size);
    buffer_append(&w->client, w->to_client.data, part);
    buffer_consume(&w->to_client, part);
    w->client_due_ms = next_ms(m);
    while (answer(w))
        ;
}

void wire_move(struct wire *w)
{
    struct machine *m = w->machine;
    bool to_broker = brings_to_broker(w) && w->broker_due_ms <= m->now_ms;
    bool to_client = brings_to_client(w) && w->client_due_ms <= m->now_ms;
    if (!m->calm && w->owner && w->open && w->frames_left != UINT64_MAX && w->frames_left-- == 0) {
        chronicle_note(m->chronicle, "wire %d is lost", (int)w->number);
        wire_cut(w);
        return;
    }
    if (to_broker && (!to_client || machine_once_in(m, 2)))
        bring_to_broker(w);
    else
        bring_to_client(w);
}
