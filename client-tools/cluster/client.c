#include "client-tools/cluster/client.h"

#include "client-tools/cluster/link.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    MAX_NODES = 1024,
    MAX_REQUEST_BYTES = 100 << 20,
    UNSUPPORTED_VERSION = 35,
};

struct versions {
    int16_t by_key[128]; /* the version to use; -1: not served */
};

struct node {
    int32_t id; /* ANY_NODE: the bootstrap server */
    char host[256];
    int port;
    struct link link;
    struct versions versions;
    bool same_as_bootstrap;
};

struct client {
    struct node *nodes; /* the first is the bootstrap server */
    size_t node_count;
    char client_id[256], brokers_from[512], address[300];
    int64_t timeout_ms, deadline_ms; /* deadline 0: each call has its own */
    int32_t correlation_id;
};

/* The highest versions in which an API names topics by name. Later ones use ids only, but the tool
 * works on names. */
static const struct {
    int16_t api_key, highest;
} caps[] = {{API_PRODUCE, 12}, {API_FETCH, 12}, {API_OFFSET_COMMIT, 9}, {API_OFFSET_FETCH, 9}};

static int64_t deadline_of(const struct client *c, int64_t wait_ms)
{
    return c->deadline_ms ? c->deadline_ms : link_now_ms() + c->timeout_ms + wait_ms;
}

static bool send_request(struct client *c, struct node *n, int16_t api_key, int version,
                         const void *request, int64_t deadline_ms, struct failure *f)
{
    struct buffer frame;
    struct writer w;
    buffer_init(&frame, MAX_REQUEST_BYTES);
    writer_init(&w, &frame);
    buffer_append_be32(&frame, 0);
    const struct request_header header = {.api_key = api_key,
                                          .api_version = (int16_t)version,
                                          .correlation_id = ++c->correlation_id,
                                          .client_id = bytes_string(c->client_id)};
    write_request_header(&w, &header);
    enum error e = schema_encode(api_messages(api_key)->request, version, request, &w);
    bool good = e == ERR_OK && !frame.overflowed;
    if (!good) {
        fail(f, "INVALID_REQUEST", "%s version %d cannot carry this request: %s",
             api_messages(api_key)->name, version, error_text(e));
    } else {
        store_be32(frame.data, (uint32_t)(frame.size - 4));
        good = link_write(&n->link, buffer_view(&frame), deadline_ms, f);
    }
    writer_free(&w);
    buffer_free(&frame);
    return good;
}

static bool decode_response(const struct client *c, const struct node *n, int16_t api_key,
                            int version, struct bytes frame, struct arena *arena, void *response,
                            struct failure *f)
{
    const struct api_messages *api = api_messages(api_key);
    struct reader r = reader_of(frame);
    int32_t correlation_id = read_i32(&r);
    if (api_response_header_version(api, version) == 1)
        read_uvarint(&r); /* no tagged field is known in a header */
    if (r.failed || correlation_id != c->correlation_id ||
        schema_decode(api->response, version, &r, arena, response) != ERR_OK)
        return fail_unreachable(f, "%s:%d sent a malformed response to %s version %d", n->link.host,
                                n->link.port, api->name, version);
    return true;
}

/* Sends a request and reads its response. A failure closes the connection, because a late response
 * on it would be taken for that of the next request. */
static bool exchange(struct client *c, struct node *n, int16_t api_key, int version,
                     const void *request, struct arena *arena, struct bytes *frame,
                     int64_t deadline_ms, struct failure *f)
{
    if (send_request(c, n, api_key, version, request, deadline_ms, f) &&
        link_read_frame(&n->link, MAX_RESPONSE_BYTES, deadline_ms, arena, frame, f))
        return true;
    struct message why = f->message;
    if (f->exit == EXIT_UNREACHABLE && strcmp(why.text, "no response within the time limit") == 0)
        message_set(&f->message, "%s:%d did not respond to %s within the time limit", n->link.host,
                    n->link.port, api_messages(api_key)->name);
    link_close(&n->link);
    return false;
}

static void choose_versions(struct versions *v, const struct api_versions_response *served)
{
    memset(v->by_key, 0xff, sizeof v->by_key);
    for (int32_t i = 0; i < served->api_keys_count; i++) {
        const struct api_versions_response_api_keys *s = &served->api_keys[i];
        const struct api_messages *ours = api_messages(s->api_key);
        if (ours == NULL || s->api_key < 0 || s->api_key >= (int)COUNT_OF(v->by_key))
            continue;
        int16_t highest = MIN(ours->max_version, s->max_version);
        for (size_t cap = 0; cap < COUNT_OF(caps); cap++) {
            if (caps[cap].api_key == s->api_key)
                highest = MIN(highest, caps[cap].highest);
        }
        if (highest >= MAX(ours->min_version, s->min_version))
            v->by_key[s->api_key] = highest;
    }
}

/* Asks in the newest version that we know. A broker that does not know it responds in version 0
 * with an error, and is asked again in version 0 (KIP-511). */
static bool negotiate(struct client *c, struct node *n, int64_t deadline_ms, struct failure *f)
{
    struct arena arena;
    arena_init(&arena, 4 << 20);
    struct api_versions_request request;
    struct api_versions_response response;
    schema_defaults(&api_versions_request_schema, &request);
    request.client_software_name = BYTES_LITERAL("tidemill");
    request.client_software_version = BYTES_LITERAL(TIDEMILL_VERSION);
    struct bytes frame;
    bool good = false;
    for (int version = 3; version >= 0; version -= 3) {
        if (!exchange(c, n, API_API_VERSIONS, version, &request, &arena, &frame, deadline_ms, f))
            break;
        bool refused = frame.size >= 6 && load_be16(frame.data + 4) == UNSUPPORTED_VERSION;
        if (refused && version > 0)
            continue;
        good = decode_response(c, n, API_API_VERSIONS, version, frame, &arena, &response, f);
        if (good && response.error_code != 0)
            good = fail_kafka(f, response.error_code, BYTES_NULL, "ApiVersions");
        break;
    }
    if (good)
        choose_versions(&n->versions, &response);
    arena_free(&arena);
    return good;
}

static bool connect_node(struct client *c, struct node *n, int64_t deadline_ms, struct failure *f)
{
    if (!link_open(&n->link, n->host, n->port, deadline_ms, f))
        return false;
    if (negotiate(c, n, deadline_ms, f))
        return true;
    link_close(&n->link);
    return false;
}

static bool connect_bootstrap(struct client *c, struct bytes brokers, int64_t deadline_ms,
                              struct failure *f)
{
    struct node *n = &c->nodes[0];
    bool any = false;
    while (brokers.size > 0) {
        const uint8_t *comma = memchr(brokers.data, ',', brokers.size);
        size_t size = comma ? (size_t)(comma - brokers.data) : brokers.size;
        struct bytes one = bytes_of(brokers.data, size);
        brokers = bytes_from(brokers, comma ? size + 1 : size);
        if (one.size == 0)
            continue;
        any = true;
        if (!address_parse(one, n->host, &n->port, f))
            return false;
        if (connect_node(c, n, deadline_ms, f))
            return true;
        if (strcmp(f->name, "INTERRUPTED") == 0)
            return false;
    }
    return any ? false : fail_usage(f, "no broker address is given");
}

bool client_open(const struct client_options *options, struct client **out, struct failure *f)
{
    struct client *c = xcalloc(1, sizeof *c);
    c->nodes = xcalloc(MAX_NODES, sizeof *c->nodes);
    c->nodes[0] = (struct node){.id = ANY_NODE, .link.fd = -1};
    c->node_count = 1;
    c->timeout_ms = options->timeout_ms;
    snprintf(c->client_id, sizeof c->client_id, "%.*s", BYTES_PRINTF(options->client_id));
    snprintf(c->brokers_from, sizeof c->brokers_from, "%s", options->brokers_from);
    int64_t deadline_ms = link_now_ms() + options->timeout_ms;
    if (!connect_bootstrap(c, options->brokers, deadline_ms, f)) {
        message_set(&f->from, "%s", options->brokers_from);
        if (f->exit == EXIT_UNREACHABLE)
            message_set(&f->hint, "is the broker running?  tidemill doctor");
        client_close(c);
        return false;
    }
    snprintf(c->address, sizeof c->address, "%s:%d", c->nodes[0].host, c->nodes[0].port);
    if (options->whole_command)
        c->deadline_ms = deadline_ms;
    *out = c;
    return true;
}

void client_close(struct client *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->node_count; i++)
        link_close(&c->nodes[i].link);
    free(c->nodes);
    free(c);
}

void client_learn(struct client *c, int32_t id, struct bytes host, int32_t port)
{
    if (id < 0 || host.size == 0 || host.size >= sizeof c->nodes->host)
        return;
    struct node *n = NULL;
    for (size_t i = 1; i < c->node_count && n == NULL; i++) {
        if (c->nodes[i].id == id)
            n = &c->nodes[i];
    }
    if (n && n->port == port && bytes_equal_string(host, n->host))
        return;
    if (n == NULL) {
        if (c->node_count == MAX_NODES)
            return;
        n = &c->nodes[c->node_count++];
        *n = (struct node){.id = id, .link.fd = -1};
    }
    link_close(&n->link); /* the node has another address now */
    snprintf(n->host, sizeof n->host, "%.*s", BYTES_PRINTF(host));
    n->port = port;
    n->same_as_bootstrap = link_leads_to(&c->nodes[0].link, n->host, port);
}

const char *client_address(const struct client *c)
{
    return c->address;
}

static struct node *find_node(const struct client *c, int32_t id)
{
    for (size_t i = 0; i < c->node_count; i++) {
        if (c->nodes[i].id == id)
            return c->nodes[i].same_as_bootstrap ? &c->nodes[0] : &c->nodes[i];
    }
    return NULL;
}

static struct node *connected_node(struct client *c, int32_t id, struct failure *f)
{
    struct node *n = find_node(c, id);
    if (n == NULL) {
        fail_unreachable(f, "there is no broker with id %d", id);
        return NULL;
    }
    if (n->link.fd >= 0)
        return n;
    if (connect_node(c, n, deadline_of(c, 0), f))
        return n;
    if (id != ANY_NODE && f->exit == EXIT_UNREACHABLE && strcmp(f->name, "INTERRUPTED") != 0) {
        message_set(&f->from, "%s, which advertises broker %d as %s:%d", c->address, id, n->host,
                    n->port);
        message_set(&f->hint,
                    "set the broker's advertised.listeners to an address that this host can reach");
    }
    return NULL;
}

bool client_reach(struct client *c, int32_t node, struct failure *f)
{
    return connected_node(c, node, f) != NULL;
}

int client_version(const struct client *c, int32_t node, int16_t api_key)
{
    const struct node *n = find_node(c, node);
    return n && n->link.fd >= 0 ? n->versions.by_key[api_key] : -1;
}

static struct node *node_for(struct client *c, int32_t id, int16_t api_key, int *version,
                             struct failure *f)
{
    struct node *n = connected_node(c, id, f);
    if (n == NULL)
        return NULL;
    *version = n->versions.by_key[api_key];
    if (*version >= 0)
        return n;
    fail(f, "UNSUPPORTED_VERSION", "%s:%d does not serve %s", n->link.host, n->link.port,
         api_messages(api_key)->name);
    return NULL;
}

bool client_call_waiting(struct client *c, int32_t node, int16_t api_key, const void *request,
                         struct arena *arena, void *response, int64_t wait_ms, struct failure *f)
{
    int version;
    struct bytes frame;
    struct node *n = node_for(c, node, api_key, &version, f);
    return n &&
           exchange(c, n, api_key, version, request, arena, &frame, deadline_of(c, wait_ms), f) &&
           decode_response(c, n, api_key, version, frame, arena, response, f);
}

bool client_send(struct client *c, int32_t node, int16_t api_key, const void *request,
                 struct failure *f)
{
    int version;
    struct node *n = node_for(c, node, api_key, &version, f);
    return n && send_request(c, n, api_key, version, request, deadline_of(c, 0), f);
}
