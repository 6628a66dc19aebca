/* Symbolic links that lead nowhere. The kernel reports them as a missing file, though a listing
 * shows the name. */
#ifndef BASE_SYMLINK_H
#define BASE_SYMLINK_H

#include <stdbool.h>

struct dangling_link {
    char path[512], target[512]; /* longer ones are cut */
};

/* Finds the first part of a path that is such a link. */
bool symlink_find_dangling(const char *path, struct dangling_link *out);

#endif
