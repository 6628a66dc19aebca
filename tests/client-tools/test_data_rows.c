#include "client-tools/data/data_rows.h"

#include "storage/io.h"
#include "storage/row_store.h"
#include "tests/harness/harness.h"

#include <stdio.h>
#include <stdlib.h>

/* A data directory with both copies of the rows. */
struct scene {
    struct env env;
    struct row_store_driver rows;
    struct arena arena;
    char kv[512];
    char told[4096];
};

static void note_finding(void *context, const struct finding *finding)
{
    struct scene *s = context;
    size_t used = strlen(s->told);
    if (finding->kind != FINDING_NOTE)
        snprintf(s->told + used, sizeof s->told - used, "%s: %s\n", finding->file,
                 finding->message);
}

/* Writes a row through a driver. A null value deletes it. */
static void put(struct scene *s, struct kv_driver *driver, struct bytes key, struct bytes value)
{
    struct kv_change change = {key, value};
    struct message message = {""};
    struct kv *kv;
    EXPECT_INT(driver->open(driver, s->kv, KV_OPEN_OR_CREATE, &kv, &message), ERR_OK);
    EXPECT_INT(kv->driver->write(kv, &change, 1), ERR_OK);
    kv->driver->close(kv);
}

static void run(const struct scene *s, const char *command)
{
    char text[1024];
    (void)s;
    snprintf(text, sizeof text, "cd '%s' && %s", test_directory(), command);
    EXPECT_INT(system(text), 0);
}

static void set_scene(struct scene *s)
{
    *s = (struct scene){.env = {.clock = clock_system(),
                                .random = random_system(),
                                .io = io_posix(),
                                .kv = kv_leveldb()}};
    arena_init(&s->arena, 1 << 20);
    row_store_init(&s->rows, &s->env, kv_leveldb());
    snprintf(s->kv, sizeof s->kv, "%s/kv", test_directory());
    put(s, &s->rows.driver, BYTES_LITERAL("Tone"), BYTES_LITERAL("1"));
    put(s, &s->rows.driver, BYTES_LITERAL("Sstate"), BYTES_LITERAL("of a processor"));
}

/* The state of the two copies. Only the rows of topics are kept. */
static enum data_copies judge(struct scene *s)
{
    struct data_rows rows = {.kinds = "TC"};
    struct data_findings findings = {note_finding, s};
    struct bytes value;
    s->told[0] = '\0';
    EXPECT_INT(data_rows_read(&rows, &s->env, test_directory(), &s->arena, &findings), ERR_OK);
    EXPECT(row_changes_get(&rows.rows, BYTES_LITERAL("Tone"), &value));
    EXPECT(bytes_equal_string(value, "1"));
    EXPECT(!row_changes_has(&rows.rows, BYTES_LITERAL("Sstate")));
    row_changes_free(&rows.rows);
    return rows.copies;
}

static void clear_scene(struct scene *s)
{
    arena_free(&s->arena);
}

TEST(a_store_that_lacks_the_last_write_is_sound_and_one_that_lacks_two_is_old)
{
    struct scene s;
    set_scene(&s);
    EXPECT_INT(judge(&s), COPIES_SOUND);
    run(&s, "cp -r kv older");
    put(&s, &s.rows.driver, BYTES_LITERAL("Ttwo"), BYTES_LITERAL("2"));
    run(&s, "mv kv newer && cp -r older kv");
    EXPECT_INT(judge(&s), COPIES_SOUND);
    EXPECT_STRING(s.told, "");
    run(&s, "rm -r kv && mv newer kv");
    put(&s, &s.rows.driver, BYTES_LITERAL("Sstate"), BYTES_LITERAL("changed"));
    run(&s, "rm -r kv && mv older kv");
    EXPECT_INT(judge(&s), COPIES_KV_DAMAGED);
    EXPECT(strstr(s.told, " 0 rows are missing or differ, and 2 writes are missing") != NULL);
    clear_scene(&s);
}

TEST(rows_that_the_store_lost_changed_or_invented_are_counted)
{
    struct scene s;
    set_scene(&s);
    put(&s, kv_leveldb(), BYTES_LITERAL("Sstate"), BYTES_LITERAL("changed"));
    EXPECT_INT(judge(&s), COPIES_KV_DAMAGED);
    EXPECT(strstr(s.told, " 1 rows are missing or differ, and 0 writes are missing") != NULL);
    put(&s, kv_leveldb(), BYTES_LITERAL("Tone"), BYTES_NULL);
    put(&s, kv_leveldb(), BYTES_LITERAL("Sinvented"), BYTES_LITERAL(""));
    EXPECT_INT(judge(&s), COPIES_KV_DAMAGED);
    EXPECT(strstr(s.told, " 3 rows are missing or differ, and 0 writes are missing") != NULL);
    clear_scene(&s);
}
