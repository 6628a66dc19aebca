/* A directory tree in memory: names and contents, which a test writes to a real directory. */
#ifndef TESTS_SIMULATION_SUPPORT_IMAGE_H
#define TESTS_SIMULATION_SUPPORT_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { IMAGE_NAME_SIZE = 40 };

/* A name in a directory. An empty name is none. */
struct image_name {
    size_t directory, inode;
    char name[IMAGE_NAME_SIZE];
};

struct image_inode {
    bool is_directory;
    uint8_t *data;
    size_t size;
};

/* Inode 0 is the root. An inode without a name is a file that was removed. */
struct image {
    struct image_inode *inodes;
    size_t inode_count, inode_capacity;
    struct image_name *names;
    size_t name_count, name_capacity;
};

void image_init(struct image *image); /* an empty directory */
struct image image_copy(const struct image *image);
void image_free(struct image *image);

size_t image_add(struct image *image, bool is_directory);
/* NULL: there is no such name. */
struct image_name *image_find(const struct image *image, size_t directory, const char *name);
/* "kv/CURRENT" */
struct image_name *image_find_path(const struct image *image, const char *path);
/* Removes the name `from`, if it still names the same inode, and sets the name `to`. */
void image_rename(struct image *image, const struct image_name *from, const struct image_name *to);

/* Makes a new directory with this content. */
void image_write(const struct image *image, const char *path);

#endif
