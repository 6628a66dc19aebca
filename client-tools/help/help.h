/* Help, its JSON form and the reference page, made from the tables of commands. */
#ifndef CLIENT_TOOLS_HELP_HELP_H
#define CLIENT_TOOLS_HELP_HELP_H

#include "client-tools/arguments.h"

#include <stdio.h>

/* Handles --help (or `asked`), --version and --help-json anywhere on the command line; prints to
 * stdout. False: none of them was given, or there is no such command. `command` is the command of
 * the line, or NULL. */
bool help_requested(int count, char **values, bool asked, const struct command *command);

void help_print_overview(FILE *out);
void help_command(const struct command *c, struct buffer *out);
void help_json(struct buffer *out);
/* docs/commands.md */
void help_markdown(struct buffer *out);
/* The manual page, for man(1). */
void help_manual(struct buffer *out);

#endif
