#include "storage/swap_list.h"

#include "base/buffer.h"
#include "base/crc32c.h"
#include "base/trace.h"
#include "protocol/reader.h"
#include "storage/segment_file.h"
#include "storage/store_rows.h"

#include <stdio.h>
#include <stdlib.h>

/* Version, count, bases, end, CRC-32C of all before. */
enum { VERSION = 1, LIST_MAX = 1 << 20, NAME_SIZE = 64, UUID_TEXT_SIZE = 36 };

static char *lists_directory(const char *data_directory)
{
    return io_path(data_directory, "cleaning");
}

char *swap_list_path(const char *data_directory, struct uuid topic_id, int32_t partition)
{
    char *directory = lists_directory(data_directory);
    char *topic = topic_directory(data_directory, topic_id), name[NAME_SIZE];
    snprintf(name, sizeof name, "%s-%d", strrchr(topic, '/') + 1, partition);
    char *path = io_path(directory, name);
    free(topic);
    free(directory);
    return path;
}

enum error swap_list_write(struct io *io, const char *path, const struct swap_list *list)
{
    struct buffer content;
    buffer_init(&content, LIST_MAX);
    buffer_append_be32(&content, VERSION);
    buffer_append_be32(&content, (uint32_t)list->count);
    for (size_t i = 0; i < list->count; i++)
        buffer_append_be64(&content, (uint64_t)list->bases[i]);
    buffer_append_be64(&content, (uint64_t)list->end_offset);
    buffer_append_be32(&content, crc32c(0, content.data, content.size));
    enum error error =
        content.overflowed ? ERR_TOO_LARGE : io_replace_file(io, path, buffer_view(&content));
    if (error == ERR_NOT_FOUND) { /* the first cleaning */
        char *directory = xstrndup(path, (size_t)(strrchr(path, '/') - path));
        error = io_make_path(io, directory);
        free(directory);
        if (error == ERR_OK)
            error = io_replace_file(io, path, buffer_view(&content));
    }
    buffer_free(&content);
    return error;
}

enum error swap_list_remove(struct io *io, const char *path)
{
    enum error error = io->ops->unlink(io, path);
    if (error != ERR_OK)
        return error == ERR_NOT_FOUND ? ERR_OK : error;
    char *directory = xstrndup(path, (size_t)(strrchr(path, '/') - path));
    error = io_sync_directory(io, directory);
    free(directory);
    return error;
}

/* --- a partition's files --- */

struct found_file {
    int64_t base_offset;
    enum segment_part part;
    bool swap;
};
struct found_files {
    struct found_file *at;
    size_t count, capacity;
};

static void note_file(void *context, const char *name)
{
    static const char ending[] = ".swap";
    struct found_files *files = context;
    struct found_file file = {.swap = false};
    char stem[NAME_SIZE];
    size_t size = strlen(name);
    if (size >= sizeof stem)
        return;
    memcpy(stem, name, size + 1);
    if (size > sizeof ending && strcmp(name + size - (sizeof ending - 1), ending) == 0) {
        stem[size - (sizeof ending - 1)] = '\0';
        file.swap = true;
    }
    if (!segment_name_parse(stem, &file.base_offset, &file.part))
        return;
    if (files->count == files->capacity) {
        files->capacity = files->capacity ? 2 * files->capacity : 16;
        files->at = xrealloc(files->at, files->capacity * sizeof files->at[0]);
    }
    files->at[files->count++] = file;
}

static bool is_new(const struct swap_list *list, int64_t base_offset)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->bases[i] == base_offset)
            return true;
    }
    return false;
}

static bool is_replaced(const struct swap_list *list, int64_t base_offset)
{
    return list->count > 0 && base_offset >= list->bases[0] && base_offset < list->end_offset &&
           !is_new(list, base_offset);
}

/* Renames a new file, or removes an unwanted one. */
static enum error settle_file(struct io *io, const char *directory, const struct found_file *file,
                              const struct swap_list *list)
{
    char *path = segment_path(directory, file->base_offset, file->part);
    char *swap = segment_swap_path(directory, file->base_offset, file->part);
    enum error error = ERR_OK;
    if (file->swap && is_new(list, file->base_offset))
        error = io->ops->rename(io, swap, path);
    else if (file->swap)
        error = io->ops->unlink(io, swap);
    else if (is_replaced(list, file->base_offset))
        error = io->ops->unlink(io, path);
    free(path);
    free(swap);
    return error;
}

/* ERR_OK when the directory is gone with its topic. */
static enum error settle_files(struct io *io, const char *directory, const struct swap_list *list)
{
    struct found_files files = {0};
    enum error error = io->ops->list(io, directory, note_file, &files);
    if (error == ERR_NOT_FOUND)
        return ERR_OK;
    for (size_t i = 0; i < files.count && error == ERR_OK; i++)
        error = settle_file(io, directory, &files.at[i], list);
    free(files.at);
    return error == ERR_OK ? io_sync_directory(io, directory) : error;
}

enum error swap_list_undo(struct io *io, const char *path, const char *directory)
{
    enum error error = settle_files(io, directory, &(struct swap_list){.count = 0});
    return error == ERR_OK ? swap_list_remove(io, path) : error;
}

/* --- recovery --- */

static bool decode(struct bytes content, struct swap_list *out, int64_t **bases)
{
    if (content.size < 20 ||
        load_be32(content.data + content.size - 4) != crc32c(0, content.data, content.size - 4))
        return false;
    struct reader r = reader_of(bytes_of(content.data, content.size - 4));
    int32_t version = read_i32(&r), count = read_i32(&r);
    if (version != VERSION || count < 0 || reader_left(&r) != 8 * ((size_t)count + 1))
        return false;
    *bases = xcalloc((size_t)count + 1, sizeof **bases);
    for (int32_t i = 0; i < count; i++)
        (*bases)[i] = read_i64(&r);
    *out = (struct swap_list){*bases, (size_t)count, read_i64(&r)};
    return true;
}

bool swap_list_parse_name(const char *name, struct uuid *topic_id, int32_t *partition)
{
    char topic[UUID_TEXT_SIZE + 1], *end;
    if (strlen(name) < UUID_TEXT_SIZE + 2 || name[UUID_TEXT_SIZE] != '-')
        return false;
    memcpy(topic, name, UUID_TEXT_SIZE);
    topic[UUID_TEXT_SIZE] = '\0';
    long number = strtol(name + UUID_TEXT_SIZE + 1, &end, 10);
    *partition = (int32_t)number;
    return topic_directory_parse(topic, topic_id) && *end == '\0' && number >= 0 &&
           number <= INT32_MAX;
}

enum error swap_list_read(struct io *io, const char *path, struct swap_list *out, int64_t **bases)
{
    struct buffer content;
    *bases = NULL;
    buffer_init(&content, LIST_MAX);
    enum error error = io_read_file(io, path, &content);
    if (error == ERR_TOO_LARGE || (error == ERR_OK && !decode(buffer_view(&content), out, bases)))
        error = ERR_CORRUPT;
    buffer_free(&content);
    return error;
}

struct lists {
    struct env *env;
    const char *data_directory;
    struct message *message;
    char (*names)[NAME_SIZE]; /* the directory does not change while it is listed */
    size_t count, capacity;
};

static void note_name(void *context, const char *name)
{
    struct lists *l = context;
    if (strlen(name) >= NAME_SIZE)
        return;
    if (l->count == l->capacity) {
        l->capacity = l->capacity ? 2 * l->capacity : 16;
        l->names = xrealloc(l->names, l->capacity * sizeof l->names[0]);
    }
    memcpy(l->names[l->count++], name, strlen(name) + 1);
}

static enum error finish(struct lists *l, const char *path, struct uuid topic_id, int32_t partition)
{
    struct io *io = l->env->io;
    struct swap_list list;
    int64_t *bases;
    enum error error = swap_list_read(io, path, &list, &bases);
    if (error == ERR_CORRUPT) {
        message_set(l->message,
                    "%s is damaged: a cleaning of partition %d was cut off, and which of its files "
                    "are new is lost. Restore the file and the topic's directory from a copy, or "
                    "delete both",
                    path, partition);
        return ERR_CORRUPT;
    }
    if (error == ERR_OK) {
        char *directory = partition_directory(l->data_directory, topic_id, partition);
        error = settle_files(io, directory, &list);
        if (error == ERR_OK)
            error = swap_list_remove(io, path);
        trace_log(l->env->trace, TRACE_INFO,
                  list.count > 0 ? "a cleaning that was cut off is finished"
                                 : "the files of a cleaning that was cut off are removed",
                  F_STRING("directory", directory));
        free(directory);
    }
    free(bases);
    return error;
}

/* After a kill, a start may see a list that a power cut would still take away. What the start does
 * with the segments must not outlive the list. */
static enum error make_lists_durable(struct io *io, const char *data_directory,
                                     const char *directory)
{
    enum error error = io_sync_directory(io, directory);
    return error == ERR_OK ? io_sync_directory(io, data_directory) : error;
}

enum error swap_lists_recover(struct env *env, const char *data_directory, struct message *message)
{
    struct io *io = env->io;
    struct lists l = {.env = env, .data_directory = data_directory, .message = message};
    char *directory = lists_directory(data_directory);
    enum error error = io->ops->list(io, directory, note_name, &l);
    if (error == ERR_OK)
        error = make_lists_durable(io, data_directory, directory);
    for (size_t i = 0; i < l.count && error == ERR_OK; i++) {
        struct uuid topic_id;
        int32_t partition;
        char *path = io_path(directory, l.names[i]);
        if (swap_list_parse_name(l.names[i], &topic_id, &partition))
            error = finish(&l, path, topic_id, partition);
        else /* the copy of a list that was not complete */
            error = io->ops->unlink(io, path);
        free(path);
    }
    free(l.names);
    free(directory);
    return error == ERR_NOT_FOUND ? ERR_OK : error;
}
