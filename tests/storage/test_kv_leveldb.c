#include "storage/kv.h"
#include "tests/harness/harness.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
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

TEST(a_second_opener_is_told_that_it_is_in_use)
{
    struct kv *kv = open_kv("lock"), *other;
    char path[256];
    snprintf(path, sizeof path, "%s/lock", test_directory());
    struct message message;
    EXPECT_INT(kv_leveldb()->open(kv_leveldb(), path, KV_OPEN_OR_CREATE, &other, &message),
               ERR_BUSY);
    kv->driver->close(kv);
}

/* The newest log file of the store: where rows lie that were just written. */
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

/* Opens a damaged store and reads it: what is given may be missing, never wrong. */
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

TEST(a_store_is_created_only_when_that_is_asked_for)
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

TEST(a_store_that_lost_its_file_current_is_refused_and_left_as_it_is)
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
    EXPECT(strstr(message.text, "restore the whole data directory from a copy") != NULL);
    run("diff -r . ../headless.kept && mv ../CURRENT.kept CURRENT", path);
    kv = open_kv("headless");
    struct listing all = {.text = ""};
    EXPECT_INT(kv->driver->scan(kv, BYTES_LITERAL(""), list_pair, &all), ERR_OK);
    EXPECT_STRING(all.text, "key=a value of some length ");
    kv->driver->close(kv);
}

TEST(a_creation_that_was_cut_off_is_finished)
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
