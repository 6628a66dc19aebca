/* A simulated disk with a key-value store, for crashes.
 *
 * The disk keeps the state that a process sees apart from the state that a power cut leaves. A
 * write, truncation or new name is pending until a sync covers it. The seed decides which 512-byte
 * sectors of pending writes and which pending names survive a power cut, in any order. A file's
 * size may grow before its data is written (zeros). If only the process is killed, nothing is lost,
 * and pending changes stay pending. A write with IO_DIRECT is durable when it returns. A crash
 * inside it tears it.
 *
 * Two kinds of faults: `fail_from` makes calls that change something fail without an effect, as a
 * full disk does. A `fault` makes the n-th call of one kind fail, once or for ever, and the call
 * may have done all, some or nothing of its work. The next call works again, also after a failed
 * sync: the kernel reports a lost write once, and takes it for clean.
 *
 * A snapshot is cheap, because contents are shared until they change. So a test can crash at every
 * call: each call that changes something calls on_call, after the change is visible and before it
 * is durable. */
#ifndef TESTS_SIMULATION_SUPPORT_DISK_H
#define TESTS_SIMULATION_SUPPORT_DISK_H

#include "base/random.h"
#include "storage/io.h"
#include "storage/kv.h"

enum crash_kind {
    CRASH_KILL,      /* the process ends; the machine continues */
    CRASH_LOSE_ALL,  /* power cut: no pending change reached the disk */
    CRASH_KEEP_ALL,  /* power cut: all did */
    CRASH_LOSE_SOME, /* power cut: some did, each as a whole */
    CRASH_TEAR,      /* power cut: some sectors did */
    CRASH_KINDS,
};

/* Kinds of calls. SIM_KV_READ is a row of a scan, which is found damaged (ERR_CORRUPT). */
#define SIM_CALLS(X)    \
    X(OPEN)             \
    X(READ)             \
    X(WRITE)            \
    X(SYNC)             \
    X(SYNC_DIRECTORY)   \
    X(SYNC_ALL)         \
    X(TRUNCATE)         \
    X(SIZE)             \
    X(RESERVE)          \
    X(RENAME)           \
    X(UNLINK)           \
    X(MAKE_DIRECTORY)   \
    X(REMOVE_DIRECTORY) \
    X(LIST)             \
    X(LOCK)             \
    X(FREE_BYTES)       \
    X(KV_OPEN)          \
    X(KV_WRITE)         \
    X(KV_SCAN)          \
    X(KV_READ)
enum sim_call {
#define X(name) SIM_##name,
    SIM_CALLS(X)
#undef X
        SIM_CALL_KINDS,
};
const char *sim_call_name(enum sim_call call);

enum sim_effect {
    FAULT_NOTHING, /* a sync: nothing reached the disk, all stays pending */
    FAULT_ALL,     /* everything was done, and the call fails nevertheless */
    FAULT_SOME,    /* a write: some sectors; a sync: the rest is lost at the next power cut */
    FAULT_EVICTS,  /* the same, and after a sync a process sees the loss at once */
    FAULT_EFFECTS,
};

struct sim_fault {
    enum sim_call call;
    uint64_t from, to; /* the calls of this kind [from, to) fail */
    enum error error;
    enum sim_effect effect;
    uint64_t seed; /* of what "some" is */
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
    bool writes_rows; /* during a write of rows */
    bool has_kv;      /* the key-value store was created; without it there are no rows */

    uint64_t calls; /* that changed something, or would have */
    void (*on_call)(void *context, struct sim_disk *disk);
    void *context;
    uint64_t fail_from, fail_to; /* calls [from, to) fail with fail_error and change nothing */
    enum error fail_error;       /* ERR_NO_SPACE: only calls that need room for something new */
    struct sim_fault fault;
    uint64_t counts[SIM_CALL_KINDS]; /* calls of each kind, failed ones too */
    bool reached;                    /* the fault has failed a call */
    enum error (*refuse)(struct sim_disk *disk, bool grows); /* both are set by the disk */
    void (*happened)(struct sim_disk *disk);
    uint64_t opens, no_files_from, no_files_to; /* openings [from, to): ERR_NO_FILES */
    bool refuse_direct;
    bool refuse_direct_writes;   /* accepts the flag, but refuses the writes */
    uint64_t full_direct_writes; /* refused because the disk is full */
    int64_t free_bytes;
    bool is_moved; /* the data directory; everything else works */
    int open_files;
};

struct sim_disk *sim_disk_create(void);
/* The disk after a crash now. */
struct sim_disk *sim_disk_crash(const struct sim_disk *disk, enum crash_kind kind, uint64_t seed);
void sim_disk_free(struct sim_disk *disk);
/* A new process uses the disk: no sync has failed in it, and the fault's calls are counted anew. */
void sim_disk_new_process(struct sim_disk *disk);
/* Counts a call. Returns the fault if it fails this call, else NULL. */
const struct sim_fault *sim_disk_fault(struct sim_disk *disk, enum sim_call call);

/* Counts a call that needs a descriptor, for a moment or for longer. */
static inline bool sim_disk_has_descriptor(struct sim_disk *disk)
{
    uint64_t open = disk->opens++;
    return open < disk->no_files_from || open >= disk->no_files_to;
}

/* For checks, without the io interface: the content as a process sees it, or NULL. */
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
