/* An ordered key-value store. Checkpoints write the rows of the journal to it.
 *
 * Calls block, so they are made only at start-up and on disk workers. In a broker the store is
 * LevelDB (kv_leveldb.c), in a simulation it is memory with faults. Before it stands a second copy
 * of the rows (row_store.h). */
#ifndef STORAGE_KV_H
#define STORAGE_KV_H

#include "base/error.h"

struct kv;

struct kv_change {
    struct bytes key, value; /* value null: delete */
};

/* A missing store in a data directory that is in use is a loss. No new store may replace it. */
enum kv_open {
    KV_OPEN_EXISTING,  /* a last write that was cut off is left out */
    KV_OPEN_ALONE,     /* there is no other copy of the rows: such a write is ERR_CORRUPT */
    KV_OPEN_OR_CREATE, /* the data directory is new; finishes a creation that was cut off */
};

struct kv_driver {
    /* ERR_CORRUPT: damaged or missing; no row was changed, and `message` says what and where. A
     * message with ERR_OK says that the last write was cut off and is left out. */
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
    /* Reads every row. ERR_CORRUPT: `message` says what is damaged and where. */
    enum error (*check)(struct kv *kv, struct message *message);
    /* Renames a closed store, durably. It replaces what is there. ERR_NOT_FOUND: nothing at `path`.
     */
    enum error (*set_aside)(struct kv_driver *driver, const char *path, const char *to);
};

struct kv {
    struct kv_driver *driver;
};

struct kv_driver *kv_leveldb(void);

#endif
