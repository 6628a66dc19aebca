/* The tool's entry: finds the command in the table, runs it, returns the exit code. */
#ifndef CLIENT_TOOLS_TOOL_H
#define CLIENT_TOOLS_TOOL_H

int tool_main(int count, char **values);

#endif
