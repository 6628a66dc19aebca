/* Power cuts in the two copies of the rows: the real row store over the real LevelDB.
 *
 * Each history is recorded once, call by call. Then each state is a cut at some call. What it may
 * leave is written to a directory and opened. It must have the rows of one commit: not older than
 * the last one that had returned, and not newer than the one under way. Some states are cut again
 * while they are opened and written to.
 *
 * LevelDB has a thread of its own, so the order of its calls differs a little between two runs. So
 * a failure also keeps the files that the cut left. */
#include "base/bytes.h"
#include "storage/io.h"
#include "storage/row_file.h"
#include "storage/row_store.h"
#include "tests/harness/harness.h"
#include "tests/simulation/support_cuts.h"

#include <dlfcn.h>
#include <leveldb/c.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    KEYS = 60,
    COMMITS = 180,
    COMMITS_MORE = 8, /* after a cut */
    LIFE_COMMITS = 45,
    WRITE_BUFFER_BYTES = 64 << 10, /* LevelDB's minimum */
    GENERATION_BYTES = 150 << 10,
    PATH_SIZE = 400,
};

/* Tables, compactions and new MANIFESTs are made every few commits instead of every few hours. */
void leveldb_options_set_write_buffer_size(leveldb_options_t *options, size_t size)
{
    static void (*real)(leveldb_options_t *, size_t);
    if (real == NULL)
        real = (void (*)(leveldb_options_t *, size_t))dlsym(
            RTLD_NEXT, "leveldb_options_set_write_buffer_size");
    EXPECT(size > WRITE_BUFFER_BYTES);
    real(options, WRITE_BUFFER_BYTES);
}

/* The rows: which commit wrote each key last. 0: there is no such row. */

typedef uint16_t versions[KEYS];
static versions model[COMMITS + COMMITS_MORE + 1];

static size_t value_size(size_t key, size_t version)
{
    uint64_t numbers[2] = {key, version};
    uint64_t drawn = bytes_hash(bytes_of(numbers, sizeof numbers), 2);
    return drawn % 40 == 0 ? 40000 : 100 + drawn % 4000;
}

/* Does not compress. */
static void make_value(size_t key, size_t version, struct buffer *out)
{
    struct random_seeded random;
    size_t size = value_size(key, version);
    random_seeded_init(&random, key << 32 | version);
    buffer_append_be32(out, (uint32_t)version);
    for (size_t i = 0; i < size; i += 8)
        buffer_append_be64(out, random_u64(&random.random));
}

static void make_model(uint64_t seed)
{
    struct random_seeded random;
    random_seeded_init(&random, seed);
    for (size_t commit = 1; commit < COUNT_OF(model); commit++) {
        memcpy(model[commit], model[commit - 1], sizeof(versions));
        size_t changes = 1 + random_below(&random.random, 6);
        for (size_t i = 0; i < changes; i++) {
            size_t key = random_below(&random.random, KEYS);
            model[commit][key] = random_below(&random.random, 5) == 0 ? 0 : (uint16_t)commit;
        }
    }
}

/* The marks of a recording: from `position` on, an open must find a commit of this range. */

struct mark {
    size_t position, low, high;
};

struct history {
    struct recording recording;
    struct mark marks[2 * (COMMITS + COMMITS_MORE) + 8];
    size_t mark_count;
};

static void add_mark(struct history *h, size_t low, size_t high)
{
    ASSERT(h->mark_count < COUNT_OF(h->marks));
    h->marks[h->mark_count++] =
        (struct mark){.position = recorder_position(), .low = low, .high = high};
}

static struct mark mark_at(const struct history *h, size_t position)
{
    size_t i = h->mark_count;
    while (i > 1 && h->marks[i - 1].position > position)
        i--;
    return h->marks[i - 1];
}

/* Reached, in all states together. */
static struct reach {
    uint64_t in_generation, in_table, in_compaction, in_current, in_creation, both_fine, rewritten,
        repaired, behind, torn_rows, rows_rewritten, second, refused;
} reach;

/* The store */

struct run {
    char directory[PATH_SIZE], kv_path[PATH_SIZE + 4];
    struct env env;
    struct trace trace;
    struct row_store_driver driver;
    struct kv *kv;
    struct message message;
    struct buffer log;
};

static void keep_line(struct trace *trace, struct bytes line)
{
    buffer_append_bytes(&CONTAINER_OF(trace, struct run, trace)->log, line);
}

static void run_init(struct run *r, const char *name)
{
    *r = (struct run){.trace = {.level = TRACE_INFO, .clock = clock_system(), .write = keep_line}};
    snprintf(r->directory, sizeof r->directory, "%s/%s", test_directory(), name);
    snprintf(r->kv_path, sizeof r->kv_path, "%s/kv", r->directory);
    buffer_init(&r->log, 1 << 20);
    r->env = (struct env){
        .clock = clock_system(), .random = random_system(), .trace = &r->trace, .io = io_posix()};
    row_store_init(&r->driver, &r->env, kv_leveldb());
    r->driver.generation_bytes = GENERATION_BYTES;
}

static void run_free(struct run *r)
{
    buffer_free(&r->log);
}

static enum error open_run(struct run *r, enum kv_open how)
{
    buffer_clear(&r->log);
    r->message.text[0] = '\0';
    return r->driver.driver.open(&r->driver.driver, r->kv_path, how, &r->kv, &r->message);
}

static void close_run(struct run *r)
{
    r->kv->driver->close(r->kv);
    r->kv = NULL;
}

/* Writes a row as it is. So the first record after a cut is shorter than the one that was torn. */
static enum error write_nothing_new(struct run *r, size_t commit)
{
    struct buffer value;
    size_t key = 0;
    char name[16];
    while (key < KEYS && model[commit][key] == 0)
        key++;
    if (key == KEYS)
        return ERR_OK;
    snprintf(name, sizeof name, "row-%02zu", key);
    buffer_init(&value, 1 << 20);
    make_value(key, model[commit][key], &value);
    struct kv_change change = {bytes_string(name), buffer_view(&value)};
    enum error error = r->kv->driver->write(r->kv, &change, 1);
    buffer_free(&value);
    return error;
}

static enum error write_commit(struct run *r, size_t commit)
{
    struct kv_change changes[KEYS];
    struct buffer values[KEYS];
    char names[KEYS][16];
    size_t count = 0;
    for (size_t key = 0; key < KEYS; key++) {
        size_t version = model[commit][key];
        if (version == model[commit - 1][key])
            continue;
        snprintf(names[count], sizeof names[count], "row-%02zu", key);
        buffer_init(&values[count], 1 << 20);
        if (version > 0)
            make_value(key, version, &values[count]);
        changes[count] = (struct kv_change){bytes_string(names[count]),
                                            version > 0 ? buffer_view(&values[count]) : BYTES_NULL};
        count++;
    }
    enum error error = r->kv->driver->write(r->kv, changes, count);
    for (size_t i = 0; i < count; i++)
        buffer_free(&values[i]);
    return error;
}

struct found {
    versions rows;
    bool wrong;
};

static enum error note_row(void *context, struct bytes key, struct bytes value)
{
    struct found *found = context;
    struct buffer expected;
    char name[16] = "";
    unsigned number = KEYS;
    memcpy(name, key.data, MIN(key.size, sizeof name - 1));
    if (sscanf(name, "row-%2u", &number) != 1 || number >= KEYS || value.size < 4) {
        found->wrong = true;
        return ERR_OK;
    }
    found->rows[number] = (uint16_t)load_be32(value.data);
    buffer_init(&expected, 1 << 20);
    make_value(number, found->rows[number], &expected);
    found->wrong |= !bytes_equal(value, buffer_view(&expected));
    buffer_free(&expected);
    return ERR_OK;
}

/* -1: the rows are not those of a commit of the range. */
static int64_t find_commit(struct run *r, size_t low, size_t high)
{
    struct found found = {.wrong = false};
    if (r->kv->driver->scan(r->kv, BYTES_LITERAL(""), note_row, &found) != ERR_OK || found.wrong)
        return -1;
    for (size_t commit = low; commit <= high; commit++) {
        if (memcmp(found.rows, model[commit], sizeof found.rows) == 0)
            return (int64_t)commit;
    }
    return -1;
}

/* Recording */

static size_t write_commits(struct run *r, struct history *h, size_t from, size_t count)
{
    for (size_t commit = from + 1; commit <= from + count; commit++) {
        add_mark(h, commit - 1, commit);
        EXPECT_INT(write_commit(r, commit), ERR_OK);
        add_mark(h, commit, commit);
    }
    return from + count;
}

static void open_well(struct run *r, enum kv_open how)
{
    if (open_run(r, how) != ERR_OK)
        test_fail(__FILE__, __LINE__, "%s", r->message.text);
}

/* Four lives, so that the opens of the store are cut, too. */
static void record_history(struct history *h)
{
    struct run r;
    struct image empty;
    size_t commit = 0;
    run_init(&r, "recorded");
    image_init(&empty);
    image_write(&empty, r.directory);
    *h = (struct history){.mark_count = 0};
    recorder_start(&h->recording, r.directory, empty);
    add_mark(h, 0, 0);
    while (commit < COMMITS) {
        open_well(&r, commit == 0 ? KV_OPEN_OR_CREATE : KV_OPEN_EXISTING);
        commit = write_commits(&r, h, commit, LIFE_COMMITS);
        close_run(&r);
    }
    recorder_stop();
    run_free(&r);
}

/* A state */

struct state {
    uint64_t seed;
    size_t position;
    enum cut_names names;
    bool is_damage; /* nothing was cut, but a file of one copy is missing */
};

/* The file that the cut hit */

static bool names_file(const struct image_name *name, const char *part)
{
    return strstr(name->name, part) != NULL;
}

static bool has_file(const struct image *image, const char *part)
{
    for (size_t i = 0; i < image->name_count; i++) {
        if (names_file(&image->names[i], part))
            return true;
    }
    return false;
}

/* Whether the last event before the cut that names such a file creates it, renames it to something
 * or removes it, and nothing was done since that ends this step. */
static void note_moment(const struct history *h, size_t position, const struct image *left)
{
    const struct event *events = h->recording.events;
    reach.in_generation += has_file(left, ".log.new");
    reach.in_creation += mark_at(h, position).high == 0;
    size_t tables = 0;
    bool removed = false;
    for (size_t i = position; i-- > 0 && position - i < 40;) {
        const struct event *e = &events[i];
        if (e->kind != EVENT_NAME)
            continue;
        if (strcmp(e->to.name, "CURRENT") == 0 && position - i < 8)
            reach.in_current++;
        removed |= e->to.name[0] == '\0' && names_file(&e->from, ".ldb");
        tables += e->creates && names_file(&e->to, ".ldb") && position - i < 6;
    }
    reach.in_table += tables > 0;
    reach.in_compaction += removed;
}

static bool says(struct run *r, const char *text)
{
    return strstr(buffer_c_string(&r->log), text) != NULL;
}

/* LevelDB takes its list of files for damaged if a cut tore the last entry, which is possible where
 * the entry goes from one sector to the next. Then the open writes the store again. */
#define TORN_LIST "/kv: Corruption: checksum mismatch"

/* The row file is synced before anything relies on it, so no cut damages it. Nothing else of
 * LevelDB is damaged if the names are in order. */
static const char *false_alarm(const struct state *s, struct run *r)
{
    if (s->is_damage)
        return NULL;
    if (says(r, "row file was damaged"))
        return "the row file";
    if (s->names == CUT_ORDERED && says(r, "no row is lost") && !says(r, TORN_LIST))
        return "the store";
    return NULL;
}

static void note_repair(struct run *r, bool torn)
{
    bool rewritten = says(r, "key-value store was damaged, it was written again");
    bool repaired = says(r, "key-value store was damaged or old, it was repaired");
    bool behind = says(r, "lacked the last write");
    bool rows = says(r, "row file was damaged, old or missing, it was written again");
    reach.rewritten += rewritten;
    reach.repaired += repaired;
    reach.behind += behind;
    reach.rows_rewritten += rows;
    reach.torn_rows += torn;
    reach.both_fine += !rewritten && !repaired && !behind && !rows && !torn;
}

struct trial {
    const struct history *history;
    struct state state;
    struct random *random;
    struct image left; /* by the cut */
    int depth;         /* 1: a cut while the store was opened after a cut */
    struct run run;
};

__attribute__((noreturn, format(printf, 2, 3))) static void fail_trial(struct trial *t,
                                                                       const char *format, ...)
{
    char text[1000], kept[PATH_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    recorder_stop();
    snprintf(kept, sizeof kept, "/tmp/tidemill-kv-cut-%" PRIu64, t->state.seed);
    image_write(&t->left, kept);
    printf("\n  replay: simulation_test_kv_cuts --states 1 --seed %" PRIu64
           "; what the cut left is kept in %s\n  %s\n",
           t->state.seed, kept, buffer_c_string(&t->run.log));
    test_fail(__FILE__, __LINE__, "%s names, cut before call %zu of %zu, depth %d: %s",
              t->state.names == CUT_ANY ? "any" : "ordered", t->state.position,
              t->history->recording.count, t->depth, text);
}

static enum error ignore_record(void *context, const struct row_record *record)
{
    (void)context, (void)record;
    return ERR_OK;
}

static void note_newest(void *context, const char *name)
{
    uint64_t *newest = context, generation;
    const char *rest;
    if (row_file_parse_name(name, &generation, &rest) && *rest == '\0')
        *newest = MAX(*newest, generation);
}

static bool rows_are_torn(const struct trial *t)
{
    uint64_t newest = 0;
    struct row_file_report report;
    char name[ROW_FILE_NAME_SIZE], directory[PATH_SIZE + 8], path[PATH_SIZE + 60];
    snprintf(directory, sizeof directory, "%s/rows", t->run.directory);
    enum error error = io_posix()->ops->list(io_posix(), directory, note_newest, &newest);
    if (error != ERR_OK || newest == 0)
        return false;
    row_file_name(newest, name);
    snprintf(path, sizeof path, "%s/%s", directory, name);
    EXPECT_INT(row_file_check(io_posix(), path, newest, ignore_record, NULL, &report), ERR_OK);
    return report.state == ROW_FILE_TORN;
}

/* LevelDB alone is not safe with CUT_ANY. An open removes files that the old CURRENT needs before
 * the rename of CURRENT is durable. If that open is cut, the row file must be whole. It is not in a
 * new data directory, if a lost one is written again, or if the first cut has torn its last record.
 * Then the message must say so.
 */
static bool may_be_refused(const struct trial *t, struct mark range, bool torn)
{
    bool alone = range.low == 0 || (t->depth > 0 && (t->state.is_damage || torn));
    bool unsafe = t->state.names == CUT_ANY || strstr(t->run.message.text, TORN_LIST);
    return alone && unsafe && strstr(t->run.message.text, "/rows") &&
           strstr(t->run.message.text, "/kv") &&
           strstr(t->run.message.text, "restore the whole data directory from a copy");
}

/* Opens, compares and writes on. Returns the commit that is then the last one; 0: refused. */
static size_t recover(struct trial *t, struct history *repair, struct mark range)
{
    struct run *r = &t->run;
    bool torn = rows_are_torn(t);
    add_mark(repair, range.low, range.high);
    if (open_run(r, range.low == 0 ? KV_OPEN_OR_CREATE : KV_OPEN_EXISTING) != ERR_OK) {
        if (!may_be_refused(t, range, torn))
            fail_trial(t, "refused: %s", r->message.text);
        reach.refused++;
        return 0;
    }
    int64_t found = find_commit(r, range.low, range.high);
    if (found < 0)
        fail_trial(t, "the rows are not those of a commit from %zu to %zu", range.low, range.high);
    const char *alarm = false_alarm(&t->state, r);
    if (alarm)
        fail_trial(t, "a cut has damaged %s", alarm);
    note_repair(r, torn);
    size_t commit = (size_t)found;
    add_mark(repair, commit, commit);
    if (write_nothing_new(r, commit) != ERR_OK)
        fail_trial(t, "a row of commit %zu cannot be written", commit);
    if (commit > 0 && random_below(t->random, 3) == 0) {
        close_run(r);
        return commit;
    }
    add_mark(repair, commit, commit + 1);
    if (write_commit(r, commit + 1) != ERR_OK)
        fail_trial(t, "commit %zu cannot be written", commit + 1);
    add_mark(repair, commit + 1, commit + 1);
    close_run(r);
    return commit + 1;
}

static void expect_commit(struct trial *t, size_t commit)
{
    struct run *r = &t->run;
    if (rows_are_torn(t))
        fail_trial(t, "a torn end was left behind the last write");
    if (open_run(r, KV_OPEN_EXISTING) != ERR_OK)
        fail_trial(t, "refused after a repair: %s", r->message.text);
    if (find_commit(r, commit, commit) < 0 || r->log.size > 0)
        fail_trial(t, "commit %zu is not there, or a repaired store was repaired again", commit);
    close_run(r);
}

static void try(struct trial *t, struct mark range);

/* A second cut, while the store was opened and written to. After damage only one copy is sound. If
 * that is LevelDB, names in any order are a second fault that it does not withstand: its open
 * removes a log before the new CURRENT is durable, and nothing may be left that shows the loss. */
static void cut_again(struct trial *t, const struct history *repair)
{
    struct trial again = {
        .history = repair, .state = t->state, .random = t->random, .depth = t->depth + 1};
    if (t->state.is_damage)
        again.state.names = CUT_ORDERED;
    struct cut_disk *disk = cut_disk_create(&repair->recording, again.state.names);
    again.state.position = random_below(t->random, repair->recording.count + 1);
    cut_disk_advance(disk, again.state.position);
    again.left = cut_disk_lose_power(disk, t->random);
    cut_disk_free(disk);
    reach.second++;
    try(&again, mark_at(repair, again.state.position));
}

/* Frees t->left. */
static void try(struct trial *t, struct mark range)
{
    struct history repair = {.mark_count = 0};
    bool twice = t->depth < 2 && (t->state.is_damage || random_below(t->random, 3) == 0);
    run_init(&t->run, "state");
    image_write(&t->left, t->run.directory);
    if (twice)
        recorder_start(&repair.recording, t->run.directory, image_copy(&t->left));
    size_t commit = recover(t, &repair, range);
    if (twice)
        recorder_stop();
    if (commit > 0)
        expect_commit(t, commit);
    image_free(&t->left);
    run_free(&t->run);
    if (twice && commit > 0)
        cut_again(t, &repair);
    if (twice)
        recording_free(&repair.recording);
}

static void damage(struct trial *t)
{
    static const char *const parts[] = {"kv/CURRENT", "kv", "rows"};
    const struct image_name *name =
        image_find_path(&t->left, parts[random_below(t->random, COUNT_OF(parts))]);
    ASSERT(name);
    image_rename(&t->left, name, &(struct image_name){.inode = name->inode});
}

static int compare_states(const void *a, const void *b)
{
    const struct state *left = a, *right = b;
    return (left->position > right->position) - (left->position < right->position);
}

static struct state draw_state(const struct history *h, uint64_t seed)
{
    struct random_seeded random;
    random_seeded_init(&random, seed);
    struct state s = {.seed = seed};
    s.names = (enum cut_names)random_below(&random.random, 2);
    s.is_damage = random_below(&random.random, 10) == 0;
    s.position = random_below(&random.random, h->recording.count + 1);
    if (s.is_damage) {
        size_t commit = 1 + random_below(&random.random, COMMITS);
        s.position = h->marks[2 * commit].position;
        ASSERT(h->marks[2 * commit].low == commit && h->marks[2 * commit].high == commit);
    }
    return s;
}

static void try_state(const struct history *h, const struct state *s, struct cut_disk *disk)
{
    struct random_seeded random;
    random_seeded_init(&random, ~s->seed);
    struct trial t = {.history = h, .state = *s, .random = &random.random};
    cut_disk_advance(disk, s->position);
    if (s->is_damage) {
        t.left = cut_disk_kill(disk);
        damage(&t);
    } else {
        t.left = cut_disk_lose_power(disk, t.random);
        note_moment(h, s->position, &t.left);
    }
    try(&t, mark_at(h, s->position));
}

static void expect_reached(uint64_t states)
{
    const struct {
        const char *what;
        uint64_t count;
    } rows[] = {{"cut in a creation", reach.in_creation},
                {"cut in a new generation", reach.in_generation},
                {"cut in a new table", reach.in_table},
                {"cut in a compaction", reach.in_compaction},
                {"cut while CURRENT is replaced", reach.in_current},
                {"cut again in the repair", reach.second},
                {"both copies fine", reach.both_fine},
                {"torn end of the row file cut", reach.torn_rows},
                {"store behind by a write", reach.behind},
                {"store repaired from the row file", reach.repaired},
                {"store written again from the row file", reach.rewritten},
                {"row file written again from the store", reach.rows_rewritten}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        printf("  %-40s %6" PRIu64 "\n", rows[i].what, rows[i].count);
        if (rows[i].count == 0 && states >= 300)
            test_fail(__FILE__, __LINE__, "no state reached: %s", rows[i].what);
    }
}

TEST(after_a_power_cut_the_rows_are_those_of_a_commit)
{
    uint64_t states = test_states(2000, 300);
    static struct history h;
    if (access("/dev/shm", W_OK) == 0 && getenv("TMPDIR") == NULL)
        setenv("TMPDIR", "/dev/shm", 1); /* before test_directory is made */
    make_model(1);
    record_history(&h);
    struct state *all = xcalloc(states, sizeof *all);
    for (uint64_t i = 0; i < states; i++)
        all[i] = draw_state(&h, test_seed() + i);
    qsort(all, states, sizeof *all, compare_states);
    struct cut_disk *disks[] = {cut_disk_create(&h.recording, CUT_ORDERED),
                                cut_disk_create(&h.recording, CUT_ANY)};
    for (uint64_t i = 0; i < states; i++)
        try_state(&h, &all[i], disks[all[i].names]);
    printf("  %" PRIu64 " states of %zu calls, %" PRIu64 " refused\n", states, h.recording.count,
           reach.refused);
    cut_disk_free(disks[0]);
    cut_disk_free(disks[1]);
    free(all);
    recording_free(&h.recording);
    expect_reached(states);
}
