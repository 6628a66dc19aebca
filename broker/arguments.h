/* The command line of tidemilld. */
#ifndef BROKER_ARGUMENTS_H
#define BROKER_ARGUMENTS_H

#include <stdbool.h>

enum { EXIT_OK = 0, EXIT_CANNOT_RUN = 1, EXIT_BAD_CONFIG = 2 };
enum { FLAGS_MAX = 256 };

struct arguments {
    const char *file;
    const char *flags[FLAGS_MAX + 1]; /* of -X, with a NULL behind */
    int flag_count;
    bool check, print, changed, dev;
};

/* Views of `values`. Returns -1 to go on, or the exit code when all is said: what was asked for is
 * printed, or what is wrong. */
int arguments_parse(int count, char **values, struct arguments *out);

#endif
