/* A cleaning of two segments that is killed at each of its calls. The next start continues on what
 * it sees, which no sync has covered, and is cut off from power at each of its calls. */
#include "storage/segment_file.h"
#include "storage/store_rows.h"
#include "storage/swap_list.h"
#include "tests/harness/harness.h"
#include "tests/simulation/support_disk.h"

#include <stdlib.h>

enum { SEEDS = 6, OLD_SEGMENTS = 2 };

static const struct uuid topic = {{7, 7, 7}};
static const int64_t old_bases[OLD_SEGMENTS] = {0, 10}, new_bases[] = {0}, end_offset = 20;
static const char new_text[] = "the new segment";

struct place {
    struct sim_disk *disk;
    struct env env;
    char *directory, *list_path;
};

static struct place place_of(struct sim_disk *disk)
{
    return (struct place){disk,
                          {.io = &disk->io},
                          partition_directory("data", topic, 0),
                          swap_list_path("data", topic, 0)};
}

static void place_free(struct place *p)
{
    free(p->directory);
    free(p->list_path);
}

static void write_file(struct io *io, const char *path, const char *text)
{
    struct io_file *file;
    struct bytes content = bytes_string(text);
    EXPECT_INT(io->ops->open(io, path, IO_READ | IO_WRITE | IO_CREATE, &file), ERR_OK);
    EXPECT_INT(io_write(io, file, content.data, content.size, 0), ERR_OK);
    EXPECT_INT(io->ops->sync(io, file), ERR_OK);
    io->ops->close(io, file);
}

static void make_old_segments(struct place *p)
{
    EXPECT_INT(io_make_path(p->env.io, p->directory), ERR_OK);
    for (int i = 0; i < OLD_SEGMENTS; i++) {
        char *path = segment_path(p->directory, old_bases[i], SEGMENT_LOG);
        write_file(p->env.io, path, "an old segment");
        free(path);
    }
    EXPECT_INT(p->env.io->ops->sync_directory(p->env.io, p->directory), ERR_OK);
}

static void recover(struct place *p)
{
    struct message message = {""};
    EXPECT_INT(swap_lists_recover(&p->env, "data", &message), ERR_OK);
}

/* The steps of log_replace.h. A start does the last one in the same order as a running broker. */
static void clean(struct place *p)
{
    struct io *io = p->env.io;
    struct swap_list empty = {.count = 0}, list = {new_bases, COUNT_OF(new_bases), end_offset};
    EXPECT_INT(swap_list_write(io, p->list_path, &empty), ERR_OK);
    char *path = segment_swap_path(p->directory, new_bases[0], SEGMENT_LOG);
    write_file(io, path, new_text);
    free(path);
    EXPECT_INT(io->ops->sync_directory(io, p->directory), ERR_OK);
    EXPECT_INT(swap_list_write(io, p->list_path, &list), ERR_OK);
    recover(p);
}

static bool exists(const struct place *p, int64_t base_offset, bool swap)
{
    char *path = swap ? segment_swap_path(p->directory, base_offset, SEGMENT_LOG)
                      : segment_path(p->directory, base_offset, SEGMENT_LOG);
    bool is_there = sim_disk_file(p->disk, path).exists;
    free(path);
    return is_there;
}

static bool is_new(const struct place *p)
{
    char *path = segment_path(p->directory, new_bases[0], SEGMENT_LOG);
    struct sim_view view = sim_disk_file(p->disk, path);
    free(path);
    return view.exists && bytes_equal(view.data, bytes_string(new_text));
}

static int cuts;

static void check_after_cut(struct sim_disk *disk)
{
    struct place p = place_of(disk);
    recover(&p);
    EXPECT(exists(&p, old_bases[0], false));
    EXPECT_INT(exists(&p, old_bases[1], false), !is_new(&p));
    EXPECT(!exists(&p, new_bases[0], true));
    EXPECT(!sim_disk_file(disk, p.list_path).exists);
    place_free(&p);
    cuts++;
}

static void cut_power(void *context, struct sim_disk *disk)
{
    (void)context;
    for (uint64_t i = 0; i < SEEDS * CRASH_KINDS; i++) {
        struct sim_disk *left = sim_disk_crash(disk, (enum crash_kind)(i % CRASH_KINDS), i + 1);
        check_after_cut(left);
        sim_disk_free(left);
    }
}

static void kill_and_start(void *context, struct sim_disk *disk)
{
    (void)context;
    struct sim_disk *left = sim_disk_crash(disk, CRASH_KILL, 1);
    struct place p = place_of(left);
    left->on_call = cut_power;
    recover(&p);
    clean(&p);
    left->on_call = NULL;
    place_free(&p);
    sim_disk_free(left);
}

TEST(a_power_cut_after_a_kill_leaves_the_old_segments_or_the_new_one)
{
    struct sim_disk *disk = sim_disk_create();
    struct place p = place_of(disk);
    make_old_segments(&p);
    disk->on_call = kill_and_start;
    clean(&p);
    disk->on_call = NULL;
    EXPECT(is_new(&p));
    EXPECT(cuts > 1000);
    place_free(&p);
    sim_disk_free(disk);
}

/* A list that names other files would remove what it does not name. */
TEST(a_damaged_list_is_refused_and_changes_nothing)
{
    struct sim_disk *disk = sim_disk_create();
    struct place p = place_of(disk);
    struct swap_list list = {new_bases, COUNT_OF(new_bases), end_offset};
    make_old_segments(&p);
    EXPECT_INT(swap_list_write(p.env.io, p.list_path, &list), ERR_OK);
    size_t size = sim_disk_file(disk, p.list_path).data.size;
    EXPECT(size > 0);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        struct sim_disk *damaged = sim_disk_crash(disk, CRASH_KILL, 0);
        struct place d = place_of(damaged);
        struct message message = {""};
        sim_disk_flip(damaged, d.list_path, bit / 8, (uint8_t)(1 << bit % 8));
        EXPECT_INT(swap_lists_recover(&d.env, "data", &message), ERR_CORRUPT);
        EXPECT(strstr(message.text, d.list_path) != NULL);
        EXPECT(exists(&d, old_bases[0], false) && exists(&d, old_bases[1], false));
        place_free(&d);
        sim_disk_free(damaged);
    }
    place_free(&p);
    sim_disk_free(disk);
}
