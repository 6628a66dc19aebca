/* An ordered key-value store: what the journal is poured into at checkpoints.
 *
 * Never the only copy of what cannot be recomputed, never called where it could stall a shard: only
 * at start-up and on disk workers. LevelDB (kv_leveldb.c) in a broker, memory with faults in a
 * simulation. */
#ifndef STORAGE_KV_H
#define STORAGE_KV_H

#include "base/error.h"

struct kv;

struct kv_change {
    struct bytes key, value; /* value null: delete */
};

/* A store that is missing where rows were kept is a loss: nothing new may take its place. */
enum kv_open {
    KV_OPEN_EXISTING,
    KV_OPEN_OR_CREATE, /* the directory is new; what an earlier start began is finished */
};

struct kv_driver {
    /* ERR_CORRUPT: damaged or missing; nothing was changed, and `message` says what to do. With
     * ERR_OK a message says that a write which a power cut interrupted was left out. */
    enum error (*open)(struct kv_driver *driver, const char *path, enum kv_open how,
                       struct kv **out, struct message *message);
    void (*close)(struct kv *kv);
    /* All changes or none, durable when it returns. */
    enum error (*write)(struct kv *kv, const struct kv_change *changes, size_t count);
    /* Calls `each` for every pair whose key starts with `prefix`, in key order, until it returns an
     * error. Values are checked (ERR_CORRUPT). Views are valid during the call. */
    enum error (*scan)(struct kv *kv, struct bytes prefix,
                       enum error (*each)(void *context, struct bytes key, struct bytes value),
                       void *context);
};

struct kv {
    struct kv_driver *driver;
};

struct kv_driver *kv_leveldb(void);

#endif
