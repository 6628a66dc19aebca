/* The failure of a command: what failed, on what, and why; where the value came from; a hint what
 * to do. Exit codes are a contract (docs: commands). */
#ifndef CLIENT_TOOLS_FAILURE_H
#define CLIENT_TOOLS_FAILURE_H

#include "base/error.h"

enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,      /* the request failed, or an item of it */
    EXIT_USAGE = 2,       /* a wrong flag, argument or file: nothing was tried */
    EXIT_UNREACHABLE = 3, /* no broker answered in time */
};

struct failure {
    enum exit_code exit;
    char name[64];          /* Kafka's name or ours: "UNKNOWN_TOPIC_OR_PARTITION", "USAGE" */
    struct message message; /* the first line, without "error: " */
    struct message from, hint;
};

/* Each function replaces the failure and returns false, so that a caller can return its result. */
bool fail(struct failure *f, const char *name, const char *format, ...) PRINTF_LIKE(3, 4);
bool fail_usage(struct failure *f, const char *format, ...) PRINTF_LIKE(2, 3);
bool fail_unreachable(struct failure *f, const char *format, ...) PRINTF_LIKE(2, 3);
/* Sets "<what>: <Kafka's text or the broker's message>", and the name of the code. */
bool fail_kafka(struct failure *f, int code, struct bytes broker_message, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* Appends "error: ...", "  from  ...", "  hint  ...". */
void failure_format(const struct failure *f, struct buffer *out);

#endif
