#include "storage/segment_file.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAME_DIGITS = 20 };

static const char *const suffixes[SEGMENT_PARTS] = {
    [SEGMENT_LOG] = ".log",
    [SEGMENT_INDEX] = ".index",
    [SEGMENT_TIME_INDEX] = ".timeindex",
};

static char *path_of(const char *directory, int64_t base_offset, enum segment_part part,
                     const char *behind)
{
    size_t size = strlen(directory) + 1 + NAME_DIGITS + sizeof ".timeindex" + strlen(behind);
    char *path = xmalloc(size);
    snprintf(path, size, "%s/%0*lld%s%s", directory, NAME_DIGITS, (long long)base_offset,
             suffixes[part], behind);
    return path;
}

char *segment_path(const char *directory, int64_t base_offset, enum segment_part part)
{
    return path_of(directory, base_offset, part, "");
}

char *segment_swap_path(const char *directory, int64_t base_offset, enum segment_part part)
{
    return path_of(directory, base_offset, part, ".swap");
}

bool segment_name_parse(const char *name, int64_t *base_offset, enum segment_part *part)
{
    int64_t value = 0;
    for (int i = 0; i < NAME_DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, name[i] - '0', &value))
            return false;
    }
    for (int i = 0; i < SEGMENT_PARTS; i++) {
        if (strcmp(name + NAME_DIGITS, suffixes[i]) == 0) {
            *base_offset = value;
            *part = (enum segment_part)i;
            return true;
        }
    }
    return false;
}

enum error segment_unlink(struct io *io, const char *directory, int64_t base_offset)
{
    enum error result = ERR_OK;
    for (int part = SEGMENT_PARTS; part-- > 0;) {
        char *path = segment_path(directory, base_offset, (enum segment_part)part);
        enum error error = io->ops->unlink(io, path);
        free(path);
        if (error != ERR_OK && error != ERR_NOT_FOUND)
            result = error;
    }
    return result;
}

/* --- the cache of open files --- */

static struct {
    pthread_mutex_t mutex;
    struct list files; /* the first one was used longest ago */
    atomic_int cached, open;
    int limit;
} cache = {.mutex = PTHREAD_MUTEX_INITIALIZER,
           .files = {{&cache.files.head, &cache.files.head}},
           .limit = INT_MAX};

void segment_file_set_limit(int descriptors)
{
    cache.limit = descriptors;
}

struct segment_file_counts segment_file_count(void)
{
    return (struct segment_file_counts){.open = atomic_load(&cache.open),
                                        .limit = cache.limit,
                                        .cached = atomic_load(&cache.cached)};
}

/* Under the mutex. The caller takes over the cache's reference. */
static void take_out(struct segment_file *f)
{
    list_remove(&f->cached);
    atomic_fetch_sub(&cache.cached, 1);
}

/* Takes the oldest file out of the cache. NULL: the limit is not reached, or the cache is empty. */
static struct segment_file *pop_oldest(int count)
{
    struct segment_file *f = NULL;
    pthread_mutex_lock(&cache.mutex);
    if (atomic_load(&cache.open) > cache.limit - count && !list_is_empty(&cache.files)) {
        f = CONTAINER_OF(cache.files.head.next, struct segment_file, cached);
        take_out(f);
    }
    pthread_mutex_unlock(&cache.mutex);
    return f;
}

/* Closes files until `count` more may be opened. */
static enum error make_room(int count, bool for_writing)
{
    for (struct segment_file *f; (f = pop_oldest(count));)
        segment_file_unref(f);
    bool full = atomic_load(&cache.open) > cache.limit - count;
    return full && !for_writing ? ERR_NO_FILES : ERR_OK;
}

/* Makes the file the last one that the cache closes. */
static void freshen(struct segment_file *f)
{
    pthread_mutex_lock(&cache.mutex);
    if (list_contains(&f->cached)) {
        list_remove(&f->cached);
    } else {
        segment_file_ref(f);
        atomic_fetch_add(&cache.cached, 1);
    }
    list_append(&cache.files, &f->cached);
    pthread_mutex_unlock(&cache.mutex);
}

void segment_file_copy_memo(struct segment_file_memo *to, const struct segment_file_memo *from)
{
    ASSERT(to->file == NULL);
    to->file = from->file;
    if (to->file)
        atomic_fetch_add_explicit(&to->file->memos, 1, memory_order_relaxed);
}

void segment_file_remember(struct segment_file_memo *memo, struct segment_file *f)
{
    if (memo->file != f) {
        segment_file_forget(memo);
        segment_file_copy_memo(memo, &(struct segment_file_memo){f});
    }
    freshen(f);
}

struct segment_file *segment_file_recall(const struct segment_file_memo *memo)
{
    struct segment_file *f = memo->file;
    int count = f ? atomic_load_explicit(&f->references, memory_order_relaxed) : 0;
    while (count > 0 &&
           !atomic_compare_exchange_weak_explicit(&f->references, &count, count + 1,
                                                  memory_order_acq_rel, memory_order_relaxed))
        continue;
    if (count == 0)
        return NULL;
    freshen(f);
    return f;
}

void segment_file_forget(struct segment_file_memo *memo)
{
    struct segment_file *f = memo->file;
    if (f == NULL)
        return;
    memo->file = NULL;
    pthread_mutex_lock(&cache.mutex); /* two memos may end at the same time */
    bool is_cached = list_contains(&f->cached);
    int left = atomic_fetch_sub_explicit(&f->memos, 1, memory_order_acq_rel) - 1;
    bool drop = is_cached && left == 1;
    if (drop)
        take_out(f);
    pthread_mutex_unlock(&cache.mutex);
    if (drop)
        segment_file_unref(f);
    else if (left == 0)
        free(f);
}

/* --- opening and closing --- */

static struct segment_file *file_create(struct io *io, struct io_file *file, bool writable)
{
    struct segment_file *f = xcalloc(1, sizeof *f);
    f->writable = writable;
    f->io = io;
    f->file = file;
    atomic_init(&f->references, 1);
    atomic_init(&f->memos, 1);
    return f;
}

enum error segment_file_open(struct io *io, const char *directory, int64_t base_offset, int flags,
                             struct segment_file **out)
{
    bool writable = (flags & IO_WRITE) != 0;
    enum error error = make_room(1, writable);
    if (error != ERR_OK)
        return error;
    char *path = segment_path(directory, base_offset, SEGMENT_LOG);
    struct io_file *file;
    error = io->ops->open(io, path, flags, &file);
    free(path);
    if (error != ERR_OK)
        return error;
    atomic_fetch_add(&cache.open, 1);
    *out = file_create(io, file, writable);
    return ERR_OK;
}

enum error segment_file_open_swap(struct io *io, const char *directory, int64_t base_offset,
                                  struct segment_file **out)
{
    struct segment_file *f = file_create(io, NULL, false);
    enum error error = make_room(SEGMENT_PARTS, false);
    for (int part = 0; part < SEGMENT_PARTS && error == ERR_OK; part++) {
        struct io_file **file = part == SEGMENT_LOG ? &f->file : &f->indexes[part];
        char *path = segment_swap_path(directory, base_offset, (enum segment_part)part);
        error = io->ops->open(io, path, IO_READ, file);
        if (error != ERR_OK)
            *file = NULL;
        else
            atomic_fetch_add(&cache.open, 1);
        free(path);
    }
    if (error == ERR_OK)
        *out = f;
    else
        segment_file_unref(f);
    return error;
}

struct segment_file *segment_file_ref(struct segment_file *f)
{
    atomic_fetch_add_explicit(&f->references, 1, memory_order_relaxed);
    return f;
}

static void close_one(struct io *io, struct io_file *file)
{
    if (file == NULL)
        return;
    io->ops->close(io, file);
    atomic_fetch_sub(&cache.open, 1);
}

void segment_file_unref(struct segment_file *f)
{
    if (f == NULL)
        return;
    int before = atomic_fetch_sub_explicit(&f->references, 1, memory_order_acq_rel);
    ASSERT(before >= 1);
    if (before > 1)
        return;
    close_one(f->io, f->file);
    for (int part = 0; part < SEGMENT_PARTS; part++)
        close_one(f->io, f->indexes[part]);
    if (atomic_fetch_sub_explicit(&f->memos, 1, memory_order_acq_rel) == 1)
        free(f);
}

int segment_file_descriptor(struct io *io, struct segment_file *file)
{
    return io->ops->descriptor(io, file->file);
}

enum error segment_file_read(struct io *io, struct segment_file *file, void *data, size_t size,
                             int64_t position)
{
    size_t got;
    enum error error = io->ops->read(io, file->file, data, size, position, &got);
    if (error != ERR_OK)
        return error;
    return got == size ? ERR_OK : ERR_CORRUPT;
}
