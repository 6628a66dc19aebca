/* The witness of the journal: two slots, of which the newer whole one counts. */
#include "storage/journal_witness.h"
#include "tests/harness/harness.h"

#include <stdio.h>

enum { SLOT_BYTES = IO_ALIGNMENT, CONTENT_BYTES = 64 };

static struct env env_of_test(void)
{
    return (struct env){.io = io_posix()};
}

static void write_witness(struct env *env, uint64_t count)
{
    const struct journal_witness w = {.count = count, .run = 7, .durable = 1000 * count};
    EXPECT_INT(journal_witness_write(env, test_directory(), &w), ERR_OK);
}

static struct journal_witness read_witness(struct env *env)
{
    struct journal_witness w = {.count = 0};
    enum error error = journal_witness_read(env, test_directory(), &w);
    EXPECT(error == ERR_OK || error == ERR_NOT_FOUND);
    return w;
}

static void flip(struct env *env, int64_t at)
{
    char path[512];
    struct io_file *file;
    uint8_t byte;
    size_t got;
    snprintf(path, sizeof path, "%s/%s", test_directory(), JOURNAL_WITNESS_NAME);
    EXPECT_INT(env->io->ops->open(env->io, path, IO_READ | IO_WRITE, &file), ERR_OK);
    EXPECT_INT(env->io->ops->read(env->io, file, &byte, 1, at, &got), ERR_OK);
    byte ^= 1;
    EXPECT_INT(io_write(env->io, file, &byte, 1, at), ERR_OK);
    env->io->ops->close(env->io, file);
}

TEST(the_newer_slot_counts_and_a_damaged_one_leaves_the_older)
{
    struct env env = env_of_test();
    for (uint64_t count = 1; count <= 4; count++) {
        write_witness(&env, count);
        EXPECT_INT(read_witness(&env).durable, 1000 * count);
        for (int64_t at = 0; at < CONTENT_BYTES; at++) {
            int64_t newer = (int64_t)(count % 2) * SLOT_BYTES + at;
            flip(&env, newer);
            EXPECT_INT(read_witness(&env).durable, 1000 * (count - 1));
            flip(&env, newer);
        }
    }
}
