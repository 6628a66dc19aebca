/* Why a command did not do what it was asked: what failed, on what, why; where the value came from;
 * one thing to do. Exit codes are a contract (docs: commands). */
#ifndef CLIENT_TOOLS_FAILURE_H
#define CLIENT_TOOLS_FAILURE_H

#include "base/error.h"

enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,      /* the request failed, or any single item of it */
    EXIT_USAGE = 2,       /* flag, argument, file: nothing was tried */
    EXIT_UNREACHABLE = 3, /* no broker answered in time */
};

struct failure {
    enum exit_code exit;
    char name[64];          /* Kafka's name or ours: "UNKNOWN_TOPIC_OR_PARTITION", "USAGE" */
    struct message message; /* the first line, without "error: " */
    struct message from, hint;
};

/* Each sets the failure anew and returns false, so that a function can end with it. */
bool fail(struct failure *f, const char *name, const char *format, ...) PRINTF_LIKE(3, 4);
bool fail_usage(struct failure *f, const char *format, ...) PRINTF_LIKE(2, 3);
bool fail_unreachable(struct failure *f, const char *format, ...) PRINTF_LIKE(2, 3);
/* "<what>: <Kafka's text or the broker's message>", named after the code. */
bool fail_kafka(struct failure *f, int code, struct bytes broker_message, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* Appends "error: ...", "  from  ...", "  hint  ...". */
void failure_format(const struct failure *f, struct buffer *out);

#endif
