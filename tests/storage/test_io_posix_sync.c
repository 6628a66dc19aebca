/* Each sync asks the kernel once, and its failure is final. For a whole file system: the kernel
 * reports a failed write once for each open descriptor, so one that is opened too late, or that two
 * threads share without care, may not see it. */
#include "storage/io.h"
#include "tests/harness/harness.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static int descriptor;           /* of the last call */
static atomic_int fails, inside; /* calls that fail; calls under way */

/* Stands for the C library's. */
int syncfs(int fd)
{
    EXPECT_INT(atomic_fetch_add(&inside, 1), 0);
    descriptor = fd;
    errno = EIO;
    sched_yield(); /* another caller comes in, unless it must wait */
    int result = atomic_fetch_sub(&fails, 1) > 0 ? -1 : 0;
    atomic_fetch_sub(&inside, 1);
    return result;
}

static int syncs, sync_errno; /* of the next calls for one file or directory; 0: they succeed */

static int sync_one(void)
{
    syncs++;
    errno = sync_errno;
    return sync_errno ? -1 : 0;
}

int fsync(int fd)
{
    (void)fd;
    return sync_one();
}

int fdatasync(int fd)
{
    (void)fd;
    return sync_one();
}

static void expect_one_sync(struct io_file *file, int reason, enum error expected)
{
    const struct io_ops *ops = io_posix()->ops;
    sync_errno = reason;
    syncs = 0;
    EXPECT_INT(ops->sync(io_posix(), file), expected);
    EXPECT_INT(syncs, 1);
    EXPECT_INT(ops->sync_directory(io_posix(), test_directory()), expected);
    EXPECT_INT(syncs, 2);
}

TEST(each_sync_asks_the_kernel_once_and_says_why_it_failed)
{
    char path[512];
    struct io_file *file;
    snprintf(path, sizeof path, "%s/file", test_directory());
    EXPECT_INT(io_posix()->ops->open(io_posix(), path, IO_WRITE | IO_CREATE, &file), ERR_OK);
    expect_one_sync(file, 0, ERR_OK);
    expect_one_sync(file, EIO, ERR_IO);
    expect_one_sync(file, ENOSPC, ERR_NO_SPACE);
    expect_one_sync(file, EDQUOT, ERR_NO_SPACE);
    sync_errno = 0;
    io_posix()->ops->close(io_posix(), file);
}

static enum error sync_now(void)
{
    return io_posix()->ops->sync_all(io_posix(), test_directory());
}

static void *sync_often(void *context)
{
    int *good = context;
    for (int i = 0; i < 2000; i++)
        *good += sync_now() == ERR_OK;
    return NULL;
}

/* In one test, because the failure lasts as long as the process. */
TEST(one_descriptor_from_the_start_sees_every_failure_and_a_failure_is_final)
{
    char path[512];
    struct rlimit before, none;
    pthread_t threads[2];
    int good[2] = {0, 0};
    snprintf(path, sizeof path, "%s/lock", test_directory());
    atomic_store(&fails, 0);
    EXPECT_INT(io_posix()->ops->lock(io_posix(), path), ERR_OK);
    EXPECT_INT(sync_now(), ERR_OK);
    int first = descriptor;
    EXPECT_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){0, before.rlim_max};
    EXPECT_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
    EXPECT_INT(sync_now(), ERR_OK);
    EXPECT_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_INT(descriptor, first);
    for (int i = 0; i < 2; i++)
        EXPECT_INT(pthread_create(&threads[i], NULL, sync_often, &good[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    EXPECT_INT(good[0] + good[1], 4000);

    atomic_store(&fails, 1);
    EXPECT_INT(sync_now(), ERR_IO);
    EXPECT_INT(sync_now(), ERR_IO); /* the kernel would report success now */
    EXPECT(access(path, F_OK) == 0);
}
