#include "broker/net/ring.h"

#include <errno.h>
#include <stdlib.h>
#ifdef TIDEMILL_URING
#include <liburing.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A shard's journal writes one unit at a time. */
enum { RING_ENTRIES = 4 };

struct ring {
    struct async_writer writer;
    struct io_uring uring;
    struct trace *trace;
    bool is_enabled;
};

static bool start(struct async_writer *writer, struct async_write *write)
{
    struct ring *ring = CONTAINER_OF(writer, struct ring, writer);
    struct io_uring_sqe *entry = ring->is_enabled ? io_uring_get_sqe(&ring->uring) : NULL;
    if (entry == NULL)
        return false;
    io_uring_prep_writev(entry, write->descriptor, write->parts, (unsigned)write->count,
                         (uint64_t)write->position);
    io_uring_sqe_set_data(entry, write);
    int submitted;
    do {
        submitted = io_uring_submit(&ring->uring);
    } while (submitted == -EINTR || submitted == -EAGAIN || submitted == -EBUSY);
    ASSERT(submitted == 1); /* the queue has nothing else, and an invalid write is a result */
    return true;
}

/* The kernel of Linux 6.1 ends the writes within ring_reap. Without this it interrupts the thread
 * for each of them, which ends its wait for events with nothing to show. */
static const unsigned setups[] = {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                      IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_R_DISABLED,
                                  IORING_SETUP_R_DISABLED};

static bool set_up(struct ring *ring)
{
    for (size_t i = 0; i < COUNT_OF(setups); i++) {
        if (io_uring_queue_init(RING_ENTRIES, &ring->uring, setups[i]) == 0)
            return true;
    }
    return false;
}

struct ring *ring_create(int wake_descriptor, struct trace *trace)
{
    struct ring *ring = xcalloc(1, sizeof *ring);
    ring->writer.start = start;
    ring->trace = trace;
    if (!set_up(ring)) {
        free(ring);
        return NULL;
    }
    if (io_uring_register_eventfd(&ring->uring, wake_descriptor) != 0) {
        ring_free(ring);
        return NULL;
    }
    ring_stay_awake(ring);
    return ring;
}

void ring_take_over(struct ring *ring)
{
    /* Debian 12's library declares a function for this call, but does not have it. */
    if (ring)
        ring->is_enabled = syscall(SYS_io_uring_register, ring->uring.ring_fd,
                                   IORING_REGISTER_ENABLE_RINGS, NULL, 0) == 0;
}

static bool has_news(const struct ring *ring)
{
    return io_uring_cq_ready(&ring->uring) > 0 ||
           (IO_URING_READ_ONCE(*ring->uring.sq.kflags) & IORING_SQ_TASKRUN);
}

bool ring_may_sleep(struct ring *ring)
{
    if (ring == NULL)
        return true;
    (void)io_uring_cq_eventfd_toggle(&ring->uring, true);
    /* The kernel tells its news first and reads this switch second. */
    atomic_thread_fence(memory_order_seq_cst);
    return !has_news(ring);
}

void ring_stay_awake(struct ring *ring)
{
    if (ring)
        (void)io_uring_cq_eventfd_toggle(&ring->uring, false);
}

void ring_free(struct ring *ring)
{
    if (ring == NULL)
        return;
    io_uring_queue_exit(&ring->uring);
    free(ring);
}

struct async_writer *ring_writer(struct ring *ring)
{
    return ring ? &ring->writer : NULL;
}

/* A short write tells no reason: the next attempt meets it. */
static enum error error_of(const struct ring *ring, const struct async_write *write, int result)
{
    if (result >= 0)
        return (size_t)result == write->size ? ERR_OK : ERR_UNSUPPORTED;
    switch (-result) {
    case EAGAIN:
    case EINTR:
    case ECANCELED:
    case EINVAL:
    case EOPNOTSUPP:
        return ERR_UNSUPPORTED;
    case ENOSPC:
    case EDQUOT:
        return ERR_NO_SPACE;
    default:
        break;
    }
    char text[128];
    trace_log(ring->trace, TRACE_ERROR, "file operation failed", F_STRING("call", "io_uring write"),
              F_STRING("reason", strerror_r(-result, text, sizeof text)));
    return ERR_IO;
}

void ring_reap(struct ring *ring)
{
    struct io_uring_cqe *entry;
    while (ring && io_uring_peek_cqe(&ring->uring, &entry) == 0) {
        struct async_write *write = io_uring_cqe_get_data(entry);
        int result = entry->res;
        io_uring_cqe_seen(&ring->uring, entry);
        write->done(write, error_of(ring, write, result));
    }
}

#else

struct ring *ring_create(int wake_descriptor, struct trace *trace)
{
    (void)wake_descriptor, (void)trace;
    return NULL;
}

void ring_take_over(struct ring *ring)
{
    (void)ring;
}

bool ring_may_sleep(struct ring *ring)
{
    (void)ring;
    return true;
}

void ring_stay_awake(struct ring *ring)
{
    (void)ring;
}

struct async_writer *ring_writer(struct ring *ring)
{
    (void)ring;
    return NULL;
}

void ring_reap(struct ring *ring)
{
    (void)ring;
}

void ring_free(struct ring *ring)
{
    (void)ring;
}

#endif
