/* Everything of the outside world that the broker uses: time, randomness, files, the key-value
 * store, blocking work, the log. All of it comes in through this one structure, so a simulation can
 * be the world. Code in protocol, storage, processors and broker may not go around it; a test runs
 * nm over the libraries to prove it. */
#ifndef BASE_ENV_H
#define BASE_ENV_H

#include "base/clock.h"
#include "base/random.h"
#include "base/trace.h"
#include "base/workers.h"

struct io;        /* storage/io.h: files and directories */
struct kv_driver; /* storage/kv.h: opens key-value stores */

struct env {
    struct clock *clock;
    struct random *random;
    struct trace *trace; /* may be NULL: nothing is logged */
    struct io *io;
    struct kv_driver *kv;
};

#endif
