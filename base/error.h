/* Errors are values. These are the few kinds that our own code distinguishes. The protocol's codes
 * are in protocol/kafka_error.h, and translation happens once, at the edge. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "base/buffer.h"

#define ERRORS(X)                                    \
    X(OK, "success")                                 \
    X(CORRUPT, "checksum or format is wrong")        \
    X(INVALID, "value not allowed")                  \
    X(OUT_OF_RANGE, "outside the range that exists") \
    X(NOT_FOUND, "does not exist")                   \
    X(EXISTS, "exists already")                      \
    X(TOO_LARGE, "larger than its limit")            \
    X(UNSUPPORTED, "not supported here")             \
    X(BUSY, "in use or not ready yet")               \
    X(NO_SPACE, "the disk is full")                  \
    X(IO, "the disk refused")                        \
    X(NO_MEMORY, "a memory limit is reached")        \
    X(NO_FILES, "no file descriptor is left")        \
    X(MOVED, "it is no longer where it was")         \
    X(NETWORK, "the connection failed")              \
    X(TIMED_OUT, "took too long")                    \
    X(CLOSED, "closed or stopping")

enum error {
#define X(name, text) ERR_##name,
    ERRORS(X)
#undef X
};

/* The sentence for a code, never NULL. */
const char *error_text(enum error e);

/* A message for people that is passed up with an error: what, where, which value, what is allowed,
 * what to do next. A truncated message ends with "...". */
struct message {
    char text[1024];
};
void message_set(struct message *m, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
