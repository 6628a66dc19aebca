/* The syncs that the driver of LevelDB asks the kernel for. */
#include "storage/io.h"
#include "storage/kv.h"
#include "tests/harness/harness.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int data_syncs;              /* fdatasync: LevelDB's own */
static char synced_names[PATH_MAX]; /* fsync: the driver's last one, of a directory */

/* These stand for the C library's, also for LevelDB. */
int fdatasync(int fd)
{
    (void)fd;
    data_syncs++;
    return 0;
}

int fsync(int fd)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, synced_names, sizeof synced_names - 1);
    synced_names[size < 0 ? 0 : size] = '\0';
    return 0;
}

static struct kv *open_store(const char *path)
{
    struct message message;
    struct kv *kv;
    synced_names[0] = '\0';
    if (kv_leveldb()->open(kv_leveldb(), path, KV_OPEN_OR_CREATE, &kv, &message) != ERR_OK)
        test_fail(__FILE__, __LINE__, "%s", message.text);
    return kv;
}

TEST(a_write_and_the_names_of_an_open_store_and_of_one_set_aside_are_synced)
{
    char path[512], aside[512], real[PATH_MAX];
    snprintf(path, sizeof path, "%s/kv", test_directory());
    snprintf(aside, sizeof aside, "%s/kv.damaged", test_directory());
    struct kv *kv = open_store(path);
    EXPECT(realpath(path, real) != NULL);
    EXPECT_STRING(synced_names, real);
    struct kv_change change = {BYTES_LITERAL("key"), BYTES_LITERAL("value")};
    data_syncs = 0;
    EXPECT_INT(kv->driver->write(kv, &change, 1), ERR_OK);
    EXPECT_INT(data_syncs, 1);
    kv->driver->close(kv);
    EXPECT_INT(kv_leveldb()->set_aside(kv_leveldb(), path, aside), ERR_OK);
    EXPECT(realpath(test_directory(), real) != NULL);
    EXPECT_STRING(synced_names, real);
}
