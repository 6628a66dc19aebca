/* A data directory in memory, so that a test can damage the one on disk and get it back. Only files
 * that were changed since are written again: a trial costs what it changes. */
#ifndef TESTS_STORAGE_SUPPORT_KEPT_H
#define TESTS_STORAGE_SUPPORT_KEPT_H

#include "base/buffer.h"

#include <sys/types.h>

enum { KEPT_FILES_MAX = 1000, KEPT_NAME_SIZE = 200, KEPT_PATH_SIZE = 700 };

struct kept_file {
    char path[KEPT_NAME_SIZE]; /* below the root */
    bool is_directory;
    struct buffer content;
    ino_t number; /* of the file that kept_put_back wrote; 0: none yet */
};

struct kept {
    struct kept_file at[KEPT_FILES_MAX]; /* by path */
    size_t count;
};

/* Reads the whole directory. The caller frees it with kept_free. */
struct kept *kept_read(const char *root);
void kept_free(struct kept *kept);
/* NULL: there is none. */
struct kept_file *kept_find(struct kept *kept, const char *path);
/* Makes the directory what it was. Always the same root for the same `kept`. */
void kept_put_back(struct kept *kept, const char *root);
/* Writes a file, also in place of another one. */
void kept_write_file(const char *root, const char *path, struct bytes content);

#endif
