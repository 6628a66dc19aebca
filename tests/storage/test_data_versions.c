#include "base/crc32c.h"
#include "storage/data_meta.h"
#include "storage/journal.h"
#include "storage/recovery.h"
#include "storage/row_kind.h"
#include "storage/store_rows.h"
#include "tests/harness/harness.h"

#include <stdio.h>
#include <stdlib.h>

static struct env env;
static const char *data;

/* No lock, because it would survive a restart within the process. */
static enum error no_lock(struct io *io, const char *path)
{
    (void)io, (void)path;
    return ERR_OK;
}

static enum error start(struct kv **kv, struct message *message)
{
    struct recovery_report report;
    struct recovery_options options = {data, 1, 1 << 20};
    static struct io_ops ops;
    static struct io io = {.ops = &ops};
    ops = *io_posix()->ops;
    ops.lock = no_lock;
    env = (struct env){
        .clock = clock_system(), .random = random_system(), .io = &io, .kv = kv_leveldb()};
    *message = (struct message){""};
    return recovery_run(&env, &options, kv, &report, message);
}

static void start_well(void)
{
    struct kv *kv;
    struct message message;
    data = data ? data : test_directory();
    enum error error = start(&kv, &message);
    if (error != ERR_OK)
        test_fail(__FILE__, __LINE__, "%s: %s", error_text(error), message.text);
    kv->driver->close(kv);
}

/* A start that is refused, with these words in its message. */
static void expect_refused(const char *file, const char *what, int found)
{
    struct kv *kv = NULL;
    struct message message;
    char words[64];
    EXPECT_INT(start(&kv, &message), ERR_UNSUPPORTED);
    snprintf(words, sizeof words, " %d, this version reads", found);
    const char *parts[] = {data, file, what, words, "use the version"};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (strstr(message.text, parts[i]) == NULL)
            test_fail(__FILE__, __LINE__, "'%s' is not in: %s", parts[i], message.text);
    }
}

static void write_row(struct bytes key, struct bytes value)
{
    struct kv *kv;
    struct message message;
    char *path = io_path(data, "kv");
    EXPECT_INT(kv_leveldb()->open(kv_leveldb(), path, KV_OPEN_EXISTING, &kv, &message), ERR_OK);
    struct kv_change change = {key, value};
    EXPECT_INT(kv->driver->write(kv, &change, 1), ERR_OK);
    kv->driver->close(kv);
    free(path);
}

TEST(a_newer_format_of_the_directory_is_refused)
{
    data = test_directory();
    start_well();
    struct data_meta meta;
    struct message message;
    EXPECT_INT(data_meta_read(io_posix(), data, &meta, &message), ERR_OK);
    meta.format = DATA_FORMAT + 1;
    EXPECT_INT(data_meta_write(io_posix(), data, &meta, &message), ERR_OK);
    expect_refused("tidemill.meta",
                   ": the data has format "
                   "3, this version reads formats up to ",
                   DATA_FORMAT + 1);
    meta.format = DATA_FORMAT;
    EXPECT_INT(data_meta_write(io_posix(), data, &meta, &message), ERR_OK);
    start_well();
}

TEST(a_newer_version_of_a_row_is_refused)
{
    static const char kinds[] = {ROW_JOURNAL, ROW_LOG, ROW_TOPIC, ROW_DELETED, ROW_PRODUCER};
    data = test_directory();
    start_well();
    for (size_t i = 0; i < sizeof kinds; i++) {
        uint8_t key[29] = {(uint8_t)kinds[i], 9}, value[40] = {7};
        struct row_key journal = row_key_journal(5);
        struct bytes name = kinds[i] == ROW_JOURNAL ? row_key_view(&journal) : bytes_of(key, 21);
        write_row(name, bytes_of(value, sizeof value));
        expect_refused("/kv", " has version 7, this version reads up to ", 7);
        write_row(name, BYTES_NULL);
        start_well();
    }
}

static enum error note_run(void *context, struct bytes key, struct bytes value)
{
    (void)key;
    return journal_mark_decode(value, context);
}

/* The first unit of a journal file. */
static void write_unit(const char *magic, bool right)
{
    struct kv *kv;
    struct message message;
    struct journal_mark mark;
    uint8_t prefix = ROW_JOURNAL, *unit = aligned_alloc(IO_ALIGNMENT, IO_ALIGNMENT);
    char *path = io_path(data, "kv"), *directory = journal_directory(data, 0);
    EXPECT_INT(kv_leveldb()->open(kv_leveldb(), path, KV_OPEN_EXISTING, &kv, &message), ERR_OK);
    EXPECT_INT(kv->driver->scan(kv, bytes_of(&prefix, 1), note_run, &mark), ERR_OK);
    kv->driver->close(kv);
    free(path);
    struct journal_unit header = {
        .length = JOURNAL_HEADER_SIZE, .run = mark.run, .sequence = 3, .entries = 0};
    journal_unit_seal(unit, &header);
    memcpy(unit, magic, 4);
    uint32_t crc = crc32c(crc32c(0, unit, 8), unit + 12, JOURNAL_HEADER_SIZE - 12);
    store_be32(unit + 8, right ? crc : ~crc);
    EXPECT_INT(io_make_path(io_posix(), directory), ERR_OK);
    path = journal_path(directory, 3);
    EXPECT_INT(io_replace_file(io_posix(), path, bytes_of(unit, IO_ALIGNMENT)), ERR_OK);
    free(path);
    free(directory);
    free(unit);
}

TEST(a_newer_format_of_a_journal_is_refused)
{
    data = test_directory();
    start_well();
    write_unit("TMJ2", true);
    expect_refused("shard-0/journal-00000000000000000003.log", ".log: the journal has format ", 2);
    write_unit("TMJ9", true);
    expect_refused("shard-0/journal-00000000000000000003.log", ".log: the journal has format ", 9);
    write_unit("TMJ2", false); /* a flipped bit of the magic: not a version */
    start_well();
    write_unit("TMJ1", true);
    start_well();
}
