#include "broker/net/listener.h"

#include "base/settings.h"
#include "broker/net/transport_factories.h"

#include <stdio.h>
#include <stdlib.h>

static const char BIND_KEY[] = "listeners", ADVERTISE_KEY[] = "advertised.listeners",
                  PROTOCOLS_KEY[] = "listener.security.protocol.map";

/* The security protocols of Kafka. */
static const struct {
    const char *name;
    const struct transport_factory *transports; /* NULL: not built */
} protocols[] = {
    {"PLAINTEXT", &plain_transports},
    {"SSL", NULL},
    {"SASL_PLAINTEXT", NULL},
    {"SASL_SSL", NULL},
};

/* The listeners while they are made from the keys. */
struct draft {
    const struct listener_keys *keys;
    struct listener_faults *faults;
    struct listener *listeners;
    struct endpoint advertised[LISTENERS_MAX];
    int count, advertised_count;
    bool failed;
};

/* --- faults --- */

static void refuse(struct draft *d, const char *key, const char *why)
{
    d->failed = true;
    if (d->faults)
        d->faults->add(d->faults, key, why);
}

static void refuse_endpoint(struct draft *d, const char *key, const struct endpoint *e,
                            const char *why)
{
    struct message message;
    bool brackets = strchr(e->host, ':') != NULL;
    message_set(&message, "'%s://%s%s%s:%d': %s", e->listener, brackets ? "[" : "", e->host,
                brackets ? "]" : "", e->port, why);
    refuse(d, key, message.text);
}

/* --- protocols --- */

static int find_protocol(struct bytes name)
{
    for (size_t i = 0; i < COUNT_OF(protocols); i++) {
        if (bytes_equal_string(name, protocols[i].name))
            return (int)i;
    }
    return -1;
}

/* Splits NAME:PROTOCOL. */
static bool split_pair(struct bytes item, struct bytes *name, struct bytes *protocol)
{
    const uint8_t *colon = memchr(item.data, ':', item.size);
    if (colon == NULL)
        return false;
    *name = bytes_of(item.data, (size_t)(colon - item.data));
    *protocol = bytes_from(item, name->size + 1);
    return name->size > 0;
}

/* The protocol in the first pair with this name; null when there is none. */
static struct bytes mapped_protocol(const struct draft *d, struct bytes wanted)
{
    size_t at = 0;
    struct bytes list = bytes_string(d->keys->protocols), name, protocol;
    for (struct bytes item; !bytes_is_null(item = setting_list_next(list, &at));) {
        if (split_pair(item, &name, &protocol) && bytes_equal(name, wanted))
            return protocol;
    }
    return BYTES_NULL;
}

/* Checks the map. It may have names without a listener. */
static void check_protocols(struct draft *d)
{
    size_t at = 0;
    struct bytes list = bytes_string(d->keys->protocols), name, protocol;
    for (struct bytes item; !bytes_is_null(item = setting_list_next(list, &at));) {
        struct message message = {""};
        if (!split_pair(item, &name, &protocol) || find_protocol(protocol) < 0)
            message_set(&message,
                        "'%.*s': expected NAME:PROTOCOL with one of PLAINTEXT, SSL, "
                        "SASL_PLAINTEXT, SASL_SSL",
                        BYTES_PRINTF(item));
        else if (mapped_protocol(d, name).data != protocol.data)
            message_set(&message, "'%.*s': the name is listed twice", BYTES_PRINTF(item));
        if (message.text[0])
            refuse(d, PROTOCOLS_KEY, message.text);
    }
}

static void refuse_unbuilt(struct draft *d, const struct listener *l)
{
    struct message message;
    char built[128] = "";
    for (size_t i = 0; i < COUNT_OF(protocols); i++) {
        if (protocols[i].transports)
            snprintf(built + strlen(built), sizeof built - strlen(built), "%s%s",
                     built[0] ? ", " : "", protocols[i].name);
    }
    message_set(&message, "only %s listeners are built", built);
    refuse_endpoint(d, BIND_KEY, &l->bound, message.text);
}

/* A listener with the name of a protocol needs no pair in the map. */
static void choose_protocol(struct draft *d, struct listener *l)
{
    struct message message;
    struct bytes name = bytes_string(l->name), mapped = mapped_protocol(d, name);
    int found = find_protocol(bytes_is_null(mapped) ? name : mapped);
    if (found >= 0 && protocols[found].transports) {
        l->transports = protocols[found].transports;
    } else if (found >= 0) {
        refuse_unbuilt(d, l);
    } else if (bytes_is_null(mapped)) {
        message_set(&message, "has no security protocol: add %s:PLAINTEXT to %s", l->name,
                    PROTOCOLS_KEY);
        refuse_endpoint(d, BIND_KEY, &l->bound, message.text);
    }
}

/* --- endpoints --- */

static bool is_same_address(const struct endpoint *a, const struct endpoint *b)
{
    return a->port != 0 && a->port == b->port && strcmp(a->host, b->host) == 0;
}

static bool is_taken(const struct draft *d, const struct endpoint *e)
{
    for (int i = 0; i < d->count; i++) {
        if (is_same_address(&d->listeners[i].bound, e))
            return true;
    }
    return false;
}

static void read_listeners(struct draft *d)
{
    struct message message;
    struct endpoint bound[LISTENERS_MAX];
    int count;
    if (endpoints_parse(bytes_string(d->keys->listeners), bound, &count, &message)) {
        refuse(d, BIND_KEY, message.text);
        return;
    }
    for (int i = 0; i < count; i++) {
        if (is_taken(d, &bound[i]))
            refuse_endpoint(d, BIND_KEY, &bound[i], "is listed twice");
        struct listener *l = &d->listeners[d->count++];
        *l = (struct listener){.name = bound[i].listener, .bound = bound[i]};
        choose_protocol(d, l);
    }
}

static const struct endpoint *find_advertised(const struct draft *d, int count, const char *name)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(d->advertised[i].listener, name) == 0)
            return &d->advertised[i];
    }
    return NULL;
}

static bool has_listener(const struct draft *d, const char *name)
{
    for (int i = 0; i < d->count; i++) {
        if (strcmp(d->listeners[i].name, name) == 0)
            return true;
    }
    return false;
}

static const char TELL[] = "clients cannot connect to this address: set advertised.listeners to an "
                           "address and port that they can reach";

static void check_advertised(struct draft *d, int at)
{
    const struct endpoint *e = &d->advertised[at];
    if (!endpoint_is_address(e) || e->port == 0)
        refuse_endpoint(d, ADVERTISE_KEY, e, TELL);
    if (find_advertised(d, at, e->listener))
        refuse_endpoint(d, ADVERTISE_KEY, e, "the name is listed twice");
    if (d->count > 0 && !has_listener(d, e->listener))
        refuse_endpoint(d, ADVERTISE_KEY, e, "listeners has no listener with this name");
}

static void read_advertised(struct draft *d)
{
    struct message message;
    struct bytes list = bytes_string(d->keys->advertised);
    if (list.size == 0)
        return;
    if (endpoints_parse(list, d->advertised, &d->advertised_count, &message))
        refuse(d, ADVERTISE_KEY, message.text);
    for (int i = 0; i < d->advertised_count; i++)
        check_advertised(d, i);
}

static void advertise(struct draft *d, struct listener *l)
{
    const struct endpoint *told = find_advertised(d, d->advertised_count, l->name);
    l->advertised = endpoint_copy(told ? told : &l->bound);
    if (told || endpoint_is_address(&l->bound))
        return;
    struct message message;
    message_set(&message,
                "clients cannot connect to this address, and advertised.listeners has no %s",
                l->name);
    refuse_endpoint(d, BIND_KEY, &l->bound, d->advertised_count > 0 ? message.text : TELL);
}

enum error listeners_parse(const struct listener_keys *keys, struct listener out[LISTENERS_MAX],
                           int *count, struct listener_faults *faults)
{
    struct draft d = {.keys = keys, .faults = faults, .listeners = out};
    check_protocols(&d);
    read_listeners(&d);
    read_advertised(&d);
    bool all_read = d.advertised_count > 0 || keys->advertised[0] == '\0';
    for (int i = 0; all_read && i < d.count; i++)
        advertise(&d, &out[i]);
    while (d.advertised_count > 0)
        endpoint_free(&d.advertised[--d.advertised_count]);
    if (d.failed)
        listeners_free(out, &d.count);
    *count = d.count;
    return d.failed ? ERR_INVALID : ERR_OK;
}

void listeners_free(struct listener *listeners, int *count)
{
    while (*count > 0) {
        struct listener *l = &listeners[--*count];
        endpoint_free(&l->bound);
        endpoint_free(&l->advertised);
    }
}

void listener_set_port(struct listener *l, int32_t port)
{
    if (l->advertised.port == 0)
        l->advertised.port = port;
    l->bound.port = port;
}
