#include "tests/simulation/support_cuts.h"

#include "base/bytes.h"
#include "base/compiler.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE = 4096, SECTOR = 512 };

/* Numbers of events that no sync has covered, in order. */
struct pending {
    size_t *at;
    size_t count, capacity;
};

struct cut_disk {
    const struct recording *recording;
    enum cut_names rule;
    size_t position;
    struct image durable;
    struct pending names;
    struct pending *writes; /* of each inode */
};

static void add_pending(struct pending *p, size_t event)
{
    if (p->count == p->capacity) {
        p->capacity = MAX(p->capacity * 2, (size_t)8);
        p->at = xrealloc(p->at, p->capacity * sizeof *p->at);
    }
    p->at[p->count++] = event;
}

struct cut_disk *cut_disk_create(const struct recording *recording, enum cut_names rule)
{
    struct cut_disk *disk = xcalloc(1, sizeof *disk);
    disk->recording = recording;
    disk->rule = rule;
    disk->durable = image_copy(&recording->base);
    disk->writes = xcalloc(disk->durable.inode_count, sizeof *disk->writes);
    return disk;
}

void cut_disk_free(struct cut_disk *disk)
{
    for (size_t i = 0; i < disk->durable.inode_count; i++)
        free(disk->writes[i].at);
    free(disk->writes);
    free(disk->names.at);
    image_free(&disk->durable);
    free(disk);
}

/* Files */

static void set_size(struct image_inode *inode, size_t size)
{
    inode->data = xrealloc(inode->data, size + 1);
    if (size > inode->size)
        memset(inode->data + inode->size, 0, size - inode->size);
    inode->size = size;
}

static void apply(const struct recording *recording, const struct event *e,
                  struct image_inode *inode)
{
    if (e->kind == EVENT_TRUNCATE) {
        set_size(inode, e->position);
        return;
    }
    set_size(inode, MAX(inode->size, e->position + e->size));
    memcpy(inode->data + e->position, recording->bytes.data + e->at, e->size);
}

static const struct event *pending_event(const struct cut_disk *disk, const struct pending *p,
                                         size_t i)
{
    return &disk->recording->events[p->at[i]];
}

static void apply_first(const struct cut_disk *disk, size_t index, size_t count,
                        struct image_inode *inode)
{
    for (size_t i = 0; i < count; i++)
        apply(disk->recording, pending_event(disk, &disk->writes[index], i), inode);
}

/* Each piece of the file is as it was at some moment, and so is the size. */
static void tear(const struct cut_disk *disk, size_t index, size_t piece, struct random *random,
                 struct image_inode *inode)
{
    const struct pending *p = &disk->writes[index];
    uint64_t seed = random_u64(random);
    size_t size = inode->size, size_moment = random_below(random, p->count + 1);
    for (size_t i = 0; i < p->count; i++) {
        const struct event *e = pending_event(disk, p, i);
        size_t end = e->position + (e->kind == EVENT_WRITE ? e->size : 0);
        if (i < size_moment)
            size = e->kind == EVENT_TRUNCATE ? end : MAX(size, end);
        set_size(inode, MAX(inode->size, end));
        for (size_t at = e->position, part; at < end; at += part) {
            uint64_t key[2] = {seed, at / piece};
            part = MIN(piece - at % piece, end - at);
            if (i < bytes_hash(bytes_of(key, sizeof key), 1) % (p->count + 1))
                memcpy(inode->data + at, disk->recording->bytes.data + e->at + (at - e->position),
                       part);
        }
    }
    set_size(inode, size);
}

static void lose_writes(const struct cut_disk *disk, size_t index, struct random *random,
                        struct image_inode *inode)
{
    size_t count = disk->writes[index].count;
    switch (count == 0 ? 0 : random_below(random, 5)) {
    case 0:
        break;
    case 1:
        apply_first(disk, index, count, inode);
        break;
    case 2:
        apply_first(disk, index, random_below(random, count + 1), inode);
        break;
    case 3:
        tear(disk, index, PAGE, random, inode);
        break;
    default:
        tear(disk, index, SECTOR, random, inode);
        break;
    }
}

/* Names */

static bool is_covered(const struct cut_disk *disk, const struct event *name, size_t synced)
{
    if (disk->rule == CUT_ORDERED)
        return true;
    if (!disk->durable.inodes[synced].is_directory)
        return name->creates && name->inode == synced;
    return (name->from.name[0] && name->from.directory == synced) ||
           (name->to.name[0] && name->to.directory == synced);
}

static void sync_names(struct cut_disk *disk, size_t synced)
{
    size_t left = 0;
    for (size_t i = 0; i < disk->names.count; i++) {
        const struct event *e = pending_event(disk, &disk->names, i);
        if (is_covered(disk, e, synced))
            image_rename(&disk->durable, &e->from, &e->to);
        else
            disk->names.at[left++] = disk->names.at[i];
    }
    disk->names.count = left;
}

/* Whether the sync of this inode has anything to write. */
static bool is_changed(const struct cut_disk *disk, size_t inode)
{
    if (disk->writes[inode].count > 0)
        return true;
    for (size_t i = 0; i < disk->names.count; i++) {
        const struct event *e = pending_event(disk, &disk->names, i);
        if (e->inode == inode || e->from.directory == inode || e->to.directory == inode)
            return true;
    }
    return false;
}

static void sync_inode(struct cut_disk *disk, size_t inode)
{
    if (!is_changed(disk, inode))
        return;
    apply_first(disk, inode, disk->writes[inode].count, &disk->durable.inodes[inode]);
    disk->writes[inode].count = 0;
    sync_names(disk, inode);
}

static void add_inode(struct cut_disk *disk, bool is_directory)
{
    size_t count = disk->durable.inode_count;
    (void)image_add(&disk->durable, is_directory);
    disk->writes = xrealloc(disk->writes, (count + 1) * sizeof *disk->writes);
    disk->writes[count] = (struct pending){.count = 0};
}

static void advance(struct cut_disk *disk, size_t number)
{
    const struct event *e = &disk->recording->events[number];
    switch (e->kind) {
    case EVENT_NAME:
        if (e->creates)
            add_inode(disk, e->is_directory);
        add_pending(&disk->names, number);
        break;
    case EVENT_WRITE:
    case EVENT_TRUNCATE:
        add_pending(&disk->writes[e->inode], number);
        break;
    case EVENT_SYNC:
        sync_inode(disk, e->inode);
        break;
    case EVENT_SYNC_ALL:
        for (size_t i = 0; i < disk->durable.inode_count; i++)
            sync_inode(disk, i);
        break;
    }
}

void cut_disk_advance(struct cut_disk *disk, size_t position)
{
    for (; disk->position < position; disk->position++)
        advance(disk, disk->position);
}

struct image cut_disk_lose_power(const struct cut_disk *disk, struct random *random)
{
    struct image left = image_copy(&disk->durable);
    size_t style = random_below(random, 4), ordered = disk->names.count;
    ordered = style == 0 ? 0 : style == 1 ? ordered : random_below(random, ordered + 1);
    for (size_t i = 0; i < disk->names.count; i++) {
        const struct event *e = pending_event(disk, &disk->names, i);
        bool kept = i < ordered;
        if (disk->rule == CUT_ANY && style > 1)
            kept = random_below(random, 2);
        if (kept)
            image_rename(&left, &e->from, &e->to);
    }
    for (size_t i = 0; i < left.inode_count; i++)
        lose_writes(disk, i, random, &left.inodes[i]);
    return left;
}

struct image cut_disk_kill(const struct cut_disk *disk)
{
    struct image left = image_copy(&disk->durable);
    for (size_t i = 0; i < disk->names.count; i++) {
        const struct event *e = pending_event(disk, &disk->names, i);
        image_rename(&left, &e->from, &e->to);
    }
    for (size_t i = 0; i < left.inode_count; i++)
        apply_first(disk, i, disk->writes[i].count, &left.inodes[i]);
    return left;
}
