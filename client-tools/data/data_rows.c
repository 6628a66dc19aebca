#include "client-tools/data/data_rows.h"

#include "storage/kv_salvage.h"
#include "storage/row_kind.h"
#include "storage/row_store.h"

#include <inttypes.h>
#include <stdlib.h>

static const char restore[] = "restore the whole data directory from a copy";
static const char repair_kv[] =
    "the row file has all rows: the next start writes kv again from it, "
    "and `tidemill log repair` does so now";
static const char repair_file[] = "kv has all rows: the next start writes them to a new row file, "
                                  "and `tidemill log repair` does so now";

struct kv_fault {
    enum kv_salvage_kind kind;
    const char *file;
    int64_t at;
    const char *what;
};

struct reading {
    struct data_rows *out;
    struct env *env;
    const char *directory;
    struct arena *arena;
    const struct data_findings *findings;
    /* LevelDB */
    struct kv_salvage kv;
    struct kv_fault *faults;
    size_t fault_count;
    bool kv_is_bad, kv_is_torn;
    struct commit_row commit;
    /* the row file */
    const char *name, *path; /* below the data directory; whole */
    bool exists, is_unreadable, is_newer;
    uint64_t generation;
    struct row_file_report report;
    struct row_changes changes; /* behind the snapshot */
    bool has_commit;            /* the file has the last commit of kv */
    /* what a comparison finds */
    struct row_changes own; /* the rows of the file */
    int64_t differences, lacking;
};

/* --- LevelDB --- */

static void note_kv_fault(void *context, enum kv_salvage_kind kind, const char *file, int64_t at,
                          const char *what)
{
    struct reading *r = context;
    r->faults = xrealloc(r->faults, (r->fault_count + 1) * sizeof *r->faults);
    r->faults[r->fault_count++] =
        (struct kv_fault){kind, arena_printf(r->arena, file ? "kv/%s" : "kv", file), at, what};
    r->kv_is_torn |= kind == KV_SALVAGE_TORN;
}

static enum error read_kv(struct reading *r)
{
    static const uint8_t commit_key[] = {ROW_COMMIT};
    struct bytes value;
    const char *path = arena_printf(r->arena, "%s/kv", r->directory);
    r->kv = (struct kv_salvage){
        .kinds = r->out->kinds, .keeps_digests = true, .found = note_kv_fault, .context = r};
    enum error error = kv_salvage_run(&r->kv, r->env->io, path);
    r->out->kv_blocks = r->kv.blocks;
    r->kv_is_bad = error != ERR_OK || r->kv.faults > 0;
    if (row_changes_get(&r->kv.rows, bytes_of(commit_key, 1), &value) &&
        row_store_decode_commit(value, &r->commit) != ERR_OK) {
        r->commit.found = false;
        r->kv_is_bad = true;
        note_kv_fault(r, KV_SALVAGE_DAMAGED, NULL, -1, "the row of its last write is damaged");
    }
    return error == ERR_NOT_FOUND ? ERR_OK : error;
}

static bool is_kept(const struct reading *r, struct bytes key)
{
    return r->kv.kinds == NULL || (key.size > 0 && key.data[0] && strchr(r->kv.kinds, key.data[0]));
}

/* --- the row file --- */

static void note_row_file(void *context, const char *name)
{
    struct reading *r = context;
    uint64_t generation;
    const char *rest;
    if (!row_file_parse_name(name, &generation, &rest) || *rest != '\0' ||
        (r->exists && generation < r->generation))
        return;
    r->exists = true;
    r->generation = generation;
    r->name = arena_printf(r->arena, "rows/%s", name);
    r->path = arena_printf(r->arena, "%s/%s", r->directory, r->name);
}

/* A start writes the commits that kv lacks to kv before it compares the rows. */
static void add_to_kv(struct reading *r, const struct kv_change *change)
{
    uint8_t digest[KV_DIGEST_SIZE];
    bool is_plain = is_kept(r, change->key) || bytes_is_null(change->value);
    row_changes_put(is_kept(r, change->key) ? &r->kv.rows : &r->kv.rest, change->key,
                    is_plain ? change->value : kv_salvage_digest(change->value, digest));
}

static enum error take_write(void *context, const struct row_record *record)
{
    struct reading *r = context;
    struct reader pairs = reader_of(record->payload);
    struct kv_change pair;
    bool is_lacking = r->commit.found && record->commit > r->commit.commit;
    r->has_commit |= record->commit == r->commit.commit && record->checksum == r->commit.mark;
    while (row_record_next_pair(&pairs, &pair)) {
        row_changes_put(&r->changes, pair.key, pair.value);
        if (is_lacking)
            add_to_kv(r, &pair);
    }
    return pairs.failed ? ERR_CORRUPT : ERR_OK;
}

static enum error read_row_file(struct reading *r)
{
    struct io *io = r->env->io;
    const char *directory = arena_printf(r->arena, "%s/rows", r->directory);
    enum error error = io->ops->list(io, directory, note_row_file, r);
    if (!r->exists)
        return error == ERR_NOT_FOUND ? ERR_OK : error;
    error = row_file_check(io, r->path, r->generation, take_write, r, &r->report);
    const struct row_file *f = &r->report.file;
    r->has_commit |= r->commit.commit == f->snapshot_commit && r->commit.mark == f->snapshot_mark;
    r->is_unreadable = error == ERR_IO;
    r->is_newer = error == ERR_UNSUPPORTED;
    if (r->is_unreadable || r->is_newer)
        r->report.state = ROW_FILE_DAMAGED;
    return r->is_unreadable || r->is_newer ? ERR_OK : error;
}

enum error data_rows_walk(struct io *io, const char *path,
                          void (*each)(void *context, int64_t position, size_t size,
                                       const struct row_record *record),
                          void *context)
{
    struct buffer file;
    buffer_init(&file, SIZE_MAX / 2);
    enum error error = io_read_file(io, path, &file);
    size_t bad = 0, at = 0;
    while (error == ERR_OK && at < file.size) {
        struct row_record record;
        if (!row_record_decode(bytes_from(buffer_view(&file), at), &record)) {
            at++;
            continue;
        }
        if (bad < at)
            each(context, (int64_t)bad, at - bad, NULL);
        each(context, (int64_t)at, record.size, &record);
        bad = at += record.size;
    }
    if (error == ERR_OK && bad < at)
        each(context, (int64_t)bad, at - bad, NULL);
    buffer_free(&file);
    return error;
}

/* --- comparing --- */

static void compare_row(struct reading *r, const struct kv_change *row, int64_t *in_both)
{
    uint8_t digest[KV_DIGEST_SIZE];
    struct bytes value, own = row->value;
    bool kept = is_kept(r, row->key);
    bool found = row_changes_get(kept ? &r->kv.rows : &r->kv.rest, row->key, &value) &&
                 !bytes_is_null(value);
    if (kept)
        row_changes_put(&r->own, row->key, row->value);
    else
        own = kv_salvage_digest(row->value, digest);
    *in_both += found;
    r->differences += !found || !bytes_equal(value, own);
}

static int64_t count_rows(const struct row_changes *rows)
{
    size_t count;
    int64_t live = 0;
    struct kv_change *array = row_changes_array(rows, &count);
    for (size_t i = 0; i < count; i++)
        live += !bytes_is_null(array[i].value) && array[i].key.data[0] != ROW_COMMIT;
    free(array);
    return live;
}

static enum error compare(struct reading *r)
{
    size_t count;
    int64_t in_both = 0;
    struct kv_change row, *array = row_changes_array(&r->changes, &count);
    struct row_cursor *cursor = NULL;
    enum error error = row_cursor_open(r->env->io, r->path, &r->report.file, array, count, &cursor);
    while (error == ERR_OK && (error = row_cursor_next(cursor, &row)) == ERR_OK && row.key.data)
        compare_row(r, &row, &in_both);
    row_cursor_close(cursor);
    free(array);
    r->differences += count_rows(&r->kv.rows) + count_rows(&r->kv.rest) - in_both;
    r->lacking = r->commit.found ? (int64_t)(r->report.file.commit - r->commit.commit) : 0;
    return error;
}

/* --- judging, in the order of a start --- */

static bool is_foreign(const struct reading *r)
{
    return r->exists && r->report.knows_identity && r->commit.found &&
           memcmp(&r->commit.identity, &r->report.file.identity, sizeof r->commit.identity) != 0;
}

static enum data_copies judge_with_file(const struct reading *r)
{
    bool is_torn = r->report.state == ROW_FILE_TORN;
    if (r->kv_is_bad || (is_torn && r->kv_is_torn))
        return is_torn ? COPIES_LOST : COPIES_KV_DAMAGED;
    if (is_foreign(r))
        return COPIES_LOST;
    if (r->commit.found && r->commit.commit > r->report.file.commit)
        return r->kv_is_torn ? COPIES_LOST : COPIES_FILE_DAMAGED;
    if (is_torn && (!r->commit.found || r->commit.commit < r->report.proved))
        return COPIES_LOST;
    bool is_next = r->commit.found && r->has_commit && r->lacking <= 1;
    return is_next && r->differences == 0 ? COPIES_SOUND : COPIES_KV_DAMAGED;
}

static enum data_copies judge_with_kv(const struct reading *r)
{
    bool is_sound = !r->kv_is_bad && !r->kv_is_torn && r->commit.found && !r->is_newer;
    if (!is_sound || is_foreign(r) || (r->exists && r->commit.commit < r->report.proved))
        return COPIES_LOST;
    return COPIES_FILE_DAMAGED;
}

static enum data_copies judge(const struct reading *r)
{
    if (r->out->is_alone)
        return r->kv_is_bad || r->kv_is_torn ? COPIES_LOST : COPIES_ONLY_KV;
    return r->exists && r->report.state != ROW_FILE_DAMAGED ? judge_with_file(r) : judge_with_kv(r);
}

/* --- telling --- */

static void tell_kv_faults(const struct reading *r, enum data_copies copies)
{
    for (size_t i = 0; i < r->fault_count; i++) {
        const struct kv_fault *fault = &r->faults[i];
        enum finding_kind kind =
            fault->kind == KV_SALVAGE_MISSING ? FINDING_MISSING : FINDING_DAMAGED;
        if (fault->kind == KV_SALVAGE_TORN && copies != COPIES_LOST)
            data_finding_tell(r->findings, FINDING_NOTE, "kv", fault->file, fault->at,
                              "the last write is not whole, as a power cut leaves it",
                              "nothing: the next start leaves it out");
        else
            data_finding_tell(r->findings, kind, "kv", fault->file, fault->at, fault->what,
                              copies == COPIES_KV_DAMAGED ? repair_kv : restore);
    }
}

/* Every file of kv/ is whole, but the rows are not those of the row file. */
static void tell_kv_is_old(const struct reading *r, enum data_copies copies)
{
    struct arena *arena = r->arena;
    const char *message =
        arena_printf(arena,
                     "the rows are not those of the row file: %" PRId64
                     " rows are missing or differ, and %" PRId64 " writes are missing",
                     r->differences, r->lacking);
    if (is_foreign(r))
        message = arena_printf(arena, "kv and %s are not of the same data directory", r->name);
    else if (!r->commit.found)
        message = "the row of its last write is missing";
    else if (copies == COPIES_LOST)
        message = arena_printf(
            arena, "its last write is number %" PRIu64 ", the row file has number %" PRIu64,
            r->commit.commit, r->report.proved);
    data_finding_tell(r->findings, FINDING_DAMAGED, "kv", "kv", -1, message,
                      copies == COPIES_KV_DAMAGED ? repair_kv : restore);
}

static void tell_row_file(const struct reading *r, enum data_copies copies)
{
    const char *next = copies == COPIES_FILE_DAMAGED ? repair_file : restore;
    bool is_torn = r->report.state == ROW_FILE_TORN;
    if (r->is_newer)
        data_finding_tell(r->findings, FINDING_NEWER, "rows", r->name, -1,
                          "a newer version of Tidemill wrote this file",
                          "use the version of Tidemill that wrote it, or a newer one");
    else if (!r->exists)
        data_finding_tell(r->findings, FINDING_MISSING, "rows", "rows", -1,
                          "the row file rows/rows-N.log is missing", next);
    else if (r->report.state == ROW_FILE_DAMAGED)
        data_finding_tell(r->findings, FINDING_DAMAGED, "rows", r->name, r->report.bad,
                          r->is_unreadable ? "the disk cannot read the file"
                                           : "a record is damaged or missing",
                          next);
    else if (is_torn && (copies == COPIES_SOUND || copies == COPIES_KV_DAMAGED))
        data_finding_tell(r->findings, FINDING_NOTE, "rows", r->name, r->report.bad,
                          "the last write is not whole, as a power cut leaves it",
                          "nothing: the next start cuts it");
    else if (is_torn && copies == COPIES_LOST)
        data_finding_tell(r->findings, FINDING_DAMAGED, "rows", r->name, r->report.bad,
                          "the last write is not whole, and kv does not have the writes before it",
                          next);
    else if (copies == COPIES_FILE_DAMAGED)
        data_finding_tell(r->findings, FINDING_DAMAGED, "rows", r->name, -1,
                          arena_printf(r->arena,
                                       "its last write is number %" PRIu64
                                       ", the key-value store has number %" PRIu64,
                                       r->report.file.commit, r->commit.commit),
                          next);
}

static void tell(const struct reading *r, enum data_copies copies)
{
    bool is_alone = r->out->is_alone;
    bool is_file_whole = r->exists && r->report.state == ROW_FILE_WHOLE;
    tell_kv_faults(r, copies);
    if (is_alone)
        return;
    bool is_old = !r->kv_is_bad && !r->kv_is_torn && copies == COPIES_LOST &&
                  (is_foreign(r) || !r->commit.found || r->commit.commit < r->report.proved);
    if ((copies == COPIES_KV_DAMAGED && !r->kv_is_bad) || is_old)
        tell_kv_is_old(r, copies);
    if (!is_file_whole || copies == COPIES_FILE_DAMAGED)
        tell_row_file(r, copies);
}

/* --- the rows --- */

static void salvage_record(void *context, int64_t position, size_t size,
                           const struct row_record *record)
{
    struct reading *r = context;
    struct kv_change pair;
    (void)position;
    (void)size;
    if (record == NULL || (record->kind != ROW_RECORD_ROWS && record->kind != ROW_RECORD_CHANGES))
        return;
    struct reader pairs = reader_of(record->payload);
    while (row_record_next_pair(&pairs, &pair)) {
        if (is_kept(r, pair.key))
            row_changes_put(&r->own, pair.key, pair.value);
    }
}

/* Reads all that it can of two damaged copies. The rows of kv are the newer ones. */
static void salvage_both(struct reading *r)
{
    row_changes_free(&r->own);
    if (r->exists && !r->is_newer)
        (void)!data_rows_walk(r->env->io, r->path, salvage_record, r);
    row_changes_put_back(&r->kv.rows, &r->own);
}

static void take_rows(struct reading *r, enum data_copies copies)
{
    struct data_rows *out = r->out;
    bool uses_file = copies == COPIES_SOUND || copies == COPIES_KV_DAMAGED;
    if (copies == COPIES_LOST)
        salvage_both(r);
    out->rows = uses_file ? r->own : r->kv.rows;
    if (uses_file)
        row_changes_free(&r->kv.rows);
    else
        row_changes_free(&r->own);
    out->copies = copies;
    out->kv_may_go = r->exists && r->report.state == ROW_FILE_WHOLE;
    out->row_writes = (int64_t)r->report.file.commit;
}

enum error data_rows_read(struct data_rows *rows, struct env *env, const char *directory,
                          struct arena *arena, const struct data_findings *findings)
{
    struct reading r = {
        .out = rows, .env = env, .directory = directory, .arena = arena, .findings = findings};
    enum error error = read_kv(&r);
    if (error == ERR_OK && !rows->is_alone)
        error = read_row_file(&r);
    if (error == ERR_OK && r.exists && r.report.state != ROW_FILE_DAMAGED)
        error = compare(&r);
    enum data_copies copies = judge(&r);
    if (error == ERR_OK)
        tell(&r, copies);
    take_rows(&r, copies);
    row_changes_free(&r.changes);
    row_changes_free(&r.kv.rest);
    free(r.faults);
    return error;
}
