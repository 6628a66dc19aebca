#include "broker/descriptors.h"

enum {
    PROCESS = 12, /* standard streams, the main loop, locks, synced directories */
    KEY_VALUE_STORE = 16,
    SPARE = 12,   /* libraries open some for a moment */
    LISTENER = 2, /* the socket, and one to refuse clients with */
    LOOP = 3,
    WORKERS = 12, /* the three disk workers of a shard: files that are open for a moment */
    CONNECTIONS_MIN = 24,
    SEGMENTS_MIN = 8,
    ADVISED = 65536,
};

enum error descriptors_divide(size_t limit, const struct descriptor_needs *needs,
                              struct descriptor_shares *out, struct message *message)
{
    size_t shard = LOOP + WORKERS + (size_t)needs->journal_files;
    size_t own = PROCESS + KEY_VALUE_STORE + SPARE + LISTENER * (size_t)needs->listeners +
                 (size_t)needs->shards * shard;
    size_t least = own + CONNECTIONS_MIN + SEGMENTS_MIN;
    *out = (struct descriptor_shares){.limit = limit, .own = own};
    if (limit < least) {
        message_set(message,
                    "the process may open %zu files, but the broker needs at least %zu: raise the "
                    "limit (ulimit -n %d, or LimitNOFILE=%d in the unit of systemd)",
                    limit, least, ADVISED, ADVISED);
        return ERR_INVALID;
    }
    out->segments = (limit - own) / 4;
    out->connections = limit - own - out->segments;
    return ERR_OK;
}
