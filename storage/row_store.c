#include "storage/row_store_internal.h"

#include <pthread.h>
#include <stdlib.h>

enum { GENERATION_BYTES = 16 << 20 };

/* Writers of all shards take turns. */
struct locked_store {
    struct row_store store;
    pthread_mutex_t lock;
};

static struct locked_store *locked_of(struct kv *kv)
{
    return CONTAINER_OF(kv, struct locked_store, store.kv);
}

static void close_rows(struct kv *kv)
{
    struct locked_store *l = locked_of(kv);
    struct row_store *s = &l->store;
    if (s->file)
        s->env->io->ops->close(s->env->io, s->file);
    if (s->inner)
        s->inner->driver->close(s->inner);
    pthread_mutex_destroy(&l->lock);
    free(s->kv_path);
    free(s->directory);
    free(s->path);
    free(l);
}

/* The directory `rows` beside the directory of the store. */
static char *rows_directory(const char *kv_path)
{
    const char *slash = strrchr(kv_path, '/');
    char *parent = slash ? xstrndup(kv_path, (size_t)(slash - kv_path)) : xstrdup(".");
    char *path = io_path(parent, "rows");
    free(parent);
    return path;
}

static enum error open_rows(struct kv_driver *driver, const char *path, enum kv_open how,
                            struct kv **out, struct message *message)
{
    struct row_store_driver *d = CONTAINER_OF(driver, struct row_store_driver, driver);
    struct locked_store *l = xcalloc(1, sizeof *l);
    pthread_mutex_init(&l->lock, NULL);
    l->store = (struct row_store){.kv.driver = driver,
                                  .driver = d,
                                  .env = d->env,
                                  .kv_path = xstrdup(path),
                                  .directory = rows_directory(path)};
    enum error error = row_store_open(&l->store, how, message);
    if (error == ERR_OK)
        *out = &l->store.kv;
    else
        close_rows(&l->store.kv);
    return error;
}

static enum error write_rows(struct kv *kv, const struct kv_change *changes, size_t count)
{
    struct locked_store *l = locked_of(kv);
    pthread_mutex_lock(&l->lock);
    enum error error = row_store_write(&l->store, changes, count);
    pthread_mutex_unlock(&l->lock);
    return error;
}

struct row_scan {
    enum error (*each)(void *context, struct bytes key, struct bytes value);
    void *context;
};

static enum error hide_commit(void *context, struct bytes key, struct bytes value)
{
    struct row_scan *scan = context;
    return bytes_equal(key, row_store_commit_key) ? ERR_OK : scan->each(scan->context, key, value);
}

static enum error scan_rows(struct kv *kv, struct bytes prefix,
                            enum error (*each)(void *context, struct bytes key, struct bytes value),
                            void *context)
{
    struct kv *inner = locked_of(kv)->store.inner;
    struct row_scan scan = {each, context};
    return inner->driver->scan(inner, prefix, hide_commit, &scan);
}

static enum error check_rows(struct kv *kv, struct message *message)
{
    struct kv *inner = locked_of(kv)->store.inner;
    return inner->driver->check(inner, message);
}

static enum error set_aside(struct kv_driver *driver, const char *path, const char *to)
{
    struct kv_driver *inner = CONTAINER_OF(driver, struct row_store_driver, driver)->inner;
    return inner->set_aside(inner, path, to);
}

void row_store_init(struct row_store_driver *d, struct env *env, struct kv_driver *inner)
{
    *d = (struct row_store_driver){
        .driver = {open_rows, close_rows, write_rows, scan_rows, check_rows, set_aside},
        .inner = inner,
        .env = env,
        .generation_bytes = GENERATION_BYTES};
}
