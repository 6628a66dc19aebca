/* One run of the tool, as a command's function gets it. */
#ifndef CLIENT_TOOLS_TOOL_H
#define CLIENT_TOOLS_TOOL_H

#include "client-tools/arguments.h"
#include "client-tools/cluster/client.h"
#include "client-tools/cluster/cluster.h"
#include "client-tools/output/output.h"
#include "client-tools/settings.h"

struct tool {
    const struct command *command;
    struct arguments arguments;
    struct client_settings settings;
    enum output_format format;
    bool color, quiet, verbose, dry_run;
    struct document document; /* the command fills it; shown when the command returns */
    struct failure failure;
    struct arena arena; /* until the end of the run */
    struct client *client;
};

/* Runs a command line (without the program's name); returns the exit code. */
int tool_main(int count, char **values);

/* The connection, made at first use. NULL: the failure is set. */
struct client *tool_client(struct tool *t);

/* The command's main table, which TSV prints; others are added with document_table. */
struct table *tool_table(struct tool *t, const char *name);

/* Shows `plan` on stderr and asks for confirmation. With --yes it does not ask and returns true. On
 * false the failure is set. Without a terminal --yes is needed. */
bool tool_confirm(struct tool *t, const struct table *plan, const char *question, ...)
    PRINTF_LIKE(3, 4);

/* A line for people on stderr, unless --quiet. */
void tool_say(const struct tool *t, const char *format, ...) PRINTF_LIKE(2, 3);
/* Says what the tool reads from standard input, if that is a terminal. */
void tool_say_terminal(const struct tool *t, const char *what);
/* As tool_say, with --verbose only. */
void tool_detail(const struct tool *t, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
