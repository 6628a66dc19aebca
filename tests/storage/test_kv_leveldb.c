#include "storage/io.h"
#include "storage/kv.h"
#include "storage/kv_files.h"
#include "tests/harness/harness.h"

#include <dirent.h>
#include <leveldb/c.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static struct kv *open_kv(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", test_directory(), name);
    struct message message = {{0}};
    struct kv *kv = NULL;
    enum error error = kv_leveldb()->open(kv_leveldb(), path, KV_OPEN_OR_CREATE, &kv, &message);
    if (error != ERR_OK)
        test_fail(__FILE__, __LINE__, "%s: %s", error_text(error), message.text);
    return kv;
}

struct listing {
    char text[512];
    enum error stop_with;
};

static enum error list_pair(void *context, struct bytes key, struct bytes value)
{
    struct listing *l = context;
    size_t used = strlen(l->text);
    snprintf(l->text + used, sizeof l->text - used, "%.*s=%.*s ", BYTES_PRINTF(key),
             BYTES_PRINTF(value));
    return l->stop_with;
}

static struct kv_change change(const char *key, const char *value)
{
    return (struct kv_change){bytes_string(key), bytes_string(value)};
}

TEST(rows_come_back_in_key_order_after_a_restart)
{
    struct kv *kv = open_kv("order");
    struct kv_change first[] = {change("b2", "two"), change("b1", "one"), change("c", "x"),
                                change("a", "")};
    EXPECT_INT(kv->driver->write(kv, first, COUNT_OF(first)), ERR_OK);
    struct kv_change second[] = {change("b2", "zwei"), change("c", NULL)};
    EXPECT_INT(kv->driver->write(kv, second, COUNT_OF(second)), ERR_OK);
    kv->driver->close(kv);

    kv = open_kv("order");
    struct listing all = {.text = ""}, some = {.text = ""};
    EXPECT_INT(kv->driver->scan(kv, BYTES_LITERAL(""), list_pair, &all), ERR_OK);
    EXPECT_STRING(all.text, "a= b1=one b2=zwei ");
    EXPECT_INT(kv->driver->scan(kv, BYTES_LITERAL("b"), list_pair, &some), ERR_OK);
    EXPECT_STRING(some.text, "b1=one b2=zwei ");
    kv->driver->close(kv);
}

static void put_raw(const char *name, const char *key, const char *stored, size_t size)
{
    char path[256], *error = NULL;
    snprintf(path, sizeof path, "%s/%s", test_directory(), name);
    leveldb_options_t *options = leveldb_options_create();
    leveldb_writeoptions_t *write = leveldb_writeoptions_create();
    leveldb_t *db = leveldb_open(options, path, &error);
    EXPECT(error == NULL);
    leveldb_put(db, write, key, strlen(key), stored, size, &error);
    EXPECT(error == NULL);
    leveldb_close(db);
    leveldb_writeoptions_destroy(write);
    leveldb_options_destroy(options);
}

/* LevelDB's own checksums cover only what it has written to its files. */
TEST(a_row_that_is_not_as_it_was_put_is_damage)
{
    struct kv *kv = open_kv("checksum");
    struct kv_change row = change("a", "value");
    EXPECT_INT(kv->driver->write(kv, &row, 1), ERR_OK);
    kv->driver->close(kv);
    put_raw("checksum", "b", "\0\0\0\0value", 9);
    kv = open_kv("checksum");
    struct listing all = {.text = ""};
    EXPECT_INT(kv->driver->scan(kv, BYTES_LITERAL(""), list_pair, &all), ERR_CORRUPT);
    EXPECT_STRING(all.text, "a=value ");
    struct message message = {""};
    EXPECT_INT(kv->driver->check(kv, &message), ERR_CORRUPT);
    EXPECT(strstr(message.text, "/checksum: the checksum of a row of kind b is wrong") != NULL);
    kv->driver->close(kv);
}

TEST(a_scan_ends_with_the_error_of_its_callback)
{
    struct kv *kv = open_kv("stop");
    struct kv_change rows[] = {change("a", "1"), change("b", "2")};
    EXPECT_INT(kv->driver->write(kv, rows, COUNT_OF(rows)), ERR_OK);
    struct listing l = {.text = "", .stop_with = ERR_INVALID};
    EXPECT_INT(kv->driver->scan(kv, BYTES_LITERAL(""), list_pair, &l), ERR_INVALID);
    EXPECT_STRING(l.text, "a=1 ");
    kv->driver->close(kv);
}

TEST(a_store_that_is_open_is_busy_for_others)
{
    struct kv *kv = open_kv("lock"), *other;
    char path[256];
    snprintf(path, sizeof path, "%s/lock", test_directory());
    struct message message;
    EXPECT_INT(kv_leveldb()->open(kv_leveldb(), path, KV_OPEN_OR_CREATE, &other, &message),
               ERR_BUSY);
    EXPECT(strstr(message.text, "cannot open the key-value store ") != NULL);
    EXPECT(strstr(message.text, path) != NULL);
    kv->driver->close(kv);
}

/* The newest log file of the store: it has the rows that were just written. */
static void find_log(const char *directory, char path[600])
{
    DIR *d = opendir(directory);
    path[0] = '\0';
    for (struct dirent *e; (e = readdir(d));) {
        if (strstr(e->d_name, ".log"))
            snprintf(path, 600, "%s/%s", directory, e->d_name);
    }
    closedir(d);
}

static enum error expect_value(void *context, struct bytes key, struct bytes value)
{
    bool *wrong = context;
    *wrong |=
        !bytes_equal_string(key, "key") || !bytes_equal_string(value, "a value of some length");
    return ERR_OK;
}

/* Opens a damaged store and reads it: rows may be missing, but not wrong. */
static bool gives_only_true_rows(const char *directory)
{
    struct message message = {{0}};
    struct kv *kv;
    if (kv_leveldb()->open(kv_leveldb(), directory, KV_OPEN_EXISTING, &kv, &message) != ERR_OK)
        return true;
    bool wrong = false;
    (void)!kv->driver->scan(kv, BYTES_LITERAL(""), expect_value, &wrong);
    kv->driver->close(kv);
    return !wrong;
}

TEST(a_flipped_bit_never_gives_a_wrong_row)
{
    char directory[256], path[600], command[1400];
    snprintf(directory, sizeof directory, "%s/flip", test_directory());
    for (int at = 0; at < 60; at += 3) {
        struct kv *kv = open_kv("flip");
        struct kv_change row = change("key", "a value of some length");
        EXPECT_INT(kv->driver->write(kv, &row, 1), ERR_OK);
        kv->driver->close(kv);
        find_log(directory, path);
        FILE *f = fopen(path, "r+b");
        EXPECT(f != NULL);
        fseek(f, at, SEEK_SET);
        int c = fgetc(f);
        fseek(f, at, SEEK_SET);
        if (c != EOF)
            fputc(c ^ 1 << at % 8, f);
        fclose(f);
        EXPECT(gives_only_true_rows(directory));
        snprintf(command, sizeof command, "rm -rf '%s'", directory);
        EXPECT_INT(system(command), 0);
    }
}

static void run(const char *format, const char *directory)
{
    char command[700];
    snprintf(command, sizeof command, "cd '%s' && %s", directory, format);
    EXPECT_INT(system(command), 0);
}

TEST(a_store_is_created_only_on_request)
{
    char path[256];
    snprintf(path, sizeof path, "%s/absent", test_directory());
    struct message message = {{0}};
    struct kv *kv;
    EXPECT_INT(kv_leveldb()->open(kv_leveldb(), path, KV_OPEN_EXISTING, &kv, &message),
               ERR_CORRUPT);
    EXPECT(strstr(message.text, "/absent/CURRENT: ") != NULL);
    EXPECT(access(path, F_OK) != 0);
    kv = open_kv("absent");
    kv->driver->close(kv);
    EXPECT_INT(kv_leveldb()->open(kv_leveldb(), path, KV_OPEN_EXISTING, &kv, &message), ERR_OK);
    kv->driver->close(kv);
}

TEST(a_store_without_its_file_current_is_refused_and_not_changed)
{
    char path[256];
    snprintf(path, sizeof path, "%s/headless", test_directory());
    struct kv *kv = open_kv("headless");
    struct kv_change row = change("key", "a value of some length");
    EXPECT_INT(kv->driver->write(kv, &row, 1), ERR_OK);
    kv->driver->close(kv);
    run("mv CURRENT ../CURRENT.kept && cp -r . ../headless.kept", path);
    struct message message = {{0}};
    EXPECT_INT(kv_leveldb()->open(kv_leveldb(), path, KV_OPEN_EXISTING, &kv, &message),
               ERR_CORRUPT);
    EXPECT(strstr(message.text, "/headless/CURRENT: the file is missing") != NULL);
    run("diff -r . ../headless.kept && mv ../CURRENT.kept CURRENT", path);
    kv = open_kv("headless");
    struct listing all = {.text = ""};
    EXPECT_INT(kv->driver->scan(kv, BYTES_LITERAL(""), list_pair, &all), ERR_OK);
    EXPECT_STRING(all.text, "key=a value of some length ");
    kv->driver->close(kv);
}

TEST(an_interrupted_creation_is_finished)
{
    char path[256];
    snprintf(path, sizeof path, "%s/half", test_directory());
    struct kv *kv = open_kv("half");
    kv->driver->close(kv);
    run("rm -f CURRENT *.log && echo half >MANIFEST-000001 && echo half >000001.dbtmp", path);
    kv = open_kv("half");
    struct kv_change row = change("key", "value");
    EXPECT_INT(kv->driver->write(kv, &row, 1), ERR_OK);
    kv->driver->close(kv);
    kv = open_kv("half");
    struct listing all = {.text = ""};
    EXPECT_INT(kv->driver->scan(kv, BYTES_LITERAL(""), list_pair, &all), ERR_OK);
    EXPECT_STRING(all.text, "key=value ");
    kv->driver->close(kv);
}

/* Batches in one log. A block has several, and some batches have several blocks, such as the last
 * of a dozen. */

enum { BATCHES_MAX = 16, LARGE_LAST = 12, SMALL_LAST = 16, FRAGMENT_HEADER = 7 };

struct damaged_store {
    char path[256]; /* <path>.kept is a copy from before the damage */
    char log[600];
    int count;
    size_t ends[BATCHES_MAX]; /* of the batches in the log */
    struct buffer content;    /* of the log */
};

static size_t batch_size(int batch)
{
    return batch % 6 == 5 ? 70000 : 40 + (size_t)batch * 1700 % 5000;
}

static void read_log(struct damaged_store *s)
{
    buffer_clear(&s->content);
    EXPECT_INT(io_read_file(io_posix(), s->log, &s->content), ERR_OK);
}

static void write_batch(struct kv *kv, int batch)
{
    char key[20], *value = xmalloc(batch_size(batch));
    snprintf(key, sizeof key, "batch-%02d", batch);
    memset(value, 'a' + batch, batch_size(batch));
    struct kv_change rows[] = {{bytes_string(key), bytes_of(value, batch_size(batch))},
                               {BYTES_LITERAL("last"), bytes_of(&batch, sizeof batch)}};
    EXPECT_INT(kv->driver->write(kv, rows, COUNT_OF(rows)), ERR_OK);
    free(value);
}

static void make_store(struct damaged_store *s, const char *name, int count)
{
    *s = (struct damaged_store){.count = count};
    buffer_init(&s->content, 1 << 20);
    snprintf(s->path, sizeof s->path, "%s/%s", test_directory(), name);
    struct kv *kv = open_kv(name);
    find_log(s->path, s->log);
    for (int i = 0; i < count; i++) {
        write_batch(kv, i);
        read_log(s);
        s->ends[i] = s->content.size;
    }
    kv->driver->close(kv);
    run("rm -rf \"$PWD.kept\" && cp -r . \"$PWD.kept\"", s->path);
}

static void restore(const struct damaged_store *s)
{
    run("rm -rf * && cp -r \"$PWD.kept\"/* .", s->path);
}

static void write_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    EXPECT(f != NULL);
    EXPECT_INT(fwrite(data, 1, size, f), size);
    fclose(f);
}

struct batch_count {
    int count, last;
    bool wrong;
};

static enum error count_batch(void *context, struct bytes key, struct bytes value)
{
    struct batch_count *c = context;
    char expected[20];
    if (bytes_equal_string(key, "last")) {
        memcpy(&c->last, value.data, sizeof c->last);
        return ERR_OK;
    }
    snprintf(expected, sizeof expected, "batch-%02d", c->count);
    c->wrong |= !bytes_equal_string(key, expected) || value.size != batch_size(c->count);
    for (size_t i = 0; i < value.size; i++)
        c->wrong |= value.data[i] != 'a' + c->count;
    c->count++;
    return ERR_OK;
}

/* The number of batches, from the first one on without a gap. -1: the store was refused, and the
 * reason says where. */
static int batches_left(const struct damaged_store *s)
{
    struct message message = {{0}};
    struct kv *kv;
    enum error error = kv_leveldb()->open(kv_leveldb(), s->path, KV_OPEN_EXISTING, &kv, &message);
    if (error != ERR_OK) {
        EXPECT_INT(error, ERR_CORRUPT);
        EXPECT(strstr(message.text, s->path) != NULL);
        return -1;
    }
    struct batch_count c = {.last = -1};
    error = kv->driver->scan(kv, BYTES_LITERAL(""), count_batch, &c);
    kv->driver->close(kv);
    if (error == ERR_OK && !c.wrong && c.last == c.count - 1)
        return c.count;
    test_fail(__FILE__, __LINE__, "%s, %d batches, the last is %d", error_text(error), c.count,
              c.last);
    return -2;
}

static void expect_reason(const struct damaged_store *s, enum kv_open how, const char *reason)
{
    struct message message = {""};
    struct kv *kv;
    EXPECT_INT(kv_leveldb()->open(kv_leveldb(), s->path, how, &kv, &message), ERR_CORRUPT);
    if (strstr(message.text, reason) == NULL || strstr(message.text, s->log) == NULL)
        test_fail(__FILE__, __LINE__, "'%s' is not in: %s", reason, message.text);
}

static int flip_log(const struct damaged_store *s, size_t at)
{
    s->content.data[at] ^= (uint8_t)(1 << at % 8);
    write_file(s->log, s->content.data, s->content.size);
    int left = batches_left(s);
    s->content.data[at] ^= (uint8_t)(1 << at % 8);
    if (left >= 0)
        restore(s);
    else
        write_file(s->log, s->content.data, s->content.size);
    return left;
}

/* Damage in the last batch may look like an interrupted write. */
static void expect_found(const struct damaged_store *s, size_t at)
{
    int left = flip_log(s, at);
    bool in_last = at >= s->ends[s->count - 2];
    if (left != -1 && left != s->count && !(in_last && left == s->count - 1))
        test_fail(__FILE__, __LINE__, "byte %zu: %d batches of %d are left", at, left, s->count);
}

static void flip_everywhere(const char *name, int count)
{
    struct damaged_store s;
    make_store(&s, name, count);
    size_t last = s.ends[count - 2];
    for (size_t at = 0; at < last; at += 97)
        expect_found(&s, at);
    /* Fewer positions: LevelDB syncs a lot when it opens a torn log. */
    for (size_t at = last; at < s.content.size; at += test_states(997, 9973))
        expect_found(&s, at);
    for (int i = 1; i < count; i++) {
        for (size_t at = s.ends[i - 1]; at < s.ends[i - 1] + FRAGMENT_HEADER; at++)
            expect_found(&s, at);
    }
    EXPECT_INT(batches_left(&s), count);
    buffer_free(&s.content);
}

TEST(a_flipped_bit_in_a_log_that_ends_with_a_large_batch_loses_nothing_before_it)
{
    flip_everywhere("flips-large", LARGE_LAST);
}

TEST(a_flipped_bit_in_a_log_that_ends_with_small_batches_loses_nothing_before_the_last)
{
    flip_everywhere("flips-small", SMALL_LAST);
}

static int batches_up_to(const struct damaged_store *s, size_t size)
{
    int count = 0;
    while (count < s->count && s->ends[count] <= size)
        count++;
    return count;
}

/* Keeps the log up to `cut`, and fills it with zeros up to `size`. */
static int cut_log(const struct damaged_store *s, size_t cut, size_t size)
{
    uint8_t *data = xcalloc(1, MAX(cut, size) + 1);
    memcpy(data, s->content.data, cut);
    write_file(s->log, data, MAX(cut, size));
    free(data);
    int left = batches_left(s);
    restore(s);
    return left;
}

TEST(a_torn_end_is_left_out_and_the_batches_before_it_stay)
{
    struct damaged_store s;
    make_store(&s, "torn", LARGE_LAST);
    for (size_t cut = 0; cut <= s.content.size; cut += test_states(3307, 19973)) {
        EXPECT_INT(cut_log(&s, cut, cut), batches_up_to(&s, cut));
        EXPECT_INT(cut_log(&s, cut, s.content.size + cut % 50000), batches_up_to(&s, cut));
    }
    write_file(s.log, s.content.data, s.content.size - 10);
    expect_reason(&s, KV_OPEN_ALONE, ".log: the last write ends at byte ");
    buffer_free(&s.content);
}

/* Clears a page of the log, as if it had not been written. */
static int lose_page(const struct damaged_store *s, size_t at)
{
    uint8_t *data = xmalloc(s->content.size);
    memcpy(data, s->content.data, s->content.size);
    memset(data + at, 0, MIN((size_t)4096, s->content.size - at));
    write_file(s->log, data, s->content.size);
    free(data);
    int left = batches_left(s);
    restore(s);
    return left;
}

TEST(a_lost_page_is_a_torn_end_in_the_last_batch_only)
{
    struct damaged_store s;
    make_store(&s, "page", LARGE_LAST);
    size_t last = s.ends[LARGE_LAST - 2];
    for (size_t at = 0; at < s.content.size; at += 4096) {
        if (at > last)
            EXPECT_INT(lose_page(&s, at), LARGE_LAST - 1);
        else
            EXPECT_INT(lose_page(&s, at), -1);
    }
    EXPECT_INT(lose_page(&s, last), LARGE_LAST - 1);
    buffer_free(&s.content);
}

static void log_beside(const struct damaged_store *s, int step, char path[600])
{
    const char *name = strrchr(s->log, '/') + 1;
    snprintf(path, 600, "%s/%06d.log", s->path, atoi(name) + step);
}

TEST(a_torn_end_of_a_log_with_rows_in_a_newer_one_is_refused)
{
    struct damaged_store s, other;
    make_store(&s, "older", LARGE_LAST);
    make_store(&other, "newer", 2);
    char newer[600];
    log_beside(&s, 1, newer);
    size_t cut = s.content.size - 10;
    write_file(newer, "", 0);
    EXPECT_INT(cut_log(&s, cut, cut), LARGE_LAST - 1);
    write_file(newer, other.content.data, other.content.size);
    EXPECT_INT(cut_log(&s, cut, cut), -1);
    buffer_free(&s.content);
    buffer_free(&other.content);
}

TEST(a_log_that_is_no_longer_needed_may_be_torn)
{
    struct damaged_store s;
    make_store(&s, "obsolete", LARGE_LAST);
    char older[600];
    log_beside(&s, -1, older);
    write_file(older, s.content.data, 50000);
    EXPECT_INT(batches_left(&s), LARGE_LAST);
    buffer_free(&s.content);
}

TEST(a_log_that_is_missing_is_refused)
{
    struct damaged_store s;
    make_store(&s, "missing", LARGE_LAST);
    EXPECT_INT(unlink(s.log), 0);
    expect_reason(&s, KV_OPEN_EXISTING, ".log: the file is missing");
    restore(&s);
    EXPECT_INT(batches_left(&s), LARGE_LAST);
    buffer_free(&s.content);
}

static void note_manifest(void *context, const char *name)
{
    struct damaged_store *s = context;
    if (strncmp(name, "MANIFEST-", 9) == 0)
        snprintf(s->log, sizeof s->log, "%s/%s", s->path, name);
}

/* The rows are in a table here, which only the MANIFEST names. */
TEST(a_flipped_bit_in_the_manifest_is_refused_or_changes_nothing)
{
    struct damaged_store s;
    make_store(&s, "manifest", SMALL_LAST);
    EXPECT_INT(batches_left(&s), SMALL_LAST);
    run("rm -rf \"$PWD.kept\" && cp -r . \"$PWD.kept\"", s.path);
    EXPECT_INT(io_posix()->ops->list(io_posix(), s.path, note_manifest, &s), ERR_OK);
    read_log(&s);
    for (size_t at = 0; at < s.content.size; at++) {
        int left = flip_log(&s, at);
        if (left != -1 && left != SMALL_LAST)
            test_fail(__FILE__, __LINE__, "byte %zu: %d batches are left", at, left);
    }
    buffer_free(&s.content);
}

/* Before LevelDB sees it: the numbers of the logs that must exist are in it. */
TEST(a_flipped_bit_in_the_first_record_of_the_manifest_is_named)
{
    struct damaged_store s;
    struct kv_torn_end torn;
    struct message message = {""};
    make_store(&s, "manifest-named", SMALL_LAST);
    EXPECT_INT(kv_files_check(io_posix(), s.path, &torn, &message), ERR_OK);
    run("printf '~' | dd of=$(echo MANIFEST-*) bs=1 seek=10 conv=notrunc 2>dd", s.path);
    EXPECT_INT(kv_files_check(io_posix(), s.path, &torn, &message), ERR_CORRUPT);
    EXPECT(strstr(message.text, "/MANIFEST-") && strstr(message.text, "damaged at byte 0"));
    buffer_free(&s.content);
}

static enum error put_text(struct kv *kv, const char *key, size_t size)
{
    char *value = xcalloc(1, size + 1);
    memset(value, key[0], size);
    struct kv_change row = change(key, value);
    enum error error = kv->driver->write(kv, &row, 1);
    free(value);
    return error;
}

static enum error count_pair(void *context, struct bytes key, struct bytes value)
{
    (void)key;
    *(size_t *)context += value.size;
    return ERR_OK;
}

/* The limit on the size of files stands for a full disk: it takes a part of a write. */
TEST(writes_after_one_that_the_disk_cut_short_survive_a_restart)
{
    struct kv *kv = open_kv("short");
    struct rlimit before, low;
    size_t bytes = 0;
    EXPECT_INT(put_text(kv, "a", 1000), ERR_OK);
    signal(SIGXFSZ, SIG_IGN);
    EXPECT_INT(getrlimit(RLIMIT_FSIZE, &before), 0);
    low = (struct rlimit){100000, before.rlim_max};
    EXPECT_INT(setrlimit(RLIMIT_FSIZE, &low), 0);
    enum error refused = put_text(kv, "b", 300000);
    EXPECT_INT(setrlimit(RLIMIT_FSIZE, &before), 0);
    EXPECT(refused != ERR_OK);
    EXPECT_INT(put_text(kv, "c", 2000), ERR_OK);
    EXPECT_INT(put_text(kv, "d", 50000), ERR_OK);
    kv->driver->close(kv);

    kv = open_kv("short");
    EXPECT_INT(kv->driver->scan(kv, BYTES_LITERAL(""), count_pair, &bytes), ERR_OK);
    EXPECT_INT(bytes, 1000 + 2000 + 50000);
    kv->driver->close(kv);
}

TEST(a_write_without_a_descriptor_has_an_error_of_its_own_and_works_later)
{
    struct kv *kv = open_kv("descriptors");
    struct rlimit before, none;
    enum error refused = ERR_OK;
    size_t bytes = 0, kept = 0;
    EXPECT_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){0, before.rlim_max};
    EXPECT_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
    /* LevelDB opens a new file when its log is full. */
    for (int i = 0; i < 100 && refused == ERR_OK; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        refused = put_text(kv, key, 100000);
        kept += refused == ERR_OK ? 100000 : 0;
    }
    EXPECT_INT(refused, ERR_NO_FILES);
    EXPECT_INT(put_text(kv, "still", 1), ERR_NO_FILES);
    EXPECT_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_INT(put_text(kv, "later", 7), ERR_OK);
    kv->driver->close(kv);

    kv = open_kv("descriptors");
    EXPECT_INT(kv->driver->scan(kv, BYTES_LITERAL(""), count_pair, &bytes), ERR_OK);
    EXPECT_INT(bytes, kept + 7);
    kv->driver->close(kv);
}

/* Each open makes a table of the rows in the log. */
static void make_tables(const char *name, int count)
{
    char value[4000];
    for (int i = 0; i < count; i++) {
        struct kv *kv = open_kv(name);
        memset(value, 'a' + i, sizeof value);
        struct kv_change row = {BYTES_LITERAL("key"), bytes_of(value, sizeof value)};
        EXPECT_INT(kv->driver->write(kv, &row, 1), ERR_OK);
        kv->driver->close(kv);
    }
}

/* The first table. It gives the number of tables. */
static int find_table(const char *directory, char path[600])
{
    char first[256] = "";
    int count = 0;
    DIR *d = opendir(directory);
    for (struct dirent *e; (e = readdir(d));) {
        if (strstr(e->d_name, ".ldb") == NULL)
            continue;
        if (count++ == 0 || strcmp(e->d_name, first) < 0)
            snprintf(first, sizeof first, "%s", e->d_name);
    }
    closedir(d);
    snprintf(path, 600, "%s/%s", directory, first);
    return count;
}

/* Otherwise damaged bytes get the checksum of a new table. LevelDB compacts in the background when
 * there are four tables. */
TEST(a_compaction_that_meets_damage_ends_the_writes)
{
    char directory[256], path[600];
    snprintf(directory, sizeof directory, "%s/compaction", test_directory());
    make_tables("compaction", 4);
    EXPECT_INT(find_table(directory, path), 3);
    FILE *table = fopen(path, "r+");
    EXPECT(table != NULL);
    EXPECT_INT(fseek(table, 40, SEEK_SET), 0); /* in the value */
    EXPECT_INT(fputc('x', table), 'x');
    EXPECT_INT(fclose(table), 0);
    struct kv *kv = open_kv("compaction");
    struct kv_change row = change("other", "row");
    while (access(path, F_OK) == 0 && kv->driver->write(kv, &row, 1) == ERR_OK)
        ;
    EXPECT_INT(access(path, F_OK), 0); /* it is still there, and shows the damage */
    kv->driver->close(kv);
}
