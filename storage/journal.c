#include "storage/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILL_BYTES = 1 << 20 }; /* of one write */

bool journal_parse_name(const char *name, uint64_t *sequence)
{
    int end = 0;
    if (strlen(name) != 32 || sscanf(name, "journal-%20" SCNu64 ".log%n", sequence, &end) != 1)
        return false;
    return end == 32;
}

bool journal_name_is_unfinished(const char *name)
{
    size_t size = strlen(name), end = strlen(JOURNAL_NEW);
    return strncmp(name, "journal-", 8) == 0 && size > end &&
           strcmp(name + size - end, JOURNAL_NEW) == 0;
}

char *journal_path(const char *directory, uint64_t sequence)
{
    size_t size = strlen(directory) + 40;
    char *path = xmalloc(size);
    snprintf(path, size, "%s/journal-%020" PRIu64 ".log", directory, sequence);
    return path;
}

char *journal_directory(const char *data_directory, int shard)
{
    size_t size = strlen(data_directory) + 24;
    char *path = xmalloc(size);
    snprintf(path, size, "%s/shard-%d", data_directory, shard);
    return path;
}

/* Opening */

/* If it cannot be removed, it only takes up space, and the next start tries again. */
static void remove_unfinished(const struct journal *j, const char *name)
{
    char *path = io_path(j->directory, name);
    (void)!j->env->io->ops->unlink(j->env->io, path);
    free(path);
}

struct old_journal_files {
    const struct journal *journal;
    struct list files; /* of struct journal_file, not opened, in no order */
    uint64_t last;
};

static void note_name(void *context, const char *name)
{
    struct old_journal_files *names = context;
    uint64_t sequence;
    if (journal_name_is_unfinished(name))
        remove_unfinished(names->journal, name);
    if (!journal_parse_name(name, &sequence))
        return;
    names->last = MAX(names->last, sequence);
    struct journal_file *file = xcalloc(1, sizeof *file);
    file->old_sequence = sequence;
    list_append(&names->files, &file->node);
}

struct journal_file *journal_file_create(struct journal *j)
{
    struct journal_file *file = xcalloc(1, sizeof *file);
    file->sequence = j->next_sequence++;
    file->direct = j->direct;
    return file;
}

void journal_file_free(const struct journal *j, struct journal_file *file)
{
    if (file == NULL)
        return;
    if (file->file)
        j->env->io->ops->close(j->env->io, file->file);
    free(file);
}

static void free_all(const struct journal *j, struct list *files)
{
    struct list_node *node;
    while ((node = list_pop(files)))
        journal_file_free(j, CONTAINER_OF(node, struct journal_file, node));
}

static enum error open_path(const struct journal *j, struct journal_file *file, const char *path)
{
    struct io *io = j->env->io;
    int flags = IO_READ | IO_WRITE | IO_CREATE;
    enum error error = ERR_UNSUPPORTED;
    if (file->direct)
        error = io->ops->open(io, path, flags | IO_DIRECT, &file->file);
    if (error == ERR_UNSUPPORTED) {
        file->direct = false;
        error = io->ops->open(io, path, flags, &file->file);
    }
    if (error != ERR_OK)
        file->file = NULL;
    return error;
}

static enum error open_file(const struct journal *j, struct journal_file *file)
{
    char *path = journal_path(j->directory, file->sequence);
    enum error error = open_path(j, file, path);
    free(path);
    return error;
}

static enum error open_reserved(const struct journal *j, struct journal_file *file,
                                const char *path)
{
    struct io *io = j->env->io;
    int64_t size;
    enum error error = open_path(j, file, path);
    if (error == ERR_OK)
        error = io->ops->size(io, file->file, &size);
    if (error != ERR_OK)
        return error;
    error = io->ops->reserve(io, file->file, j->file_bytes);
    if (error == ERR_UNSUPPORTED) /* the journal may meet a full disk earlier */
        error = size < j->file_bytes ? io->ops->truncate(io, file->file, j->file_bytes) : ERR_OK;
    if (error == ERR_OK && size < j->file_bytes)
        error = io_sync(io, file->file);
    return error;
}

/* Files of an earlier run become spares under new names. Files beyond spares_max are removed. */
static enum error adopt_files(struct journal *j, struct list *files)
{
    struct list adopted;
    list_init(&adopted);
    struct list_node *node;
    for (size_t count = 0; (node = list_pop(files)); count++) {
        struct journal_file *file = CONTAINER_OF(node, struct journal_file, node);
        file->sequence = count < j->spares_max ? j->next_sequence++ : 0;
        list_append(&adopted, &file->node);
    }
    enum error error = journal_recycle(j, &adopted);
    LIST_FOR_EACH (at, &adopted) {
        struct journal_file *file = CONTAINER_OF(at, struct journal_file, node);
        file->direct = j->direct;
        if (error == ERR_OK && file->sequence != 0) {
            char *path = journal_path(j->directory, file->sequence);
            error = open_reserved(j, file, path);
            free(path);
        }
        j->direct = file->direct;
    }
    if (error == ERR_OK)
        journal_recycled(j, &adopted);
    free_all(j, &adopted);
    return error;
}

static enum error first_file(struct journal *j)
{
    if (list_is_empty(&j->spares)) {
        struct journal_file *file = journal_file_create(j);
        enum error error = journal_prepare(j, file, false);
        if (error != ERR_OK) {
            journal_file_free(j, file);
            return error;
        }
        journal_add_spare(j, file);
    }
    j->current = CONTAINER_OF(list_pop(&j->spares), struct journal_file, node);
    j->spare_count--;
    return ERR_OK;
}

enum error journal_open(struct journal *j, struct env *env, const char *directory,
                        int64_t file_bytes, size_t spares_max, struct message *message)
{
    *j = (struct journal){.env = env, .file_bytes = file_bytes, .spares_max = spares_max};
    j->directory = xstrdup(directory);
    j->direct = true;
    list_init(&j->full);
    list_init(&j->spares);
    struct old_journal_files names = {.journal = j};
    list_init(&names.files);
    int made;
    enum error error = io_make_directories(env->io, directory, 1, &made);
    if (error == ERR_OK)
        error = io_sync_parents(env->io, directory, made);
    if (error == ERR_OK)
        error = env->io->ops->list(env->io, directory, note_name, &names);
    j->next_sequence = names.last + 1;
    if (error == ERR_OK)
        error = adopt_files(j, &names.files);
    if (error == ERR_OK)
        error = first_file(j);
    free_all(j, &names.files);
    if (error != ERR_OK) {
        message_set(message, "cannot prepare the journal in %s: %s", directory, error_text(error));
        journal_close(j);
    }
    return error;
}

void journal_close(struct journal *j)
{
    free_all(j, &j->full);
    free_all(j, &j->spares);
    journal_file_free(j, j->current);
    j->current = NULL;
    free(j->directory);
    j->directory = NULL;
}

/* Writing */

bool journal_place(struct journal *j, size_t size, struct journal_place *out)
{
    ASSERT(size > 0 && size % IO_ALIGNMENT == 0);
    bool fits = j->position == 0 || j->position + (int64_t)size <= j->file_bytes;
    if (!fits) {
        struct list_node *node = list_pop(&j->spares);
        if (node == NULL)
            return false;
        j->spare_count--;
        j->current->end = j->lsn;
        list_append(&j->full, &j->current->node);
        j->current = CONTAINER_OF(node, struct journal_file, node);
        j->position = 0;
    }
    *out = (struct journal_place){j->current, j->position, j->lsn};
    j->position += (int64_t)size;
    j->lsn += size;
    return true;
}

uint64_t journal_next(const struct journal *j)
{
    const struct list_node *node = j->spares.head.next;
    return j->spare_count ? CONTAINER_OF(node, struct journal_file, node)->sequence : 0;
}

enum error journal_write(const struct journal *j, struct journal_file *file,
                         const struct iovec *parts, int count, int64_t position)
{
    struct io *io = j->env->io;
    enum error error = io->ops->write(io, file->file, parts, count, position);
    if (error == ERR_UNSUPPORTED && file->direct) {
        /* Some file systems accept the flag and refuse the write. */
        struct io_file *direct = file->file;
        file->direct = false;
        error = open_file(j, file);
        if (error == ERR_NO_FILES) { /* the next attempt begins in the same way */
            file->file = direct;
            file->direct = true;
            return error;
        }
        io->ops->close(io, direct);
        if (error != ERR_OK)
            return ERR_IO; /* there is no open file for a second attempt */
        error = io->ops->write(io, file->file, parts, count, position);
    }
    if (error != ERR_OK || file->direct)
        return error;
    return io_sync(io, file->file);
}

/* Spares */

/* Reserved blocks that were never written need a change of the file system's own data with the
 * first write to each: half as much time again for a small unit. */
static enum error fill(const struct journal *j, struct journal_file *file)
{
    size_t step = (size_t)MIN(j->file_bytes, (int64_t)FILL_BYTES);
    uint8_t *zeros = aligned_alloc(IO_ALIGNMENT, step);
    ASSERT(zeros != NULL);
    memset(zeros, 0, step);
    enum error error = ERR_OK;
    for (int64_t at = 0; at < j->file_bytes && error == ERR_OK; at += (int64_t)step) {
        size_t size = (size_t)MIN((int64_t)step, j->file_bytes - at);
        error = io_write(j->env->io, file->file, zeros, size, at);
    }
    free(zeros);
    return error == ERR_UNSUPPORTED ? ERR_OK : error; /* journal_write meets it, too */
}

/* The file gets its name when it has its whole size: recovery takes a shorter one for damaged. */
enum error journal_prepare(const struct journal *j, struct journal_file *file, bool in_time)
{
    struct io *io = j->env->io;
    char *path = journal_path(j->directory, file->sequence);
    size_t size = strlen(path) + sizeof JOURNAL_NEW;
    char *unfinished = xmalloc(size);
    snprintf(unfinished, size, "%s" JOURNAL_NEW, path);
    enum error error = open_reserved(j, file, unfinished);
    if (error == ERR_OK && in_time)
        error = fill(j, file);
    if (error == ERR_OK)
        error = io->ops->rename(io, unfinished, path);
    if (io_error_passes(error) && file->file) /* the next attempt has another name */
        (void)!io->ops->unlink(io, unfinished);
    if (error == ERR_OK)
        error = io_sync_directory(io, j->directory);
    if (io_error_passes(error) && file->file)
        (void)!io->ops->unlink(io, path);
    free(unfinished);
    free(path);
    return error;
}

void journal_add_spare(struct journal *j, struct journal_file *file)
{
    j->direct &= file->direct;
    list_append(&j->spares, &file->node);
    j->spare_count++;
}

void journal_take_dead(struct journal *j, lsn_t lsn, struct list *out)
{
    size_t spares = j->spare_count;
    LIST_FOR_EACH_SAFE (node, &j->full) {
        struct journal_file *file = CONTAINER_OF(node, struct journal_file, node);
        if (file->end > lsn)
            break;
        list_remove(&file->node);
        list_append(out, &file->node);
        file->old_sequence = file->sequence;
        file->sequence = spares++ < j->spares_max ? j->next_sequence++ : 0;
    }
}

static enum error recycle_file(const struct journal *j, struct journal_file *file)
{
    struct io *io = j->env->io;
    char *from = journal_path(j->directory, file->old_sequence);
    char *to = journal_path(j->directory, file->sequence);
    enum error error = file->sequence == 0 ? ERR_NO_SPACE : io->ops->rename(io, from, to);
    if (error == ERR_NO_SPACE) { /* enough spares, or the disk has no room for the name */
        file->sequence = 0;
        error = io->ops->unlink(io, from);
    }
    free(from);
    free(to);
    return error;
}

/* New names that are not durable must not be used. */
static enum error give_up_names(const struct journal *j, struct list *files)
{
    struct io *io = j->env->io;
    enum error error = ERR_OK;
    LIST_FOR_EACH (node, files) {
        struct journal_file *file = CONTAINER_OF(node, struct journal_file, node);
        if (file->sequence == 0 || error != ERR_OK)
            continue;
        char *path = journal_path(j->directory, file->sequence);
        error = io->ops->unlink(io, path);
        free(path);
        file->sequence = 0;
    }
    return error;
}

enum error journal_recycle(const struct journal *j, struct list *files)
{
    enum error error = ERR_OK;
    LIST_FOR_EACH (node, files) {
        if (error == ERR_OK)
            error = recycle_file(j, CONTAINER_OF(node, struct journal_file, node));
    }
    if (error == ERR_OK && !list_is_empty(files))
        error = io_sync_directory(j->env->io, j->directory);
    return error == ERR_NO_FILES ? give_up_names(j, files) : error;
}

void journal_recycled(struct journal *j, struct list *files)
{
    struct list_node *node;
    while ((node = list_pop(files))) {
        struct journal_file *file = CONTAINER_OF(node, struct journal_file, node);
        if (file->sequence == 0)
            journal_file_free(j, file);
        else
            journal_add_spare(j, file);
    }
}

void journal_keep(struct journal *j, struct list *files)
{
    struct list_node *node;
    while ((node = files->head.previous) != &files->head) {
        struct journal_file *file = CONTAINER_OF(node, struct journal_file, node);
        list_remove(node);
        file->sequence = file->old_sequence;
        list_prepend(&j->full, &file->node);
    }
}
