#include "tests/simulation/support_content.h"

#include "base/compiler.h"

#include <stdio.h>
#include <stdlib.h>

struct sim_content *content_create(bool is_directory)
{
    struct sim_content *c = xcalloc(1, sizeof *c);
    c->references = 1;
    c->is_directory = is_directory;
    return c;
}

struct sim_content *content_ref(struct sim_content *c)
{
    c->references++;
    return c;
}

void content_unref(struct sim_content *c)
{
    if (c == NULL || --c->references > 0)
        return;
    free(c->data);
    free(c->disk_data);
    free(c->writes);
    free(c->write_bytes);
    free(c->names.at);
    free(c->disk_names.at);
    free(c->changes);
    free(c);
}

static void *copy_of(const void *data, size_t size)
{
    if (data == NULL)
        return NULL;
    void *copy = xmalloc(size + 1);
    memcpy(copy, data, size);
    return copy;
}

static struct sim_names copy_names(const struct sim_names *names)
{
    return (struct sim_names){.at = copy_of(names->at, names->count * sizeof *names->at),
                              .count = names->count,
                              .capacity = names->count};
}

struct sim_content *content_own(struct sim_content *c)
{
    if (c->references == 1)
        return c;
    c->references--;
    struct sim_content *own = xmalloc(sizeof *own);
    *own = *c;
    own->references = 1;
    own->data = copy_of(c->data, c->size);
    own->capacity = c->data ? c->size : 0;
    own->disk_data = copy_of(c->disk_data, c->disk_size);
    own->writes = copy_of(c->writes, c->write_count * sizeof *c->writes);
    own->write_capacity = c->write_count;
    own->write_bytes = copy_of(c->write_bytes, c->write_bytes_size);
    own->write_bytes_capacity = c->write_bytes_size;
    own->names = copy_names(&c->names);
    own->disk_names = copy_names(&c->disk_names);
    own->changes = copy_of(c->changes, c->change_count * sizeof *c->changes);
    own->change_capacity = c->change_count;
    return own;
}

bool content_is_pending(const struct sim_content *c)
{
    return c->write_count > 0 || c->change_count > 0 || c->differs;
}

/* Files */

static void set_size(uint8_t **data, size_t *size, size_t *capacity, size_t to)
{
    if (to > *capacity || *data == NULL) {
        *capacity = MAX(to, *capacity * 2);
        *data = xrealloc(*data, *capacity + 1);
    }
    if (to > *size)
        memset(*data + *size, 0, to - *size);
    *size = to;
}

static struct pending_write *add_pending(struct sim_content *c)
{
    if (c->write_count == 0 && !c->differs) {
        c->disk_data = copy_of(c->data ? c->data : (uint8_t *)"", c->size);
        c->disk_size = c->size;
    }
    if (c->write_count == c->write_capacity) {
        c->write_capacity = MAX(c->write_capacity * 2, (size_t)4);
        c->writes = xrealloc(c->writes, c->write_capacity * sizeof *c->writes);
    }
    return &c->writes[c->write_count++];
}

static void keep_bytes(struct sim_content *c, const void *data, size_t size)
{
    if (c->write_bytes_size + size > c->write_bytes_capacity) {
        c->write_bytes_capacity = MAX(c->write_bytes_capacity * 2, c->write_bytes_size + size);
        c->write_bytes = xrealloc(c->write_bytes, c->write_bytes_capacity + 1);
    }
    memcpy(c->write_bytes + c->write_bytes_size, data, size);
    c->write_bytes_size += size;
}

void content_write(struct sim_content *c, const struct iovec *parts, int count, size_t position)
{
    struct pending_write *w = add_pending(c);
    *w = (struct pending_write){.position = position, .at = c->write_bytes_size};
    for (int i = 0; i < count; i++) {
        if (parts[i].iov_len == 0)
            continue;
        keep_bytes(c, parts[i].iov_base, parts[i].iov_len);
        w->size += parts[i].iov_len;
    }
    if (position + w->size > c->size)
        set_size(&c->data, &c->size, &c->capacity, position + w->size);
    if (w->size > 0)
        memcpy(c->data + position, c->write_bytes + w->at, w->size);
}

void content_write_some(struct sim_content *c, const struct iovec *parts, int count,
                        size_t position, uint64_t seed)
{
    size_t size = 0, at = 0;
    for (int i = 0; i < count; i++)
        size += parts[i].iov_len;
    uint8_t *bytes = xmalloc(size + 1);
    for (int i = 0; i < count; at += parts[i++].iov_len)
        memcpy(bytes + at, parts[i].iov_base, parts[i].iov_len);
    bool is_prefix = seed % 3 == 0;
    size_t end = is_prefix ? seed / 3 % (size + 1) : size;
    for (size_t from = 0, part; from < end; from += part) {
        part = MIN(SECTOR - (position + from) % SECTOR, end - from);
        uint64_t key[2] = {seed, from};
        if (is_prefix || bytes_hash(bytes_of(key, sizeof key), 3) & 1)
            content_write(c, &(struct iovec){bytes + from, part}, 1, position + from);
    }
    free(bytes);
}

void content_truncate(struct sim_content *c, size_t size)
{
    *add_pending(c) =
        (struct pending_write){.position = size, .truncates = true, .grows = size > c->size};
    set_size(&c->data, &c->size, &c->capacity, size);
}

static void forget_pending(struct sim_content *c)
{
    free(c->disk_data);
    c->disk_data = NULL;
    c->write_count = c->write_bytes_size = 0;
}

/* Applies a pending write to the disk's side. */
static void store(struct sim_content *c, const struct pending_write *w)
{
    size_t capacity = c->disk_size, end = w->truncates ? w->position : w->position + w->size;
    if (w->truncates || end > c->disk_size)
        set_size(&c->disk_data, &c->disk_size, &capacity, end);
    if (w->size > 0)
        memcpy(c->disk_data + w->position, c->write_bytes + w->at, w->size);
}

void content_sync_last(struct sim_content *c)
{
    struct pending_write w = c->writes[--c->write_count];
    if (c->write_count == 0 && !c->differs) {
        forget_pending(c);
        return;
    }
    store(c, &w);
    c->write_bytes_size = w.at;
}

/* Whether write `index` reached the disk in sector `sector`. Of the writes to one sector, those up
 * to some moment did. */
static bool took(const struct sim_content *c, enum crash_kind kind, uint64_t seed, size_t index,
                 size_t sector)
{
    uint64_t key[2] = {seed, kind == CRASH_TEAR ? sector : index};
    uint64_t drawn = bytes_hash(bytes_of(key, sizeof key), 1);
    if (kind == CRASH_TEAR)
        return index < drawn % (c->write_count + 1);
    return kind == CRASH_KEEP_ALL || (kind == CRASH_LOSE_SOME && drawn & 1);
}

static struct sim_content *file_after_cut(const struct sim_content *c, enum crash_kind kind,
                                          uint64_t seed)
{
    struct sim_content *left = content_create(false);
    set_size(&left->data, &left->size, &left->capacity, c->disk_size);
    memcpy(left->data, c->disk_data, c->disk_size);
    for (size_t i = 0; i < c->write_count; i++) {
        const struct pending_write *w = &c->writes[i];
        if (w->truncates) {
            /* A later durable write may have made a growing file larger. */
            bool done = w->grows && left->size >= w->position;
            if (!done && took(c, kind, seed, i, SIZE_MAX))
                set_size(&left->data, &left->size, &left->capacity, w->position);
            continue;
        }
        for (size_t from = 0, size; from < w->size; from += size) {
            size_t position = w->position + from;
            size = MIN(SECTOR - position % SECTOR, w->size - from);
            if (!took(c, kind, seed, i, position / SECTOR))
                continue;
            if (position + size > left->size)
                set_size(&left->data, &left->size, &left->capacity, position + size);
            memcpy(left->data + position, c->write_bytes + w->at + from, size);
        }
    }
    if (kind == CRASH_TEAR && seed % 3 == 0 && left->size < c->size)
        set_size(&left->data, &left->size, &left->capacity, c->size);
    return left;
}

/* Directories */

struct sim_entry *names_find(const struct sim_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->at[i].name, name) == 0)
            return &names->at[i];
    }
    return NULL;
}

static void copy_name(char to[SIM_NAME_SIZE], const char *from)
{
    ASSERT(strlen(from) < SIM_NAME_SIZE);
    strcpy(to, from);
}

static void names_apply(struct sim_names *names, const struct pending_name *change)
{
    struct sim_entry *entry;
    if (change->from[0] && (entry = names_find(names, change->from)))
        *entry = names->at[--names->count];
    if (change->to[0] == '\0')
        return;
    entry = names_find(names, change->to);
    if (entry == NULL) {
        if (names->count >= names->capacity) {
            names->capacity = MAX(names->capacity * 2, (size_t)8);
            names->at = xrealloc(names->at, names->capacity * sizeof *names->at);
        }
        entry = &names->at[names->count++];
        copy_name(entry->name, change->to);
    }
    entry->inode = change->inode;
}

void content_rename(struct sim_content *c, const char *from, const char *to, size_t inode)
{
    if (c->change_count == c->change_capacity) {
        c->change_capacity = MAX(c->change_capacity * 2, (size_t)4);
        c->changes = xrealloc(c->changes, c->change_capacity * sizeof *c->changes);
    }
    struct pending_name *change = &c->changes[c->change_count++];
    *change = (struct pending_name){.inode = inode};
    copy_name(change->from, from);
    copy_name(change->to, to);
    names_apply(&c->names, change);
}

static struct sim_content *directory_after_cut(const struct sim_content *c, enum crash_kind kind,
                                               uint64_t seed)
{
    struct sim_content *left = content_create(true);
    left->names = copy_names(&c->disk_names);
    for (size_t i = 0; i < c->change_count; i++) {
        uint64_t key[2] = {seed, i};
        bool kept = kind == CRASH_KEEP_ALL ||
                    (kind != CRASH_LOSE_ALL && bytes_hash(bytes_of(key, sizeof key), 2) & 1);
        if (kept)
            names_apply(&left->names, &c->changes[i]);
    }
    left->disk_names = copy_names(&left->names);
    return left;
}

/* Both */

static void sync_writes(struct sim_content *c)
{
    for (size_t i = 0; i < c->write_count && c->differs; i++)
        store(c, &c->writes[i]);
    c->differs = c->differs && (c->size != c->disk_size ||
                                (c->size > 0 && memcmp(c->data, c->disk_data, c->size) != 0));
    if (!c->differs)
        forget_pending(c);
    c->write_count = c->write_bytes_size = 0;
}

void content_sync(struct sim_content *c)
{
    sync_writes(c);
    if (c->change_count == 0)
        return;
    for (size_t i = 0; i < c->change_count; i++)
        names_apply(&c->disk_names, &c->changes[i]);
    c->change_count = 0;
}

/* Makes some of the pending names durable, and keeps the others pending. */
static void sync_some_names(struct sim_content *c, uint64_t seed)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->change_count; i++) {
        uint64_t key[2] = {seed, i};
        if (bytes_hash(bytes_of(key, sizeof key), 2) & 1)
            names_apply(&c->disk_names, &c->changes[i]);
        else
            c->changes[kept++] = c->changes[i];
    }
    c->change_count = kept;
}

void content_sync_failed(struct sim_content *c, bool evicts, uint64_t seed)
{
    if (c->is_directory) {
        sync_some_names(c, seed);
        return;
    }
    static const enum crash_kind kinds[] = {CRASH_LOSE_ALL, CRASH_LOSE_SOME, CRASH_TEAR};
    struct sim_content *left = file_after_cut(c, kinds[seed % COUNT_OF(kinds)], seed);
    free(c->disk_data);
    c->disk_data = copy_of(left->data ? left->data : (uint8_t *)"", left->size);
    c->disk_size = left->size;
    content_unref(left);
    c->differs = true;
    c->write_count = c->write_bytes_size = 0;
    if (!evicts)
        return;
    size_t size = c->size;
    memset(c->data, 0, size);
    memcpy(c->data, c->disk_data, MIN(size, c->disk_size));
}

struct sim_content *content_after_cut(struct sim_content *c, enum crash_kind kind, uint64_t seed)
{
    if (kind == CRASH_KILL || !content_is_pending(c))
        return content_ref(c);
    return c->is_directory ? directory_after_cut(c, kind, seed) : file_after_cut(c, kind, seed);
}
