#include "storage/row_store_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* The row file, as the open finds it. */
struct opening {
    struct row_store *s;
    enum kv_open how;
    struct message *message;
    bool exists;
    uint64_t generation, newest; /* of the file; of any name */
    struct row_file_report report;
    struct row_changes changes; /* behind the snapshot */
    struct message reason;      /* why the file cannot be used */
};

/* Refusals */

static enum error refuse_both(struct opening *o, const char *store_reason)
{
    message_set(o->message,
                "both copies of the rows are damaged or missing: %s; %s: restore the whole data "
                "directory from a copy. No row was changed",
                o->reason.text, store_reason);
    return ERR_CORRUPT;
}

static enum error refuse_foreign(struct opening *o)
{
    message_set(o->message,
                "%s and %s are not of the same data directory: put back the one that belongs "
                "here, or restore the whole data directory from a copy. No row was changed",
                o->s->path, o->s->kv_path);
    return ERR_CORRUPT;
}

static enum error refuse_upgrade(struct opening *o, const char *reason)
{
    message_set(o->message,
                "%s: the store of data format 1 cannot be upgraded: start and stop it once with "
                "the version that wrote it, or restore the whole data directory from a copy. No "
                "row was changed",
                reason);
    return ERR_CORRUPT;
}

static enum error cannot(struct opening *o, const char *path, enum error error)
{
    if (error != ERR_OK && o->message->text[0] == '\0')
        message_set(o->message, "cannot open the rows in %s: %s", path, error_text(error));
    return error;
}

/* The row file */

static void note_name(void *context, const char *name)
{
    struct opening *o = context;
    uint64_t generation;
    const char *rest;
    if (!row_file_parse_name(name, &generation, &rest))
        return;
    o->newest = MAX(o->newest, generation);
    if (*rest != '\0' || (o->exists && generation < o->generation))
        return;
    o->exists = true;
    o->generation = generation;
}

static enum error keep_changes(void *context, const struct row_record *record)
{
    struct row_changes *changes = context;
    struct reader r = reader_of(record->payload);
    struct kv_change pair;
    while (row_record_next_pair(&r, &pair))
        row_changes_put(changes, pair.key, pair.value);
    return r.failed ? ERR_CORRUPT : ERR_OK;
}

static enum error check_file(struct opening *o)
{
    struct row_store *s = o->s;
    char name[ROW_FILE_NAME_SIZE];
    row_file_name(o->generation, name);
    s->path = io_path(s->directory, name);
    enum error error =
        row_file_check(s->env->io, s->path, o->generation, keep_changes, &o->changes, &o->report);
    if (error == ERR_UNSUPPORTED)
        message_set(o->message,
                    "%s: a newer version of Tidemill wrote this file: use that version or a newer "
                    "one",
                    s->path);
    message_set(&o->reason, "%s: damaged at byte %" PRId64, s->path, o->report.bad);
    s->at = o->report.file;
    if (error != ERR_IO)
        return error;
    message_set(&o->reason, "%s: the disk cannot read the file", s->path);
    o->report.state = ROW_FILE_DAMAGED;
    return ERR_OK;
}

static enum error find_file(struct opening *o)
{
    struct row_store *s = o->s;
    message_set(&o->reason, "%s/rows-N.log: the file is missing", s->directory);
    enum error error = s->env->io->ops->list(s->env->io, s->directory, note_name, o);
    if (error == ERR_NOT_FOUND)
        return ERR_OK;
    o->exists &= o->how != KV_OPEN_ALONE; /* files of an upgrade that was cut off */
    return error == ERR_OK && o->exists ? check_file(o) : error;
}

/* From the store to the file */

static enum error open_inner(struct opening *o, enum kv_open how, struct message *note)
{
    struct row_store *s = o->s;
    struct kv_driver *inner = s->driver->inner;
    enum error error = inner->open(inner, s->kv_path, how, &s->inner, note);
    if (error != ERR_OK && error != ERR_CORRUPT)
        *o->message = *note;
    return error;
}

static enum error read_commit(struct opening *o, struct commit_row *commit, struct message *note)
{
    struct row_store *s = o->s;
    enum error error = row_store_read_commit(s, commit);
    if (error == ERR_CORRUPT && s->inner->driver->check(s->inner, note) == ERR_OK)
        message_set(note, "%s: the row of its last write is damaged", s->kv_path);
    return error;
}

/* Whether the store is at least as new as the file, as far as the file can still be read. */
static enum error judge_commit(struct opening *o, const struct commit_row *commit)
{
    struct message note;
    bool knows = o->exists && o->report.knows_identity;
    if (!commit->found)
        message_set(&note, "%s: the row of its last write is missing", o->s->kv_path);
    else if (knows && memcmp(&commit->identity, &o->report.file.identity, 16) != 0)
        return refuse_foreign(o);
    else if (o->exists && commit->commit < o->report.proved)
        message_set(&note,
                    "%s: its last write is number %" PRIu64 ", the row file has number %" PRIu64,
                    o->s->kv_path, commit->commit, o->report.proved);
    else
        return ERR_OK;
    return refuse_both(o, note.text);
}

/* Opens the store, which must prove itself sound. */
static enum error open_sound(struct opening *o, bool may_be_new, struct commit_row *commit)
{
    struct row_store *s = o->s;
    struct message note = {""};
    enum error error = open_inner(
        o, may_be_new && o->how == KV_OPEN_OR_CREATE ? KV_OPEN_OR_CREATE : KV_OPEN_ALONE, &note);
    if (error == ERR_OK)
        error = s->inner->driver->check(s->inner, &note);
    if (error == ERR_OK)
        error = read_commit(o, commit, &note);
    if (error == ERR_CORRUPT)
        return o->how == KV_OPEN_ALONE ? refuse_upgrade(o, note.text) : refuse_both(o, note.text);
    if (error != ERR_OK || may_be_new)
        return cannot(o, s->kv_path, error);
    return judge_commit(o, commit);
}

static enum error keep_damaged(struct opening *o, char **kept)
{
    struct row_store *s = o->s;
    size_t size = strlen(s->path) + sizeof ".damaged";
    *kept = xmalloc(size);
    snprintf(*kept, size, "%s.damaged", s->path);
    return s->env->io->ops->rename(s->env->io, s->path, *kept);
}

/* A store that has no commit row gets a new identity. */
static enum error take_identity(struct row_store *s, const struct commit_row *commit,
                                uint64_t newest)
{
    s->at = (struct row_file){.identity = commit->identity,
                              .generation = newest,
                              .commit = commit->commit,
                              .mark = commit->mark};
    if (!commit->found)
        random_uuid(s->env->random, s->at.identity.bytes);
    s->inner_commit = s->at.commit;
    return commit->found ? ERR_OK : row_store_write_inner(s, NULL, 0, 0, 0);
}

static void report_file(const struct opening *o, bool may_be_new, const char *kept)
{
    struct trace *trace = o->s->env->trace;
    if (may_be_new && o->how == KV_OPEN_ALONE)
        trace_log(trace, TRACE_INFO, "the rows have a second copy now",
                  F_STRING("path", o->s->path));
    if (!may_be_new)
        trace_log(trace, TRACE_WARN,
                  "the row file was damaged, old or missing, it was written again and no row is "
                  "lost",
                  F_STRING("path", o->s->path), F_STRING("reason", o->reason.text),
                  F_STRING("kept", kept ? kept : ""));
}

static enum error open_from_store(struct opening *o)
{
    struct row_store *s = o->s;
    struct commit_row commit = {.found = false};
    char *kept = NULL;
    bool may_be_new = o->how == KV_OPEN_ALONE || (o->how == KV_OPEN_OR_CREATE && !o->exists);
    enum error error = open_sound(o, may_be_new, &commit);
    if (error != ERR_OK)
        return error;
    error = io_make_path(s->env->io, s->directory);
    if (error == ERR_OK)
        error = take_identity(s, &commit, o->newest);
    if (error == ERR_OK && o->exists)
        error = keep_damaged(o, &kept);
    if (error == ERR_OK)
        error = row_store_begin_generation(s);
    if (error == ERR_OK)
        report_file(o, may_be_new, kept);
    free(kept);
    return cannot(o, s->directory, error);
}

/* From the file to the store */

/* The file is whole but older than the store. If the store itself lost something, both are
 * damaged. */
static enum error replace_old_file(struct opening *o, uint64_t commit, const char *note)
{
    struct row_store *s = o->s;
    message_set(&o->reason,
                "%s: its last write is number %" PRIu64 ", the key-value store has number %" PRIu64,
                s->path, s->at.commit, commit);
    if (note[0] != '\0')
        return refuse_both(o, note);
    s->inner->driver->close(s->inner);
    s->inner = NULL;
    return open_from_store(o);
}

/* The last record of the file is not whole. That is a torn write only if the store knows no write
 * after the record before it. */
static enum error settle_torn(struct opening *o, const struct commit_row *commit)
{
    enum error error = judge_commit(o, commit);
    return error == ERR_OK ? cannot(o, o->s->path, row_store_cut(o->s)) : error;
}

static enum error use_file(struct opening *o, const struct commit_row *commit, const char *note)
{
    struct row_store *s = o->s;
    if (commit->found && memcmp(&commit->identity, &s->at.identity, 16) != 0)
        return refuse_foreign(o);
    if (commit->found && commit->commit > s->at.commit)
        return replace_old_file(o, commit->commit, note);
    enum error error = o->report.state == ROW_FILE_TORN ? settle_torn(o, commit) : ERR_OK;
    if (error == ERR_OK)
        error = row_store_repair(s, commit, &o->changes, note, o->message);
    return error;
}

/* Opens the file for appends. A killed process may have left a record or the name of the file that
 * is not durable yet, and the store must not get ahead of the file. */
static enum error open_file(struct row_store *s)
{
    struct io *io = s->env->io;
    enum error error = io->ops->open(io, s->path, IO_READ | IO_WRITE, &s->file);
    if (error == ERR_OK)
        error = row_file_make_durable(io, s->file, &s->at);
    return error == ERR_OK ? io_sync_directory(io, s->directory) : error;
}

static enum error open_with_file(struct opening *o)
{
    struct row_store *s = o->s;
    struct message note = {""};
    struct commit_row commit;
    bool torn = o->report.state == ROW_FILE_TORN;
    enum error error = open_file(s);
    if (error != ERR_OK)
        return cannot(o, s->path, error);
    error = open_inner(o, torn ? KV_OPEN_ALONE : KV_OPEN_EXISTING, &note);
    if (error == ERR_OK)
        error = read_commit(o, &commit, &note);
    if (error == ERR_CORRUPT)
        return torn ? refuse_both(o, note.text)
                    : row_store_rebuild(s, &o->changes, note.text, o->message);
    return error == ERR_OK ? use_file(o, &commit, note.text) : cannot(o, s->kv_path, error);
}

/* Tidying. A file that is left does no harm. */

static void remove_other(void *context, const char *name)
{
    struct row_store *s = context;
    uint64_t generation;
    const char *rest;
    if (!row_file_parse_name(name, &generation, &rest) || strcmp(rest, ".damaged") == 0 ||
        (*rest == '\0' && generation == s->at.generation))
        return;
    char *path = io_path(s->directory, name);
    (void)!s->env->io->ops->unlink(s->env->io, path);
    free(path);
}

enum error row_store_open(struct row_store *s, enum kv_open how, struct message *message)
{
    struct opening o = {.s = s, .how = how, .message = message};
    enum error error = cannot(&o, s->directory, find_file(&o));
    if (error == ERR_OK)
        error = o.exists && o.report.state != ROW_FILE_DAMAGED ? open_with_file(&o)
                                                               : open_from_store(&o);
    if (error == ERR_OK) {
        row_store_plan_generation(s, s->at.snapshot_end);
        (void)!s->env->io->ops->list(s->env->io, s->directory, remove_other, s);
    }
    row_changes_free(&o.changes);
    return error;
}
