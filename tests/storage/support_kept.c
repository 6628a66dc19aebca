#include "tests/storage/support_kept.h"

#include "storage/io.h"
#include "tests/harness/harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The time of every file that was put back. Whatever writes to it sets another one. */
enum { PUT_BACK_SECONDS = 1000 };

struct walk {
    struct kept *kept;
    const char *root, *below;
};

static void path_below(const char *below, const char *name, char out[KEPT_NAME_SIZE])
{
    int size = snprintf(out, KEPT_NAME_SIZE, "%s%s%s", below, *below ? "/" : "", name);
    ASSERT(size < KEPT_NAME_SIZE);
}

static void whole_path(const char *root, const char *path, char out[KEPT_PATH_SIZE])
{
    int size = snprintf(out, KEPT_PATH_SIZE, "%s/%s", root, path);
    ASSERT(size < KEPT_PATH_SIZE);
}

static void read_directory(struct kept *out, const char *root, const char *below);

static void read_name(void *context, const char *name)
{
    struct walk *w = context;
    struct stat info;
    char path[KEPT_PATH_SIZE];
    ASSERT(w->kept->count < KEPT_FILES_MAX);
    struct kept_file *f = &w->kept->at[w->kept->count++];
    path_below(w->below, name, f->path);
    whole_path(w->root, f->path, path);
    EXPECT_INT(stat(path, &info), 0);
    f->is_directory = S_ISDIR(info.st_mode);
    buffer_init(&f->content, 1 << 28);
    if (f->is_directory)
        read_directory(w->kept, w->root, f->path);
    else
        EXPECT_INT(io_read_file(io_posix(), path, &f->content), ERR_OK);
}

static void read_directory(struct kept *out, const char *root, const char *below)
{
    char path[KEPT_PATH_SIZE];
    struct walk w = {out, root, below};
    whole_path(root, below, path);
    EXPECT_INT(io_posix()->ops->list(io_posix(), path, read_name, &w), ERR_OK);
}

static int compare_paths(const void *a, const void *b)
{
    const struct kept_file *left = a, *right = b;
    return strcmp(left->path, right->path);
}

struct kept *kept_read(const char *root)
{
    struct kept *out = xcalloc(1, sizeof *out);
    read_directory(out, root, "");
    qsort(out->at, out->count, sizeof out->at[0], compare_paths);
    return out;
}

void kept_free(struct kept *kept)
{
    for (size_t i = 0; i < kept->count; i++)
        buffer_free(&kept->at[i].content);
    free(kept);
}

struct kept_file *kept_find(struct kept *kept, const char *path)
{
    struct kept_file key;
    snprintf(key.path, sizeof key.path, "%s", path);
    return bsearch(&key, kept->at, kept->count, sizeof kept->at[0], compare_paths);
}

void kept_write_file(const char *root, const char *path, struct bytes content)
{
    char whole[KEPT_PATH_SIZE];
    whole_path(root, path, whole);
    FILE *f = fopen(whole, "wb");
    EXPECT(f != NULL);
    if (content.size > 0)
        EXPECT_INT(fwrite(content.data, 1, content.size, f), content.size);
    fclose(f);
}

/* --- putting back --- */

struct names {
    char (*at)[KEPT_NAME_SIZE];
    size_t count, capacity;
};

static void note_name(void *context, const char *name)
{
    struct names *names = context;
    if (names->count == names->capacity) {
        names->capacity = MAX(2 * names->capacity, (size_t)64);
        names->at = xrealloc(names->at, names->capacity * sizeof names->at[0]);
    }
    snprintf(names->at[names->count++], KEPT_NAME_SIZE, "%s", name);
}

static void remove_path(const char *path, bool is_directory)
{
    if (is_directory)
        EXPECT_INT(io_remove_tree(io_posix(), path), ERR_OK);
    else
        EXPECT_INT(unlink(path), 0);
}

/* Removes what is not kept, or is a directory in place of a file, or the other way round. */
static void sweep(struct kept *kept, const char *root, const char *below)
{
    char path[KEPT_PATH_SIZE], name[KEPT_NAME_SIZE];
    struct names names = {0};
    whole_path(root, below, path);
    EXPECT_INT(io_posix()->ops->list(io_posix(), path, note_name, &names), ERR_OK);
    for (size_t i = 0; i < names.count; i++) {
        struct stat info;
        path_below(below, names.at[i], name);
        whole_path(root, name, path);
        EXPECT_INT(lstat(path, &info), 0);
        const struct kept_file *f = kept_find(kept, name);
        bool is_directory = S_ISDIR(info.st_mode);
        if (f == NULL || f->is_directory != is_directory)
            remove_path(path, is_directory);
        else if (is_directory)
            sweep(kept, root, name);
    }
    free(names.at);
}

static void put_file_back(struct kept_file *f, const char *root)
{
    static const struct timespec times[2] = {{PUT_BACK_SECONDS, 0}, {PUT_BACK_SECONDS, 0}};
    char path[KEPT_PATH_SIZE];
    struct stat info;
    whole_path(root, f->path, path);
    bool exists = stat(path, &info) == 0;
    if (f->is_directory) {
        EXPECT(exists || mkdir(path, 0750) == 0);
        return;
    }
    if (exists && info.st_ino == f->number && (size_t)info.st_size == f->content.size &&
        info.st_mtim.tv_sec == PUT_BACK_SECONDS)
        return;
    kept_write_file(root, f->path, buffer_view(&f->content));
    EXPECT_INT(utimensat(AT_FDCWD, path, times, 0), 0);
    EXPECT_INT(stat(path, &info), 0);
    f->number = info.st_ino;
}

void kept_put_back(struct kept *kept, const char *root)
{
    EXPECT_INT(io_make_path(io_posix(), root), ERR_OK);
    sweep(kept, root, "");
    for (size_t i = 0; i < kept->count; i++)
        put_file_back(&kept->at[i], root);
}
