#include "broker/net/endpoint.h"

#include "base/settings.h"
#include "base/units.h"

#include <ctype.h>
#include <stdlib.h>

static const char EXPECTED[] = "expected PLAINTEXT://host:port with a port from 0 to 65535";

static enum error refuse(struct bytes text, const char *why, struct message *message)
{
    message_set(message, "'%.*s': %s", BYTES_PRINTF(text), why);
    return ERR_INVALID;
}

/* An IPv6 address contains colons, so it is in brackets. */
static bool parse_host(struct bytes text, struct bytes *out)
{
    *out = text;
    if (text.size >= 2 && text.data[0] == '[' && text.data[text.size - 1] == ']') {
        *out = bytes_of(text.data + 1, text.size - 2);
        return out->size > 0;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] <= ' ' || strchr(":[]/", text.data[i]))
            return false;
    }
    return true;
}

static bool is_name(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (!isalnum(c) && c != '_' && c != '-' && c != '.')
            return false;
    }
    return text.size > 0;
}

enum error endpoint_parse(struct bytes text, struct endpoint *out, struct message *message)
{
    const uint8_t *scheme = text.size ? memmem(text.data, text.size, "://", 3) : NULL;
    if (scheme == NULL)
        return refuse(text, EXPECTED, message);
    struct bytes name = bytes_of(text.data, (size_t)(scheme - text.data));
    struct bytes rest = bytes_from(text, name.size + 3), host;
    const uint8_t *colon = rest.size ? memrchr(rest.data, ':', rest.size) : NULL;
    int64_t port;
    if (!is_name(name) || colon == NULL ||
        !parse_host(bytes_of(rest.data, (size_t)(colon - rest.data)), &host) ||
        !parse_i64(bytes_from(rest, (size_t)(colon + 1 - rest.data)), &port) || port < 0 ||
        port > 65535)
        return refuse(text, EXPECTED, message);
    *out = (struct endpoint){xstrndup((const char *)name.data, name.size),
                             xstrndup((const char *)host.data, host.size), (int32_t)port};
    return ERR_OK;
}

struct endpoint endpoint_copy(const struct endpoint *e)
{
    return (struct endpoint){xstrdup(e->listener), xstrdup(e->host), e->port};
}

void endpoint_free(struct endpoint *e)
{
    free(e->listener);
    free(e->host);
    *e = (struct endpoint){0};
}

enum error endpoints_parse(struct bytes list, struct endpoint out[LISTENERS_MAX], int *count,
                           struct message *message)
{
    size_t at = 0;
    enum error error = ERR_OK;
    *count = 0;
    for (struct bytes item; !error && !bytes_is_null(item = setting_list_next(list, &at));) {
        struct endpoint e = {0};
        if (*count == LISTENERS_MAX)
            error = refuse(item, "exceeds the maximum of 16 listeners", message);
        else
            error = endpoint_parse(item, &e, message);
        if (error)
            break;
        out[(*count)++] = e;
    }
    if (!error && *count == 0)
        error = refuse(list, EXPECTED, message);
    while (error && *count > 0)
        endpoint_free(&out[--*count]);
    return error;
}

bool endpoint_is_address(const struct endpoint *e)
{
    return e->host[0] && strcmp(e->host, "0.0.0.0") != 0 && strcmp(e->host, "::") != 0;
}
