/* Reads whole small files, and lines of a stream as they arrive. "-" is standard input. */
#ifndef CLIENT_TOOLS_FILES_H
#define CLIENT_TOOLS_FILES_H

#include "base/arena.h"
#include "client-tools/failure.h"

enum { MAX_FILE_BYTES = 16 << 20 };

/* Reads a whole file into the arena. */
bool file_read(const char *path, struct arena *arena, struct bytes *out, struct failure *f);

/* Lines of a stream. A line is a view that is valid until the next call. */
struct line_reader {
    int fd;
    const char *name; /* for messages */
    struct buffer buffer;
    size_t at;    /* start of the bytes that were not returned yet */
    size_t known; /* there is no line end before this place */
    bool ended;
    int64_t line; /* number of the last returned line, from 1 */
};

enum line_result { LINE_READY, LINE_WAITING, LINE_END, LINE_FAILED };

/* path NULL or "-": standard input. */
bool line_reader_open(struct line_reader *r, const char *path, size_t max_line, struct failure *f);
void line_reader_close(struct line_reader *r);
/* The next line without its end. LINE_WAITING: no line came for wait_ms (-1: waits for ever), or a
 * signal asked to stop. */
enum line_result line_reader_next(struct line_reader *r, int wait_ms, struct bytes *line,
                                  struct failure *f);

/* Writes everything to standard output. On false errno says why; EPIPE: the reader is gone. */
bool write_stdout(struct bytes bytes);
bool fail_output(struct failure *f, int error);
/* Writes a command's result. A full disk is a failure; a reader that is gone (EPIPE) is none. */
bool write_result(struct bytes bytes, struct failure *f);

#endif
