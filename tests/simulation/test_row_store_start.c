/* A killed broker leaves names and records of the row file that only the page cache has. A start
 * that reads them makes them durable, because the key-value store gets ahead of them. */
#include "storage/row_store.h"

#include "storage/row_file.h"
#include "tests/harness/harness.h"
#include "tests/simulation/support_disk.h"

#include <stdio.h>
#include <stdlib.h>

enum { GENERATION_BYTES = 1000, WRITES = 40, VALUE_SIZE = 100, GENERATIONS_MAX = 10 };

/* One process with an open row store. */
struct process {
    struct sim_disk *disk;
    struct env env;
    struct trace trace;
    struct random_seeded random;
    struct row_store_driver driver;
    struct kv *kv;
};

static void ignore_line(struct trace *trace, struct bytes line)
{
    (void)trace, (void)line;
}

static void start(struct process *p, struct sim_disk *disk)
{
    struct message message = {""};
    *p = (struct process){.disk = disk,
                          .trace = {.clock = clock_system(), .write = ignore_line},
                          .env = {.clock = clock_system(), .io = &disk->io}};
    sim_disk_new_process(disk);
    random_seeded_init(&p->random, test_seed());
    p->env.random = &p->random.random;
    p->env.trace = &p->trace;
    row_store_init(&p->driver, &p->env, &disk->driver);
    p->driver.generation_bytes = GENERATION_BYTES;
    EXPECT_INT(io_make_path(&disk->io, "data"), ERR_OK);
    if (p->driver.driver.open(&p->driver.driver, "data/kv", KV_OPEN_OR_CREATE, &p->kv, &message) !=
        ERR_OK)
        test_fail(__FILE__, __LINE__, "%s", message.text);
}

static void end(struct process *p)
{
    p->kv->driver->close(p->kv);
}

static enum error put(struct process *p, int n)
{
    char key[16], value[VALUE_SIZE];
    snprintf(key, sizeof key, "row-%d", n % 5);
    memset(value, 'a' + n % 26, sizeof value);
    struct kv_change change = {bytes_string(key), bytes_of(value, sizeof value)};
    return p->kv->driver->write(p->kv, &change, 1);
}

static struct sim_view newest_row_file(const struct sim_disk *disk)
{
    struct sim_view view = {.exists = false};
    for (uint64_t generation = GENERATIONS_MAX; generation > 0 && !view.exists; generation--) {
        char name[ROW_FILE_NAME_SIZE], path[ROW_FILE_NAME_SIZE + 16];
        row_file_name(generation, name);
        snprintf(path, sizeof path, "data/rows/%s", name);
        view = sim_disk_file(disk, path);
    }
    return view;
}

/* Whether a power cut now leaves the row file as a process sees it. */
static bool is_durable(const struct sim_disk *disk)
{
    struct sim_disk *left = sim_disk_crash(disk, CRASH_LOSE_ALL, 0);
    struct sim_view seen = newest_row_file(disk), kept = newest_row_file(left);
    bool same = seen.exists == kept.exists && bytes_equal(seen.data, kept.data);
    sim_disk_free(left);
    return same;
}

/* Kills the process, starts again, and returns whether anything was not durable before. */
static bool start_after_kill(const struct sim_disk *disk)
{
    struct sim_disk *left = sim_disk_crash(disk, CRASH_KILL, 0);
    struct process next;
    bool was_durable = is_durable(left);
    start(&next, left);
    EXPECT(newest_row_file(left).exists);
    EXPECT(is_durable(left));
    end(&next);
    sim_disk_free(left);
    return !was_durable;
}

static void kill_here(void *context, struct sim_disk *disk)
{
    int *pending = context;
    *pending += start_after_kill(disk);
}

TEST(a_start_makes_the_row_file_that_it_reads_durable)
{
    int pending = 0;
    struct process p;
    start(&p, sim_disk_create());
    p.disk->context = &pending;
    p.disk->on_call = kill_here;
    for (int i = 0; i < WRITES; i++)
        EXPECT_INT(put(&p, i), ERR_OK);
    EXPECT(pending > WRITES); /* also inside new generations */
    end(&p);
    sim_disk_free(p.disk);
}

/* The n-th call of a kind fails, and leaves a part of its work undone. Whether it was reached. */
static bool fail_and_kill(enum sim_call call, enum sim_effect effect, uint64_t n, int *pending)
{
    struct process p;
    start(&p, sim_disk_create());
    uint64_t from = p.disk->counts[call] + n;
    p.disk->fault = (struct sim_fault){call, from, from + 1, ERR_IO, effect, n};
    enum error error = ERR_OK;
    for (int i = 0; i < WRITES && !p.disk->reached; i++)
        error = put(&p, i);
    bool reached = p.disk->reached;
    EXPECT_INT(error, reached ? ERR_IO : ERR_OK);
    if (reached)
        *pending += start_after_kill(p.disk);
    end(&p);
    sim_disk_free(p.disk);
    return reached;
}

TEST(a_start_writes_a_record_whose_sync_failed_again)
{
    int pending = 0;
    uint64_t n = 0;
    while (fail_and_kill(SIM_SYNC, FAULT_SOME, n, &pending))
        n++;
    EXPECT(n > WRITES && pending > WRITES / 4);
}

TEST(a_start_makes_a_name_whose_sync_failed_durable)
{
    int pending = 0;
    uint64_t n = 0;
    while (fail_and_kill(SIM_SYNC_DIRECTORY, FAULT_NOTHING, n, &pending))
        n++;
    EXPECT(n > 0 && pending > 0);
}

/* It is unknown which of the two files the next start will find, so neither may grow. */
TEST(a_new_row_file_whose_name_is_unknown_ends_the_writes)
{
    struct process p;
    start(&p, sim_disk_create());
    uint64_t from = p.disk->counts[SIM_RENAME];
    p.disk->fault = (struct sim_fault){SIM_RENAME, from, from + 1, ERR_IO, FAULT_ALL, 0};
    enum error error = ERR_OK;
    for (int i = 0; i < WRITES && error == ERR_OK; i++)
        error = put(&p, i);
    EXPECT(p.disk->reached);
    EXPECT_INT(error, ERR_IO);
    EXPECT_INT(put(&p, 0), ERR_IO);
    end(&p);
    sim_disk_free(p.disk);
}

/* Without a descriptor for the directory the whole file system is synced. */
TEST(a_new_row_file_is_durable_also_without_a_descriptor)
{
    struct process p;
    start(&p, sim_disk_create());
    uint64_t from = p.disk->counts[SIM_SYNC_DIRECTORY];
    p.disk->fault =
        (struct sim_fault){SIM_SYNC_DIRECTORY, from, UINT64_MAX, ERR_NO_FILES, FAULT_NOTHING, 0};
    for (int i = 0; i < WRITES; i++) {
        EXPECT_INT(put(&p, i), ERR_OK);
        EXPECT(is_durable(p.disk));
    }
    EXPECT(p.disk->reached);
    end(&p);
    sim_disk_free(p.disk);
}
