#include "broker/data_directory.h"

#include "base/symlink.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct user_name {
    char text[64];
};

static struct user_name name_of(uid_t user)
{
    struct user_name name;
    const struct passwd *known = getpwuid(user);
    if (known)
        snprintf(name.text, sizeof name.text, "%s", known->pw_name);
    else
        snprintf(name.text, sizeof name.text, "%u", (unsigned)user);
    return name;
}

/* Asks for the effective user, who will open the files. */
static bool may(const char *path, int mode)
{
    return faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0;
}

/* Refuses a path that exists but may not be used. */
static enum error refuse(const char *directory, const char *path, const struct stat *found,
                         const char *act, struct message *message)
{
    int reason = errno;
    struct user_name user = name_of(geteuid()), owner = name_of(found->st_uid);
    if (reason == EACCES || reason == EPERM)
        message_set(message,
                    "cannot use the data directory %s: user %s may not %s %s (owner %s, mode "
                    "%04o): make %s its owner (chown -R) or set log.dirs to another directory",
                    directory, user.text, act, path, owner.text, (unsigned)(found->st_mode & 07777),
                    user.text);
    else
        message_set(message, "cannot use the data directory %s: may not %s %s: %s", directory, act,
                    path, strerror(reason));
    return ERR_INVALID;
}

static enum error refuse_file(const char *directory, const char *path, struct message *message)
{
    message_set(
        message,
        "cannot use the data directory %s: %s is not a directory: set log.dirs to a directory",
        directory, path);
    return ERR_INVALID;
}

/* Refuses entries that another user's broker left: this user may not write them. */
static enum error check_entries(const char *directory, struct message *message)
{
    enum error error = ERR_OK;
    DIR *listing = opendir(directory);
    for (struct dirent *e; listing && !error && (e = readdir(listing));) {
        struct stat found;
        char path[4096];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", directory, e->d_name);
        if (stat(path, &found) != 0 || !(S_ISDIR(found.st_mode) || S_ISREG(found.st_mode)))
            continue;
        if (!may(path, R_OK | W_OK | (S_ISDIR(found.st_mode) ? X_OK : 0)))
            error = refuse(directory, path, &found, "read and write", message);
    }
    if (listing)
        closedir(listing);
    return error;
}

/* Cuts the last part of the path, in place; ends at "." or "/". */
static void to_parent(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash == NULL)
        strcpy(path, ".");
    else
        slash[slash == path] = '\0';
}

/* Whether the path is missing, as far as this user may see. */
static bool is_missing(const char *path, struct stat *found)
{
    return stat(path, found) != 0 && (errno == ENOENT || errno == EACCES || errno == ENOTDIR);
}

/* The nearest parent that exists must permit to make the rest. */
static enum error check_parent(const char *directory, struct message *message)
{
    struct stat found = {.st_mode = S_IFDIR};
    enum error error = ERR_OK;
    char *path = xstrdup(directory);
    do {
        to_parent(path);
    } while (is_missing(path, &found) && strcmp(path, ".") != 0 && strcmp(path, "/") != 0);
    if (!S_ISDIR(found.st_mode))
        error = refuse_file(directory, path, message);
    else if (!may(path, W_OK | X_OK))
        error = refuse(directory, path, &found, "create a directory in", message);
    free(path);
    return error;
}

enum error data_directory_check(const char *path, struct message *message)
{
    struct stat found = {.st_mode = S_IFDIR};
    struct dangling_link link;
    if (symlink_find_dangling(path, &link)) {
        message_set(message,
                    "cannot use the data directory %s: %s is a symbolic link to %s, which does not "
                    "exist: mount or create %s, or set log.dirs to another directory",
                    path, link.path, link.target, link.target);
        return ERR_INVALID;
    }
    if (is_missing(path, &found))
        return check_parent(path, message);
    if (!S_ISDIR(found.st_mode))
        return refuse_file(path, path, message);
    if (!may(path, R_OK | W_OK | X_OK))
        return refuse(path, path, &found, "read and write", message);
    return check_entries(path, message);
}

char *data_directory_path(const char *path)
{
    char *whole = realpath(path, NULL);
    return whole ? whole : xstrdup(path);
}
