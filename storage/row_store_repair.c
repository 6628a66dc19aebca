#include "storage/row_store_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* Above this the store is written again instead of being repaired. */
enum { DIFFERENCE_BYTES_MAX = 4 << 20, REBUILD_BATCH_BYTES = 1 << 20 };

/* Comparing: the rows of the file and those of the store are read in key order */

struct comparison {
    struct row_cursor *cursor;
    struct kv_change own; /* the next row of the file; null key: none is left */
    enum error own_error;
    struct row_changes differences; /* that make the store like the file */
};

static enum error next_own(struct comparison *c)
{
    c->own_error = row_cursor_next(c->cursor, &c->own);
    return c->own_error;
}

/* ERR_TOO_LARGE: too many differences. */
static enum error note_difference(struct comparison *c, struct bytes key, struct bytes value)
{
    row_changes_put(&c->differences, key, value);
    return c->differences.bytes > DIFFERENCE_BYTES_MAX ? ERR_TOO_LARGE : ERR_OK;
}

static enum error compare_row(void *context, struct bytes key, struct bytes value)
{
    struct comparison *c = context;
    enum error error = ERR_OK;
    if (bytes_equal(key, row_store_commit_key))
        return ERR_OK;
    while (error == ERR_OK && c->own.key.data && bytes_compare(c->own.key, key) < 0) {
        error = note_difference(c, c->own.key, c->own.value);
        if (error == ERR_OK)
            error = next_own(c);
    }
    if (error != ERR_OK)
        return error;
    if (!c->own.key.data || !bytes_equal(c->own.key, key))
        return note_difference(c, key, BYTES_NULL);
    if (!bytes_equal(c->own.value, value))
        error = note_difference(c, key, c->own.value);
    return error == ERR_OK ? next_own(c) : error;
}

static enum error compare_all(struct comparison *c, struct kv *inner)
{
    enum error error = next_own(c);
    if (error == ERR_OK)
        error = inner->driver->scan(inner, BYTES_LITERAL(""), compare_row, c);
    while (error == ERR_OK && c->own.key.data) {
        error = note_difference(c, c->own.key, c->own.value);
        if (error == ERR_OK)
            error = next_own(c);
    }
    return c->own_error != ERR_OK ? c->own_error : error;
}

static enum error open_cursor(struct row_store *s, const struct row_changes *changes,
                              struct kv_change **array, struct row_cursor **out)
{
    size_t count;
    *array = row_changes_array(changes, &count);
    *out = NULL;
    enum error error = row_cursor_open(s->env->io, s->path, &s->at, *array, count, out);
    return error == ERR_CORRUPT ? ERR_IO : error;
}

/* Repairing */

static enum error cannot(const struct row_store *s, const char *what, enum error error,
                         struct message *message)
{
    if (error != ERR_OK && message->text[0] == '\0')
        message_set(message, "%s: cannot %s: %s", s->kv_path, what, error_text(error));
    return error;
}

struct position {
    uint64_t commit;
    uint32_t mark;
    bool found;
    int64_t size; /* of the file, up to and with the commit */
};

static enum error find_position(void *context, const struct row_record *record)
{
    struct position *p = context;
    if (record->commit > p->commit)
        return ERR_OK;
    p->size += (int64_t)record->size;
    p->found |= record->commit == p->commit && record->checksum == p->mark;
    return ERR_OK;
}

/* Finds the store's commit in the file, behind its snapshot. The store then gets the writes after
 * it. *known is false if the file does not have the commit. */
static enum error catch_up(struct row_store *s, const struct commit_row *commit, bool *known)
{
    struct position p = {.commit = commit->commit, .mark = commit->mark};
    p.size = s->at.snapshot_end;
    p.found = commit->commit == s->at.snapshot_commit && commit->mark == s->at.snapshot_mark;
    enum error error = ERR_OK;
    if (commit->found && !p.found)
        error = row_file_replay(s->env->io, s->path, &s->at, s->at.snapshot_end, find_position, &p);
    *known = commit->found && p.found;
    s->inner_commit = *known ? commit->commit : s->at.commit;
    s->inner_size = *known ? p.size : s->at.size;
    return error == ERR_OK ? row_store_catch_up(s) : error;
}

static void report_repair(const struct row_store *s, const struct commit_row *commit, bool known,
                          size_t differences, const char *note)
{
    uint64_t behind = commit->found ? s->at.commit - commit->commit : 0;
    if (known && behind == 0 && differences == 0)
        return;
    if (known && behind == 1 && differences == 0)
        trace_log(s->env->trace, TRACE_INFO,
                  "the key-value store lacked the last write, as after a crash",
                  F_STRING("path", s->kv_path), F_STRING("reason", note));
    else
        trace_log(s->env->trace, TRACE_WARN,
                  "the key-value store was damaged or old, it was repaired and no row is lost",
                  F_STRING("path", s->kv_path), F_STRING("reason", note),
                  F_INT("rows", differences), F_INT("writes", behind));
}

static enum error write_differences(struct row_store *s, const struct row_changes *differences)
{
    size_t count;
    struct kv_change *array = row_changes_array(differences, &count);
    enum error error = row_store_write_inner(s, array, count, s->at.commit, s->at.mark);
    free(array);
    return error;
}

static enum error compare_with_file(struct row_store *s, const struct row_changes *changes,
                                    struct row_changes *differences)
{
    struct kv_change *array;
    struct comparison c = {.own_error = ERR_OK};
    enum error error = open_cursor(s, changes, &array, &c.cursor);
    if (error == ERR_OK)
        error = compare_all(&c, s->inner);
    if (c.own_error == ERR_CORRUPT)
        error = ERR_IO; /* the file was read before and was sound */
    row_cursor_close(c.cursor);
    free(array);
    *differences = c.differences;
    return error;
}

enum error row_store_repair(struct row_store *s, const struct commit_row *commit,
                            const struct row_changes *changes, const char *note,
                            struct message *message)
{
    struct row_changes differences = {.bytes = 0};
    bool known;
    enum error error = catch_up(s, commit, &known);
    if (error == ERR_OK)
        error = compare_with_file(s, changes, &differences);
    if (error == ERR_OK && (differences.map.count > 0 || !known))
        error = write_differences(s, &differences);
    if (error == ERR_OK)
        report_repair(s, commit, known, differences.map.count, note);
    row_changes_free(&differences);
    if (error == ERR_CORRUPT) {
        struct message reason = {""};
        (void)!s->inner->driver->check(s->inner, &reason);
        return row_store_rebuild(s, changes, reason.text, message);
    }
    if (error == ERR_TOO_LARGE)
        return row_store_rebuild(s, changes, "its rows are not those of the row file", message);
    return cannot(s, "repair the key-value store", error, message);
}

/* Writing the store again */

static enum error write_batch(struct row_store *s, struct row_changes *batch)
{
    size_t count;
    struct kv_change *array = row_changes_array(batch, &count);
    enum error error = s->inner->driver->write(s->inner, array, count);
    free(array);
    row_changes_free(batch);
    return error;
}

/* The commit row comes last: without it the next open knows that rows may be missing. */
static enum error write_all(struct row_store *s, struct row_cursor *cursor)
{
    struct row_changes batch = {.bytes = 0};
    struct kv_change row;
    enum error error;
    do {
        error = row_cursor_next(cursor, &row);
        if (error == ERR_OK && row.key.data)
            row_changes_put(&batch, row.key, row.value);
        if (error == ERR_OK && batch.bytes > REBUILD_BATCH_BYTES)
            error = write_batch(s, &batch);
    } while (error == ERR_OK && row.key.data);
    if (error == ERR_OK && batch.map.count > 0)
        error = write_batch(s, &batch);
    row_changes_free(&batch);
    if (error == ERR_OK)
        error = row_store_write_inner(s, NULL, 0, s->at.commit, s->at.mark);
    return error;
}

static enum error set_aside(struct row_store *s, const char *kept)
{
    struct kv_driver *inner = s->driver->inner;
    if (s->inner)
        s->inner->driver->close(s->inner);
    s->inner = NULL;
    enum error error = inner->set_aside(inner, s->kv_path, kept);
    return error == ERR_NOT_FOUND ? ERR_OK : error;
}

static enum error rebuild(struct row_store *s, const struct row_changes *changes, const char *kept,
                          struct message *message)
{
    struct kv_driver *inner = s->driver->inner;
    struct row_cursor *cursor = NULL;
    struct kv_change *array = NULL;
    enum error error = set_aside(s, kept);
    if (error == ERR_OK)
        error = inner->open(inner, s->kv_path, KV_OPEN_OR_CREATE, &s->inner, message);
    if (error == ERR_OK)
        error = open_cursor(s, changes, &array, &cursor);
    if (error == ERR_OK)
        error = write_all(s, cursor);
    row_cursor_close(cursor);
    free(array);
    s->inner_commit = s->at.commit;
    s->inner_size = s->at.size;
    return error;
}

enum error row_store_rebuild(struct row_store *s, const struct row_changes *changes,
                             const char *reason, struct message *message)
{
    size_t size = strlen(s->kv_path) + sizeof ".damaged";
    char *kept = xmalloc(size);
    snprintf(kept, size, "%s.damaged", s->kv_path);
    enum error error = rebuild(s, changes, kept, message);
    if (error == ERR_OK)
        trace_log(s->env->trace, TRACE_WARN,
                  "the key-value store was damaged, it was written again and no row is lost",
                  F_STRING("path", s->kv_path), F_STRING("reason", reason), F_STRING("kept", kept));
    free(kept);
    return cannot(s, "write the key-value store again", error, message);
}
