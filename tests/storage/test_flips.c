/* Damage to one file of a data directory: flipped bits, cut and zeroed files, lost files, older
 * copies. Each trial damages one file of a copy of the directory and starts from it. Everything
 * that is served is compared with what was written. The outcome must be one of:
 *
 *   same       everything is there, and nothing was said
 *   repaired   everything is there, and the log says what was repaired
 *   contained  some batches answer an error, the log names their file, and all the rest is there
 *   refused    the start says the file, the reason and what to do
 *   unnoticed  the newest journal file was replaced by an older one, and its units are gone
 *
 * `storage_test_flips CLASS --count N --seed S` does N flips, and an eighth of each other fault.
 * --fault K does only this one, --verbose 1 prints what each start says. */
#include "storage/io.h"
#include "storage/store_rows.h"
#include "tests/storage/support_flips.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_MAX = 800, NAME_SIZE = 200, TRIAL_SECONDS = 120, SHOWN_MAX = 2, PAGE = 4096 };
enum { WHOLE_SIZE = FLIP_PATH_SIZE + NAME_SIZE + 1 };

/* A data directory in memory */

struct kept_file {
    char path[NAME_SIZE];
    bool is_directory;
    struct buffer content;
};

struct kept {
    struct kept_file at[FILES_MAX];
    size_t count;
};

struct keeping {
    struct kept *out;
    const char *root, *below;
};

static void keep_directory(struct kept *out, const char *root, const char *below);

static void keep_name(void *context, const char *name)
{
    struct keeping *k = context;
    struct stat info;
    char path[WHOLE_SIZE];
    ASSERT(k->out->count < FILES_MAX);
    struct kept_file *f = &k->out->at[k->out->count++];
    int size = snprintf(f->path, sizeof f->path, "%s%s%s", k->below, *k->below ? "/" : "", name);
    ASSERT(size < NAME_SIZE);
    snprintf(path, sizeof path, "%s/%s", k->root, f->path);
    EXPECT_INT(stat(path, &info), 0);
    f->is_directory = S_ISDIR(info.st_mode);
    buffer_init(&f->content, 1 << 28);
    if (f->is_directory)
        keep_directory(k->out, k->root, f->path);
    else
        EXPECT_INT(io_read_file(io_posix(), path, &f->content), ERR_OK);
}

static void keep_directory(struct kept *out, const char *root, const char *below)
{
    char path[WHOLE_SIZE], copy[NAME_SIZE];
    snprintf(copy, sizeof copy, "%s", below);
    snprintf(path, sizeof path, "%s/%s", root, below);
    struct keeping k = {out, root, copy};
    EXPECT_INT(io_posix()->ops->list(io_posix(), path, keep_name, &k), ERR_OK);
}

static int compare_paths(const void *a, const void *b)
{
    const struct kept_file *left = a, *right = b;
    return strcmp(left->path, right->path);
}

static struct kept *keep(const char *root)
{
    struct kept *out = xcalloc(1, sizeof *out);
    keep_directory(out, root, "");
    qsort(out->at, out->count, sizeof out->at[0], compare_paths);
    return out;
}

static void write_file(const char *root, const char *below, struct bytes content)
{
    char path[WHOLE_SIZE];
    snprintf(path, sizeof path, "%s/%s", root, below);
    FILE *f = fopen(path, "wb");
    EXPECT(f != NULL);
    if (content.size > 0)
        EXPECT_INT(fwrite(content.data, 1, content.size, f), content.size);
    fclose(f);
}

static void put_back(const struct kept *kept, const char *root)
{
    EXPECT_INT(io_remove_tree(io_posix(), root), ERR_OK);
    EXPECT_INT(io_make_path(io_posix(), root), ERR_OK);
    for (size_t i = 0; i < kept->count; i++) {
        char path[WHOLE_SIZE];
        snprintf(path, sizeof path, "%s/%s", root, kept->at[i].path);
        if (kept->at[i].is_directory)
            EXPECT_INT(mkdir(path, 0750), 0);
        else
            write_file(root, kept->at[i].path, buffer_view(&kept->at[i].content));
    }
}

/* Classes */

enum file_class {
    JOURNAL,
    ACTIVE_SEGMENT,
    CLOSED_SEGMENT,
    INDEX,
    TIME_INDEX,
    KV_LOG,
    KV_TABLE,
    KV_MANIFEST,
    KV_CURRENT,
    ROWS_FILE,
    META,
    CLASSES,
};

static const char *const class_names[] = {
    "journal",  "active_segment", "closed_segment", "index",     "time_index", "kv_log",
    "kv_table", "kv_manifest",    "kv_current",     "rows_file", "meta"};

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);
    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

/* The segment with the largest base offset of its partition. */
static bool is_active(const struct kept *kept, const struct kept_file *f)
{
    size_t directory = (size_t)(strrchr(f->path, '/') - f->path) + 1;
    for (size_t i = 0; i < kept->count; i++) {
        const struct kept_file *other = &kept->at[i];
        if (strncmp(other->path, f->path, directory) == 0 && ends_with(other->path, ".log") &&
            strcmp(other->path, f->path) > 0)
            return false;
    }
    return true;
}

static bool is_of(const struct kept *kept, const struct kept_file *f, enum file_class class)
{
    bool topic = strncmp(f->path, "topics/", 7) == 0, kv = strncmp(f->path, "kv/", 3) == 0;
    bool log = ends_with(f->path, ".log");
    switch (class) {
    case JOURNAL:
        return strncmp(f->path, "shard-", 6) == 0 && log;
    case ACTIVE_SEGMENT:
        return topic && log && is_active(kept, f);
    case CLOSED_SEGMENT:
        return topic && log && !is_active(kept, f);
    case INDEX:
        return topic && ends_with(f->path, ".index");
    case TIME_INDEX:
        return topic && ends_with(f->path, ".timeindex");
    case KV_LOG:
        return kv && log;
    case KV_TABLE:
        return ends_with(f->path, ".ldb");
    case KV_MANIFEST:
        return strncmp(f->path, "kv/MANIFEST", 11) == 0;
    case KV_CURRENT:
        return strcmp(f->path, "kv/CURRENT") == 0;
    case ROWS_FILE:
        return strncmp(f->path, "rows/", 5) == 0 && log;
    default:
        return strcmp(f->path, "tidemill.meta") == 0;
    }
}

/* A file of the class that has content. NULL: there is none. */
static const struct kept_file *draw_file(const struct kept *kept, enum file_class class,
                                         struct random *random)
{
    const struct kept_file *drawn = NULL;
    for (size_t i = 0, count = 0; i < kept->count; i++) {
        const struct kept_file *f = &kept->at[i];
        if (!f->is_directory && f->content.size > 0 && is_of(kept, f, class) &&
            random_below(random, ++count) == 0)
            drawn = f;
    }
    return drawn;
}

/* The scene, made once */

enum states { STOPPED, KILLED, STATES };

static struct world {
    bool is_made;
    struct flip_scene scene[STATES]; /* what was written until then */
    struct kept *kept[STATES], *older[STATES];
    char directory[FLIP_PATH_SIZE];
} world;

static void start_well(struct flip_scene *s)
{
    if (flip_start(s) != ERR_OK)
        test_fail(__FILE__, __LINE__, "%s", s->message.text);
}

static void make_state(enum states state)
{
    struct flip_scene *s = &world.scene[state];
    flip_scene_init(s, world.directory, 1);
    EXPECT_INT(io_remove_tree(io_posix(), world.directory), ERR_OK);
    start_well(s);
    flip_create(s);
    flip_write(s, 60);
    flip_stop(s, true);
    world.older[state] = keep(world.directory);
    start_well(s);
    flip_write(s, 70);
    flip_idle(s);
    flip_stop(s, state == STOPPED);
    world.kept[state] = keep(world.directory);
}

static void make_world(void)
{
    if (world.is_made)
        return;
    if (access("/dev/shm", W_OK) == 0 && getenv("TMPDIR") == NULL)
        setenv("TMPDIR", "/dev/shm", 1); /* before test_directory is made */
    snprintf(world.directory, sizeof world.directory, "%s/data", test_directory());
    for (int state = 0; state < STATES; state++)
        make_state((enum states)state);
    world.is_made = true;
}

/* Faults */

enum fault { FLIP, TRUNCATE, ZERO_PAGE, DELETE, OLDER, FAULTS };
static const char *const fault_names[] = {"flip", "truncate", "zero page", "delete", "older"};

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

static void print_replay(void)
{
    const struct trial *t = running;
    if (t)
        printf("\n  replay: storage_test_flips damage_to_%s --fault %d --count 1 --seed %" PRIu64
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

static void damage_content(struct trial *t)
{
    struct buffer content;
    const struct buffer *from = &t->file->content;
    buffer_init(&content, 1 << 28);
    buffer_append(&content, from->data, from->size);
    t->at = random_below(&t->random.random, from->size);
    if (t->fault == FLIP)
        content.data[t->at] ^= (uint8_t)(1 << random_below(&t->random.random, 8));
    if (t->fault == TRUNCATE)
        content.size = t->at;
    if (t->fault == ZERO_PAGE) {
        t->at -= t->at % PAGE;
        memset(content.data + t->at, 0, MIN((size_t)PAGE, content.size - t->at));
    }
    write_file(world.directory, t->file->path, buffer_view(&content));
    buffer_free(&content);
}

/* The older content of the same file, or of any file of the class. */
static const struct kept_file *older_file(struct trial *t)
{
    const struct kept *older = world.older[t->state];
    for (size_t i = 0; i < older->count; i++) {
        if (strcmp(older->at[i].path, t->file->path) == 0)
            return &older->at[i];
    }
    return draw_file(older, t->class, &t->random.random);
}

static void damage(struct trial *t)
{
    char path[WHOLE_SIZE];
    snprintf(path, sizeof path, "%s/%s", world.directory, t->file->path);
    if (t->fault == DELETE) {
        EXPECT_INT(unlink(path), 0);
    } else if (t->fault == OLDER) {
        const struct kept_file *older = older_file(t);
        if (older)
            write_file(world.directory, t->file->path, buffer_view(&older->content));
    } else {
        damage_content(t);
    }
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
    if (strstr(text, world.directory) == NULL || !step)
        return wrong(t, "refused without a path or a next step: %s", text);
    snprintf(t->what, sizeof t->what, "%s", text);
    return REFUSED;
}

static const char *missing_directory(const struct kept *kept)
{
    for (size_t i = 0; i < kept->count; i++) {
        char path[WHOLE_SIZE];
        snprintf(path, sizeof path, "%s/%s", world.directory, kept->at[i].path);
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
        char *directory = partition_directory(world.directory, l->topic_id, l->partition);
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
    const char *missing = missing_directory(world.kept[t->state]);
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

/* The one case that no start can notice: docs/durability.md, "Damage". */
static bool is_documented(const struct trial *t)
{
    return t->class == JOURNAL && t->fault == OLDER && t->state == KILLED;
}

/* Only a segment has no other copy, so only its batches may be lost, and only a journal that lost
 * units may stop the start. */
static bool is_allowed(enum file_class class, enum outcome outcome)
{
    bool segment = class == ACTIVE_SEGMENT || class == CLOSED_SEGMENT;
    return outcome == CONTAINED ? segment : outcome != REFUSED || class == JOURNAL;
}

static enum outcome run_trial(struct trial *t)
{
    random_seeded_init(&t->random, t->seed);
    t->state = (enum states)random_below(&t->random.random, STATES);
    t->file = draw_file(world.kept[t->state], t->class, &t->random.random);
    ASSERT(t->file);
    put_back(world.kept[t->state], world.directory);
    damage(t);
    struct flip_scene *s = &world.scene[t->state];
    bool twice = random_below(&t->random.random, 4) == 0;
    enum outcome outcome = start_and_judge(t, s, twice);
    if (twice && outcome < REFUSED)
        outcome = judge_again(t, s, outcome);
    if (!is_allowed(t->class, outcome))
        return wrong(t, "%s: %s%s", outcome_names[outcome], t->what, buffer_c_string(&s->said));
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

TEST(damage_to_journal_loses_nothing_silently)
{
    run_class(JOURNAL);
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

TEST(damage_to_meta_loses_nothing)
{
    run_class(META);
}
