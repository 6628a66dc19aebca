#include "storage/recovery.h"

#include "storage/data_meta.h"
#include "storage/data_versions.h"
#include "storage/journal.h"
#include "storage/journal_witness.h"
#include "storage/redo.h"
#include "storage/swap_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct recovery {
    struct env *env;
    const struct recovery_options *options;
    struct data_meta meta;
    bool is_new, meta_is_lost;
    struct kv *kv;
    struct redo *redo;
    struct recovery_report *report;
    struct message *message;
};

/* The directory */

struct found_names {
    char foreign[32]; /* empty: none */
    bool rows;        /* a copy of the rows may exist */
};

static void note_found(void *context, const char *name)
{
    struct found_names *found = context;
    if (strcmp(name, "topics") == 0 || strncmp(name, "shard-", 6) == 0)
        snprintf(found->foreign, sizeof found->foreign, "%s", name);
    found->rows |= strcmp(name, "kv") == 0 || strcmp(name, "rows") == 0;
}

/* Without tidemill.meta the rows must prove the number of starts. Refuses a directory that has
 * topics or journals but no rows: it is not a data directory, or too much was lost. A first start
 * that was cut off has made no topics and no journals. */
static enum error judge_meta(struct recovery *r, enum error read_error)
{
    struct found_names found = {.foreign = ""};
    const char *directory = r->options->data_directory;
    enum error error = r->env->io->ops->list(r->env->io, directory, note_found, &found);
    if (error != ERR_OK)
        return error;
    r->is_new = read_error == ERR_NOT_FOUND && found.foreign[0] == '\0';
    r->meta_is_lost = !r->is_new;
    if (r->is_new || found.rows)
        return ERR_OK;
    if (read_error == ERR_NOT_FOUND)
        message_set(r->message,
                    "%s has a directory %s but no tidemill.meta and no rows: restore the whole "
                    "data directory from a copy or use an empty directory",
                    directory, found.foreign);
    return ERR_CORRUPT;
}

static enum error take_directory(struct recovery *r)
{
    struct io *io = r->env->io;
    const char *directory = r->options->data_directory;
    enum error error = io_make_path(io, directory);
    if (error != ERR_OK) {
        message_set(r->message, "cannot create the data directory %s: %s", directory,
                    error_text(error));
        return error;
    }
    char *lock = io_path(directory, "lock");
    error = io->ops->lock(io, lock);
    free(lock);
    if (error != ERR_OK) {
        message_set(r->message,
                    error == ERR_BUSY
                        ? "another broker is using the data directory %s: stop it or "
                          "set log.dirs to another directory"
                        : "cannot lock the data directory %s: its disk fails or has no "
                          "locks, set log.dirs to a directory on another disk",
                    directory);
        return error;
    }
    error = data_meta_read(io, directory, &r->meta, r->message);
    return error == ERR_NOT_FOUND || error == ERR_CORRUPT ? judge_meta(r, error) : error;
}

/* The key-value store */

static enum error open_kv(struct recovery *r)
{
    struct message message = {""};
    char *path = io_path(r->options->data_directory, "kv");
    enum kv_open how = r->is_new                                         ? KV_OPEN_OR_CREATE
                       : r->meta.format == DATA_FORMAT_WITHOUT_ROW_FILES ? KV_OPEN_ALONE
                                                                         : KV_OPEN_EXISTING;
    enum error error = r->env->kv->open(r->env->kv, path, how, &r->kv, &message);
    free(path);
    if (error != ERR_OK)
        *r->message = message;
    return error;
}

/* The rows must know at least as many starts as tidemill.meta. If it is lost, they must know some.
 */
static enum error check_kv(struct recovery *r)
{
    uint64_t starts = redo_starts(r->redo);
    const char *directory = r->options->data_directory;
    if (starts < r->meta.starts) {
        message_set(r->message,
                    "%s: the rows in kv and rows know %" PRIu64 " starts of the broker, but "
                    "tidemill.meta has %" PRIu64 ": both directories were replaced by older "
                    "copies. Put back the newer copies, or restore the whole data directory from "
                    "a copy",
                    directory, starts, r->meta.starts);
        return ERR_CORRUPT;
    }
    if (!r->meta_is_lost)
        return ERR_OK;
    if (starts == 0) {
        message_set(r->message,
                    "%s/tidemill.meta is damaged or missing, and the rows do not know the number "
                    "of starts: restore the whole data directory from a copy",
                    directory);
        return ERR_CORRUPT;
    }
    trace_log(r->env->trace, TRACE_WARN, "tidemill.meta is damaged or missing, it is written again",
              F_STRING("directory", directory), F_INT("starts", starts));
    r->message->text[0] = '\0';
    return ERR_OK;
}

/* Writes the rows, and marks of a new journal for every shard, in one atomic batch. */
static enum error write_kv(struct recovery *r)
{
    struct row_changes *rows = redo_rows(r->redo);
    for (int shard = 0; shard <= redo_last_shard(r->redo); shard++) {
        struct row_key key = row_key_journal(shard);
        row_changes_put(rows, row_key_view(&key), BYTES_NULL);
    }
    for (int shard = 0; shard < r->options->shard_count; shard++) {
        struct row_key key = row_key_journal(shard);
        struct journal_mark mark = {.start = r->meta.starts, .run = random_u64(r->env->random)};
        uint8_t value[JOURNAL_MARK_SIZE];
        row_changes_put(rows, row_key_view(&key), journal_mark_encode(&mark, value));
    }
    size_t count;
    struct kv_change *changes = row_changes_array(rows, &count);
    enum error error = r->kv->driver->write(r->kv, changes, count);
    free(changes);
    if (error != ERR_OK)
        message_set(r->message, "%s/kv: cannot write the key-value store: %s",
                    r->options->data_directory, error_text(error));
    return error;
}

/* Tidying. If it fails, the files that are left do no harm, and the next start tries again. */

struct tidying {
    struct recovery *r;
    const char *directory;
};

/* Renames the directory to a name that no topic has. The new name ends with ".unknown", or
 * ".unknown-2" and so on if that exists. */
static void set_topic_aside(struct tidying *t, const char *path)
{
    struct io *io = t->r->env->io;
    size_t size = strlen(path) + 32;
    char *aside = xmalloc(size);
    snprintf(aside, size, "%s.unknown", path);
    enum error error = io->ops->rename(io, path, aside);
    for (int i = 2; error == ERR_EXISTS; i++) {
        snprintf(aside, size, "%s.unknown-%d", path, i);
        error = io->ops->rename(io, path, aside);
    }
    if (error == ERR_OK)
        error = io_sync_directory(io, t->directory);
    trace_log(t->r->env->trace, TRACE_WARN, "a topic's files have no topic, they are set aside",
              F_STRING("directory", path), F_STRING("renamed", error == ERR_OK ? aside : ""));
    free(aside);
}

/* Only a stored deletion (ROW_DELETED) deletes a directory, never a missing row: rows can be lost.
 * An unfinished creation leaves no directory. A topic's row is durable before its first record is
 * accepted, and a flush of records makes the directory. */
static void remove_deleted_topic(void *context, const char *name)
{
    struct tidying *t = context;
    struct uuid id;
    if (!topic_directory_parse(name, &id) || redo_topic_exists(t->r->redo, id))
        return;
    char *path = io_path(t->directory, name);
    if (redo_topic_deleted(t->r->redo, id)) {
        trace_log(t->r->env->trace, TRACE_INFO, "the files of a deleted topic were removed",
                  F_STRING("directory", path));
        (void)!io_remove_tree(t->r->env->io, path);
    } else {
        set_topic_aside(t, path);
    }
    free(path);
}

static void remove_journal(void *context, const char *name)
{
    struct tidying *t = context;
    uint64_t sequence;
    if (!journal_parse_name(name, &sequence) && !journal_name_is_unfinished(name) &&
        strcmp(name, JOURNAL_WITNESS_NAME) != 0)
        return;
    char *path = io_path(t->directory, name);
    (void)!t->r->env->io->ops->unlink(t->r->env->io, path);
    free(path);
}

static void tidy_up(struct recovery *r)
{
    struct io *io = r->env->io;
    char *topics = io_path(r->options->data_directory, "topics");
    struct tidying t = {r, topics};
    (void)!io->ops->list(io, topics, remove_deleted_topic, &t);
    free(topics);
    for (int shard = r->options->shard_count; shard <= redo_last_shard(r->redo); shard++) {
        char *directory = journal_directory(r->options->data_directory, shard);
        t.directory = directory;
        (void)!io->ops->list(io, directory, remove_journal, &t);
        (void)!io->ops->remove_directory(io, directory);
        free(directory);
    }
}

/* The start */

static enum error take_accept_damage(struct recovery *r, bool remove, bool *accept)
{
    struct io *io = r->env->io;
    struct io_file *file;
    char *path = io_path(r->options->data_directory, "accept-damage");
    enum error error = remove ? io->ops->unlink(io, path) : io->ops->open(io, path, IO_READ, &file);
    free(path);
    *accept = error == ERR_OK;
    if (error == ERR_OK && !remove)
        io->ops->close(io, file);
    return error == ERR_NOT_FOUND ? ERR_OK : error;
}

static enum error recover(struct recovery *r)
{
    bool accept_damage = false, gone;
    enum error error = take_directory(r);
    if (error == ERR_OK)
        error = open_kv(r);
    if (error == ERR_OK)
        error = data_versions_check(r->env, r->options->data_directory, r->kv, r->message);
    if (error == ERR_OK)
        error =
            redo_create(r->env, r->options->data_directory, r->kv, r->report, r->message, &r->redo);
    if (error == ERR_OK)
        error = check_kv(r);
    if (error == ERR_OK)
        error = swap_lists_recover(r->env, r->options->data_directory, r->message);
    if (error == ERR_OK)
        error = take_accept_damage(r, false, &accept_damage);
    if (error == ERR_OK)
        error = redo_run(r->redo, accept_damage);
    r->meta =
        (struct data_meta){.format = DATA_FORMAT,
                           .starts = 1 + MAX(r->meta.starts, r->redo ? redo_starts(r->redo) : 0)};
    if (error == ERR_OK)
        error = write_kv(r);
    if (error == ERR_OK)
        error = data_meta_write(r->env->io, r->options->data_directory, &r->meta, r->message);
    if (error == ERR_OK && accept_damage)
        error = take_accept_damage(r, true, &gone);
    if (error == ERR_OK)
        tidy_up(r);
    return error;
}

static void report_recovery(const struct recovery *r)
{
    const struct recovery_report *p = r->report;
    if (r->is_new)
        trace_log(r->env->trace, TRACE_INFO, "new data directory",
                  F_STRING("directory", r->options->data_directory));
    else
        trace_log(r->env->trace, TRACE_INFO, p->clean ? "data directory is clean" : "recovered",
                  F_INT("journal_bytes", p->journal_bytes), F_INT("entries", p->entries),
                  F_INT("batches", p->batches), F_INT("rows", p->rows), F_INT("logs", p->logs),
                  F_INT("cut_bytes", p->cut_bytes), F_INT("damaged", p->damaged),
                  F_INT("damaged_logs", p->damaged_logs), F_INT("took_ms", p->took_ms));
}

enum error recovery_run(struct env *env, const struct recovery_options *options, struct kv **kv,
                        struct recovery_report *report, struct message *message)
{
    ASSERT(options->shard_count > 0);
    struct message text = {""};
    *report = (struct recovery_report){.clean = false};
    struct recovery r = {.env = env, .options = options, .report = report, .message = &text};
    int64_t started_ms = clock_monotonic_ms(env->clock);
    enum error error = recover(&r);
    redo_free(r.redo);
    report->took_ms = clock_monotonic_ms(env->clock) - started_ms;
    if (error == ERR_OK) {
        report_recovery(&r);
        *kv = r.kv;
        return ERR_OK;
    }
    if (r.kv)
        r.kv->driver->close(r.kv);
    if (text.text[0] == '\0')
        message_set(&text, "cannot recover the data directory %s: %s", options->data_directory,
                    error_text(error));
    if (message)
        *message = text;
    return error;
}
