#include "broker/net/ring.h"

#include "tests/harness/harness.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

/* Without io_uring (an old kernel, or a container that forbids it) there is nothing to test: the
 * journal worker writes everything. */
struct place {
    struct ring *ring;
    int wake, file;
};

static bool open_place(struct place *p, const char *path, int flags)
{
    p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    p->ring = ring_create(p->wake, NULL);
    ring_take_over(p->ring);
    p->file = open(path, flags | O_CLOEXEC, 0600);
    EXPECT(p->file >= 0);
    if (p->ring == NULL)
        printf("not run here: io_uring\n");
    return p->ring != NULL;
}

static void close_place(struct place *p)
{
    ring_free(p->ring);
    close(p->wake);
    close(p->file);
}

struct noted_write {
    struct async_write write;
    int calls;
    enum error result;
};

static void note_done(struct async_write *write, enum error result)
{
    struct noted_write *n = CONTAINER_OF(write, struct noted_write, write);
    n->calls++;
    n->result = result;
}

static struct noted_write write_of(const struct place *p, const struct iovec *parts, int count,
                                   int64_t position)
{
    struct noted_write n = {.write = {.descriptor = p->file,
                                      .parts = parts,
                                      .count = count,
                                      .position = position,
                                      .done = note_done}};
    for (int i = 0; i < count; i++)
        n.write.size += parts[i].iov_len;
    return n;
}

static void start_write(struct place *p, struct noted_write *n)
{
    struct async_writer *writer = ring_writer(p->ring);
    EXPECT(writer->start(writer, &n->write));
}

static void wait_for_wake(struct place *p)
{
    struct pollfd woken = {.fd = p->wake, .events = POLLIN};
    uint64_t count;
    EXPECT_INT(poll(&woken, 1, -1), 1);
    EXPECT_INT(read(p->wake, &count, sizeof count), sizeof count);
}

static void run_write(struct place *p, struct noted_write *n)
{
    start_write(p, n);
    while (n->calls == 0) {
        if (ring_may_sleep(p->ring))
            wait_for_wake(p);
        EXPECT(!ring_may_sleep(p->ring));
        ring_stay_awake(p->ring);
        ring_reap(p->ring);
    }
    EXPECT_INT(n->calls, 1);
    EXPECT(ring_may_sleep(p->ring));
    ring_stay_awake(p->ring);
}

static const char *path_of(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", test_directory(), name);
    return path;
}

TEST(a_write_is_whole_and_wakes_the_loop)
{
    struct place p;
    if (open_place(&p, path_of("whole"), O_RDWR | O_CREAT | O_DSYNC)) {
        const struct iovec parts[] = {{(void *)(uintptr_t) "hello ", 6},
                                      {(void *)(uintptr_t) "world", 5}};
        struct noted_write n = write_of(&p, parts, 2, 3);
        run_write(&p, &n);
        EXPECT_INT(n.result, ERR_OK);
        char got[16];
        EXPECT_INT(pread(p.file, got, sizeof got, 3), 11);
        EXPECT_BYTES(bytes_of(got, 11), BYTES_LITERAL("hello world"));
    }
    close_place(&p);
}

/* As a disk with a last free block does: the next attempt meets the reason. */
TEST(a_short_write_is_for_another_way)
{
    struct place p;
    if (open_place(&p, path_of("short"), O_RDWR | O_CREAT | O_DSYNC)) {
        struct rlimit before, small;
        EXPECT_INT(getrlimit(RLIMIT_FSIZE, &before), 0);
        small = (struct rlimit){.rlim_cur = 5, .rlim_max = before.rlim_max};
        const struct iovec part = {(void *)(uintptr_t) "hello world", 11};
        struct noted_write n = write_of(&p, &part, 1, 0);
        EXPECT_INT(setrlimit(RLIMIT_FSIZE, &small), 0);
        run_write(&p, &n);
        EXPECT_INT(setrlimit(RLIMIT_FSIZE, &before), 0);
        EXPECT_INT(lseek(p.file, 0, SEEK_END), 5);
        EXPECT_INT(n.result, ERR_UNSUPPORTED);
    }
    close_place(&p);
}

TEST(a_loop_that_is_awake_is_not_woken)
{
    struct place p;
    if (open_place(&p, path_of("awake"), O_RDWR | O_CREAT)) {
        const struct iovec part = {(void *)(uintptr_t) "x", 1};
        for (int i = 0; i < 20; i++) {
            struct noted_write n = write_of(&p, &part, 1, i);
            start_write(&p, &n);
            while (n.calls == 0)
                ring_reap(p.ring);
            EXPECT_INT(n.result, ERR_OK);
        }
        uint64_t count;
        EXPECT_INT(read(p.wake, &count, sizeof count), -1);
    }
    close_place(&p);
}

TEST(a_ring_without_a_thread_starts_nothing)
{
    int wake = eventfd(0, EFD_CLOEXEC);
    struct ring *ring = ring_create(wake, NULL);
    struct async_write write = {.descriptor = -1};
    if (ring)
        EXPECT(!ring_writer(ring)->start(ring_writer(ring), &write));
    ring_free(ring);
    close(wake);
}

TEST(a_full_disk_is_told_from_other_refusals)
{
    struct place p;
    const struct iovec part = {(void *)(uintptr_t) "x", 1};
    if (open_place(&p, "/dev/full", O_WRONLY)) {
        struct noted_write n = write_of(&p, &part, 1, 0);
        run_write(&p, &n);
        EXPECT_INT(n.result, ERR_NO_SPACE);
    }
    close_place(&p);
    if (open_place(&p, path_of("whole"), O_RDONLY | O_CREAT)) {
        struct noted_write n = write_of(&p, &part, 1, 0);
        run_write(&p, &n);
        EXPECT_INT(n.result, ERR_IO);
    }
    close_place(&p);
}

TEST(a_write_that_direct_io_does_not_allow_is_for_another_way)
{
    struct place p;
    if (open_place(&p, path_of("direct"), O_RDWR | O_CREAT | O_DIRECT)) {
        const struct iovec part = {(void *)(uintptr_t) "unaligned", 9};
        struct noted_write n = write_of(&p, &part, 1, 1);
        run_write(&p, &n);
        EXPECT_INT(n.result, ERR_UNSUPPORTED);
    }
    close_place(&p);
}
