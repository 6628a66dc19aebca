#undef _FORTIFY_SOURCE /* it would define open itself */
#include "tests/simulation/support_recorder.h"

#include "base/compiler.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { DESCRIPTORS_MAX = 1024, BYTES_MAX = 1 << 30 };

struct open_file {
    bool known;
    size_t inode, position;
};

static struct {
    pthread_mutex_t lock;        /* recursive: a sanitizer opens files when it reports an error */
    struct recording *recording; /* NULL: none runs */
    char root[300];
    struct image now; /* the names, as a process sees them, and the sizes */
    struct open_file files[DESCRIPTORS_MAX];
} recorder = {.lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP};

#define REAL(name)                 \
    static __typeof__(&name) real; \
    if (real == NULL)              \
    real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* The recording */

void recorder_start(struct recording *recording, const char *path, struct image base)
{
    pthread_mutex_lock(&recorder.lock);
    ASSERT(recorder.recording == NULL);
    *recording = (struct recording){.base = base};
    buffer_init(&recording->bytes, BYTES_MAX);
    recorder.now = image_copy(&base);
    memset(recorder.files, 0, sizeof recorder.files);
    snprintf(recorder.root, sizeof recorder.root, "%s/", path);
    recorder.recording = recording;
    pthread_mutex_unlock(&recorder.lock);
}

void recorder_stop(void)
{
    pthread_mutex_lock(&recorder.lock);
    if (recorder.recording)
        image_free(&recorder.now);
    recorder.recording = NULL;
    pthread_mutex_unlock(&recorder.lock);
}

size_t recorder_position(void)
{
    pthread_mutex_lock(&recorder.lock);
    size_t position = recorder.recording ? recorder.recording->count : 0;
    pthread_mutex_unlock(&recorder.lock);
    return position;
}

void recording_free(struct recording *recording)
{
    image_free(&recording->base);
    buffer_free(&recording->bytes);
    free(recording->events);
}

static void add_event(struct event event)
{
    struct recording *r = recorder.recording;
    if (r->count == r->capacity) {
        r->capacity = MAX(r->capacity * 2, (size_t)64);
        r->events = xrealloc(r->events, r->capacity * sizeof *r->events);
    }
    r->events[r->count++] = event;
}

/* Paths */

/* The part of a path below the recorded directory, "" for the directory itself. NULL: elsewhere, or
 * nothing is recorded. */
static const char *inside(const char *path)
{
    size_t size = strlen(recorder.root);
    if (recorder.recording == NULL)
        return NULL;
    if (strncmp(path, recorder.root, size) == 0)
        return path + size;
    return strlen(path) == size - 1 && strncmp(path, recorder.root, size - 1) == 0 ? "" : NULL;
}

/* The name that a path would have. The directory exists. */
static struct image_name name_of(const char *path, size_t inode)
{
    struct image_name name = {.inode = inode};
    const char *slash = strrchr(path, '/');
    char parent[300];
    if (slash) {
        snprintf(parent, sizeof parent, "%.*s", (int)(slash - path), path);
        struct image_name *found = image_find_path(&recorder.now, parent);
        ASSERT(found);
        name.directory = found->inode;
    }
    snprintf(name.name, sizeof name.name, "%s", slash ? slash + 1 : path);
    return name;
}

static void note_names(struct image_name from, struct image_name to, bool creates)
{
    size_t inode = to.name[0] ? to.inode : from.inode;
    image_rename(&recorder.now, &from, &to);
    add_event((struct event){.kind = EVENT_NAME,
                             .inode = inode,
                             .creates = creates,
                             .is_directory = recorder.now.inodes[inode].is_directory,
                             .from = from,
                             .to = to});
}

static size_t note_created(const char *path, bool is_directory)
{
    size_t inode = image_add(&recorder.now, is_directory);
    note_names((struct image_name){.inode = inode}, name_of(path, inode), true);
    return inode;
}

static void note_removed(const char *path)
{
    struct image_name *found = image_find_path(&recorder.now, path);
    ASSERT(found);
    note_names(*found, (struct image_name){.inode = found->inode}, false);
}

/* Files */

static void note_truncated(size_t inode, size_t size)
{
    if (recorder.now.inodes[inode].size == size)
        return;
    recorder.now.inodes[inode].size = size;
    add_event((struct event){.kind = EVENT_TRUNCATE, .inode = inode, .position = size});
}

static void note_opened(int descriptor, const char *path, int flags)
{
    ASSERT(descriptor < DESCRIPTORS_MAX);
    struct image_name *found = *path ? image_find_path(&recorder.now, path) : NULL;
    size_t inode = found ? found->inode : *path ? note_created(path, false) : 0;
    if (flags & O_TRUNC)
        note_truncated(inode, 0);
    recorder.files[descriptor] =
        (struct open_file){.known = true,
                           .inode = inode,
                           .position = flags & O_APPEND ? recorder.now.inodes[inode].size : 0};
}

static struct open_file *file_of(int descriptor)
{
    bool known = recorder.recording && descriptor >= 0 && descriptor < DESCRIPTORS_MAX &&
                 recorder.files[descriptor].known;
    return known ? &recorder.files[descriptor] : NULL;
}

static void note_written(const struct open_file *file, size_t position, const void *data,
                         size_t size)
{
    size_t *known = &recorder.now.inodes[file->inode].size;
    add_event((struct event){.kind = EVENT_WRITE,
                             .inode = file->inode,
                             .position = position,
                             .size = size,
                             .at = recorder.recording->bytes.size});
    buffer_append(&recorder.recording->bytes, data, size);
    ASSERT(!recorder.recording->bytes.overflowed);
    *known = MAX(*known, position + size);
}

static void note_synced(int descriptor)
{
    struct open_file *file = file_of(descriptor);
    if (file)
        add_event((struct event){.kind = EVENT_SYNC, .inode = file->inode});
}

/* libc's functions */

int open(const char *path, int flags, ...)
{
    REAL(open);
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    pthread_mutex_lock(&recorder.lock);
    int descriptor = real(path, flags, mode);
    const char *below = inside(path);
    if (descriptor >= 0 && below)
        note_opened(descriptor, below, flags);
    pthread_mutex_unlock(&recorder.lock);
    return descriptor;
}

int close(int descriptor)
{
    REAL(close);
    pthread_mutex_lock(&recorder.lock);
    struct open_file *file = file_of(descriptor);
    if (file)
        file->known = false;
    int result = real(descriptor);
    pthread_mutex_unlock(&recorder.lock);
    return result;
}

ssize_t write(int descriptor, const void *data, size_t size)
{
    REAL(write);
    pthread_mutex_lock(&recorder.lock);
    ssize_t written = real(descriptor, data, size);
    struct open_file *file = file_of(descriptor);
    if (file && written > 0) {
        note_written(file, file->position, data, (size_t)written);
        file->position += (size_t)written;
    }
    pthread_mutex_unlock(&recorder.lock);
    return written;
}

ssize_t pwritev(int descriptor, const struct iovec *parts, int count, off_t position)
{
    REAL(pwritev);
    pthread_mutex_lock(&recorder.lock);
    ssize_t written = real(descriptor, parts, count, position);
    struct open_file *file = file_of(descriptor);
    size_t at = (size_t)position;
    for (size_t left = written > 0 && file ? (size_t)written : 0; left > 0; parts++) {
        size_t size = MIN(parts->iov_len, left);
        note_written(file, at, parts->iov_base, size);
        at += size;
        left -= size;
    }
    pthread_mutex_unlock(&recorder.lock);
    return written;
}

int ftruncate(int descriptor, off_t size)
{
    REAL(ftruncate);
    pthread_mutex_lock(&recorder.lock);
    int result = real(descriptor, size);
    struct open_file *file = file_of(descriptor);
    if (file && result == 0)
        note_truncated(file->inode, (size_t)size);
    pthread_mutex_unlock(&recorder.lock);
    return result;
}

int fallocate(int descriptor, int mode, off_t position, off_t size)
{
    REAL(fallocate);
    pthread_mutex_lock(&recorder.lock);
    int result = real(descriptor, mode, position, size);
    struct open_file *file = file_of(descriptor);
    if (file && result == 0 && mode == 0)
        note_truncated(file->inode,
                       MAX(recorder.now.inodes[file->inode].size, (size_t)position + (size_t)size));
    pthread_mutex_unlock(&recorder.lock);
    return result;
}

int fdatasync(int descriptor)
{
    REAL(fdatasync);
    pthread_mutex_lock(&recorder.lock);
    int result = real(descriptor);
    note_synced(descriptor);
    pthread_mutex_unlock(&recorder.lock);
    return result;
}

int fsync(int descriptor)
{
    REAL(fsync);
    pthread_mutex_lock(&recorder.lock);
    int result = real(descriptor);
    note_synced(descriptor);
    pthread_mutex_unlock(&recorder.lock);
    return result;
}

int syncfs(int descriptor)
{
    REAL(syncfs);
    pthread_mutex_lock(&recorder.lock);
    int result = real(descriptor);
    if (file_of(descriptor))
        add_event((struct event){.kind = EVENT_SYNC_ALL});
    pthread_mutex_unlock(&recorder.lock);
    return result;
}

int rename(const char *from, const char *to)
{
    REAL(rename);
    pthread_mutex_lock(&recorder.lock);
    int result = real(from, to);
    const char *below = inside(from), *below_to = inside(to);
    if (result == 0 && below && below_to) {
        struct image_name *found = image_find_path(&recorder.now, below);
        ASSERT(found);
        note_names(*found, name_of(below_to, found->inode), false);
    }
    pthread_mutex_unlock(&recorder.lock);
    return result;
}

int unlink(const char *path)
{
    REAL(unlink);
    pthread_mutex_lock(&recorder.lock);
    int result = real(path);
    const char *below = inside(path);
    if (result == 0 && below)
        note_removed(below);
    pthread_mutex_unlock(&recorder.lock);
    return result;
}

int mkdir(const char *path, mode_t mode)
{
    REAL(mkdir);
    pthread_mutex_lock(&recorder.lock);
    int result = real(path, mode);
    const char *below = inside(path);
    if (result == 0 && below && *below)
        (void)note_created(below, true);
    pthread_mutex_unlock(&recorder.lock);
    return result;
}

int rmdir(const char *path)
{
    REAL(rmdir);
    pthread_mutex_lock(&recorder.lock);
    int result = real(path);
    const char *below = inside(path);
    if (result == 0 && below && *below)
        note_removed(below);
    pthread_mutex_unlock(&recorder.lock);
    return result;
}
