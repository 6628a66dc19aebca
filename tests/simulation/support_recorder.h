/* Records what the code under test does to the files below a directory.
 *
 * A program that uses this file gets its definitions of open, write, rename and so on in place of
 * libc's, and so do the shared libraries of the program, such as LevelDB. The definitions call
 * libc's functions. While a recording runs, a mutex orders the calls of all threads, so each event
 * happens as a whole. support_cuts.h says what a power cut leaves. */
#ifndef TESTS_SIMULATION_SUPPORT_RECORDER_H
#define TESTS_SIMULATION_SUPPORT_RECORDER_H

#include "base/buffer.h"
#include "tests/simulation/support_image.h"

enum event_kind {
    EVENT_NAME,     /* created, renamed, removed: `from` goes and `to` comes */
    EVENT_WRITE,    /* `size` bytes at `position` */
    EVENT_TRUNCATE, /* to `position` bytes */
    EVENT_SYNC,     /* of a file or a directory */
    EVENT_SYNC_ALL,
};

struct event {
    enum event_kind kind;
    size_t inode;
    bool creates, is_directory; /* EVENT_NAME: the inode is new */
    struct image_name from, to;
    size_t position, size;
    size_t at; /* of the bytes in recording.bytes */
};

struct recording {
    struct image base; /* all of it durable */
    struct event *events;
    size_t count, capacity;
    struct buffer bytes;
};

/* Records what happens below the directory `path`, whose content is `base`. The recording takes
 * `base` over. Only one recording runs at a time, and no file is open when it starts. */
void recorder_start(struct recording *recording, const char *path, struct image base);
void recorder_stop(void); /* fine if none runs */
/* The number of events so far. */
size_t recorder_position(void);
void recording_free(struct recording *recording);

#endif
