#include "tests/simulation/support_disk.h"

#include "tests/simulation/support_content.h"
#include "tests/simulation/support_kv.h"

#include <stdio.h>
#include <stdlib.h>

struct io_file {
    size_t inode;
    bool direct;
    char *path;
};

static struct sim_disk *disk_of(struct io *io)
{
    return CONTAINER_OF(io, struct sim_disk, io);
}

/* Paths. The root is "". A path leads from there, separated by '/'. */

static struct sim_content *own(struct sim_disk *disk, size_t inode)
{
    disk->inodes[inode] = content_own(disk->inodes[inode]);
    return disk->inodes[inode];
}

/* The directory that holds the last part of a path. */
static bool find_parent(const struct sim_disk *disk, const char *path, size_t *parent,
                        char name[SIM_NAME_SIZE])
{
    size_t at = 0;
    for (;;) {
        const char *end = strchr(path, '/');
        size_t size = end ? (size_t)(end - path) : strlen(path);
        ASSERT(size > 0 && size < SIM_NAME_SIZE);
        memcpy(name, path, size);
        name[size] = '\0';
        *parent = at;
        if (end == NULL)
            return true;
        struct sim_entry *entry = names_find(&disk->inodes[at]->names, name);
        if (entry == NULL || !disk->inodes[entry->inode]->is_directory)
            return false;
        at = entry->inode;
        path = end + 1;
    }
}

static bool find(const struct sim_disk *disk, const char *path, size_t *inode)
{
    size_t parent;
    char name[SIM_NAME_SIZE];
    if (!find_parent(disk, path, &parent, name))
        return false;
    struct sim_entry *entry = names_find(&disk->inodes[parent]->names, name);
    if (entry)
        *inode = entry->inode;
    return entry != NULL;
}

static size_t add_inode(struct sim_disk *disk, bool is_directory)
{
    if (disk->inode_count == disk->inode_capacity) {
        disk->inode_capacity = MAX(disk->inode_capacity * 2, (size_t)32);
        disk->inodes = xrealloc(disk->inodes, disk->inode_capacity * sizeof(struct sim_content *));
    }
    disk->inodes[disk->inode_count] = content_create(is_directory);
    return disk->inode_count++;
}

/* Calls that change something have four steps: `refuse`, which may fail the call; the change;
 * `happened`, where the test may crash; the sync, if the call is durable. */

static enum error refuse(struct sim_disk *disk, bool grows)
{
    uint64_t call = disk->calls++;
    if (call < disk->fail_from || call >= disk->fail_to)
        return ERR_OK;
    return disk->fail_error == ERR_NO_SPACE && !grows ? ERR_OK : disk->fail_error;
}

static void happened(struct sim_disk *disk)
{
    if (disk->on_call)
        disk->on_call(disk->context, disk);
}

/* Faults */

static const char *const call_names[] = {
#define X(name) #name,
    SIM_CALLS(X)
#undef X
};

const char *sim_call_name(enum sim_call call)
{
    return call_names[call];
}

const struct sim_fault *sim_disk_fault(struct sim_disk *disk, enum sim_call call)
{
    uint64_t n = disk->counts[call]++;
    const struct sim_fault *f = &disk->fault;
    if (f->call != call || n < f->from || n >= f->to)
        return NULL;
    disk->reached = true;
    return f;
}

void sim_disk_new_process(struct sim_disk *disk)
{
    atomic_store(&disk->io.sync_failed, false);
    memset(disk->counts, 0, sizeof disk->counts);
}

/* For calls that do all of their work or nothing. */
#define ALL_OR_NOTHING(disk, call, work)                            \
    do {                                                            \
        const struct sim_fault *fault = sim_disk_fault(disk, call); \
        if (fault && fault->effect != FAULT_ALL)                    \
            return fault->error;                                    \
        enum error done = (work);                                   \
        return done == ERR_OK && fault ? fault->error : done;       \
    } while (0)

static enum error open_file(struct sim_disk *disk, const char *path, int flags,
                            struct io_file **out)
{
    size_t parent, inode;
    char name[SIM_NAME_SIZE];
    if (!sim_disk_has_descriptor(disk))
        return ERR_NO_FILES;
    if ((flags & IO_DIRECT) && disk->refuse_direct)
        return ERR_UNSUPPORTED;
    if (!find_parent(disk, path, &parent, name))
        return ERR_NOT_FOUND;
    if (!find(disk, path, &inode)) {
        if ((flags & IO_CREATE) == 0)
            return ERR_NOT_FOUND;
        enum error error = refuse(disk, true);
        if (error != ERR_OK)
            return error;
        inode = add_inode(disk, false);
        content_rename(own(disk, parent), "", name, inode);
        happened(disk);
    }
    ASSERT(!disk->inodes[inode]->is_directory);
    struct io_file *file = xmalloc(sizeof *file);
    *file = (struct io_file){.inode = inode, .direct = flags & IO_DIRECT, .path = xstrdup(path)};
    disk->open_files++;
    *out = file;
    return ERR_OK;
}

static enum error sim_open(struct io *io, const char *path, int flags, struct io_file **out)
{
    struct sim_disk *disk = disk_of(io);
    const struct sim_fault *fault = sim_disk_fault(disk, SIM_OPEN);
    if (fault == NULL)
        return open_file(disk, path, flags, out);
    struct io_file *file;
    if (fault->effect == FAULT_ALL && open_file(disk, path, flags, &file) == ERR_OK)
        io->ops->close(io, file);
    return fault->error;
}

static void sim_close(struct io *io, struct io_file *file)
{
    disk_of(io)->open_files--;
    free(file->path);
    free(file);
}

static enum error sim_read(struct io *io, struct io_file *file, void *data, size_t size,
                           int64_t position, size_t *got)
{
    const struct sim_content *c = disk_of(io)->inodes[file->inode];
    const struct sim_fault *fault = sim_disk_fault(disk_of(io), SIM_READ);
    *got = 0;
    if (file->direct)
        ASSERT(position % IO_ALIGNMENT == 0 && size % IO_ALIGNMENT == 0 &&
               (uintptr_t)data % IO_ALIGNMENT == 0);
    if (fault)
        return fault->error;
    *got = (size_t)position >= c->size ? 0 : MIN(size, c->size - (size_t)position);
    if (*got > 0)
        memcpy(data, c->data + position, *got);
    return ERR_OK;
}

static enum error sim_write(struct io *io, struct io_file *file, const struct iovec *parts,
                            int count, int64_t position)
{
    struct sim_disk *disk = disk_of(io);
    if (file->direct && disk->refuse_direct_writes)
        return ERR_UNSUPPORTED;
    const struct sim_fault *fault = sim_disk_fault(disk, SIM_WRITE);
    enum error error = refuse(disk, true);
    disk->full_direct_writes += file->direct && error == ERR_NO_SPACE;
    if (error != ERR_OK)
        return error;
    for (int i = 0; i < count && file->direct; i++)
        ASSERT(parts[i].iov_len % IO_ALIGNMENT == 0 && position % IO_ALIGNMENT == 0 &&
               (uintptr_t)parts[i].iov_base % IO_ALIGNMENT == 0);
    if (fault && fault->effect != FAULT_ALL) {
        if (fault->effect != FAULT_NOTHING)
            content_write_some(own(disk, file->inode), parts, count, (size_t)position, fault->seed);
        happened(disk);
        return fault->error;
    }
    content_write(own(disk, file->inode), parts, count, (size_t)position);
    happened(disk);
    if (file->direct)
        content_sync_last(own(disk, file->inode));
    return fault ? fault->error : ERR_OK;
}

/* Syncs one inode, or fails as the fault says. */
static void sync_content(struct sim_disk *disk, size_t inode, const struct sim_fault *fault)
{
    if (!content_is_pending(disk->inodes[inode]))
        return;
    if (fault == NULL || fault->effect == FAULT_ALL)
        content_sync(own(disk, inode));
    else if (fault->effect != FAULT_NOTHING)
        content_sync_failed(own(disk, inode), fault->effect == FAULT_EVICTS, fault->seed + inode);
}

static enum error sync_inode(struct sim_disk *disk, size_t inode, enum sim_call call)
{
    const struct sim_fault *fault = sim_disk_fault(disk, call);
    enum error error = refuse(disk, false);
    if (error != ERR_OK)
        return error;
    happened(disk);
    sync_content(disk, inode, fault);
    return fault ? fault->error : ERR_OK;
}

static enum error sim_sync(struct io *io, struct io_file *file)
{
    return sync_inode(disk_of(io), file->inode, SIM_SYNC);
}

static enum error truncate_file(struct sim_disk *disk, struct io_file *file, int64_t size)
{
    enum error error = refuse(disk, (size_t)size > disk->inodes[file->inode]->size);
    if (error != ERR_OK || disk->inodes[file->inode]->size == (size_t)size)
        return error;
    content_truncate(own(disk, file->inode), (size_t)size);
    happened(disk);
    return ERR_OK;
}

static enum error sim_truncate(struct io *io, struct io_file *file, int64_t size)
{
    ALL_OR_NOTHING(disk_of(io), SIM_TRUNCATE, truncate_file(disk_of(io), file, size));
}

static enum error sim_size(struct io *io, struct io_file *file, int64_t *out)
{
    const struct sim_fault *fault = sim_disk_fault(disk_of(io), SIM_SIZE);
    if (fault)
        return fault->error;
    *out = (int64_t)disk_of(io)->inodes[file->inode]->size;
    return ERR_OK;
}

static enum error reserve_blocks(struct sim_disk *disk, struct io_file *file, int64_t size)
{
    if (disk->inodes[file->inode]->size >= (size_t)size)
        return refuse(disk, false);
    return truncate_file(disk, file, size);
}

static enum error sim_reserve(struct io *io, struct io_file *file, int64_t size)
{
    ALL_OR_NOTHING(disk_of(io), SIM_RESERVE, reserve_blocks(disk_of(io), file, size));
}

static enum error rename_file(struct sim_disk *disk, const char *from, const char *to)
{
    size_t parent, other, inode;
    char from_name[SIM_NAME_SIZE], to_name[SIM_NAME_SIZE];
    enum error error = refuse(disk, true);
    if (error != ERR_OK)
        return error;
    if (!find(disk, from, &inode) || !find_parent(disk, from, &parent, from_name) ||
        !find_parent(disk, to, &other, to_name))
        return ERR_NOT_FOUND;
    ASSERT(parent == other);
    content_rename(own(disk, parent), from_name, to_name, inode);
    happened(disk);
    return ERR_OK;
}

static enum error sim_rename(struct io *io, const char *from, const char *to)
{
    ALL_OR_NOTHING(disk_of(io), SIM_RENAME, rename_file(disk_of(io), from, to));
}

static enum error remove_name(struct sim_disk *disk, const char *path, bool directory)
{
    size_t parent, inode;
    char name[SIM_NAME_SIZE];
    enum error error = refuse(disk, false);
    if (error != ERR_OK)
        return error;
    if (!find(disk, path, &inode) || !find_parent(disk, path, &parent, name))
        return ERR_NOT_FOUND;
    const struct sim_content *c = disk->inodes[inode];
    if (c->is_directory != directory)
        return ERR_INVALID;
    if (c->names.count > 0)
        return ERR_EXISTS;
    content_rename(own(disk, parent), name, "", 0);
    happened(disk);
    return ERR_OK;
}

static enum error sim_unlink(struct io *io, const char *path)
{
    ALL_OR_NOTHING(disk_of(io), SIM_UNLINK, remove_name(disk_of(io), path, false));
}

static enum error sim_remove_directory(struct io *io, const char *path)
{
    ALL_OR_NOTHING(disk_of(io), SIM_REMOVE_DIRECTORY, remove_name(disk_of(io), path, true));
}

static enum error make_directory(struct sim_disk *disk, const char *path)
{
    size_t parent, inode;
    char name[SIM_NAME_SIZE];
    enum error error = refuse(disk, true);
    if (error != ERR_OK || find(disk, path, &inode))
        return error;
    if (!find_parent(disk, path, &parent, name))
        return ERR_NOT_FOUND;
    inode = add_inode(disk, true);
    content_rename(own(disk, parent), "", name, inode);
    happened(disk);
    return ERR_OK;
}

static enum error sim_make_directory(struct io *io, const char *path)
{
    ALL_OR_NOTHING(disk_of(io), SIM_MAKE_DIRECTORY, make_directory(disk_of(io), path));
}

static enum error sim_sync_directory(struct io *io, const char *path)
{
    struct sim_disk *disk = disk_of(io);
    size_t inode = 0;
    if (!sim_disk_has_descriptor(disk))
        return ERR_NO_FILES;
    if (strcmp(path, ".") != 0 && !find(disk, path, &inode))
        return ERR_NOT_FOUND;
    return sync_inode(disk, inode, SIM_SYNC_DIRECTORY);
}

static enum error sim_sync_all(struct io *io, const char *path)
{
    (void)path;
    struct sim_disk *disk = disk_of(io);
    const struct sim_fault *fault = sim_disk_fault(disk, SIM_SYNC_ALL);
    enum error error = refuse(disk, false);
    if (error != ERR_OK)
        return error;
    happened(disk);
    for (size_t i = 0; i < disk->inode_count; i++)
        sync_content(disk, i, fault);
    return fault ? fault->error : ERR_OK;
}

/* The callback may change the directory. */
static enum error sim_list(struct io *io, const char *path,
                           void (*each)(void *context, const char *name), void *context)
{
    struct sim_disk *disk = disk_of(io);
    size_t inode;
    if (!sim_disk_has_descriptor(disk))
        return ERR_NO_FILES;
    if (!find(disk, path, &inode))
        return ERR_NOT_FOUND;
    struct sim_content *c = content_ref(disk->inodes[inode]);
    const struct sim_fault *fault = sim_disk_fault(disk, SIM_LIST);
    size_t count = c->names.count;
    if (fault)
        count = fault->effect == FAULT_ALL ? count : fault->effect == FAULT_SOME ? count / 2 : 0;
    for (size_t i = 0; i < count; i++)
        each(context, c->names.at[i].name);
    content_unref(c);
    return fault ? fault->error : ERR_OK;
}

static enum error sim_lock(struct io *io, const char *path)
{
    (void)path;
    const struct sim_fault *fault = sim_disk_fault(disk_of(io), SIM_LOCK);
    return fault ? fault->error : ERR_OK;
}

static enum error sim_check_place(struct io *io, const char *path)
{
    (void)path;
    return disk_of(io)->is_moved ? ERR_MOVED : ERR_OK;
}

static enum error sim_free_bytes(struct io *io, const char *path, int64_t *out)
{
    (void)path;
    const struct sim_fault *fault = sim_disk_fault(disk_of(io), SIM_FREE_BYTES);
    *out = disk_of(io)->free_bytes;
    return fault ? fault->error : ERR_OK;
}

static bool sim_has_name(struct io *io, struct io_file *file)
{
    size_t inode;
    return find(disk_of(io), file->path, &inode) && inode == file->inode;
}

static enum error sim_total_bytes(struct io *io, const char *path, int64_t *out)
{
    (void)io, (void)path;
    *out = INT64_MAX;
    return ERR_OK;
}

static enum error sim_open_again(struct io *io, struct io_file *file, struct io_file **out)
{
    struct sim_disk *disk = disk_of(io);
    const struct sim_fault *fault = sim_disk_fault(disk, SIM_OPEN);
    if (fault)
        return fault->error;
    if (!sim_disk_has_descriptor(disk))
        return ERR_NO_FILES;
    if (disk->refuse_direct)
        return ERR_UNSUPPORTED;
    *out = xmalloc(sizeof **out);
    **out = (struct io_file){.inode = file->inode, .direct = true, .path = xstrdup(file->path)};
    disk->open_files++;
    return ERR_OK;
}

/* No range: the pieces that are read past the cache are what can be wrong. */
static bool sim_is_cached(struct io *io, struct io_file *file, int64_t position, size_t size)
{
    (void)io, (void)file;
    ASSERT(position % IO_ALIGNMENT == 0 && size > 0);
    return false;
}

static int sim_descriptor(struct io *io, struct io_file *file)
{
    (void)io, (void)file;
    return -1;
}

static const struct io_ops sim_ops = {
    .open = sim_open,
    .close = sim_close,
    .read = sim_read,
    .write = sim_write,
    .sync = sim_sync,
    .truncate = sim_truncate,
    .size = sim_size,
    .reserve = sim_reserve,
    .rename = sim_rename,
    .unlink = sim_unlink,
    .make_directory = sim_make_directory,
    .remove_directory = sim_remove_directory,
    .sync_directory = sim_sync_directory,
    .sync_all = sim_sync_all,
    .list = sim_list,
    .lock = sim_lock,
    .check_place = sim_check_place,
    .free_bytes = sim_free_bytes,
    .has_name = sim_has_name,
    .total_bytes = sim_total_bytes,
    .open_again = sim_open_again,
    .is_cached = sim_is_cached,
    .descriptor = sim_descriptor,
};

/* The disk */

static struct sim_disk *disk_create(struct sim_kv_state *rows)
{
    struct sim_disk *disk = xcalloc(1, sizeof *disk);
    disk->io.ops = &sim_ops;
    disk->rows = rows;
    disk->free_bytes = INT64_MAX;
    sim_kv_init(disk, refuse, happened);
    return disk;
}

struct sim_disk *sim_disk_create(void)
{
    struct sim_disk *disk = disk_create(sim_kv_state_create());
    add_inode(disk, true);
    return disk;
}

struct sim_disk *sim_disk_crash(const struct sim_disk *disk, enum crash_kind kind, uint64_t seed)
{
    struct sim_disk *left = disk_create(sim_kv_state_ref(disk->rows));
    left->has_kv = disk->has_kv;
    left->inodes = xmalloc(disk->inode_count * sizeof(struct sim_content *));
    left->inode_count = left->inode_capacity = disk->inode_count;
    left->refuse_direct = disk->refuse_direct;
    left->refuse_direct_writes = disk->refuse_direct_writes;
    for (size_t i = 0; i < disk->inode_count; i++)
        left->inodes[i] = content_after_cut(disk->inodes[i], kind, seed + i);
    return left;
}

void sim_disk_free(struct sim_disk *disk)
{
    if (disk == NULL)
        return;
    ASSERT(disk->open_files == 0);
    for (size_t i = 0; i < disk->inode_count; i++)
        content_unref(disk->inodes[i]);
    free(disk->inodes);
    sim_kv_state_unref(disk->rows);
    free(disk);
}

struct sim_view sim_disk_file(const struct sim_disk *disk, const char *path)
{
    size_t inode;
    if (!find(disk, path, &inode))
        return (struct sim_view){.exists = false};
    const struct sim_content *c = disk->inodes[inode];
    return (struct sim_view){.exists = true,
                             .data = bytes_of(c->data ? c->data : (uint8_t *)"", c->size)};
}

void sim_disk_flip(struct sim_disk *disk, const char *path, size_t at, uint8_t bits)
{
    size_t inode = 0;
    bool found = find(disk, path, &inode);
    ASSERT(found && at < disk->inodes[inode]->size);
    struct sim_content *c = own(disk, inode);
    content_sync(c);
    c->data[at] ^= bits;
}
