#include "tests/simulation/support_image.h"

#include "base/compiler.h"
#include "storage/io.h"
#include "tests/harness/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void image_init(struct image *image)
{
    *image = (struct image){.inode_count = 0};
    (void)image_add(image, true);
}

static void *copy_of(const void *data, size_t size)
{
    void *copy = xmalloc(size + 1);
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

struct image image_copy(const struct image *image)
{
    struct image copy = *image;
    copy.inode_capacity = image->inode_count;
    copy.name_capacity = image->name_count;
    copy.inodes = copy_of(image->inodes, image->inode_count * sizeof *image->inodes);
    copy.names = copy_of(image->names, image->name_count * sizeof *image->names);
    for (size_t i = 0; i < copy.inode_count; i++)
        copy.inodes[i].data = copy_of(image->inodes[i].data, image->inodes[i].size);
    return copy;
}

void image_free(struct image *image)
{
    for (size_t i = 0; i < image->inode_count; i++)
        free(image->inodes[i].data);
    free(image->inodes);
    free(image->names);
}

size_t image_add(struct image *image, bool is_directory)
{
    if (image->inode_count == image->inode_capacity) {
        image->inode_capacity = MAX(image->inode_capacity * 2, (size_t)16);
        image->inodes = xrealloc(image->inodes, image->inode_capacity * sizeof(struct image_inode));
    }
    image->inodes[image->inode_count] = (struct image_inode){.is_directory = is_directory};
    return image->inode_count++;
}

struct image_name *image_find(const struct image *image, size_t directory, const char *name)
{
    for (size_t i = 0; i < image->name_count; i++) {
        struct image_name *at = &image->names[i];
        if (at->directory == directory && strcmp(at->name, name) == 0)
            return at;
    }
    return NULL;
}

struct image_name *image_find_path(const struct image *image, const char *path)
{
    struct image_name *found = NULL;
    char part[IMAGE_NAME_SIZE];
    for (size_t directory = 0; *path; directory = found->inode) {
        size_t size = strcspn(path, "/");
        ASSERT(size > 0 && size < sizeof part);
        snprintf(part, sizeof part, "%.*s", (int)size, path);
        found = image_find(image, directory, part);
        if (found == NULL)
            return NULL;
        path += size + (path[size] == '/');
    }
    return found;
}

static void set_name(struct image *image, const struct image_name *to)
{
    struct image_name *found = image_find(image, to->directory, to->name);
    if (found == NULL) {
        if (image->name_count == image->name_capacity) {
            image->name_capacity = MAX(image->name_capacity * 2, (size_t)16);
            image->names = xrealloc(image->names, image->name_capacity * sizeof *image->names);
        }
        found = &image->names[image->name_count++];
    }
    *found = *to;
}

void image_rename(struct image *image, const struct image_name *from, const struct image_name *to)
{
    struct image_name *old = image_find(image, from->directory, from->name);
    if (from->name[0] != '\0' && old && old->inode == from->inode)
        *old = image->names[--image->name_count];
    if (to->name[0] != '\0')
        set_name(image, to);
}

static void write_file(const struct image_inode *inode, const char *path)
{
    FILE *f = fopen(path, "wb");
    EXPECT(f != NULL);
    EXPECT_INT(fwrite(inode->size > 0 ? inode->data : (uint8_t *)"", 1, inode->size, f),
               inode->size);
    fclose(f);
}

static void write_directory(const struct image *image, size_t directory, const char *path)
{
    EXPECT_INT(io_posix()->ops->make_directory(io_posix(), path), ERR_OK);
    for (size_t i = 0; i < image->name_count; i++) {
        const struct image_name *name = &image->names[i];
        if (name->directory != directory)
            continue;
        char *below = io_path(path, name->name);
        if (image->inodes[name->inode].is_directory)
            write_directory(image, name->inode, below);
        else
            write_file(&image->inodes[name->inode], below);
        free(below);
    }
}

void image_write(const struct image *image, const char *path)
{
    EXPECT_INT(io_remove_tree(io_posix(), path), ERR_OK);
    write_directory(image, 0, path);
}
