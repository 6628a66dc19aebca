#include "base/random.h"
#include "storage/kv.h"
#include "storage/kv_salvage.h"
#include "tests/harness/harness.h"

#include <dirent.h>
#include <leveldb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROWS = 4000 };

static const char *kv_path(void)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/kv", test_directory());
    return path;
}

static struct kv *open_kv(void)
{
    struct kv *kv = NULL;
    struct message message;
    EXPECT_INT(kv_leveldb()->open(kv_leveldb(), kv_path(), KV_OPEN_OR_CREATE, &kv, &message),
               ERR_OK);
    return kv;
}

/* Rows of which some are replaced and some deleted, in tables and in a log. */
static void fill(struct kv *kv, int rounds)
{
    static char value[2000];
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < ROWS; i += 100) {
            struct kv_change changes[100];
            char keys[100][16];
            for (int k = 0; k < 100; k++) {
                bool gone = (i + k + round) % 7 == 0;
                snprintf(keys[k], sizeof keys[k], "row-%05d", i + k);
                memset(value, 'a' + round, sizeof value);
                changes[k] = (struct kv_change){
                    bytes_string(keys[k]),
                    gone ? BYTES_NULL : bytes_of(value, (size_t)(1 + (i + k) % 1999))};
            }
            EXPECT_INT(kv->driver->write(kv, changes, COUNT_OF(changes)), ERR_OK);
        }
    }
}

static enum error note_row(void *context, struct bytes key, struct bytes value)
{
    row_changes_put(context, key, value);
    return ERR_OK;
}

struct findings {
    int count[3];
    char missing[64]; /* the first file that is */
};

static void note_finding(void *context, enum kv_salvage_kind kind, const char *file, int64_t at,
                         const char *what)
{
    struct findings *f = context;
    (void)at, (void)what;
    if (kind == KV_SALVAGE_MISSING && f->count[kind] == 0)
        snprintf(f->missing, sizeof f->missing, "%s", file);
    f->count[kind]++;
}

static struct kv_salvage salvage(struct findings *f)
{
    *f = (struct findings){.missing = ""};
    struct kv_salvage s = {.found = note_finding, .context = f};
    EXPECT_INT(kv_salvage_run(&s, io_posix(), kv_path()), ERR_OK);
    return s;
}

static void expect_same(const struct row_changes *a, const struct row_changes *b)
{
    size_t n, m;
    struct kv_change *left = row_changes_array(a, &n), *right = row_changes_array(b, &m);
    EXPECT_INT(n, m);
    for (size_t i = 0; i < n && i < m; i++) {
        EXPECT_BYTES(left[i].key, right[i].key);
        EXPECT_BYTES(left[i].value, right[i].value);
    }
    free(left);
    free(right);
}

static void copy_directory(const char *from, const char *to)
{
    char command[700];
    snprintf(command, sizeof command, "rm -rf '%s' && cp -r '%s' '%s'", to, from, to);
    EXPECT_INT(system(command), 0);
}

TEST(the_rows_are_those_that_leveldb_reads)
{
    struct kv *kv = open_kv();
    struct findings f;
    struct row_changes known = {.bytes = 0};
    fill(kv, 3);
    EXPECT_INT(kv->driver->scan(kv, BYTES_NULL, note_row, &known), ERR_OK);
    kv->driver->close(kv);
    struct kv_salvage s = salvage(&f);
    EXPECT_INT(s.faults, 0);
    EXPECT(s.files > 3 && s.blocks > 100);
    EXPECT(known.map.count > ROWS / 2);
    expect_same(&s.rows, &known);
    row_changes_free(&s.rows);
    row_changes_free(&known);
}

TEST(only_the_rows_that_are_asked_for_are_kept)
{
    struct kv *kv = open_kv();
    struct findings f = {.missing = ""};
    struct kv_change rows[] = {{BYTES_LITERAL("La"), BYTES_LITERAL("1")},
                               {BYTES_LITERAL("Sa"), BYTES_LITERAL("2")},
                               {BYTES_LITERAL("Ta"), BYTES_LITERAL("3")}};
    EXPECT_INT(kv->driver->write(kv, rows, COUNT_OF(rows)), ERR_OK);
    kv->driver->close(kv);
    struct kv_salvage s = {.kinds = "LT", .found = note_finding, .context = &f};
    EXPECT_INT(kv_salvage_run(&s, io_posix(), kv_path()), ERR_OK);
    EXPECT_INT(s.faults, 0);
    EXPECT_INT(s.rows.map.count, 2);
    EXPECT(!row_changes_has(&s.rows, BYTES_LITERAL("Sa")));
    row_changes_free(&s.rows);
}

/* Every flipped bit is found, or it changes no row. */
TEST(a_flipped_bit_is_found_and_costs_no_other_rows)
{
    struct kv *kv = open_kv();
    struct findings f;
    char copy[300], path[800];
    fill(kv, 2);
    kv->driver->close(kv);
    snprintf(copy, sizeof copy, "%s/copy", test_directory());
    copy_directory(kv_path(), copy);
    struct kv_salvage whole = salvage(&f);
    DIR *directory = opendir(copy);
    int flips = 0;
    struct random_seeded seeded;
    random_seeded_init(&seeded, test_seed());
    for (struct dirent *e; (e = readdir(directory));) {
        struct stat info;
        snprintf(path, sizeof path, "%s/%s", kv_path(), e->d_name);
        if (e->d_name[0] == '.' || strncmp(e->d_name, "LO", 2) == 0 || stat(path, &info) != 0)
            continue;
        for (int i = 0; i < 12; i++) {
            FILE *file = fopen(path, "r+b");
            long at = (long)random_below(&seeded.random, (uint64_t)info.st_size);
            fseek(file, at, SEEK_SET);
            int byte = fgetc(file);
            fseek(file, at, SEEK_SET);
            fputc(byte ^ 1 << random_below(&seeded.random, 8), file);
            fclose(file);
            struct kv_salvage s = salvage(&f);
            flips++;
            if (s.faults == 0 && f.count[KV_SALVAGE_TORN] == 0)
                expect_same(&s.rows, &whole.rows);
            row_changes_free(&s.rows);
            file = fopen(path, "r+b");
            fseek(file, at, SEEK_SET);
            fputc(byte, file);
            fclose(file);
        }
    }
    closedir(directory);
    EXPECT(flips > 40);
    row_changes_free(&whole.rows);
}

/* LevelDB merges tables in a thread of its own. A close cuts this off, and the new table stays
 * unfinished. The MANIFEST does not name it, and the tables that were merged are still there. */
static void leave_unfinished_table(void)
{
    char path[400];
    snprintf(path, sizeof path, "%s/999999.ldb", kv_path());
    FILE *file = fopen(path, "wb");
    EXPECT(file && fwrite("half a block", 1, 12, file) == 12);
    fclose(file);
}

TEST(rows_are_read_without_the_list_of_files)
{
    struct kv *kv = open_kv();
    struct findings f;
    char path[400];
    fill(kv, 1);
    kv->driver->close(kv);
    leave_unfinished_table();
    struct kv_salvage whole = salvage(&f);
    EXPECT_INT(whole.faults, 0);
    snprintf(path, sizeof path, "%s/CURRENT", kv_path());
    unlink(path);
    struct kv_salvage s = salvage(&f);
    EXPECT_INT(f.count[KV_SALVAGE_MISSING], 1);
    EXPECT_STRING(f.missing, "CURRENT");
    EXPECT(f.count[KV_SALVAGE_DAMAGED] > 0); /* nothing tells that the table was not used */
    expect_same(&s.rows, &whole.rows);
    row_changes_free(&s.rows);
    row_changes_free(&whole.rows);
}

static void put_raw(const char *path, const char *key, const char *stored, size_t size)
{
    char *error = NULL;
    leveldb_options_t *options = leveldb_options_create();
    leveldb_writeoptions_t *write = leveldb_writeoptions_create();
    leveldb_options_set_create_if_missing(options, 1);
    leveldb_t *db = leveldb_open(options, path, &error);
    EXPECT(error == NULL);
    leveldb_put(db, write, key, strlen(key), stored, size, &error);
    EXPECT(error == NULL);
    leveldb_close(db);
    leveldb_writeoptions_destroy(write);
    leveldb_options_destroy(options);
}

/* LevelDB's own checksums are right. */
TEST(a_row_with_a_wrong_checksum_of_its_own_is_not_taken)
{
    char path[300];
    struct findings f = {.missing = ""};
    struct kv_salvage s = {.found = note_finding, .context = &f};
    snprintf(path, sizeof path, "%s/raw", test_directory());
    put_raw(path, "row", "\0\0\0\0value", 9);
    EXPECT_INT(kv_salvage_run(&s, io_posix(), path), ERR_OK);
    EXPECT_INT(f.count[KV_SALVAGE_DAMAGED], 1);
    EXPECT_INT(s.rows.map.count, 0);
    row_changes_free(&s.rows);
}
