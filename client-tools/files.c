#include "client-tools/files.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

enum { READ_SIZE = 64 << 10 };

static bool fail_file(struct failure *f, const char *path)
{
    return fail_usage(f, "cannot read %s: %s", path, strerror(errno));
}

bool file_read(const char *path, struct arena *arena, struct bytes *out, struct failure *f)
{
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_file(f, path);
    struct buffer content;
    buffer_init(&content, MAX_FILE_BYTES);
    bool good = true;
    for (;;) {
        uint8_t *at = buffer_reserve(&content, READ_SIZE);
        if (at == NULL) {
            good = fail_usage(f, "%s is larger than 16 MiB", path);
            break;
        }
        ssize_t size = read(fd, at, READ_SIZE);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            good = fail_file(f, path);
        if (size <= 0)
            break;
        content.size += (size_t)size;
    }
    if (!is_stdin)
        close(fd);
    *out = good ? arena_copy(arena, buffer_view(&content)) : BYTES_NULL;
    buffer_free(&content);
    return good;
}

bool line_reader_open(struct line_reader *r, const char *path, size_t max_line, struct failure *f)
{
    bool is_stdin = path == NULL || strcmp(path, "-") == 0;
    *r = (struct line_reader){.name = is_stdin ? "standard input" : path};
    buffer_init(&r->buffer, max_line + READ_SIZE);
    r->fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    return r->fd >= 0 || fail_file(f, path);
}

void line_reader_close(struct line_reader *r)
{
    if (r->fd > STDIN_FILENO)
        close(r->fd);
    buffer_free(&r->buffer);
}

static bool take_line(struct line_reader *r, struct bytes *line)
{
    const uint8_t *data = r->buffer.data;
    size_t left = r->buffer.size - r->known;
    const uint8_t *end = left ? memchr(data + r->known, '\n', left) : NULL;
    if (end == NULL && !(r->ended && r->buffer.size > r->at)) {
        r->known = r->buffer.size;
        return false;
    }
    size_t stop = end ? (size_t)(end - data) : r->buffer.size;
    *line = bytes_of(data + r->at, stop - r->at);
    r->at = r->known = end ? stop + 1 : stop;
    r->line++;
    return true;
}

enum line_result line_reader_next(struct line_reader *r, int wait_ms, struct bytes *line,
                                  struct failure *f)
{
    while (!take_line(r, line)) {
        if (r->ended)
            return LINE_END;
        if (r->at > 0) {
            buffer_consume(&r->buffer, r->at);
            r->known -= r->at;
            r->at = 0;
        }
        struct pollfd wait = {.fd = r->fd, .events = POLLIN};
        if (poll(&wait, 1, wait_ms) <= 0)
            return LINE_WAITING;
        uint8_t *at = buffer_reserve(&r->buffer, READ_SIZE);
        if (at == NULL) {
            fail_usage(f, "line %lld of %s is too long", (long long)r->line + 1, r->name);
            return LINE_FAILED;
        }
        ssize_t size = read(r->fd, at, READ_SIZE);
        if (size < 0 && errno == EINTR)
            return LINE_WAITING;
        if (size < 0) {
            fail_file(f, r->name);
            return LINE_FAILED;
        }
        r->ended = size == 0;
        r->buffer.size += (size_t)size;
    }
    return LINE_READY;
}

bool fail_output(struct failure *f, int error)
{
    return fail(f, "OUTPUT", "cannot write to standard output: %s", strerror(error));
}

bool write_stdout(struct bytes bytes)
{
    while (bytes.size > 0) {
        ssize_t size = write(STDOUT_FILENO, bytes.data, bytes.size);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return false;
        bytes = bytes_from(bytes, (size_t)size);
    }
    return true;
}

bool write_result(struct bytes bytes, struct failure *f)
{
    return write_stdout(bytes) || errno == EPIPE || fail_output(f, errno);
}
