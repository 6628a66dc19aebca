/* How the broker divides the file descriptors that its process may have. */
#ifndef BROKER_DESCRIPTORS_H
#define BROKER_DESCRIPTORS_H

#include "base/error.h"

struct descriptor_needs {
    int shards, listeners;
    int64_t journal_files; /* of each shard */
};

struct descriptor_shares {
    size_t limit;       /* of the process */
    size_t own;         /* journals, key-value store, listeners, loops, short uses of the workers */
    size_t connections; /* three quarters of the rest */
    size_t segments;    /* a quarter of the rest */
};

/* ERR_INVALID: the limit is too small; the message says what is needed. */
MUST_USE enum error descriptors_divide(size_t limit, const struct descriptor_needs *needs,
                                       struct descriptor_shares *out, struct message *message);

#endif
