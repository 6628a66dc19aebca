/* log repair: replaces damaged files of a stopped data directory. */
#include "client-tools/data/data_check.h"
#include "client-tools/data/data_repair.h"
#include "client-tools/tool.h"

static const struct column columns[] = {
    {"file", CELL_TEXT, false},   {"byte", CELL_INT, false},     {"action", CELL_TEXT, false},
    {"error", CELL_ERROR, false}, {"message", CELL_TEXT, false}, END_OF_COLUMNS,
};

enum action {
    ACTION_NONE,
    ACTION_INDEX,
    ACTION_SEGMENT,
    ACTION_FILE,
    ACTION_META,
    ACTION_ROWS,
    ACTION_COUNT
};

/* A fault, and what will be done about it. */
struct step {
    struct finding finding;
    enum action action;
    struct data_segment segment;
    bool done;
};

struct repair {
    struct tool *tool;
    struct data_image image;
    struct step *steps;
    size_t count, capacity;
};

static void note_finding(void *context, const struct finding *finding)
{
    struct repair *r = context;
    if (finding->kind == FINDING_NOTE)
        return;
    if (r->count == r->capacity) {
        size_t capacity = r->capacity ? r->capacity * 2 : 16;
        struct step *steps = arena_array(&r->tool->arena, capacity, sizeof *steps);
        if (r->count > 0)
            memcpy(steps, r->steps, r->count * sizeof *steps);
        r->steps = steps;
        r->capacity = capacity;
    }
    r->steps[r->count++] = (struct step){.finding = *finding};
}

/* The segment of a finding's file, which is its .log or an index. */
static bool find_segment(const struct repair *r, const char *file, struct data_segment *out)
{
    const char *dot = strrchr(file, '.');
    for (size_t i = 0; dot && i < r->image.file_count; i++) {
        enum segment_part part;
        if (strncmp(r->image.files[i].path, file, (size_t)(dot - file) + 1) == 0 &&
            data_segment_find(&r->image, i, out, &part) && out->file_size >= 0)
            return true;
    }
    return false;
}

/* The active segment needs its row to be changed. A start puts its indexes in order by itself. */
static bool may_replace(const struct repair *r, const struct data_segment *s, bool is_index)
{
    if (s->is_beyond || s->next_offset < 0)
        return false;
    return !s->is_active || (!is_index && s->log && s->log->has_row && r->image.rows_are_whole);
}

static bool is_of(const struct step *step, const char *class)
{
    return strcmp(step->finding.class, class) == 0;
}

/* Files that do not belong to a segment. */
static enum action action_of(const struct repair *r, const struct step *step)
{
    const struct data_image *image = &r->image;
    bool has_one_copy =
        image->rows.copies == COPIES_KV_DAMAGED || image->rows.copies == COPIES_FILE_DAMAGED;
    if (step->finding.kind == FINDING_NEWER)
        return ACTION_NONE;
    if ((is_of(step, "kv") || is_of(step, "rows")) && has_one_copy && image->rows_are_whole)
        return ACTION_ROWS;
    if (is_of(step, "meta") && image->rows_are_whole && image->known_starts > 0)
        return ACTION_META;
    return is_of(step, "witness") || is_of(step, "leader epochs") ? ACTION_FILE : ACTION_NONE;
}

static void choose(const struct repair *r, struct step *step)
{
    step->action = action_of(r, step);
    if (step->action != ACTION_NONE)
        return;
    bool is_index = strstr(step->finding.class, "index") != NULL;
    if ((!is_index && strcmp(step->finding.class, "segment") != 0) ||
        !find_segment(r, step->finding.file, &step->segment))
        return;
    if (!may_replace(r, &step->segment, is_index))
        return;
    step->action = is_index ? ACTION_INDEX : ACTION_SEGMENT;
}

static const char *words_of(const struct step *step)
{
    static const char *const words[ACTION_COUNT] = {
        [ACTION_NONE] = "none",    [ACTION_INDEX] = "rebuild", [ACTION_SEGMENT] = "replace",
        [ACTION_FILE] = "replace", [ACTION_META] = "rebuild",  [ACTION_ROWS] = "rebuild"};
    return words[step->action];
}

static const char *reason_of(const struct step *step)
{
    if (step->segment.is_active && step->finding.class[0] == 's')
        return "a start appends to this segment, and the rows are damaged: restore the file or the "
               "whole data directory from a copy";
    return step->finding.next_step;
}

static size_t fill_table(struct table *table, const struct repair *r)
{
    size_t actions = 0;
    table->row_count = table->errors = 0;
    for (size_t i = 0; i < r->count; i++) {
        const struct step *step = &r->steps[i];
        bool possible = step->action != ACTION_NONE;
        table_row(table);
        table_text(table, bytes_string(step->finding.file));
        if (step->finding.at >= 0)
            table_int(table, step->finding.at);
        else
            table_null(table);
        table_text(table, bytes_string(words_of(step)));
        table_error_named(table, possible ? NULL : "NOT_REPAIRABLE", bytes_string(reason_of(step)));
        if (possible) {
            table->filled--;
            table_text(table, bytes_string(step->finding.message));
        }
        actions += possible;
    }
    return actions;
}

/* Whether this or more was done to the file already. A replaced segment has new indexes, and one
 * repair of the rows mends all their files. */
static bool is_done(const struct repair *r, const struct step *step)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct step *other = &r->steps[i];
        if (!other->done)
            continue;
        if (other->segment.path && step->segment.path && other->action >= step->action &&
            strcmp(other->segment.path, step->segment.path) == 0)
            return true;
        if (other->action == step->action && step->action == ACTION_ROWS)
            return true;
    }
    return false;
}

static bool do_step(struct repair *r, const struct step *step)
{
    struct failure *f = &r->tool->failure;
    if (step->action == ACTION_ROWS)
        return data_repair_rows(&r->image, f);
    if (step->action == ACTION_META)
        return data_repair_meta(&r->image, f);
    if (step->action == ACTION_FILE)
        return data_repair_file(&r->image, step->finding.file, f);
    return step->action == ACTION_SEGMENT ? data_repair_segment(&r->image, &step->segment, f)
                                          : data_repair_indexes(&r->image, &step->segment, f);
}

static bool apply_step(struct repair *r, struct step *step)
{
    step->done = is_done(r, step) || do_step(r, step);
    return step->done;
}

/* The rows first: the row of a log is written with its segment. */
static bool apply(struct repair *r)
{
    bool good = true;
    for (enum action action = ACTION_COUNT - 1; action > ACTION_NONE; action--) {
        for (size_t i = 0; i < r->count && good; i++) {
            if (r->steps[i].action == action)
                good = apply_step(r, &r->steps[i]);
        }
    }
    return good;
}

static bool repair(struct repair *r, struct table *table)
{
    struct tool *t = r->tool;
    struct data_check check;
    if (!data_check_run(&r->image, &check, &t->failure))
        return false;
    for (size_t i = 0; i < r->count; i++)
        choose(r, &r->steps[i]);
    size_t actions = fill_table(table, r);
    if (t->dry_run || actions == 0)
        return true;
    return tool_confirm(t, table,
                        "Repair %zu fault%s? The offsets of lost batches stay empty, and the "
                        "replaced files are kept as *.damaged.",
                        actions, actions == 1 ? "" : "s") &&
           apply(r);
}

static bool run(struct tool *t)
{
    struct table *table = tool_table(t, "repairs");
    const char *directory = arena_printf(&t->arena, "%.*s", BYTES_PRINTF(t->arguments.names[0]));
    struct repair r = {.tool = t};
    bool good =
        data_image_open(&r.image, directory, false, &t->arena, note_finding, &r, &t->failure) &&
        repair(&r, table);
    data_image_close(&r.image);
    return good;
}

const struct command log_repair_command = {
    .noun = "log",
    .verb = "repair",
    .arguments = "DIR",
    .min = 1,
    .max = 1,
    .sentence = "Replaces damaged files of a stopped data directory",
    .columns = columns,
    .destructive = true,
    .examples = (const char *const[]){"log repair /var/lib/tidemill --dry-run",
                                      "log repair /var/lib/tidemill --yes", NULL},
    .see_also = "log verify",
    .run = run,
};
