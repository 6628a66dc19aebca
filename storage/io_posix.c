#include "base/trace.h"
#include "storage/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { NO_FILES_QUIET_MS = 10000, PAGES_AT_ONCE = 512 };

struct io_file {
    int descriptor;
    bool direct;
    char path[];
};

/* A directory with a lock. It stays open until the process ends, so its inode cannot be used again.
 * The kernel reports a failed write once to each descriptor that was open at that time, so the file
 * system is synced with this one. */
struct held_directory {
    struct held_directory *next;
    int descriptor;
    dev_t device;
    ino_t inode;
    bool sync_failed;
};

struct posix_io {
    struct io io;
    struct trace *trace;
    pthread_mutex_t mutex; /* also held during syncfs: only one caller gets the report */
    struct held_directory *held;
    _Atomic int64_t no_files_ms; /* when the lack of descriptors was logged last; 0: never */
};

static struct posix_io posix;

/* There is one state, also for an io that borrows some of these calls. */
static struct posix_io *posix_of(struct io *io)
{
    (void)io;
    return &posix;
}

/* A flush of many logs meets the limit with every file, so only one line in ten seconds is
 * printed. */
static void log_no_files(struct posix_io *io, const char *call, const char *path, const char *why)
{
    struct rlimit limit = {0};
    if (io->trace == NULL)
        return;
    int64_t now = clock_monotonic_ms(io->trace->clock), last = atomic_load(&io->no_files_ms);
    if ((last != 0 && now - last < NO_FILES_QUIET_MS) ||
        !atomic_compare_exchange_strong(&io->no_files_ms, &last, now))
        return;
    getrlimit(RLIMIT_NOFILE, &limit);
    trace_log(io->trace, TRACE_WARN,
              "no file descriptor is left: the broker waits for one, raise the limit of open files",
              F_INT("limit", limit.rlim_cur), F_STRING("call", call), F_STRING("path", path),
              F_STRING("reason", why));
}

/* Translates errno to an error, and logs it unless it is an ordinary answer. */
static enum error refused(struct io *io, const char *call, const char *path)
{
    int reason = errno;
    switch (reason) {
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    case EEXIST:
    case ENOTEMPTY:
        return ERR_EXISTS;
    default:
        break;
    }
    char text[128];
    if (reason == EMFILE || reason == ENFILE) {
        log_no_files(posix_of(io), call, path, strerror_r(reason, text, sizeof text));
        return ERR_NO_FILES;
    }
    trace_log(posix_of(io)->trace, TRACE_ERROR, "file operation failed", F_STRING("call", call),
              F_STRING("path", path), F_STRING("reason", strerror_r(reason, text, sizeof text)));
    return reason == ENOSPC || reason == EDQUOT ? ERR_NO_SPACE : ERR_IO;
}

static enum error posix_open(struct io *io, const char *path, int flags, struct io_file **out)
{
    int how = O_CLOEXEC;
    how |= (flags & IO_WRITE) == 0 ? O_RDONLY : (flags & IO_READ) ? O_RDWR : O_WRONLY;
    how |= (flags & IO_CREATE) ? O_CREAT : 0;
    how |= (flags & IO_DIRECT) ? O_DIRECT | O_DSYNC : 0;
    how |= (flags & IO_UNCACHED) ? O_DIRECT : 0;
    int descriptor;
    do {
        descriptor = open(path, how, 0640);
    } while (descriptor < 0 && errno == EINTR);
    if (descriptor < 0 && errno == EINVAL && (how & O_DIRECT))
        return ERR_UNSUPPORTED;
    if (descriptor < 0)
        return refused(io, "open", path);
    struct io_file *file = xmalloc(sizeof *file + strlen(path) + 1);
    file->descriptor = descriptor;
    file->direct = how & O_DIRECT;
    strcpy(file->path, path);
    *out = file;
    return ERR_OK;
}

static enum error posix_open_again(struct io *io, struct io_file *file, struct io_file **out)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file->descriptor);
    return posix_open(io, path, IO_READ | IO_UNCACHED, out);
}

static void posix_close(struct io *io, struct io_file *file)
{
    (void)io;
    close(file->descriptor);
    free(file);
}

static enum error posix_read(struct io *io, struct io_file *file, void *data, size_t size,
                             int64_t position, size_t *got)
{
    *got = 0;
    while (*got < size) {
        ssize_t count =
            pread(file->descriptor, (uint8_t *)data + *got, size - *got, position + (int64_t)*got);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && errno == EINVAL && file->direct)
            return ERR_UNSUPPORTED;
        if (count < 0)
            return refused(io, "read", file->path);
        *got += (size_t)count;
        if (count == 0 || (file->direct && count % IO_ALIGNMENT != 0))
            break; /* the end of the file */
    }
    return ERR_OK;
}

/* Returns how many whole parts of a vector `done` bytes cover; *inside is the number of remaining
 * bytes. */
static int parts_covered(const struct iovec *parts, int count, size_t done, size_t *inside)
{
    int covered = 0;
    while (covered < count && done >= parts[covered].iov_len)
        done -= parts[covered++].iov_len;
    *inside = done;
    return covered;
}

static ssize_t write_once(int descriptor, const struct iovec *parts, int count, int64_t position)
{
    ssize_t written;
    do {
        written = pwritev(descriptor, parts, MIN(count, IOV_MAX), position);
    } while (written < 0 && errno == EINTR);
    return written;
}

/* Writes the rest of the part that a short write did not finish. */
static ssize_t write_rest_of_part(int descriptor, const struct iovec *part, size_t inside,
                                  int64_t position)
{
    struct iovec rest = {(uint8_t *)part->iov_base + inside, part->iov_len - inside};
    return write_once(descriptor, &rest, 1, position);
}

static enum error posix_write(struct io *io, struct io_file *file, const struct iovec *parts,
                              int count, int64_t position)
{
    size_t inside = 0; /* written bytes of parts[0] */
    for (int left = parts_covered(parts, count, 0, &inside); left < count;) {
        const struct iovec *at = parts + left;
        ssize_t written = inside > 0 ? write_rest_of_part(file->descriptor, at, inside, position)
                                     : write_once(file->descriptor, at, count - left, position);
        if (written < 0 && errno == EINVAL && file->direct)
            return ERR_UNSUPPORTED; /* some file systems accept the flag and refuse the write */
        if (written == 0)
            errno = EIO;
        if (written <= 0)
            return refused(io, "write", file->path);
        position += written;
        left += parts_covered(at, count - left, inside + (size_t)written, &inside);
    }
    return ERR_OK;
}

static enum error posix_sync(struct io *io, struct io_file *file)
{
    return fdatasync(file->descriptor) == 0 ? ERR_OK : refused(io, "fdatasync", file->path);
}

static enum error posix_truncate(struct io *io, struct io_file *file, int64_t size)
{
    int result;
    do {
        result = ftruncate(file->descriptor, size);
    } while (result < 0 && errno == EINTR);
    return result == 0 ? ERR_OK : refused(io, "ftruncate", file->path);
}

static enum error posix_size(struct io *io, struct io_file *file, int64_t *out)
{
    struct stat info;
    if (fstat(file->descriptor, &info) != 0)
        return refused(io, "fstat", file->path);
    *out = info.st_size;
    return ERR_OK;
}

static enum error posix_reserve(struct io *io, struct io_file *file, int64_t size)
{
    int result; /* not of posix_fallocate: it may write itself, and direct I/O refuses that */
    do {
        result = fallocate(file->descriptor, 0, 0, size);
    } while (result < 0 && errno == EINTR);
    if (result < 0 && (errno == EOPNOTSUPP || errno == ENOSYS))
        return ERR_UNSUPPORTED;
    return result == 0 ? ERR_OK : refused(io, "fallocate", file->path);
}

static enum error posix_rename(struct io *io, const char *from, const char *to)
{
    return rename(from, to) == 0 ? ERR_OK : refused(io, "rename", from);
}

static enum error posix_unlink(struct io *io, const char *path)
{
    if (unlink(path) == 0)
        return ERR_OK;
    return errno == EISDIR ? ERR_INVALID : refused(io, "unlink", path);
}

static enum error posix_make_directory(struct io *io, const char *path)
{
    if (mkdir(path, 0750) == 0 || errno == EEXIST)
        return ERR_OK;
    return refused(io, "mkdir", path);
}

static enum error posix_remove_directory(struct io *io, const char *path)
{
    return rmdir(path) == 0 ? ERR_OK : refused(io, "rmdir", path);
}

static enum error open_directory(struct io *io, const char *path, int *out)
{
    *out = open(path, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    return *out >= 0 ? ERR_OK : refused(io, "open", path);
}

static enum error posix_sync_directory(struct io *io, const char *path)
{
    int descriptor;
    enum error error = open_directory(io, path, &descriptor);
    if (error != ERR_OK)
        return error;
    if (fsync(descriptor) != 0)
        error = refused(io, "fsync", path);
    close(descriptor);
    return error;
}

static enum error sync_other(struct io *io, const char *path)
{
    int descriptor;
    enum error error = open_directory(io, path, &descriptor);
    if (error != ERR_OK)
        return error;
    if (syncfs(descriptor) != 0)
        error = refused(io, "syncfs", path);
    close(descriptor);
    return error;
}

/* A failure is final: later calls of any thread fail, too. */
static enum error sync_held(struct posix_io *p, struct held_directory *held, const char *path)
{
    enum error error = ERR_IO;
    pthread_mutex_lock(&p->mutex);
    if (!held->sync_failed)
        error = syncfs(held->descriptor) == 0 ? ERR_OK : refused(&p->io, "syncfs", path);
    held->sync_failed = error != ERR_OK;
    pthread_mutex_unlock(&p->mutex);
    return error;
}

/* The first locked directory on the file system that holds `path`, or NULL. A path that does not
 * exist was moved away. */
static struct held_directory *held_on_device(const struct posix_io *p, const char *path)
{
    struct stat info;
    bool exists = stat(path, &info) == 0;
    struct held_directory *held = p->held;
    while (held && exists && held->device != info.st_dev)
        held = held->next;
    return held;
}

static enum error posix_sync_all(struct io *io, const char *path)
{
    struct posix_io *p = posix_of(io);
    struct held_directory *held = held_on_device(p, path);
    return held ? sync_held(p, held, path) : sync_other(io, path);
}

static enum error posix_list(struct io *io, const char *path,
                             void (*each)(void *context, const char *name), void *context)
{
    DIR *directory = opendir(path);
    if (directory == NULL)
        return refused(io, "opendir", path);
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(directory);
        if (entry == NULL)
            break;
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            each(context, entry->d_name);
    }
    enum error error = errno == 0 ? ERR_OK : refused(io, "readdir", path);
    closedir(directory);
    return error;
}

/* Opens the directory of a lock, which is taken before threads start. */
static enum error hold_directory(struct posix_io *p, const char *path)
{
    struct stat info;
    const char *slash = strrchr(path, '/');
    char *directory = slash ? xstrndup(path, (size_t)(slash - path) + 1) : xstrdup(".");
    int descriptor = -1;
    enum error error = open_directory(&p->io, directory, &descriptor);
    if (error == ERR_OK && fstat(descriptor, &info) != 0)
        error = refused(&p->io, "fstat", directory);
    free(directory);
    if (error != ERR_OK) {
        if (descriptor >= 0)
            close(descriptor);
        return error;
    }
    struct held_directory *held = xcalloc(1, sizeof *held);
    held->next = p->held;
    held->descriptor = descriptor;
    held->device = info.st_dev;
    held->inode = info.st_ino;
    p->held = held;
    return ERR_OK;
}

/* The descriptor stays open, so that the lock ends with the process. */
static enum error posix_lock(struct io *io, const char *path)
{
    int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (descriptor < 0)
        return refused(io, "open", path);
    if (flock(descriptor, LOCK_EX | LOCK_NB) == 0)
        return hold_directory(posix_of(io), path);
    enum error error = errno == EWOULDBLOCK ? ERR_BUSY : refused(io, "flock", path);
    close(descriptor);
    return error;
}

static enum error posix_check_place(struct io *io, const char *path)
{
    const struct held_directory *held = posix_of(io)->held;
    struct stat info;
    if (held == NULL)
        return ERR_OK;
    if (stat(path, &info) != 0)
        return errno == ENOENT || errno == ENOTDIR ? ERR_MOVED : refused(io, "stat", path);
    while (held && (held->device != info.st_dev || held->inode != info.st_ino))
        held = held->next;
    return held ? ERR_OK : ERR_MOVED;
}

static enum error posix_free_bytes(struct io *io, const char *path, int64_t *out)
{
    struct statvfs info;
    if (statvfs(path, &info) != 0)
        return refused(io, "statvfs", path);
    *out = (int64_t)(info.f_bavail * info.f_frsize);
    return ERR_OK;
}

static bool posix_has_name(struct io *io, struct io_file *file)
{
    (void)io;
    struct stat named, open;
    return stat(file->path, &named) == 0 && fstat(file->descriptor, &open) == 0 &&
           named.st_dev == open.st_dev && named.st_ino == open.st_ino;
}

static enum error posix_total_bytes(struct io *io, const char *path, int64_t *out)
{
    struct statvfs info;
    if (statvfs(path, &info) != 0)
        return refused(io, "statvfs", path);
    *out = (int64_t)(info.f_blocks * info.f_frsize);
    return ERR_OK;
}

/* How many pages of a range the page cache has; the range has at most PAGES_AT_ONCE. */
static size_t pages_cached(struct io_file *file, int64_t position, size_t size)
{
    unsigned char there[PAGES_AT_ONCE];
    size_t count = 0, pages = (size + IO_ALIGNMENT - 1) / IO_ALIGNMENT;
    void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, file->descriptor, position);
    if (map == MAP_FAILED)
        return 0;
    if (mincore(map, size, there) == 0) {
        for (size_t i = 0; i < pages; i++)
            count += there[i] & 1;
    }
    munmap(map, size);
    return count;
}

/* Not with RWF_NOWAIT: the kernel would start to read the pages that it does not have. */
static bool posix_is_cached(struct io *io, struct io_file *file, int64_t position, size_t size)
{
    (void)io;
    enum { PART = PAGES_AT_ONCE * IO_ALIGNMENT };
    size_t count = 0;
    for (size_t at = 0; at < size; at += PART)
        count += pages_cached(file, position + (int64_t)at, MIN((size_t)PART, size - at));
    return count * IO_ALIGNMENT * 2 >= size;
}

static int posix_descriptor(struct io *io, struct io_file *file)
{
    (void)io;
    return file->descriptor;
}

static const struct io_ops posix_ops = {
    .open = posix_open,
    .close = posix_close,
    .read = posix_read,
    .write = posix_write,
    .sync = posix_sync,
    .truncate = posix_truncate,
    .size = posix_size,
    .reserve = posix_reserve,
    .rename = posix_rename,
    .unlink = posix_unlink,
    .make_directory = posix_make_directory,
    .remove_directory = posix_remove_directory,
    .sync_directory = posix_sync_directory,
    .sync_all = posix_sync_all,
    .list = posix_list,
    .lock = posix_lock,
    .check_place = posix_check_place,
    .free_bytes = posix_free_bytes,
    .has_name = posix_has_name,
    .total_bytes = posix_total_bytes,
    .open_again = posix_open_again,
    .is_cached = posix_is_cached,
    .descriptor = posix_descriptor,
};

static struct posix_io posix = {
    .io = {.ops = &posix_ops},
    .mutex = PTHREAD_MUTEX_INITIALIZER,
};

struct io *io_posix(void)
{
    return &posix.io;
}

void io_posix_set_trace(struct trace *trace)
{
    posix.trace = trace;
}
