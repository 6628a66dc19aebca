/* Damage to one file of a data directory: flipped bits, cut and zeroed files, lost files, and files
 * in place of which another one was put: an older one, that of another shard or partition, that of
 * another broker. Each trial damages one file and starts from the directory. Everything that is
 * served is compared with what was written. The outcome must be one of:
 *
 *   same       everything is there, and nothing was said
 *   repaired   everything is there, and the log says what was repaired
 *   contained  some batches answer an error, the log names their file, and all the rest is there
 *   refused    the start says the file, the reason and what to do
 *   unnoticed  what docs/durability.md says that no start can notice
 *
 * `storage_test_flips CLASS --count N --seed S` does N flips, and an eighth of each other fault.
 * --fault K does only this one, --verbose 1 prints what each start says. */
#include "storage/store_rows.h"
#include "tests/storage/support_flips.h"
#include "tests/storage/support_kept.h"

#include <fnmatch.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TRIAL_SECONDS = 600, SHOWN_MAX = 2, PAGE = 4096, HEADER_BYTES = 64, FEW_PAGES = 16 };

/* Classes */

enum file_class {
    JOURNAL,
    JOURNAL_SPARE,
    WITNESS,
    ACTIVE_SEGMENT,
    CLOSED_SEGMENT,
    INDEX,
    TIME_INDEX,
    EPOCHS,
    SWAP_FILE,
    SWAP_LIST,
    DELETED_FILE,
    KV_LOG,
    KV_TABLE,
    KV_MANIFEST,
    KV_CURRENT,
    ROWS_FILE,
    ROWS_NEW,
    META,
    NOT_USED,
    CLASSES,
};

static const char *const class_names[] = {
    "journal",      "journal_spare", "witness",  "active_segment", "closed_segment",
    "index",        "time_index",    "epochs",   "swap_file",      "swap_list",
    "deleted_file", "kv_log",        "kv_table", "kv_manifest",    "kv_current",
    "rows_file",    "rows_new",      "meta",     "not_used"};

/* The first pattern that matches counts. A file that matches none fails the test: a new kind of
 * file needs a row here. */
static const struct file_pattern {
    const char *pattern;
    enum file_class class;
} patterns[] = {
    {"*.damaged", NOT_USED},
    {"topics/*/*/*.swap", SWAP_FILE},
    {"topics/*/*/*.deleted", DELETED_FILE},
    {"topics/*/*/*.log", ACTIVE_SEGMENT},
    {"topics/*/*/*.index", INDEX},
    {"topics/*/*/*.timeindex", TIME_INDEX},
    {"topics/*/*/leader-epoch-checkpoint", EPOCHS},
    {"cleaning/*", SWAP_LIST},
    {"shard-*/journal-*.log", JOURNAL},
    {"shard-*/journal-*.log.new", JOURNAL_SPARE},
    {"shard-*/durable", WITNESS},
    {"kv/*.log", KV_LOG},
    {"kv/*.ldb", KV_TABLE},
    {"kv/MANIFEST-*", KV_MANIFEST},
    {"kv/CURRENT", KV_CURRENT},
    {"kv/LOCK", NOT_USED},
    {"kv/LOG", NOT_USED},
    {"kv/LOG.old", NOT_USED},
    {"rows/rows-*.log", ROWS_FILE},
    {"rows/rows-*.log.new", ROWS_NEW},
    {"tidemill.meta", META},
    {"lock", NOT_USED},
};

/* The segment with the largest base offset of its partition. */
static bool is_active(const struct kept *kept, const struct kept_file *f)
{
    size_t directory = (size_t)(strrchr(f->path, '/') - f->path) + 1;
    for (size_t i = 0; i < kept->count; i++) {
        const struct kept_file *other = &kept->at[i];
        if (strncmp(other->path, f->path, directory) == 0 &&
            fnmatch("*.log", other->path, 0) == 0 && strcmp(other->path, f->path) > 0)
            return false;
    }
    return true;
}

static enum file_class class_of(const struct kept *kept, const struct kept_file *f)
{
    for (size_t i = 0; i < COUNT_OF(patterns); i++) {
        if (fnmatch(patterns[i].pattern, f->path, 0) == 0)
            return patterns[i].class == ACTIVE_SEGMENT && !is_active(kept, f) ? CLOSED_SEGMENT
                                                                              : patterns[i].class;
    }
    return CLASSES;
}

/* A file of the class that has content, but not `except`. NULL: there is none. */
static const struct kept_file *draw_file(const struct kept *kept, enum file_class class,
                                         const struct kept_file *except, struct random *random)
{
    const struct kept_file *drawn = NULL;
    for (size_t i = 0, count = 0; i < kept->count; i++) {
        const struct kept_file *f = &kept->at[i];
        if (!f->is_directory && f->content.size > 0 && f != except && class_of(kept, f) == class &&
            random_below(random, ++count) == 0)
            drawn = f;
    }
    return drawn;
}

/* The scenes, made once */

enum states { STOPPED, KILLED, STATES };
enum { OLD_STOPPED, OLD_KILLED, OLDS };

static struct world {
    bool is_made;
    struct flip_scene scene[STATES]; /* what was written until then */
    struct kept *kept[STATES];
    struct kept *older[STATES][OLDS]; /* the same directories before */
    struct kept *foreign[STATES];     /* those of another broker */
} world;

static void start_well(struct flip_scene *s)
{
    if (flip_start(s) != ERR_OK)
        test_fail(__FILE__, __LINE__, "%s", s->message.text);
}

/* Writes until a store of LevelDB has megabytes in its log. */
static void make_state(struct flip_scene *s, const char *name, uint64_t seed, enum states state,
                       struct kept *older[OLDS])
{
    char directory[FLIP_PATH_SIZE];
    snprintf(directory, sizeof directory, "%s/%s", test_directory(), name);
    flip_scene_init(s, directory, seed);
    start_well(s);
    flip_create(s);
    flip_write(s, 40);
    flip_stop(s, true);
    older[OLD_STOPPED] = kept_read(directory);
    start_well(s);
    flip_write(s, 30);
    flip_stop(s, false);
    older[OLD_KILLED] = kept_read(directory);
    start_well(s);
    flip_write(s, 60);
    if (state == KILLED)
        flip_write_behind_checkpoint(s);
    flip_idle(s);
    flip_stop(s, state == STOPPED);
    if (state == KILLED)
        flip_leave_unfinished(s);
}

static void make_world(void)
{
    static const char *const names[] = {"stopped", "killed", "other-stopped", "other-killed"};
    if (world.is_made)
        return;
    if (access("/dev/shm", W_OK) == 0 && getenv("TMPDIR") == NULL)
        setenv("TMPDIR", "/dev/shm", 1); /* before test_directory is made */
    for (int i = 0; i < STATES; i++) {
        struct flip_scene other;
        struct kept *unused[OLDS];
        make_state(&world.scene[i], names[i], 1, (enum states)i, world.older[i]);
        world.kept[i] = kept_read(world.scene[i].directory);
        make_state(&other, names[STATES + i], 2, (enum states)i, unused);
        world.foreign[i] = kept_read(other.directory);
        flip_scene_free(&other);
        for (int j = 0; j < OLDS; j++)
            kept_free(unused[j]);
    }
    world.is_made = true;
}

/* Faults */

enum fault { FLIP, TRUNCATE, ZERO_PAGE, DELETE, OLDER, OTHER, FOREIGN, FAULTS };
static const char *const fault_names[] = {"flip",  "truncate", "zero page", "delete",
                                          "older", "other",    "foreign"};

struct trial {
    enum file_class class;
    enum fault fault;
    uint64_t seed;
    enum states state;
    struct random_seeded random;
    const struct kept_file *file;
    size_t at;
    char what[3000];
};

static struct trial *running; /* for the replay line after a crash */

static struct flip_scene *scene_of(const struct trial *t)
{
    return &world.scene[t->state];
}

static void print_replay(void)
{
    const struct trial *t = running;
    if (t)
        printf("\n  replay: storage_test_flips damage_to_%s_ --fault %d --count 1 --seed %" PRIu64
               "\n  %s, %s, byte %zu of %zu of %s\n",
               class_names[t->class], (int)t->fault, t->seed,
               t->state == KILLED ? "killed" : "stopped", fault_names[t->fault], t->at,
               t->file ? t->file->content.size : 0, t->file ? t->file->path : "no file");
}

static void on_alarm(int number)
{
    (void)number;
    print_replay();
    printf("  the trial took more than %d s\n", TRIAL_SECONDS);
    _exit(1);
}

/* Nothing, the header, whole pages, one byte less, anything: in turn. */
static size_t cut_size(struct trial *t, size_t size)
{
    struct random *random = &t->random.random;
    switch (t->seed % 5) {
    case 0:
        return 0;
    case 1:
        return random_below(random, MIN(size, (size_t)HEADER_BYTES));
    case 2:
        return random_below(random, (size - 1) / PAGE + 1) * PAGE;
    case 3:
        return size - 1;
    default:
        return random_below(random, size);
    }
}

/* Each page of a small file in turn, any of a larger one. */
static size_t page_at(struct trial *t, size_t size)
{
    size_t pages = (size + PAGE - 1) / PAGE;
    return (pages <= FEW_PAGES ? t->seed % pages : random_below(&t->random.random, pages)) * PAGE;
}

static void damage_content(struct trial *t)
{
    struct buffer content;
    const struct buffer *from = &t->file->content;
    buffer_init(&content, 1 << 28);
    buffer_append(&content, from->data, from->size);
    if (t->fault == FLIP) {
        t->at = random_below(&t->random.random, from->size);
        content.data[t->at] ^= (uint8_t)(1 << random_below(&t->random.random, 8));
    } else if (t->fault == TRUNCATE) {
        content.size = t->at = cut_size(t, from->size);
    } else {
        t->at = page_at(t, from->size);
        memset(content.data + t->at, 0, MIN((size_t)PAGE, content.size - t->at));
    }
    kept_write_file(scene_of(t)->directory, t->file->path, buffer_view(&content));
    buffer_free(&content);
}

/* The content that takes the place of the file's: an older one, that of another file of the class,
 * or that of another broker's. */
static const struct kept_file *draw_content(struct trial *t)
{
    struct random *random = &t->random.random;
    if (t->fault == OTHER)
        return draw_file(world.kept[t->state], t->class, t->file, random);
    struct kept *from = t->fault == FOREIGN ? world.foreign[t->state]
                                            : world.older[t->state][random_below(random, OLDS)];
    const struct kept_file *same = kept_find(from, t->file->path);
    return same ? same : draw_file(from, t->class, NULL, random);
}

/* False: there is nothing to damage it with. */
static bool damage(struct trial *t)
{
    char path[KEPT_PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", scene_of(t)->directory, t->file->path);
    if (t->fault == DELETE) {
        EXPECT_INT(unlink(path), 0);
    } else if (t->fault >= OLDER) {
        const struct kept_file *content = draw_content(t);
        if (content == NULL)
            return false;
        kept_write_file(scene_of(t)->directory, t->file->path, buffer_view(&content->content));
    } else {
        damage_content(t);
    }
    return true;
}

/* Outcomes */

enum outcome { SAME, REPAIRED, CONTAINED, REFUSED, UNNOTICED, WRONG, OUTCOMES };
static const char *const outcome_names[] = {"same",    "repaired",  "contained",
                                            "refused", "unnoticed", "WRONG"};

__attribute__((format(printf, 2, 3))) static enum outcome wrong(struct trial *t, const char *format,
                                                                ...)
{
    char what[sizeof t->what];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    memcpy(t->what, what, sizeof what);
    return WRONG;
}

static enum outcome judge_refusal(struct trial *t, const char *text)
{
    static const char *const steps[] = {"restore ", "Restore ", "put back", "Put back"};
    bool step = false;
    for (size_t i = 0; i < COUNT_OF(steps); i++)
        step |= strstr(text, steps[i]) != NULL;
    if (strstr(text, scene_of(t)->directory) == NULL || !step)
        return wrong(t, "refused without a path or a next step: %s", text);
    snprintf(t->what, sizeof t->what, "%s", text);
    return REFUSED;
}

static const char *missing_directory(const struct trial *t)
{
    const struct kept *kept = world.kept[t->state];
    for (size_t i = 0; i < kept->count; i++) {
        char path[KEPT_PATH_SIZE];
        snprintf(path, sizeof path, "%s/%s", scene_of(t)->directory, kept->at[i].path);
        if (kept->at[i].is_directory && access(path, F_OK) != 0)
            return kept->at[i].path;
    }
    return NULL;
}

/* The directory of a partition that has an error and is not named in the log. The caller frees it.
 */
static char *unnamed_partition(struct flip_scene *s)
{
    for (int i = 0; i < FLIP_LOGS; i++) {
        const struct flip_log *l = &s->logs[i];
        char *directory = partition_directory(s->directory, l->topic_id, l->partition);
        if (l->lost_count > 0 && strstr(buffer_c_string(&s->said), directory) == NULL)
            return directory;
        free(directory);
    }
    return NULL;
}

static int64_t lost_batches(const struct flip_scene *s)
{
    int64_t lost = 0;
    for (int i = 0; i < FLIP_LOGS; i++)
        lost += s->logs[i].lost_count;
    return lost;
}

/* Of a scene that runs. */
static enum outcome judge_served(struct trial *t, struct flip_scene *s)
{
    char different[FLIP_PATH_SIZE];
    if (!flip_compare(s, different))
        return wrong(t, "%s; the log says: %s", different, buffer_c_string(&s->said));
    char *unnamed = unnamed_partition(s);
    if (unnamed) {
        wrong(t, "%s has errors, and the log does not name it: %s", unnamed,
              buffer_c_string(&s->said));
        free(unnamed);
        return WRONG;
    }
    bool said = s->said.size > 0 || s->report.cut_bytes > 0;
    return lost_batches(s) > 0 ? CONTAINED : said ? REPAIRED : SAME;
}

/* Starts, judges and stops. */
static enum outcome start_and_judge(struct trial *t, struct flip_scene *s, bool in_order)
{
    bool started = flip_start(s) == ERR_OK;
    enum outcome outcome = started ? judge_served(t, s) : judge_refusal(t, s->message.text);
    const char *missing = missing_directory(t);
    if (missing && outcome != WRONG)
        outcome = wrong(t, "the directory %s is gone", missing);
    if (started)
        flip_stop(s, in_order);
    return outcome;
}

/* A later start finds nothing more to repair. */
static enum outcome judge_again(struct trial *t, struct flip_scene *s, enum outcome first)
{
    enum outcome again = start_and_judge(t, s, false);
    if (again == WRONG || again == first || (again == SAME && first == REPAIRED))
        return again == WRONG ? WRONG : first;
    return wrong(t, "%s at first, %s after another start: %s", outcome_names[first],
                 outcome_names[again], buffer_c_string(&s->said));
}

static bool is_segment(enum file_class class)
{
    return class == ACTIVE_SEGMENT || class == CLOSED_SEGMENT || class == SWAP_FILE;
}

static bool is_rows(enum file_class class)
{
    return class >= KV_LOG && class <= ROWS_FILE;
}

/* What no start can notice: docs/durability.md, "Damage". */
static bool is_documented(const struct trial *t)
{
    if (t->class == JOURNAL)
        return t->fault == OLDER && t->state == KILLED;
    return is_segment(t->class) && (t->fault == OTHER || t->fault == FOREIGN);
}

/* Only a segment has no other copy, so only its batches may be lost. The start may be refused by a
 * journal that lost units, by a list of a swap, and by rows of another broker. */
static bool is_allowed(const struct trial *t, enum outcome outcome)
{
    if (outcome == CONTAINED)
        return is_segment(t->class) || t->class == SWAP_LIST;
    return outcome != REFUSED || t->class == JOURNAL || t->class == SWAP_LIST ||
           (is_rows(t->class) && t->fault == FOREIGN);
}

/* Some files exist only after a kill. */
static void draw_place(struct trial *t)
{
    random_seeded_init(&t->random, t->seed);
    t->state = (enum states)random_below(&t->random.random, STATES);
    t->file = draw_file(world.kept[t->state], t->class, NULL, &t->random.random);
    if (t->file == NULL)
        t->state = t->state == KILLED ? STOPPED : KILLED;
    if (t->file == NULL)
        t->file = draw_file(world.kept[t->state], t->class, NULL, &t->random.random);
    ASSERT(t->file);
}

/* OUTCOMES: the class has no file for this fault. */
static enum outcome run_trial(struct trial *t)
{
    draw_place(t);
    struct flip_scene *s = scene_of(t);
    kept_put_back(world.kept[t->state], s->directory);
    if (!damage(t))
        return OUTCOMES;
    bool twice = random_below(&t->random.random, 4) == 0;
    enum outcome outcome = start_and_judge(t, s, twice);
    if (twice && outcome < REFUSED)
        outcome = judge_again(t, s, outcome);
    if (outcome != WRONG && !is_allowed(t, outcome))
        outcome = wrong(t, "%s: %s%s", outcome_names[outcome], t->what, buffer_c_string(&s->said));
    return outcome == WRONG && is_documented(t) ? UNNOTICED : outcome;
}

static uint64_t counts[FAULTS][OUTCOMES];

static void show_outcome(const struct trial *t, enum outcome outcome)
{
    const struct flip_scene *s = &world.scene[t->state];
    print_replay();
    printf("  %s: %s%.*s\n", outcome_names[outcome], t->what, (int)s->said.size,
           (char *)s->said.data);
}

static void run_fault(enum file_class class, enum fault fault, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        struct trial t = {.class = class, .fault = fault, .seed = test_seed() + i};
        running = &t;
        alarm(TRIAL_SECONDS);
        enum outcome outcome = run_trial(&t);
        alarm(0);
        if (outcome == WRONG && counts[fault][WRONG] < SHOWN_MAX) {
            print_replay();
            printf("  %s\n", t.what);
        }
        if (test_option("verbose", 0) > 0 && outcome != WRONG)
            show_outcome(&t, outcome);
        if (outcome < OUTCOMES)
            counts[fault][outcome]++;
        running = NULL;
    }
}

static void print_counts(enum file_class class)
{
    for (int fault = 0; fault < FAULTS; fault++) {
        printf("  %-15s %-10s", class_names[class], fault_names[fault]);
        for (int i = 0; i < OUTCOMES; i++)
            printf(" %5" PRIu64 " %s", counts[fault][i], outcome_names[i]);
        printf("\n");
    }
}

static void run_class(enum file_class class)
{
    uint64_t flips = (uint64_t)test_option("count", (int64_t)test_states(8, 2));
    int64_t only = test_option("fault", -1);
    uint64_t failures = 0;
    make_world();
    memset(counts, 0, sizeof counts);
    signal(SIGALRM, on_alarm);
    for (int fault = 0; fault < FAULTS; fault++) {
        if (only < 0 || only == fault)
            run_fault(class, (enum fault)fault,
                      fault == FLIP || only == fault ? flips : (flips + 7) / 8);
        failures += counts[fault][WRONG];
    }
    print_counts(class);
    EXPECT_INT(failures, 0);
}

static void expect_classes(const struct kept *kept, size_t files[CLASSES])
{
    for (size_t i = 0; i < kept->count; i++) {
        const struct kept_file *f = &kept->at[i];
        enum file_class class = f->is_directory ? NOT_USED : class_of(kept, f);
        if (class == CLASSES)
            test_fail(__FILE__, __LINE__, "%s is a file of no class: add a pattern", f->path);
        files[class] += f->content.size > 0;
    }
}

TEST(every_file_has_a_class_and_every_class_has_a_file)
{
    size_t files[CLASSES] = {0};
    make_world();
    for (int state = 0; state < STATES; state++)
        expect_classes(world.kept[state], files);
    for (int class = 0; class < CLASSES; class ++) {
        if (files[class] == 0)
            test_fail(__FILE__, __LINE__, "no file of the class %s", class_names[class]);
    }
}

/* A log of LevelDB of more than one block, several tables, an idle partition. */
TEST(the_directories_have_a_realistic_size)
{
    make_world();
    size_t largest = 0;
    for (size_t i = 0; i < world.kept[KILLED]->count; i++) {
        const struct kept_file *f = &world.kept[KILLED]->at[i];
        if (class_of(world.kept[KILLED], f) == KV_LOG)
            largest = MAX(largest, f->content.size);
    }
    EXPECT(largest > 1 << 20);
}

TEST(damage_to_journal_loses_nothing_silently)
{
    run_class(JOURNAL);
}

TEST(damage_to_journal_spare_loses_nothing)
{
    run_class(JOURNAL_SPARE);
}

TEST(damage_to_witness_loses_nothing)
{
    run_class(WITNESS);
}

TEST(damage_to_active_segment_loses_nothing_silently)
{
    run_class(ACTIVE_SEGMENT);
}

TEST(damage_to_closed_segment_loses_nothing_silently)
{
    run_class(CLOSED_SEGMENT);
}

TEST(damage_to_index_loses_nothing)
{
    run_class(INDEX);
}

TEST(damage_to_time_index_loses_nothing)
{
    run_class(TIME_INDEX);
}

TEST(damage_to_epochs_loses_nothing)
{
    run_class(EPOCHS);
}

TEST(damage_to_swap_file_loses_nothing_silently)
{
    run_class(SWAP_FILE);
}

TEST(damage_to_swap_list_loses_nothing_silently)
{
    run_class(SWAP_LIST);
}

TEST(damage_to_deleted_file_loses_nothing)
{
    run_class(DELETED_FILE);
}

TEST(damage_to_kv_log_loses_nothing)
{
    run_class(KV_LOG);
}

TEST(damage_to_kv_table_loses_nothing)
{
    run_class(KV_TABLE);
}

TEST(damage_to_kv_manifest_loses_nothing)
{
    run_class(KV_MANIFEST);
}

TEST(damage_to_kv_current_loses_nothing)
{
    run_class(KV_CURRENT);
}

TEST(damage_to_rows_file_loses_nothing)
{
    run_class(ROWS_FILE);
}

TEST(damage_to_rows_new_loses_nothing)
{
    run_class(ROWS_NEW);
}

TEST(damage_to_meta_loses_nothing)
{
    run_class(META);
}

TEST(damage_to_not_used_loses_nothing)
{
    run_class(NOT_USED);
}
