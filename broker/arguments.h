/* The command line of tidemilld. */
#ifndef BROKER_ARGUMENTS_H
#define BROKER_ARGUMENTS_H

#include <stdbool.h>

enum { EXIT_OK = 0, EXIT_CANNOT_RUN = 1, EXIT_BAD_CONFIG = 2 };
enum { FLAGS_MAX = 256 };

struct arguments {
    const char *file;
    const char *flags[FLAGS_MAX + 1]; /* of -X, NULL-terminated */
    int flag_count;
    bool check, print, changed, dev;
};

/* The results are views of `values`. Returns -1 to start the broker. Otherwise everything was
 * printed, such as the help or an error, and the result is the exit code. */
int arguments_parse(int count, char **values, struct arguments *out);

#endif
