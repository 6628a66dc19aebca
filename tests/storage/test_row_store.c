/* Two copies of the rows over the real LevelDB. Whatever happens to one file, an open gives back
 * all rows, or refuses and says where and what to do. */
#include "storage/row_store.h"

#include "storage/io.h"
#include "storage/kv_files.h"
#include "storage/row_file.h"
#include "tests/harness/harness.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { NAMES_MAX = 64, BATCHES = 30, PATH_SIZE = 700 };

/* A store in <directory>/kv and <directory>/rows, and the copies of it that a test keeps. */
struct scene {
    char directory[256];
    struct env env;
    struct trace trace;
    struct row_store_driver driver;
    struct kv *kv;
    struct message message;
    struct buffer log; /* lines of the log since the last open */
    struct buffer expected;
};

static void keep_line(struct trace *trace, struct bytes line)
{
    buffer_append_bytes(&CONTAINER_OF(trace, struct scene, trace)->log, line);
}

static void set_scene(struct scene *s, const char *name)
{
    *s =
        (struct scene){.trace = {.level = TRACE_INFO, .clock = clock_system(), .write = keep_line}};
    snprintf(s->directory, sizeof s->directory, "%s/%s", test_directory(), name);
    buffer_init(&s->log, 1 << 20);
    buffer_init(&s->expected, 1 << 28);
    s->env = (struct env){
        .clock = clock_system(), .random = random_system(), .trace = &s->trace, .io = io_posix()};
    row_store_init(&s->driver, &s->env, kv_leveldb());
    EXPECT_INT(io_make_path(io_posix(), s->directory), ERR_OK);
}

static void clear_scene(struct scene *s)
{
    buffer_free(&s->log);
    buffer_free(&s->expected);
}

static enum error open_as(struct scene *s, enum kv_open how)
{
    char *path = io_path(s->directory, "kv");
    s->kv = NULL;
    s->message.text[0] = '\0';
    buffer_clear(&s->log);
    enum error error = s->driver.driver.open(&s->driver.driver, path, how, &s->kv, &s->message);
    free(path);
    return error;
}

static void open_well(struct scene *s, enum kv_open how)
{
    if (open_as(s, how) != ERR_OK)
        test_fail(__FILE__, __LINE__, "%s", s->message.text);
}

static void close_store(struct scene *s)
{
    s->kv->driver->close(s->kv);
    s->kv = NULL;
}

static enum error put(struct scene *s, const char *key, char letter, size_t size)
{
    char *value = xmalloc(size + 1);
    memset(value, letter, size);
    struct kv_change change = {bytes_string(key), bytes_of(value, size)};
    enum error error = s->kv->driver->write(s->kv, &change, 1);
    free(value);
    return error;
}

/* Batch n puts two rows, one of them new, and deletes one of an earlier batch. */
static void write_batch(struct scene *s, int n, size_t size)
{
    char fresh[32], changed[32], deleted[32], *value = xmalloc(size);
    snprintf(fresh, sizeof fresh, "row-%04d", n);
    snprintf(changed, sizeof changed, "changed-%d", n % 7);
    snprintf(deleted, sizeof deleted, "row-%04d", n % 5 == 0 ? n - 3 : 9999);
    memset(value, 'a' + n % 26, size);
    struct kv_change changes[] = {{bytes_string(fresh), bytes_of(value, size)},
                                  {bytes_string(changed), bytes_of(value, size / 2)},
                                  {bytes_string(deleted), BYTES_NULL}};
    EXPECT_INT(s->kv->driver->write(s->kv, changes, COUNT_OF(changes)), ERR_OK);
    free(value);
}

static enum error add_pair(void *context, struct bytes key, struct bytes value)
{
    struct buffer *out = context;
    buffer_append_be32(out, (uint32_t)key.size);
    buffer_append_bytes(out, key);
    buffer_append_be32(out, (uint32_t)value.size);
    buffer_append_bytes(out, value);
    return ERR_OK;
}

static void read_rows(struct scene *s, struct buffer *out)
{
    buffer_clear(out);
    EXPECT_INT(s->kv->driver->scan(s->kv, BYTES_LITERAL(""), add_pair, out), ERR_OK);
    EXPECT(!out->overflowed);
}

static bool rows_are_expected(struct scene *s)
{
    struct buffer rows;
    buffer_init(&rows, 1 << 28);
    read_rows(s, &rows);
    bool same = bytes_equal(buffer_view(&rows), buffer_view(&s->expected));
    buffer_free(&rows);
    return same;
}

__attribute__((format(printf, 2, 3))) static void run(const struct scene *s, const char *format,
                                                      ...)
{
    char command[2000], text[1500];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    snprintf(command, sizeof command, "cd '%s' && %s", s->directory, text);
    if (system(command) != 0)
        test_fail(__FILE__, __LINE__, "%s", command);
}

static bool log_has(struct scene *s, const char *text)
{
    return strstr(buffer_c_string(&s->log), text) != NULL;
}

/* Two runs, so that the rows are in a table and in a log of LevelDB. Copies of the directory are in
 * <directory>.kept, and of an earlier state in <directory>.older. */
static void fill(struct scene *s)
{
    open_well(s, KV_OPEN_OR_CREATE);
    for (int i = 0; i < BATCHES / 2; i++)
        write_batch(s, i, 3000);
    close_store(s);
    run(s, "cp -r . \"$PWD.older\"");
    open_well(s, KV_OPEN_EXISTING);
    EXPECT(!log_has(s, "WARN"));
    for (int i = BATCHES / 2; i < BATCHES; i++)
        write_batch(s, i, 3000);
    read_rows(s, &s->expected);
    close_store(s);
    run(s, "cp -r . \"$PWD.kept\"");
}

static void restore(const struct scene *s)
{
    run(s, "rm -rf kv rows kv.damaged && cp -r \"$PWD.kept\"/* .");
}

/* After damage to one file. *repaired counts opens that said so. */
static void expect_nothing_lost(struct scene *s, const char *what, int *repaired, int *refused)
{
    if (open_as(s, KV_OPEN_EXISTING) == ERR_OK) {
        if (!rows_are_expected(s))
            test_fail(__FILE__, __LINE__, "%s: rows differ; %s", what, buffer_c_string(&s->log));
        *repaired += log_has(s, "WARN") && log_has(s, "no row is lost");
        close_store(s);
        open_well(s, KV_OPEN_EXISTING);
        if (log_has(s, "WARN") || !rows_are_expected(s))
            test_fail(__FILE__, __LINE__, "%s: not repaired; %s", what, buffer_c_string(&s->log));
        close_store(s);
    } else {
        if (strstr(s->message.text, s->directory) == NULL ||
            strstr(s->message.text, "restore the whole data directory from a copy") == NULL)
            test_fail(__FILE__, __LINE__, "%s: refused with %s", what, s->message.text);
        ++*refused;
    }
    restore(s);
}

/* Files */

struct names {
    char at[NAMES_MAX][PATH_SIZE];
    size_t count;
    const char *directory, *pattern;
};

static void note_name(void *context, const char *name)
{
    struct names *n = context;
    if (strstr(name, n->pattern) == NULL || n->count == NAMES_MAX || strcmp(name, "LOCK") == 0 ||
        strncmp(name, "LOG", 3) == 0)
        return;
    snprintf(n->at[n->count++], PATH_SIZE, "%s/%s", n->directory, name);
}

static struct names files_of(const struct scene *s, const char *part, const char *pattern)
{
    char *directory = io_path(s->directory, part);
    struct names names = {.directory = directory, .pattern = pattern};
    EXPECT_INT(io_posix()->ops->list(io_posix(), directory, note_name, &names), ERR_OK);
    free(directory);
    return names;
}

static void read_file(const char *path, struct buffer *out)
{
    buffer_init(out, 1 << 28);
    EXPECT_INT(io_read_file(io_posix(), path, out), ERR_OK);
}

static void write_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    EXPECT(f != NULL);
    EXPECT_INT(fwrite(data, 1, size, f), size);
    fclose(f);
}

static void flip(const char *path, size_t at, uint8_t bits)
{
    struct buffer content;
    read_file(path, &content);
    content.data[at] ^= bits;
    write_file(path, content.data, content.size);
    buffer_free(&content);
}

static size_t size_of(const char *path)
{
    struct buffer content;
    read_file(path, &content);
    size_t size = content.size;
    buffer_free(&content);
    return size;
}

static enum error ignore_record(void *context, const struct row_record *record)
{
    (void)context, (void)record;
    return ERR_OK;
}

/* Of the only row file. */
static enum row_file_state state_of_file(const struct scene *s)
{
    struct row_file_report report;
    uint64_t generation;
    const char *rest;
    struct names names = files_of(s, "rows", "rows-");
    EXPECT_INT(names.count, 1);
    EXPECT(row_file_parse_name(strrchr(names.at[0], '/') + 1, &generation, &rest));
    EXPECT_INT(row_file_check(io_posix(), names.at[0], generation, ignore_record, NULL, &report),
               ERR_OK);
    return report.state;
}

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

static void expect_refused(struct scene *s, const char *store_part, const char *file_part)
{
    run(s, "rm -rf \"$PWD.before\" && cp -r . \"$PWD.before\"");
    EXPECT_INT(open_as(s, KV_OPEN_EXISTING), ERR_CORRUPT);
    if (strstr(s->message.text, store_part) == NULL || strstr(s->message.text, file_part) == NULL ||
        strstr(s->message.text, "restore the whole data directory from a copy") == NULL)
        test_fail(__FILE__, __LINE__, "%s", s->message.text);
    run(s, "diff -r rows \"$PWD.before/rows\" && test ! -e kv.damaged");
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
    /* An older store and a damaged file: the file still proves that there were later writes. */
    struct names names = files_of(&s, "rows", ".log");
    flip(names.at[0], 100, 1);
    run(&s, "rm -rf kv && cp -r \"$PWD.older/kv\" .");
    expect_refused(&s, "its last write is number 15", "damaged at byte ");
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
    expect_refused(&s, "the row of its last write is missing", names.at[0]);
    change_commit_row(&s, BYTES_LITERAL("x"));
    expect_refused(&s, "the row of its last write is damaged", names.at[0]);
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
    EXPECT(strstr(s.message.text, "are not of the same data directory: put back") != NULL);
    EXPECT(strstr(s.message.text, "/own/rows/rows-") && strstr(s.message.text, "/own/kv"));
    restore(&s);
    open_well(&s, KV_OPEN_EXISTING);
    EXPECT(rows_are_expected(&s));
    close_store(&s);
    clear_scene(&s);
    clear_scene(&other);
}

/* A store between the row file and LevelDB, whose writes fail on demand. */
struct failing_store {
    struct kv_driver driver;
    struct kv kv;
    struct kv *inner;
    enum error error; /* of writes; OK: none fails */
};

static enum error failing_open(struct kv_driver *driver, const char *path, enum kv_open how,
                               struct kv **out, struct message *message)
{
    struct failing_store *f = CONTAINER_OF(driver, struct failing_store, driver);
    *out = &f->kv;
    return kv_leveldb()->open(kv_leveldb(), path, how, &f->inner, message);
}

static void failing_close(struct kv *kv)
{
    struct kv *inner = CONTAINER_OF(kv, struct failing_store, kv)->inner;
    inner->driver->close(inner);
}

static enum error failing_write(struct kv *kv, const struct kv_change *changes, size_t count)
{
    struct failing_store *f = CONTAINER_OF(kv, struct failing_store, kv);
    return f->error != ERR_OK ? f->error : f->inner->driver->write(f->inner, changes, count);
}

static enum error
failing_scan(struct kv *kv, struct bytes prefix,
             enum error (*each)(void *context, struct bytes key, struct bytes value), void *context)
{
    struct kv *inner = CONTAINER_OF(kv, struct failing_store, kv)->inner;
    return inner->driver->scan(inner, prefix, each, context);
}

static enum error failing_check(struct kv *kv, struct message *message)
{
    struct kv *inner = CONTAINER_OF(kv, struct failing_store, kv)->inner;
    return inner->driver->check(inner, message);
}

static enum error failing_set_aside(struct kv_driver *driver, const char *path, const char *to)
{
    (void)driver;
    return kv_leveldb()->set_aside(kv_leveldb(), path, to);
}

static void use_failing(struct scene *s, struct failing_store *f)
{
    *f = (struct failing_store){.driver = {failing_open, failing_close, failing_write, failing_scan,
                                           failing_check, failing_set_aside}};
    f->kv.driver = &f->driver;
    s->driver.inner = &f->driver;
}

TEST(a_crash_between_the_two_writes_is_finished_by_the_next_open)
{
    struct scene s;
    struct failing_store f;
    set_scene(&s, "between");
    fill(&s);
    use_failing(&s, &f);
    open_well(&s, KV_OPEN_EXISTING);
    f.error = ERR_NO_SPACE;
    EXPECT_INT(put(&s, "row-0001", 'x', 100), ERR_NO_SPACE);
    close_store(&s);
    f.error = ERR_OK;
    open_well(&s, KV_OPEN_EXISTING);
    EXPECT(!log_has(&s, "WARN") && log_has(&s, "lacked the last write, as after a crash"));
    EXPECT(!rows_are_expected(&s));
    EXPECT_INT(put(&s, "row-0001", 'b', 3000), ERR_OK); /* as batch 1 did */
    EXPECT(rows_are_expected(&s));
    close_store(&s);
    clear_scene(&s);
}

TEST(writes_that_the_store_refused_come_before_later_ones)
{
    struct scene s;
    struct failing_store f;
    set_scene(&s, "refused");
    use_failing(&s, &f);
    open_well(&s, KV_OPEN_OR_CREATE);
    EXPECT_INT(put(&s, "a", 'a', 10), ERR_OK);
    f.error = ERR_NO_SPACE;
    EXPECT_INT(put(&s, "a", 'b', 10), ERR_NO_SPACE);
    EXPECT_INT(put(&s, "b", 'b', 10), ERR_NO_SPACE);
    f.error = ERR_OK;
    EXPECT_INT(put(&s, "c", 'c', 10), ERR_OK);
    read_rows(&s, &s.expected);
    EXPECT_BYTES(buffer_view(&s.expected),
                 BYTES_LITERAL("\0\0\0\1a\0\0\0\12bbbbbbbbbb\0\0\0\1c\0\0\0\12cccccccccc"));
    close_store(&s);
    open_well(&s, KV_OPEN_EXISTING);
    EXPECT(s.log.size == 0 && rows_are_expected(&s));
    close_store(&s);
    clear_scene(&s);
}

/* The kernel's files, of which one call fails. */
struct failing_io {
    struct io io;
    struct io_ops ops;
    int calls, fail_at;
    int refused_cuts;  /* truncations that find a full disk, too */
    bool cut_unsynced; /* a power cut may bring back what was cut */
    bool lose_names;   /* syncs of directories fail */
    enum error error;
};

static struct failing_io *the_io;

static bool fails(bool grows)
{
    int call = the_io->calls++;
    return call == the_io->fail_at && (grows || the_io->error != ERR_NO_SPACE);
}

static enum error io_open(struct io *io, const char *path, int flags, struct io_file **out)
{
    (void)io;
    return (flags & IO_CREATE) && fails(true) ? the_io->error
                                              : io_posix()->ops->open(io_posix(), path, flags, out);
}

/* Writes most of it before it fails. */
static enum error io_cut_write(struct io *io, struct io_file *file, const struct iovec *parts,
                               int count, int64_t position)
{
    (void)io;
    EXPECT(!the_io->cut_unsynced);
    if (!fails(true))
        return io_posix()->ops->write(io_posix(), file, parts, count, position);
    struct iovec half = {parts[0].iov_base, parts[0].iov_len * 9 / 10};
    (void)!io_posix()->ops->write(io_posix(), file, &half, 1, position);
    return the_io->error;
}

static enum error io_sync_file(struct io *io, struct io_file *file)
{
    (void)io;
    the_io->cut_unsynced = false;
    return fails(false) ? the_io->error : io_posix()->ops->sync(io_posix(), file);
}

static enum error io_truncate(struct io *io, struct io_file *file, int64_t size)
{
    (void)io;
    if (the_io->refused_cuts > 0 && the_io->refused_cuts--)
        return ERR_NO_SPACE;
    the_io->cut_unsynced |= size > 0;
    return fails(false) ? the_io->error : io_posix()->ops->truncate(io_posix(), file, size);
}

static enum error io_rename(struct io *io, const char *from, const char *to)
{
    (void)io;
    return fails(true) ? the_io->error : io_posix()->ops->rename(io_posix(), from, to);
}

static enum error io_unlink(struct io *io, const char *path)
{
    (void)io;
    return fails(false) ? the_io->error : io_posix()->ops->unlink(io_posix(), path);
}

static enum error io_make(struct io *io, const char *path)
{
    (void)io;
    return fails(true) ? the_io->error : io_posix()->ops->make_directory(io_posix(), path);
}

static enum error io_sync_names(struct io *io, const char *path)
{
    (void)io;
    if (the_io->lose_names)
        return ERR_IO;
    return fails(false) ? the_io->error : io_posix()->ops->sync_directory(io_posix(), path);
}

/* A bad sector in the file that `bad_path` is a part of. */
static const char *bad_path;
static struct io_file *bad_file;

static enum error io_open_bad(struct io *io, const char *path, int flags, struct io_file **out)
{
    (void)io;
    enum error error = io_posix()->ops->open(io_posix(), path, flags, out);
    if (error == ERR_OK && strstr(path, bad_path))
        bad_file = *out;
    else if (error == ERR_OK && bad_file == *out)
        bad_file = NULL; /* the memory of one that was closed */
    return error;
}

static enum error io_read_bad(struct io *io, struct io_file *file, void *data, size_t size,
                              int64_t position, size_t *got)
{
    (void)io;
    return file == bad_file ? ERR_IO
                            : io_posix()->ops->read(io_posix(), file, data, size, position, got);
}

TEST(a_file_that_the_disk_cannot_read_is_damaged)
{
    struct scene s;
    struct message message = {""};
    struct kv_torn_end torn;
    struct io_ops ops = *io_posix()->ops;
    struct io io = {.ops = &ops};
    ops.open = io_open_bad;
    ops.read = io_read_bad;
    set_scene(&s, "unreadable");
    fill(&s);
    bad_path = "rows-00000000000000000001.log";
    s.env.io = &io;
    open_well(&s, KV_OPEN_EXISTING);
    EXPECT(rows_are_expected(&s) && log_has(&s, "WARN") &&
           log_has(&s, "log: the disk cannot read"));
    close_store(&s);
    s.env.io = io_posix();
    char *path = io_path(s.directory, "kv");
    static const char *const parts[] = {"CURRENT", "MANIFEST-", ".log", ".ldb"};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        bad_path = parts[i];
        EXPECT_INT(kv_files_check(&io, path, &torn, &message), ERR_CORRUPT);
        EXPECT(strstr(message.text, parts[i]) && strstr(message.text, "the disk cannot read"));
    }
    free(path);
    clear_scene(&s);
}

static void use_failing_io(struct scene *s, struct failing_io *f, int fail_at, enum error error)
{
    *f = (struct failing_io){.ops = *io_posix()->ops, .fail_at = fail_at, .error = error};
    f->ops.open = io_open;
    f->ops.write = io_cut_write;
    f->ops.sync = io_sync_file;
    f->ops.truncate = io_truncate;
    f->ops.rename = io_rename;
    f->ops.unlink = io_unlink;
    f->ops.make_directory = io_make;
    f->ops.sync_directory = io_sync_names;
    f->io.ops = &f->ops;
    the_io = f;
    s->env.io = &f->io;
}

enum { FAULT_WRITES = 8 };

/* Creates a store and writes with a fault at one call. Returns the number of calls. Key n is
 * written by write n. */
static int write_with_fault(int fail_at, enum error error)
{
    struct scene s;
    struct failing_io f;
    bool done[FAULT_WRITES] = {false};
    int failures = 0;
    set_scene(&s, "faults");
    run(&s, "rm -rf kv rows kv.damaged");
    s.driver.generation_bytes = 500;
    use_failing_io(&s, &f, fail_at, error);
    if (open_as(&s, KV_OPEN_OR_CREATE) == ERR_OK) {
        for (int i = 0; i < FAULT_WRITES; i++) {
            char key[2] = {(char)('a' + i), '\0'};
            enum error result = put(&s, key, 'v', (size_t)(300 - 40 * i));
            done[i] = result == ERR_OK;
            failures += result != ERR_OK;
            EXPECT(result == ERR_OK || result == error);
            EXPECT(failures == 0 || error == ERR_NO_SPACE || !done[i]); /* EIO is final */
        }
        close_store(&s);
    }
    EXPECT(error != ERR_NO_SPACE || failures <= 1);
    EXPECT(error != ERR_NO_SPACE || !done[FAULT_WRITES - 1] || state_of_file(&s) == ROW_FILE_WHOLE);
    s.env.io = io_posix();
    open_well(&s, KV_OPEN_OR_CREATE);
    read_rows(&s, &s.expected);
    for (int i = 0; i < FAULT_WRITES; i++) {
        char record[5] = {0, 0, 0, 1, (char)('a' + i)};
        bool found = memmem(s.expected.data ? s.expected.data : (uint8_t *)"", s.expected.size,
                            record, sizeof record) != NULL;
        if (done[i] && !found)
            test_fail(__FILE__, __LINE__, "write %d is lost after a fault at call %d", i, fail_at);
    }
    close_store(&s);
    clear_scene(&s);
    return f.calls;
}

TEST(a_full_disk_at_any_call_loses_nothing_and_heals)
{
    int calls = write_with_fault(-1, ERR_NO_SPACE);
    EXPECT(calls > 30);
    for (int at = 0; at < calls; at++)
        write_with_fault(at, ERR_NO_SPACE);
}

TEST(a_failed_call_loses_no_acknowledged_write)
{
    int calls = write_with_fault(-1, ERR_IO);
    for (int at = 0; at < calls; at++)
        write_with_fault(at, ERR_IO);
}

TEST(an_incomplete_record_that_could_not_be_cut_is_cut_by_the_next_write)
{
    struct scene s;
    struct failing_io f;
    set_scene(&s, "uncut");
    use_failing_io(&s, &f, -1, ERR_NO_SPACE);
    open_well(&s, KV_OPEN_OR_CREATE);
    EXPECT_INT(put(&s, "a", 'v', 300), ERR_OK);
    f.fail_at = f.calls;
    f.refused_cuts = 1;
    EXPECT_INT(put(&s, "b", 'v', 300), ERR_NO_SPACE);
    EXPECT_INT(f.refused_cuts, 0);
    EXPECT_INT(put(&s, "c", 'v', 10), ERR_OK);
    close_store(&s);
    s.env.io = io_posix();
    EXPECT_INT(state_of_file(&s), ROW_FILE_WHOLE);
    clear_scene(&s);
}

/* It is unknown which of the two files the next start will find. */
TEST(a_new_row_file_whose_name_is_not_durable_ends_the_writes)
{
    struct scene s;
    struct failing_io f;
    int failures = 0;
    set_scene(&s, "unnamed");
    s.driver.generation_bytes = 500;
    use_failing_io(&s, &f, -1, ERR_IO);
    open_well(&s, KV_OPEN_OR_CREATE);
    f.lose_names = true;
    for (int i = 0; i < 10; i++) {
        enum error error = put(&s, "a", (char)('a' + i), 300);
        EXPECT(error == (failures > 0 ? ERR_IO : error));
        failures += error != ERR_OK;
    }
    EXPECT(failures > 0);
    close_store(&s);
    s.env.io = io_posix();
    clear_scene(&s);
}

/* Generations */

enum { WRITERS = 4 };

struct writer {
    struct scene *s;
    int number, failures;
};

static void *write_many(void *context)
{
    struct writer *w = context;
    char key[32];
    for (int i = 0; i < 150; i++) {
        snprintf(key, sizeof key, "writer-%d-%03d", w->number, i % 50);
        w->failures += put(w->s, key, (char)('a' + i % 26), 2000) != ERR_OK;
    }
    return NULL;
}

TEST(generations_begin_while_writers_continue)
{
    struct scene s;
    set_scene(&s, "generations");
    s.driver.generation_bytes = 50000;
    open_well(&s, KV_OPEN_OR_CREATE);
    pthread_t threads[WRITERS];
    struct writer writers[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){&s, i, 0};
        EXPECT_INT(pthread_create(&threads[i], NULL, write_many, &writers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
        EXPECT_INT(writers[i].failures, 0);
    }
    read_rows(&s, &s.expected);
    close_store(&s);
    struct names names = files_of(&s, "rows", "rows-");
    EXPECT_INT(names.count, 1);
    EXPECT(strstr(names.at[0], "rows-00000000000000000001.log") == NULL);
    EXPECT(size_of(names.at[0]) < 3 * s.expected.size + 100000);
    open_well(&s, KV_OPEN_EXISTING);
    EXPECT(rows_are_expected(&s) && s.log.size == 0);
    close_store(&s);
    run(&s, "rm -rf kv");
    open_well(&s, KV_OPEN_EXISTING);
    EXPECT(rows_are_expected(&s) && log_has(&s, "WARN"));
    close_store(&s);
    clear_scene(&s);
}

TEST(megabytes_of_rows_are_written_again_from_either_copy)
{
    struct scene s;
    int repaired = 0, refused = 0;
    set_scene(&s, "megabytes");
    s.driver.generation_bytes = 1 << 20;
    open_well(&s, KV_OPEN_OR_CREATE);
    for (int i = 0; i < 200; i++)
        write_batch(&s, i, 40000);
    read_rows(&s, &s.expected);
    EXPECT(s.expected.size > 6 << 20);
    close_store(&s);
    run(&s, "cp -r . \"$PWD.kept\"");
    struct names tables = files_of(&s, "kv", ".ldb");
    EXPECT(tables.count > 1);
    flip(tables.at[0], size_of(tables.at[0]) / 2, 4);
    expect_nothing_lost(&s, "a table", &repaired, &refused);
    struct names names = files_of(&s, "rows", ".log");
    flip(names.at[0], size_of(names.at[0]) / 2, 4);
    expect_nothing_lost(&s, "the row file", &repaired, &refused);
    EXPECT_INT(repaired, 2);
    flip(tables.at[0], size_of(tables.at[0]) / 2, 4);
    flip(names.at[0], size_of(names.at[0]) / 2, 4);
    expect_refused(&s, "/megabytes/kv", names.at[0]);
    clear_scene(&s);
}

/* Damage while the broker runs: the present file gets all further writes. */
TEST(damage_that_a_new_generation_finds_is_repaired_by_the_next_open)
{
    struct scene s;
    set_scene(&s, "running");
    fill(&s);
    s.driver.generation_bytes = 20000;
    open_well(&s, KV_OPEN_EXISTING);
    struct names tables = files_of(&s, "kv", ".ldb");
    for (size_t i = 0; i < tables.count; i++)
        flip(tables.at[i], 500, 4);
    for (int i = BATCHES; i < 2 * BATCHES; i++)
        write_batch(&s, i, 3000);
    EXPECT(log_has(&s, "WARN"));
    EXPECT(log_has(&s, "the key-value store is damaged, the next start repairs it"));
    EXPECT(log_has(&s, "/running/kv"));
    EXPECT(strstr(strstr(buffer_c_string(&s.log), "WARN") + 1, "WARN") == NULL);
    close_store(&s);
    open_well(&s, KV_OPEN_EXISTING);
    EXPECT(log_has(&s, "it was written again and no row is lost"));
    read_rows(&s, &s.expected);
    EXPECT(memmem(s.expected.data, s.expected.size, "row-0001", 8) != NULL);
    EXPECT(memmem(s.expected.data, s.expected.size, "row-0059", 8) != NULL);
    close_store(&s);
    clear_scene(&s);
}

/* Data directories of format 1 have no row files. */

static void make_format_1(struct scene *s)
{
    char *path = io_path(s->directory, "kv");
    for (int half = 0; half < 2; half++) {
        EXPECT_INT(kv_leveldb()->open(kv_leveldb(), path, KV_OPEN_OR_CREATE, &s->kv, &s->message),
                   ERR_OK);
        for (int i = 0; i < BATCHES / 2; i++)
            write_batch(s, half * BATCHES / 2 + i, 3000);
        read_rows(s, &s->expected);
        close_store(s);
    }
    free(path);
    run(s, "cp -r . \"$PWD.kept\"");
}

TEST(a_store_without_row_files_is_upgraded)
{
    struct scene s;
    int repaired = 0, refused = 0;
    set_scene(&s, "upgrade");
    make_format_1(&s);
    EXPECT_INT(open_as(&s, KV_OPEN_EXISTING), ERR_CORRUPT);
    for (int i = 0; i < 2; i++) { /* the second one after an upgrade that was cut off */
        open_well(&s, KV_OPEN_ALONE);
        EXPECT(!log_has(&s, "WARN") && rows_are_expected(&s));
        close_store(&s);
        EXPECT_INT(files_of(&s, "rows", "").count, 1);
    }
    run(&s, "rm -rf \"$PWD.kept\" && cp -r . \"$PWD.kept\" && rm kv/*.ldb");
    expect_nothing_lost(&s, "tables after an upgrade", &repaired, &refused);
    EXPECT_INT(repaired, 1);
    clear_scene(&s);
}

TEST(a_damaged_store_without_row_files_is_not_upgraded)
{
    static const char *const harms[] = {"rm kv/CURRENT", "rm kv/*.ldb", "rm kv/*.log",
                                        "truncate -s -10 kv/*.log"};
    struct scene s;
    set_scene(&s, "upgrade-damaged");
    make_format_1(&s);
    for (size_t i = 0; i < COUNT_OF(harms); i++) {
        run(&s, "%s", harms[i]);
        EXPECT_INT(open_as(&s, KV_OPEN_ALONE), ERR_CORRUPT);
        EXPECT(strstr(s.message.text, "/upgrade-damaged/kv") != NULL);
        EXPECT(strstr(s.message.text, "start and stop it once with the version that wrote it") !=
               NULL);
        run(&s, "test ! -e rows/rows-*");
        restore(&s);
    }
    open_well(&s, KV_OPEN_ALONE);
    EXPECT(rows_are_expected(&s));
    close_store(&s);
    clear_scene(&s);
}
