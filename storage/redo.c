#include "storage/redo_internal.h"

#include "storage/data_meta.h"
#include "storage/journal.h"
#include "storage/row_kind.h"

#include <inttypes.h>
#include <stdlib.h>

/* Topics */

static struct bytes topic_key(const struct redo_topic *t)
{
    return bytes_of(t->id.bytes, sizeof t->id.bytes);
}

static struct redo_topic *find_topic(const struct map *topics, struct uuid topic_id)
{
    struct redo_topic t = {.id = topic_id};
    return map_get(topics, topic_key(&t));
}

bool redo_topic_exists(const struct redo *redo, struct uuid topic_id)
{
    return find_topic(&redo->topics, topic_id) != NULL;
}

bool redo_topic_deleted(const struct redo *redo, struct uuid topic_id)
{
    return !redo_topic_exists(redo, topic_id) && find_topic(&redo->deleted, topic_id);
}

static void add_topic(struct map *topics, struct uuid topic_id)
{
    if (find_topic(topics, topic_id))
        return;
    struct redo_topic *topic = xmalloc(sizeof *topic);
    *topic = (struct redo_topic){.id = topic_id};
    map_put(topics, topic_key(topic), topic);
}

static void free_topics(struct map *topics)
{
    size_t at = 0;
    for (struct redo_topic *t; (t = map_next(topics, &at));)
        free(t);
    map_free(topics);
}

/* Notes a put (`exists`) or deleted row of kind ROW_TOPIC or ROW_DELETED. */
static void note_topic(struct redo *redo, struct bytes key, bool exists)
{
    struct uuid id;
    if (!row_key_parse_topic(key, &id))
        return;
    if (key.data[0] == ROW_DELETED) {
        redo->something_removed = true;
        add_topic(&redo->deleted, id);
    } else if (exists) {
        add_topic(&redo->topics, id);
    } else {
        struct redo_topic t = {.id = id};
        free(map_remove(&redo->topics, topic_key(&t)));
    }
}

/* Loading the rows of the key-value store */

static enum error load_mark(void *context, struct bytes key, struct bytes value)
{
    struct redo *redo = context;
    redo->journals =
        xrealloc(redo->journals, (size_t)(redo->journal_count + 1) * sizeof *redo->journals);
    struct redo_journal *journal = &redo->journals[redo->journal_count];
    if (!row_key_parse_journal(key, &journal->shard))
        return ERR_CORRUPT;
    redo->journal_count++;
    return journal_mark_decode(value, &journal->mark);
}

static enum error load_topic(void *context, struct bytes key, struct bytes value)
{
    (void)value;
    note_topic(context, key, true);
    return ERR_OK;
}

static enum error load_log(void *context, struct bytes key, struct bytes value)
{
    struct redo *redo = context;
    struct uuid topic_id;
    int32_t partition;
    int64_t none;
    if (!row_key_parse(key, &topic_id, &partition, &none))
        return ERR_CORRUPT;
    struct redo_log *l = redo_find_log(redo, topic_id, partition);
    enum error error = log_state_decode(value, &l->state);
    l->start = l->state.log_start_offset;
    return error;
}

static enum error scan_kind(struct redo *redo, enum row_kind kind,
                            enum error (*each)(void *context, struct bytes key, struct bytes value))
{
    uint8_t prefix = (uint8_t)kind;
    return redo->kv->driver->scan(redo->kv, bytes_of(&prefix, 1), each, redo);
}

enum error redo_create(struct env *env, const char *data_directory, struct kv *kv,
                       struct recovery_report *report, struct message *message, struct redo **out)
{
    struct redo *redo = xcalloc(1, sizeof *redo);
    *redo = (struct redo){.env = env,
                          .data_directory = data_directory,
                          .kv = kv,
                          .report = report,
                          .message = message};
    enum error error = scan_kind(redo, ROW_JOURNAL, load_mark);
    if (error == ERR_OK)
        error = scan_kind(redo, ROW_TOPIC, load_topic);
    if (error == ERR_OK)
        error = scan_kind(redo, ROW_DELETED, load_topic);
    if (error == ERR_OK)
        error = scan_kind(redo, ROW_LOG, load_log);
    if (error != ERR_OK) {
        message_set(message,
                    "%s/kv: cannot read the rows: %s: restore the whole data directory from a copy",
                    data_directory, error_text(error));
        redo_free(redo);
        return error;
    }
    *out = redo;
    return ERR_OK;
}

void redo_free(struct redo *redo)
{
    if (redo == NULL)
        return;
    free_topics(&redo->topics);
    free_topics(&redo->deleted);
    redo_free_logs(redo);
    row_changes_free(&redo->rows);
    free(redo->journals);
    free(redo);
}

int redo_last_shard(const struct redo *redo)
{
    int last = -1;
    for (int i = 0; i < redo->journal_count; i++)
        last = MAX(last, redo->journals[i].shard);
    return last;
}

uint64_t redo_starts(const struct redo *redo)
{
    uint64_t starts = 0;
    for (int i = 0; i < redo->journal_count; i++)
        starts = MAX(starts, redo->journals[i].mark.start);
    return starts;
}

struct row_changes *redo_rows(struct redo *redo)
{
    return &redo->rows;
}

/* The first pass learns the final state, the second one appends */

static enum error learn_part(struct redo *redo, const struct journal_part *part,
                             struct shared_buffer *unit)
{
    (void)unit;
    switch (part->kind) {
    case JOURNAL_PUT:
    case JOURNAL_DELETE:
        row_changes_put(&redo->rows, part->key, part->bytes);
        redo->report->rows++;
        note_topic(redo, part->key, part->kind == JOURNAL_PUT);
        break;
    case JOURNAL_LOG_START: {
        struct redo_log *l = redo_find_log(redo, part->topic_id, part->partition);
        l->start = MAX(l->start, part->offset);
        break;
    }
    case JOURNAL_LOG_REMOVED:
        redo_find_log(redo, part->topic_id, part->partition)->removed = true;
        redo->something_removed = true;
        break;
    case JOURNAL_ENTRY_END:
        redo->report->entries++;
        break;
    default:
        break;
    }
    return ERR_OK;
}

static enum error redo_part(struct redo *redo, const struct journal_part *part,
                            struct shared_buffer *unit)
{
    if (part->kind != JOURNAL_BATCH)
        return ERR_OK;
    struct redo_log *l = redo_find_log(redo, part->topic_id, part->partition);
    struct batch_header header;
    if (!batch_header_read(part->bytes, &header) || header.base_offset != part->offset)
        return ERR_CORRUPT;
    if (!redo_log_exists(redo, l))
        return ERR_OK;
    enum error error = l->log ? ERR_OK : redo_open_log(redo, l);
    if (error != ERR_OK)
        return error;
    if (part->offset < log_next_offset(l->log))
        return ERR_OK; /* the checkpoint has it */
    if (part->blocks == 0)
        return redo_append_batch(redo, l, part, unit);
    struct shared_buffer *whole = journal_batch_join(bytes_of(unit->data, unit->size), part);
    if (whole == NULL)
        return ERR_NO_MEMORY;
    struct journal_part joined = *part;
    joined.bytes = bytes_of(whole->data, whole->size);
    error = redo_append_batch(redo, l, &joined, whole);
    shared_buffer_unref(whole);
    return error;
}

/* Walking a journal */

typedef enum error part_function(struct redo *redo, const struct journal_part *part,
                                 struct shared_buffer *unit);

static enum error walk_unit(struct redo *redo, struct shared_buffer *unit, part_function *each)
{
    struct reader r = journal_unit_parts(bytes_of(unit->data, unit->size));
    struct journal_part part;
    enum error error = ERR_OK;
    while (error == ERR_OK && journal_part_next(&r, &part))
        error = each(redo, &part, unit);
    return error == ERR_OK && r.failed ? ERR_CORRUPT : error;
}

static enum error refuse_older(struct redo *redo, const struct redo_journal *journal)
{
    message_set(redo->message,
                "%s: the rows in kv and rows are older than the journal of shard %d. Both "
                "directories were replaced by older copies, or lost their last writes. Put back "
                "the newer copies, or restore the whole data directory from a copy",
                redo->data_directory, journal->shard);
    return ERR_CORRUPT;
}

static enum error walk_journal(struct redo *redo, const struct redo_journal *journal,
                               struct journal_reader *reader, part_function *each, int64_t *size)
{
    for (;;) {
        struct journal_unit unit;
        struct shared_buffer *bytes;
        enum error error = journal_reader_next(reader, &unit, &bytes);
        if (error != ERR_OK || bytes == NULL)
            return error;
        *size += (int64_t)journal_unit_size(&unit);
        if (unit.checkpoint > journal->mark.lsn)
            error = refuse_older(redo, journal);
        if (error == ERR_OK)
            error = walk_unit(redo, bytes, each);
        shared_buffer_unref(bytes);
        if (error != ERR_OK)
            return error;
    }
}

static enum error judge_end(struct redo *redo, const struct redo_journal *journal,
                            struct journal_reader *reader, bool accept_damage)
{
    enum journal_end end;
    struct journal_mark at;
    int64_t cut_bytes;
    enum error error = journal_reader_judge(reader, &end, &at, &cut_bytes);
    if (error != ERR_OK || end == JOURNAL_ENDED)
        return error;
    redo->report->cut_bytes += cut_bytes;
    if (end == JOURNAL_TORN) {
        trace_log(redo->env->trace, TRACE_INFO,
                  "the last unit of the journal is incomplete and left out: no mark says that it "
                  "was durable",
                  F_INT("shard", journal->shard), F_INT("file", at.sequence),
                  F_INT("position", at.position), F_INT("bytes", cut_bytes));
        return ERR_OK;
    }
    /* If the rows are older than a checkpoint that recycled files, the journal only looks damaged.
     */
    if (journal_reader_checkpoint(reader) > journal->mark.lsn)
        return refuse_older(redo, journal);
    redo->report->damaged++;
    message_set(redo->message,
                "%s/shard-%d/journal-%020" PRIu64 ".log: damaged at byte %" PRId64
                ", and acknowledged data follows. Restore the data directory from a copy, or "
                "create an empty file %s/accept-damage to start without the data after the damage",
                redo->data_directory, journal->shard, at.sequence, at.position,
                redo->data_directory);
    trace_log(redo->env->trace, TRACE_ERROR, "the journal is damaged and acknowledged data follows",
              F_INT("shard", journal->shard), F_INT("file", at.sequence),
              F_INT("position", at.position));
    return accept_damage ? journal_reader_keep_copies(reader) : ERR_CORRUPT;
}

static enum error pass(struct redo *redo, part_function *each, bool judge, bool accept_damage)
{
    enum error error = ERR_OK;
    for (int i = 0; i < redo->journal_count && error == ERR_OK; i++) {
        struct redo_journal *journal = &redo->journals[i];
        char *directory = journal_directory(redo->data_directory, journal->shard);
        struct journal_reader *reader = NULL;
        int64_t size = 0;
        error = journal_reader_open(redo->env, directory, (uint32_t)journal->shard, &journal->mark,
                                    &reader);
        if (error == ERR_OK)
            error = walk_journal(redo, journal, reader, each, &size);
        if (error == ERR_OK && judge)
            error = judge_end(redo, journal, reader, accept_damage);
        if (error == ERR_OK && judge)
            error = journal_reader_make_durable(reader);
        if (judge)
            redo->report->journal_bytes += size;
        if (error != ERR_OK && redo->message->text[0] == '\0')
            message_set(redo->message, "%s: cannot replay the journal: %s", directory,
                        error_text(error));
        journal_reader_close(reader);
        free(directory);
    }
    return error;
}

/* Deletes the row of a producer whose log does not exist. */
static enum error check_producer(void *context, struct bytes key, struct bytes value)
{
    (void)value;
    struct redo *redo = context;
    struct uuid topic_id;
    int32_t partition;
    int64_t producer_id;
    if (!row_key_parse(key, &topic_id, &partition, &producer_id))
        return ERR_CORRUPT;
    if (!redo_log_exists(redo, redo_find_log(redo, topic_id, partition)))
        row_changes_put(&redo->rows, key, BYTES_NULL);
    return ERR_OK;
}

static void note_files(void *context, const char *name)
{
    struct redo *redo = context;
    struct uuid id;
    struct redo_topic *deleted =
        topic_directory_parse(name, &id) ? find_topic(&redo->deleted, id) : NULL;
    if (deleted)
        deleted->has_files = true;
}

/* Deletes the rows of deletions that left no files, or whose topic exists again. The removal of the
 * files may not be durable yet, so the directory is synced first. */
static enum error forget_deletions(struct redo *redo)
{
    if (redo->deleted.count == 0)
        return ERR_OK;
    struct io *io = redo->env->io;
    char *topics = io_path(redo->data_directory, "topics");
    enum error error = io->ops->list(io, topics, note_files, redo);
    if (error == ERR_OK)
        error = io_sync_directory(io, topics);
    free(topics);
    size_t at = 0;
    for (struct redo_topic *t; (t = map_next(&redo->deleted, &at));) {
        struct row_key key = row_key_deleted_topic(t->id);
        if (!t->has_files || redo_topic_exists(redo, t->id))
            row_changes_put(&redo->rows, row_key_view(&key), BYTES_NULL);
    }
    return error == ERR_NOT_FOUND ? ERR_OK : error;
}

enum error redo_run(struct redo *redo, bool accept_damage)
{
    enum error error = pass(redo, learn_part, true, accept_damage);
    if (error == ERR_OK)
        error = pass(redo, redo_part, false, accept_damage);
    if (error == ERR_OK && redo->report->damaged > 0)
        error = redo_cut_all(redo);
    if (error == ERR_OK)
        error = redo_flush_logs(redo);
    /* All files, because a killed process may have left directories that are not synced. */
    if (error == ERR_OK && (redo->report->logs > 0 || redo->report->damaged > 0))
        error = io_sync_all(redo->env->io, redo->data_directory);
    if (error == ERR_OK)
        error = redo_finish_logs(redo);
    if (error == ERR_OK && redo->something_removed)
        error = scan_kind(redo, ROW_PRODUCER, check_producer);
    if (error == ERR_OK)
        error = forget_deletions(redo);
    const struct recovery_report *r = redo->report;
    redo->report->clean =
        r->entries == 0 && r->cut_bytes == 0 && r->damaged == 0 && r->damaged_logs == 0;
    return error;
}
