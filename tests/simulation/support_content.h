/* The content of an inode of the simulated disk: a file's bytes or a directory's names, both as a
 * process sees them and as they are on the disk. Reference counted. Call content_own before a
 * change. */
#ifndef TESTS_SIMULATION_SUPPORT_CONTENT_H
#define TESTS_SIMULATION_SUPPORT_CONTENT_H

#include "tests/simulation/support_disk.h"

enum { SECTOR = 512, SIM_NAME_SIZE = 48 };

/* A write that no sync has covered; `truncates`: the size was set to `position` instead. */
struct pending_write {
    size_t position, size, at; /* its bytes: pending_bytes[at..] */
    bool truncates, grows;     /* grows: `position` was more than the size before */
};

struct sim_entry {
    char name[SIM_NAME_SIZE];
    size_t inode;
};

/* A change of names that no sync has covered: removes `from` and sets `to` to the inode. Either may
 * be empty. */
struct pending_name {
    char from[SIM_NAME_SIZE], to[SIM_NAME_SIZE];
    size_t inode;
};

struct sim_names {
    struct sim_entry *at;
    size_t count, capacity;
};

struct sim_content {
    unsigned references;
    bool is_directory;
    /* A file. Without pending writes, `data` is also the content on the disk, unless it differs: a
     * failed sync has lost some of it. */
    bool differs;
    uint8_t *data, *disk_data;
    size_t size, capacity, disk_size;
    struct pending_write *writes;
    size_t write_count, write_capacity;
    uint8_t *write_bytes;
    size_t write_bytes_size, write_bytes_capacity;
    /* A directory. */
    struct sim_names names, disk_names;
    struct pending_name *changes;
    size_t change_count, change_capacity;
};

struct sim_content *content_create(bool is_directory);
struct sim_content *content_ref(struct sim_content *c);
void content_unref(struct sim_content *c);
/* The same content without other owners, copied if necessary. */
struct sim_content *content_own(struct sim_content *c);

void content_write(struct sim_content *c, const struct iovec *parts, int count, size_t position);
void content_truncate(struct sim_content *c, size_t size);
void content_sync(struct sim_content *c);
/* Removes the last pending write from the list and applies it to the disk's side only. */
void content_sync_last(struct sim_content *c);
bool content_is_pending(const struct sim_content *c);
/* A write that fails half-way: stores the sectors that the seed chooses. */
void content_write_some(struct sim_content *c, const struct iovec *parts, int count,
                        size_t position, uint64_t seed);
/* A sync that fails. Of a file, no write is pending any more: the seed chooses what reached the
 * disk, all else is lost at the next power cut. If `evicts`, a process sees the loss at once. Names
 * stay pending, because file systems keep them in a journal; the seed chooses which are durable. */
void content_sync_failed(struct sim_content *c, bool evicts, uint64_t seed);
/* A new reference to the content after a power cut. */
struct sim_content *content_after_cut(struct sim_content *c, enum crash_kind kind, uint64_t seed);

struct sim_entry *names_find(const struct sim_names *names, const char *name);
/* Makes a change, pending until content_sync. */
void content_rename(struct sim_content *c, const char *from, const char *to, size_t inode);

#endif
