/* The key-value store in LevelDB's C API.
 *
 * Each value is stored after its own CRC-32C over key and value: LevelDB's default reads return
 * wrong bytes after more than half of all single bit flips. Every write is synced: batches written
 * without a sync can be lost in the middle of the log, not only at its end.
 *
 * The files are checked first (kv_files.h). Then LevelDB opens them with paranoid checks. It opens
 * them without these checks only if the sole fault is the torn end of the newest log, as a power
 * cut leaves it. The log does not show whether that last write had been durable. The caller has
 * another copy of the rows, and compares (row_store.h). */
#include "base/crc32c.h"
#include "storage/io.h"
#include "storage/kv.h"
#include "storage/kv_files.h"

#include <inttypes.h>
#include <leveldb/c.h>
#include <pthread.h>
#include <stdlib.h>

enum {
    CHECKSUM_SIZE = 4,
    WRITE_BUFFER_BYTES = 2 << 20,
    BLOCK_CACHE_BYTES = 1 << 20,
    OPEN_FILES_MAX = 64,
};

struct leveldb_kv {
    struct kv kv;
    /* Writes one at a time: behind one that fails, nothing may be written (write_leveldb). */
    pthread_rwlock_t lock;
    char *path;
    bool write_failed;     /* the database is opened again before the next write */
    leveldb_t *db;         /* NULL: it could not be opened again */
    enum error open_error; /* then: why */
    leveldb_options_t *options;
    leveldb_cache_t *cache;
    leveldb_readoptions_t *read;
    leveldb_writeoptions_t *write;
};

static struct leveldb_kv *leveldb_of(struct kv *kv)
{
    return CONTAINER_OF(kv, struct leveldb_kv, kv);
}

/* LevelDB reports errors only as text. A read behind the end of a table that is too short is an
 * invalid argument. */
static enum error error_of(const char *text)
{
    if (strstr(text, "Too many open files")) /* also "in system" */
        return ERR_NO_FILES;
    if (strstr(text, "Corruption") || strstr(text, "checksum") || strstr(text, "NotFound") ||
        strstr(text, "Invalid argument"))
        return ERR_CORRUPT;
    if (strstr(text, "No space left"))
        return ERR_NO_SPACE;
    if (strstr(text, "/LOCK") || strstr(text, "lock "))
        return ERR_BUSY;
    return ERR_IO;
}

static void kv_free(struct leveldb_kv *l)
{
    if (l->db)
        leveldb_close(l->db);
    leveldb_readoptions_destroy(l->read);
    leveldb_writeoptions_destroy(l->write);
    leveldb_options_destroy(l->options);
    leveldb_cache_destroy(l->cache);
    pthread_rwlock_destroy(&l->lock);
    free(l->path);
    free(l);
}

static void close_leveldb(struct kv *kv)
{
    kv_free(leveldb_of(kv));
}

static struct leveldb_kv *kv_create(struct kv_driver *driver, const char *path)
{
    struct leveldb_kv *l = xcalloc(1, sizeof *l);
    l->kv.driver = driver;
    l->path = xstrdup(path);
    pthread_rwlock_init(&l->lock, NULL);
    l->options = leveldb_options_create();
    l->cache = leveldb_cache_create_lru(BLOCK_CACHE_BYTES);
    l->read = leveldb_readoptions_create();
    l->write = leveldb_writeoptions_create();
    leveldb_options_set_write_buffer_size(l->options, WRITE_BUFFER_BYTES);
    leveldb_options_set_cache(l->options, l->cache);
    leveldb_options_set_max_open_files(l->options, OPEN_FILES_MAX);
    leveldb_options_set_compression(l->options, leveldb_snappy_compression);
    leveldb_readoptions_set_verify_checksums(l->read, 1);
    leveldb_readoptions_set_fill_cache(l->read, 0);
    leveldb_writeoptions_set_sync(l->write, 1);
    return l;
}

/* LevelDB treats a directory without the file CURRENT as new and deletes its content. */
static enum error check_files(const char *path, enum kv_open how, struct kv_torn_end *torn,
                              struct message *message)
{
    enum error error = kv_files_check(io_posix(), path, torn, message);
    if (error != ERR_NOT_FOUND)
        return error;
    if (how == KV_OPEN_OR_CREATE)
        return ERR_OK;
    message_set(message, "%s/CURRENT: the file is missing", path);
    return ERR_CORRUPT;
}

/* NULL: `text` is LevelDB's reason, which the caller frees. */
static struct leveldb_kv *try_open(struct kv_driver *driver, const char *path, enum kv_open how,
                                   bool strict, char **text)
{
    struct leveldb_kv *l = kv_create(driver, path);
    leveldb_options_set_create_if_missing(l->options, how == KV_OPEN_OR_CREATE);
    leveldb_options_set_paranoid_checks(l->options, strict);
    l->db = leveldb_open(l->options, path, text);
    if (*text == NULL)
        return l;
    l->db = NULL;
    kv_free(l);
    return NULL;
}

/* Paranoid checks refuse most torn ends. An open without them leaves the end out and writes the
 * rest to a table. The store is then opened again with them. */
static struct leveldb_kv *open_torn(struct kv_driver *driver, const char *path, char **text)
{
    struct leveldb_kv *l = try_open(driver, path, KV_OPEN_EXISTING, false, text);
    if (l == NULL)
        return NULL;
    kv_free(l);
    return try_open(driver, path, KV_OPEN_EXISTING, true, text);
}

/* LevelDB syncs the content of CURRENT and of its logs, but not their names. */
static enum error sync_names(struct leveldb_kv *l, const char *path, struct message *message)
{
    enum error error = io_sync_directory(io_posix(), path);
    if (error == ERR_OK)
        return ERR_OK;
    message_set(message, "cannot open the key-value store %s: %s", path, error_text(error));
    kv_free(l);
    return error;
}

static enum error refuse_open(const char *path, char *text, struct message *message)
{
    enum error error = error_of(text);
    message_set(message, error == ERR_CORRUPT ? "%s: %s" : "cannot open the key-value store %s: %s",
                path, text);
    leveldb_free(text);
    return error;
}

static enum error open_leveldb(struct kv_driver *driver, const char *path, enum kv_open how,
                               struct kv **out, struct message *message)
{
    struct kv_torn_end torn;
    char *text = NULL;
    enum error error = check_files(path, how, &torn, message);
    if (error == ERR_OK && torn.file[0] != '\0') {
        message_set(message, "%s/%s: the last write ends at byte %" PRId64 " and is incomplete",
                    path, torn.file, torn.at);
        error = how == KV_OPEN_ALONE ? ERR_CORRUPT : ERR_OK;
    }
    if (error != ERR_OK)
        return error;
    struct leveldb_kv *l = try_open(driver, path, how, true, &text);
    if (l == NULL && torn.file[0] != '\0' && error_of(text) == ERR_CORRUPT) {
        leveldb_free(text);
        text = NULL;
        l = open_torn(driver, path, &text);
    }
    if (l == NULL)
        return refuse_open(path, text, message);
    error = sync_names(l, path, message);
    if (error == ERR_OK)
        *out = &l->kv;
    return error;
}

static uint32_t pair_crc(struct bytes key, struct bytes value)
{
    return crc32c(crc32c(0, key.data, key.size), value.data, value.size);
}

static void put_pair(leveldb_writebatch_t *batch, struct buffer *scratch, struct bytes key,
                     struct bytes value)
{
    buffer_clear(scratch);
    buffer_append_be32(scratch, pair_crc(key, value));
    buffer_append_bytes(scratch, value);
    ASSERT(!scratch->overflowed);
    leveldb_writebatch_put(batch, (const char *)key.data, key.size, (const char *)scratch->data,
                           scratch->size);
}

/* LevelDB continues after a write that the disk took only in part. The next write would follow an
 * incomplete record, and the next start would lose or refuse it. So the database is opened again:
 * this leaves the torn end out and begins a new log. */
static enum error reopen(struct leveldb_kv *l)
{
    struct message message = {""};
    struct kv *next = NULL;
    if (l->db)
        leveldb_close(l->db);
    l->db = NULL;
    enum error error = l->kv.driver->open(l->kv.driver, l->path, KV_OPEN_EXISTING, &next, &message);
    l->open_error = error;
    if (error != ERR_OK)
        return error;
    struct leveldb_kv *opened = leveldb_of(next);
    l->db = opened->db;
    opened->db = NULL;
    /* The database uses the options and the cache that it was opened with. */
    leveldb_options_t *options = l->options;
    leveldb_cache_t *cache = l->cache;
    l->options = opened->options;
    l->cache = opened->cache;
    opened->options = options;
    opened->cache = cache;
    kv_free(opened);
    l->write_failed = false;
    return ERR_OK;
}

static enum error write_batch(struct leveldb_kv *l, leveldb_writebatch_t *batch)
{
    char *text = NULL;
    enum error error = l->write_failed ? reopen(l) : ERR_OK;
    if (error != ERR_OK)
        return error;
    leveldb_write(l->db, l->write, batch, &text);
    error = text ? error_of(text) : ERR_OK;
    leveldb_free(text);
    l->write_failed = error != ERR_OK;
    return error;
}

static enum error write_leveldb(struct kv *kv, const struct kv_change *changes, size_t count)
{
    struct leveldb_kv *l = leveldb_of(kv);
    leveldb_writebatch_t *batch = leveldb_writebatch_create();
    struct buffer scratch;
    buffer_init(&scratch, SIZE_MAX / 2);
    for (size_t i = 0; i < count; i++) {
        struct bytes key = changes[i].key;
        if (bytes_is_null(changes[i].value))
            leveldb_writebatch_delete(batch, (const char *)key.data, key.size);
        else
            put_pair(batch, &scratch, key, changes[i].value);
    }
    pthread_rwlock_wrlock(&l->lock);
    enum error error = write_batch(l, batch);
    pthread_rwlock_unlock(&l->lock);
    leveldb_writebatch_destroy(batch);
    buffer_free(&scratch);
    return error;
}

/* Gives the value that follows the checksum. */
static enum error check_pair(struct bytes key, struct bytes stored, struct bytes *value)
{
    if (stored.size < CHECKSUM_SIZE)
        return ERR_CORRUPT;
    *value = bytes_from(stored, CHECKSUM_SIZE);
    return load_be32(stored.data) == pair_crc(key, *value) ? ERR_OK : ERR_CORRUPT;
}

static struct bytes iterator_part(const leveldb_iterator_t *i,
                                  const char *(*part)(const leveldb_iterator_t *, size_t *))
{
    size_t size;
    const char *data = part(i, &size);
    return bytes_of(data, size);
}

/* `message` may be NULL. It gets the reason of ERR_CORRUPT. */
static enum error scan_pairs(struct leveldb_kv *l, struct bytes prefix,
                             enum error (*each)(void *context, struct bytes key,
                                                struct bytes value),
                             void *context, struct message *message)
{
    leveldb_iterator_t *i = leveldb_create_iterator(l->db, l->read);
    enum error error = ERR_OK;
    leveldb_iter_seek(i, (const char *)prefix.data, prefix.size);
    for (; error == ERR_OK && leveldb_iter_valid(i); leveldb_iter_next(i)) {
        struct bytes key = iterator_part(i, leveldb_iter_key), value;
        if (!bytes_starts_with(key, prefix))
            break;
        error = check_pair(key, iterator_part(i, leveldb_iter_value), &value);
        if (error != ERR_OK && message)
            message_set(message, "%s: the checksum of a row of kind %c is wrong", l->path,
                        key.size > 0 ? key.data[0] : ' ');
        if (error == ERR_OK)
            error = each(context, key, value);
    }
    char *text = NULL;
    leveldb_iter_get_error(i, &text);
    if (text && error == ERR_OK) {
        error = error_of(text);
        if (message)
            message_set(message, "%s: %s", l->path, text);
    }
    leveldb_free(text);
    leveldb_iter_destroy(i);
    return error;
}

static enum error
scan_leveldb(struct kv *kv, struct bytes prefix,
             enum error (*each)(void *context, struct bytes key, struct bytes value), void *context)
{
    struct leveldb_kv *l = leveldb_of(kv);
    pthread_rwlock_rdlock(&l->lock); /* a callback may scan again */
    enum error error = l->db ? scan_pairs(l, prefix, each, context, NULL) : l->open_error;
    pthread_rwlock_unlock(&l->lock);
    return error;
}

static enum error ignore_pair(void *context, struct bytes key, struct bytes value)
{
    (void)context, (void)key, (void)value;
    return ERR_OK;
}

static enum error check_leveldb(struct kv *kv, struct message *message)
{
    struct leveldb_kv *l = leveldb_of(kv);
    pthread_rwlock_rdlock(&l->lock);
    enum error error =
        l->db ? scan_pairs(l, BYTES_LITERAL(""), ignore_pair, NULL, message) : l->open_error;
    pthread_rwlock_unlock(&l->lock);
    return error;
}

static enum error set_leveldb_aside(struct kv_driver *driver, const char *path, const char *to)
{
    (void)driver;
    struct io *io = io_posix();
    struct io_file *file;
    enum error error = io->ops->open(io, path, IO_READ, &file);
    if (error != ERR_OK)
        return error;
    io->ops->close(io, file);
    error = io_remove_tree(io, to);
    if (error == ERR_OK)
        error = io->ops->rename(io, path, to);
    return error == ERR_OK ? io_sync_parents(io, path, 1) : error;
}

struct kv_driver *kv_leveldb(void)
{
    static struct kv_driver driver = {open_leveldb, close_leveldb, write_leveldb,
                                      scan_leveldb, check_leveldb, set_leveldb_aside};
    return &driver;
}
