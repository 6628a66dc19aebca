/* Everything that the broker uses of the outside world: time, randomness, files, the key-value
 * store, blocking work, the log. A simulation can replace all of it through this structure. Code in
 * protocol, storage, processors and broker uses nothing else; a test runs nm over the libraries to
 * prove this. */
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
