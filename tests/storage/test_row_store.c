/* Two copies of the rows over the real LevelDB. Whatever happens to one file, an open gives back
 * all rows, or refuses and says where and what to do. */
#include "tests/storage/support_row_store.h"

#include "storage/io.h"

#include <leveldb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

TEST(a_torn_end_of_the_row_file_is_cut_before_the_next_write)
{
    struct scene s;
    set_scene(&s, "torn");
    fill(&s);
    struct names names = files_of(&s, "rows", "rows-");
    run(&s, "printf 'TMR1%%05000d' 0 >>'%s'", names.at[0]);
    EXPECT_INT(state_of_file(&s), ROW_FILE_TORN);
    open_well(&s, KV_OPEN_EXISTING);
    EXPECT(rows_are_expected(&s) && s.log.size == 0);
    EXPECT_INT(put(&s, "row-0002", 'x', 10), ERR_OK);
    read_rows(&s, &s.expected);
    close_store(&s);
    EXPECT_INT(state_of_file(&s), ROW_FILE_WHOLE);
    open_well(&s, KV_OPEN_EXISTING);
    EXPECT(rows_are_expected(&s) && s.log.size == 0);
    close_store(&s);
    clear_scene(&s);
}

TEST(rows_come_back_and_the_row_of_the_commit_is_hidden)
{
    struct scene s;
    set_scene(&s, "plain");
    fill(&s);
    open_well(&s, KV_OPEN_EXISTING);
    EXPECT(rows_are_expected(&s) && s.log.size == 0);
    struct buffer rows;
    buffer_init(&rows, 1000);
    EXPECT_INT(s.kv->driver->scan(s.kv, BYTES_LITERAL("C"), add_pair, &rows), ERR_OK);
    EXPECT_INT(rows.size, 0);
    close_store(&s);
    clear_scene(&s);
}

static void flip_class(const char *name, const char *part, const char *pattern, bool all_repaired)
{
    struct scene s;
    struct random_seeded random;
    int repaired = 0, refused = 0, count = (int)test_states(200, 40);
    random_seeded_init(&random, test_seed());
    set_scene(&s, name);
    fill(&s);
    for (int i = 0; i < count; i++) {
        char what[PATH_SIZE + 40];
        struct names names = files_of(&s, part, pattern);
        EXPECT(names.count > 0);
        const char *path = names.at[random_below(&random.random, names.count)];
        size_t at = random_below(&random.random, size_of(path));
        flip(path, at, (uint8_t)(1 << random_below(&random.random, 8)));
        snprintf(what, sizeof what, "byte %zu of %s", at, path);
        expect_nothing_lost(&s, what, &repaired, &refused);
    }
    EXPECT_INT(refused, 0);
    EXPECT(repaired > (all_repaired ? count * 9 / 10 : count / 4));
    clear_scene(&s);
}

TEST(a_flipped_bit_in_the_log_of_the_store_loses_no_row)
{
    flip_class("flip-log", "kv", ".log", false);
}

TEST(a_flipped_bit_in_a_table_of_the_store_loses_no_row)
{
    flip_class("flip-table", "kv", ".ldb", false);
}

TEST(a_flipped_bit_in_the_manifest_of_the_store_loses_no_row)
{
    flip_class("flip-manifest", "kv", "MANIFEST", false);
}

TEST(a_flipped_bit_in_current_loses_no_row)
{
    flip_class("flip-current", "kv", "CURRENT", true);
}

TEST(a_flipped_bit_in_the_row_file_loses_no_row)
{
    flip_class("flip-rows", "rows", ".log", false);
}

enum harm { REMOVE, TRUNCATE, CUT_BYTE, EMPTY, ZERO, OLDER, HARMS };

static bool older_file(const struct scene *s, const char *part, const char *path,
                       char out[PATH_SIZE])
{
    const char *name = strrchr(path, '/') + 1;
    char directory[300];
    snprintf(directory, sizeof directory, "%s.older/%s", s->directory, part);
    struct names names = {.directory = directory,
                          .pattern = strrchr(name, '.') ? strrchr(name, '.') : "MANIFEST"};
    EXPECT_INT(io_posix()->ops->list(io_posix(), directory, note_name, &names), ERR_OK);
    if (names.count > 0)
        snprintf(out, PATH_SIZE, "%s", names.at[0]);
    return names.count > 0;
}

static bool harm(const struct scene *s, enum harm harm, const char *part, const char *path)
{
    struct buffer content;
    char older[PATH_SIZE];
    bool done = true;
    read_file(path, &content);
    if (harm == REMOVE)
        EXPECT_INT(unlink(path), 0);
    if (harm == TRUNCATE || harm == CUT_BYTE || harm == EMPTY)
        write_file(path, content.data,
                   harm == TRUNCATE ? content.size / 2
                   : harm == EMPTY  ? 0
                                    : content.size - 1);
    if (harm == ZERO) {
        memset(content.data, 0, content.size);
        write_file(path, content.data, content.size);
    }
    buffer_free(&content);
    if (harm != OLDER)
        return true;
    done = older_file(s, part, path, older);
    if (done)
        run(s, "cp '%s' '%s'", older, path);
    return done;
}

TEST(a_file_that_is_missing_short_empty_zeroed_or_old_loses_no_row)
{
    static const char *const parts[] = {"kv", "rows"};
    struct scene s;
    int repaired = 0, refused = 0, cases = 0;
    set_scene(&s, "harm");
    fill(&s);
    for (size_t part = 0; part < COUNT_OF(parts); part++) {
        struct names names = files_of(&s, parts[part], "");
        EXPECT(names.count >= (part == 0 ? 4 : 1));
        for (size_t i = 0; i < names.count * HARMS; i++) {
            char what[PATH_SIZE + 40];
            const char *path = names.at[i / HARMS];
            snprintf(what, sizeof what, "harm %zu to %s", i % HARMS, path);
            if (!harm(&s, (enum harm)(i % HARMS), parts[part], path))
                continue;
            expect_nothing_lost(&s, what, &repaired, &refused);
            cases++;
        }
    }
    EXPECT_INT(refused, 0);
    EXPECT(repaired > cases / 2);
    clear_scene(&s);
}

TEST(a_missing_or_older_directory_of_one_copy_loses_no_row)
{
    static const char *const harms[] = {"rm -rf kv",
                                        "rm -rf rows",
                                        "rm -rf kv && cp -r \"$PWD.older/kv\" .",
                                        "rm -rf rows && cp -r \"$PWD.older/rows\" .",
                                        "rm -f kv/*",
                                        "rm -f rows/*"};
    struct scene s;
    int repaired = 0, refused = 0;
    set_scene(&s, "directories");
    fill(&s);
    for (size_t i = 0; i < COUNT_OF(harms); i++) {
        run(&s, "%s", harms[i]);
        expect_nothing_lost(&s, harms[i], &repaired, &refused);
    }
    EXPECT_INT(repaired, COUNT_OF(harms));
    clear_scene(&s);
}

/* The store's own checks cannot find this. */
TEST(rows_that_the_store_lost_changed_or_invented_are_repaired)
{
    struct kv_change harms[] = {{BYTES_LITERAL("changed-0"), BYTES_NULL},
                                {BYTES_LITERAL("row-0029"), BYTES_NULL},
                                {BYTES_LITERAL("row-0011"), BYTES_LITERAL("other")},
                                {BYTES_LITERAL("a"), BYTES_LITERAL("invented")},
                                {BYTES_LITERAL("z"), BYTES_LITERAL("invented")},
                                {BYTES_LITERAL("C"), BYTES_NULL}};
    struct scene s;
    int repaired = 0, refused = 0;
    set_scene(&s, "differences");
    fill(&s);
    char *path = io_path(s.directory, "kv");
    for (size_t i = 0; i < COUNT_OF(harms); i++) {
        EXPECT_INT(kv_leveldb()->open(kv_leveldb(), path, KV_OPEN_EXISTING, &s.kv, &s.message),
                   ERR_OK);
        EXPECT_INT(s.kv->driver->write(s.kv, &harms[i], 1), ERR_OK);
        close_store(&s);
        expect_nothing_lost(&s, "a difference", &repaired, &refused);
    }
    EXPECT_INT(repaired, COUNT_OF(harms));
    free(path);
    clear_scene(&s);
}

TEST(a_damaged_store_is_kept_under_another_name)
{
    struct scene s;
    set_scene(&s, "kept");
    fill(&s);
    for (int i = 0; i < 2; i++) {
        run(&s, "rm kv/CURRENT && touch kv/mark-%d", i);
        open_well(&s, KV_OPEN_EXISTING);
        EXPECT(log_has(&s, "WARN") && log_has(&s, "kv.damaged") && log_has(&s, "kv/CURRENT"));
        EXPECT(rows_are_expected(&s));
        close_store(&s);
        run(&s, "test -e kv.damaged/mark-%d && ls kv.damaged/*.log >list", i);
    }
    struct names names = files_of(&s, "rows", ".log");
    flip(names.at[0], 200, 1);
    run(&s, "cp '%s' damaged", names.at[0]);
    open_well(&s, KV_OPEN_EXISTING);
    EXPECT(log_has(&s, names.at[0]) && log_has(&s, ".damaged"));
    close_store(&s);
    run(&s, "cmp damaged '%s.damaged'", names.at[0]);
    clear_scene(&s);
}

TEST(damage_to_both_copies_is_refused_and_changes_nothing)
{
    static const char *const harms[] = {
        "rm kv/CURRENT",
        "rm kv/MANIFEST*",
        "rm kv/*.ldb",
        "rm kv/*.log",
        "truncate -s -10 kv/*.log",
        "for f in kv/*.ldb; do printf x | dd of=$f bs=1 seek=300 conv=notrunc 2>dd; done"};
    struct scene s;
    set_scene(&s, "both");
    fill(&s);
    for (size_t i = 0; i < COUNT_OF(harms); i++) {
        struct names names = files_of(&s, "rows", ".log");
        flip(names.at[0], 100, 1);
        run(&s, "%s", harms[i]);
        expect_refused(&s, "/both/kv", names.at[0]);
        restore(&s);
    }
    flip(files_of(&s, "rows", ".log").at[0], 100, 1);
    run(&s, "printf x >kv/CURRENT");
    expect_refused(&s, "/CURRENT: damaged at byte 0, and what is lost there was durable",
                   ".log: damaged at byte ");
    restore(&s);
    /* An older store and a damaged file: the file still proves that there were later writes. */
    struct names names = files_of(&s, "rows", ".log");
    flip(names.at[0], 100, 1);
    run(&s, "rm -rf kv && cp -r \"$PWD.older/kv\" .");
    expect_refused(&s, "/both/kv: its last write is number 15, the row file has number ",
                   "damaged at byte ");
    restore(&s);
    open_well(&s, KV_OPEN_EXISTING);
    EXPECT(rows_are_expected(&s));
    close_store(&s);
    clear_scene(&s);
}

/* Changes the row that names the last commit, behind the back of the row store. A null value
 * deletes it. */
static void change_commit_row(const struct scene *s, struct bytes value)
{
    struct kv_change change = {BYTES_LITERAL("C"), value};
    struct message message = {""};
    struct kv *kv;
    char *path = io_path(s->directory, "kv");
    EXPECT_INT(kv_leveldb()->open(kv_leveldb(), path, KV_OPEN_EXISTING, &kv, &message), ERR_OK);
    free(path);
    EXPECT_INT(kv->driver->write(kv, &change, 1), ERR_OK);
    kv->driver->close(kv);
}

TEST(a_store_without_the_row_of_its_last_write_cannot_replace_a_damaged_file)
{
    struct scene s;
    set_scene(&s, "commit");
    fill(&s);
    struct names names = files_of(&s, "rows", ".log");
    flip(names.at[0], 100, 1);
    change_commit_row(&s, BYTES_NULL);
    expect_refused(&s, "/commit/kv: the row of its last write is missing", names.at[0]);
    change_commit_row(&s, BYTES_LITERAL("x"));
    expect_refused(&s, "/commit/kv: the row of its last write is damaged", names.at[0]);
    clear_scene(&s);
}

/* Puts a row for which LevelDB's own checksum is right. */
static void put_row_with_wrong_checksum(const struct scene *s)
{
    char *error = NULL, *path = io_path(s->directory, "kv");
    leveldb_options_t *options = leveldb_options_create();
    leveldb_writeoptions_t *write = leveldb_writeoptions_create();
    leveldb_t *db = leveldb_open(options, path, &error);
    EXPECT(error == NULL);
    leveldb_put(db, write, "b", 1, "\0\0\0\0value", 9, &error);
    EXPECT(error == NULL);
    leveldb_close(db);
    leveldb_writeoptions_destroy(write);
    leveldb_options_destroy(options);
    free(path);
}

TEST(a_store_with_a_row_whose_checksum_is_wrong_cannot_replace_a_damaged_file)
{
    struct scene s;
    set_scene(&s, "checksum");
    fill(&s);
    struct names names = files_of(&s, "rows", ".log");
    flip(names.at[0], 100, 1);
    put_row_with_wrong_checksum(&s);
    expect_refused(&s, "/checksum/kv: the checksum of a row of kind b is wrong", names.at[0]);
    clear_scene(&s);
}

/* A crash leaves one incomplete write, and not also a store without the writes before it. */
TEST(an_incomplete_end_is_damage_if_the_store_is_older)
{
    struct scene s;
    set_scene(&s, "torn-older");
    fill(&s);
    struct names names = files_of(&s, "rows", ".log");
    run(&s, "printf 'TMR1%%05000d' 0 >>'%s'", names.at[0]);
    run(&s, "rm -rf kv && cp -r \"$PWD.older/kv\" .");
    expect_refused(&s, "its last write is number 15", "damaged at byte ");
    restore(&s);
    run(&s, "truncate -s -10 '%s' kv/*.log", names.at[0]);
    expect_refused(&s, "and is incomplete", "damaged at byte ");
    restore(&s);
    open_well(&s, KV_OPEN_EXISTING);
    EXPECT(rows_are_expected(&s));
    close_store(&s);
    clear_scene(&s);
}

TEST(a_copy_from_another_data_directory_is_refused)
{
    struct scene s, other;
    set_scene(&s, "own");
    set_scene(&other, "foreign");
    fill(&s);
    fill(&other);
    run(&s, "rm -rf rows && cp -r ../foreign/rows .");
    EXPECT_INT(open_as(&s, KV_OPEN_EXISTING), ERR_CORRUPT);
    EXPECT(strstr(s.message.text,
                  " are not of the same data directory: put back the one that belongs here, or "
                  "restore the whole data directory from a copy. No row was changed") != NULL);
    EXPECT(strstr(s.message.text, "/own/rows/rows-") && strstr(s.message.text, "/own/kv"));
    restore(&s);
    open_well(&s, KV_OPEN_EXISTING);
    EXPECT(rows_are_expected(&s));
    close_store(&s);
    clear_scene(&s);
    clear_scene(&other);
}

/* A store between the row file and LevelDB, whose writes fail on demand. */
