#include "base/symlink.h"

#include "base/compiler.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool dangles(const char *path, struct dangling_link *out)
{
    struct stat found;
    if (stat(path, &found) == 0 || errno != ENOENT || lstat(path, &found) != 0 ||
        !S_ISLNK(found.st_mode))
        return false;
    ssize_t size = readlink(path, out->target, sizeof out->target - 1);
    out->target[size > 0 ? size : 0] = '\0';
    snprintf(out->path, sizeof out->path, "%s", path);
    return true;
}

bool symlink_find_dangling(const char *path, struct dangling_link *out)
{
    char *part = xstrdup(path);
    bool found = false;
    for (char *at = part; !found && *at;) {
        at += strspn(at, "/");
        at += strcspn(at, "/");
        char next = *at;
        *at = '\0';
        found = dangles(part, out);
        *at = next;
    }
    free(part);
    return found;
}
