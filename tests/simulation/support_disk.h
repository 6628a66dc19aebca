/* A simulated disk with a key-value store on it, made to crash.
 *
 * What a process sees and what a power cut leaves are kept apart. A write, truncation or new name
 * is pending until a sync covers it; at a power cut each 512-byte sector of each pending write, and
 * each pending name, is there or not as the seed says, in any order; a file's size may run ahead of
 * its data (zeros). A killed process loses nothing, but what was pending stays pending for the next
 * one. Writes with IO_DIRECT are durable when they return, torn when the crash falls inside.
 *
 * A snapshot costs next to nothing (contents are shared until somebody writes), so a test can crash
 * at every call: on_call is called inside each call that changes something, after the change is
 * visible and before it is durable. */
#ifndef TESTS_SIMULATION_SUPPORT_DISK_H
#define TESTS_SIMULATION_SUPPORT_DISK_H

#include "base/random.h"
#include "storage/io.h"
#include "storage/kv.h"

enum crash_kind {
    CRASH_KILL,      /* the process ends; the machine goes on */
    CRASH_LOSE_ALL,  /* power cut: nothing that was pending got to the disk */
    CRASH_KEEP_ALL,  /* power cut: everything did */
    CRASH_LOSE_SOME, /* power cut: some calls did, whole */
    CRASH_TEAR,      /* power cut: some sectors did */
    CRASH_KINDS,
};

struct sim_content;
struct sim_kv_state;

struct sim_disk {
    struct io io;
    struct kv_driver driver;
    struct kv kv;
    struct sim_content **inodes; /* 0: the root directory */
    size_t inode_count, inode_capacity;
    struct sim_kv_state *rows;
    bool has_kv; /* the key-value store was created; without it there are no rows */

    uint64_t calls; /* that changed something, or would have */
    void (*on_call)(void *context, struct sim_disk *disk);
    void *context;
    uint64_t fail_from, fail_to; /* calls [from, to) fail with fail_error and change nothing */
    enum error fail_error;       /* ERR_NO_SPACE: only calls that need room for something new */
    enum error (*refuse)(struct sim_disk *disk, bool grows); /* these two: inner workings */
    void (*happened)(struct sim_disk *disk);
    bool refuse_direct;
    bool refuse_direct_writes; /* the flag is taken, the writes are not */
    int64_t free_bytes;
    int open_files;
};

struct sim_disk *sim_disk_create(void);
/* What is left after a crash now. */
struct sim_disk *sim_disk_crash(const struct sim_disk *disk, enum crash_kind kind, uint64_t seed);
void sim_disk_free(struct sim_disk *disk);

/* For checks, past the io interface: the content as a process sees it, or NULL. */
struct sim_view {
    bool exists;
    struct bytes data;
};
struct sim_view sim_disk_file(const struct sim_disk *disk, const char *path);
/* Changes one byte of a file, durably (damage). */
void sim_disk_flip(struct sim_disk *disk, const char *path, size_t at, uint8_t bits);
/* The value of a row; null when there is none. */
struct bytes sim_disk_row(const struct sim_disk *disk, struct bytes key);
size_t sim_disk_row_count(const struct sim_disk *disk);

#endif
