#include "client-tools/data/data_image.h"

#include "protocol/record_batch.h"
#include "storage/journal.h"
#include "storage/row_kind.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The kinds that the logs need; a zero is no kind of row. */
static const char needed_kinds[] = {ROW_TOPIC, ROW_LOG, ROW_JOURNAL, ROW_DELETED, ROW_COMMIT, 0};
static const char restore[] = "restore the whole data directory from a copy";

void data_image_tell(const struct data_image *image, enum finding_kind kind, const char *class,
                     const char *file, int64_t at, const char *message, const char *next_step)
{
    data_finding_tell(&image->findings, kind, class, file, at, message, next_step);
}

/* --- the directory --- */

/* Nothing is created, so that a copy on a read-only disk can be read, too. */
static bool take_lock(struct data_image *image, struct failure *f)
{
    const char *path = arena_printf(image->arena, "%s/lock", image->directory);
    image->lock = open(path, O_RDONLY | O_CLOEXEC);
    if (image->lock < 0 && errno == ENOENT)
        return true;
    if (image->lock < 0)
        return fail(f, "CANNOT_READ", "cannot open %s: %s", path, strerror(errno));
    if (flock(image->lock, LOCK_EX | LOCK_NB) == 0)
        return true;
    fail(f, "DIRECTORY_IN_USE", "a broker is using the data directory %s", image->directory);
    message_set(&f->hint, "stop the broker first");
    return false;
}

static bool list_files(struct data_image *image, const char *below, size_t *capacity,
                       struct failure *f)
{
    const char *path = arena_printf(image->arena, "%s/%s", image->directory, below);
    DIR *directory = opendir(path);
    if (directory == NULL)
        return fail(f, "CANNOT_READ", "cannot read the directory %s: %s", path, strerror(errno));
    bool good = true;
    for (struct dirent *e; good && (e = readdir(directory));) {
        struct stat info;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        const char *name =
            arena_printf(image->arena, "%s%s%s", below, below[0] ? "/" : "", e->d_name);
        if (lstat(arena_printf(image->arena, "%s/%s", image->directory, name), &info) != 0)
            continue;
        if (S_ISDIR(info.st_mode)) {
            good = list_files(image, name, capacity, f);
            continue;
        }
        if (image->file_count == *capacity) {
            *capacity = *capacity ? *capacity * 2 : 64;
            image->files = xrealloc(image->files, *capacity * sizeof *image->files);
        }
        image->files[image->file_count++] = (struct image_file){name, info.st_size};
    }
    closedir(directory);
    return good;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct image_file *)a)->path, ((const struct image_file *)b)->path);
}

static bool find_files(struct data_image *image, struct failure *f)
{
    size_t capacity = 0;
    if (!list_files(image, "", &capacity, f))
        return false;
    if (image->file_count > 0)
        qsort(image->files, image->file_count, sizeof *image->files, by_path);
    for (size_t i = 0; i < image->file_count; i++) {
        const char *path = image->files[i].path;
        if (strcmp(path, "tidemill.meta") == 0 || strncmp(path, "kv/", 3) == 0 ||
            strncmp(path, "rows/", 5) == 0 || strncmp(path, "shard-", 6) == 0 ||
            strncmp(path, "topics/", 7) == 0)
            return true;
    }
    fail(f, "NOT_A_DATA_DIRECTORY", "%s is not a data directory of Tidemill", image->directory);
    message_set(&f->hint, "give the directory that log.dirs names");
    return false;
}

/* False: a newer version wrote the directory, so its files cannot be judged. */
static bool read_meta(struct data_image *image)
{
    struct message why = {""};
    enum error error = data_meta_read(image->env->io, image->directory, &image->meta, &why);
    if (error == ERR_UNSUPPORTED)
        data_image_tell(image, FINDING_NEWER, "meta", "tidemill.meta", -1, why.text,
                        "use the version of Tidemill that wrote it, or a newer one");
    else if (error == ERR_NOT_FOUND)
        image->meta_fault = FINDING_MISSING;
    else if (error != ERR_OK)
        image->meta_fault = FINDING_DAMAGED;
    return error != ERR_UNSUPPORTED;
}

/* A start writes the file again if the rows know the number of starts. */
static void tell_meta(struct data_image *image)
{
    bool is_missing = image->meta_fault == FINDING_MISSING;
    for (int i = 0; i < image->journal_count; i++)
        image->known_starts = MAX(image->known_starts, image->journals[i].mark.start);
    if (image->meta_fault != FINDING_NOTE)
        data_image_tell(image, image->meta_fault, "meta", "tidemill.meta", is_missing ? -1 : 0,
                        is_missing ? "the file is missing" : "the checksum is wrong",
                        image->rows_are_whole && image->known_starts > 0
                            ? "the rows know the number of starts: the next start writes the file "
                              "again, and `tidemill log repair` does so now"
                            : restore);
}

/* --- rows --- */

static struct image_log *log_of(struct data_image *image, struct uuid topic_id, int32_t partition)
{
    struct row_key key = row_key_log(topic_id, partition);
    struct image_log *l = map_get(&image->logs, row_key_view(&key));
    if (l)
        return l;
    l = xcalloc(1, sizeof *l);
    *l = (struct image_log){.key = key, .topic_id = topic_id, .partition = partition};
    map_put(&image->logs, row_key_view(&l->key), l);
    return l;
}

struct image_log *data_image_log(const struct data_image *image, struct uuid topic_id,
                                 int32_t partition)
{
    struct row_key key = row_key_log(topic_id, partition);
    return map_get(&image->logs, row_key_view(&key));
}

static bool take_log_row(struct data_image *image, const struct kv_change *row)
{
    struct uuid topic_id;
    int32_t partition;
    int64_t none;
    if (!row_key_parse(row->key, &topic_id, &partition, &none))
        return false;
    struct image_log *l = log_of(image, topic_id, partition);
    l->has_row = log_state_decode(row->value, &l->state) == ERR_OK;
    l->start = l->state.log_start_offset;
    l->next = l->state.next_offset;
    return l->has_row;
}

static bool take_journal_row(struct data_image *image, const struct kv_change *row)
{
    struct image_journal journal = {0};
    if (!row_key_parse_journal(row->key, &journal.shard) ||
        journal_mark_decode(row->value, &journal.mark) != ERR_OK)
        return false;
    image->journals =
        xrealloc(image->journals, (size_t)(image->journal_count + 1) * sizeof *image->journals);
    image->journals[image->journal_count++] = journal;
    return true;
}

static void take_rows(struct data_image *image)
{
    size_t count;
    struct kv_change *rows = row_changes_array(&image->rows.rows, &count);
    for (size_t i = 0; i < count; i++) {
        bool good = true;
        if (rows[i].key.data[0] == ROW_LOG)
            good = take_log_row(image, &rows[i]);
        else if (rows[i].key.data[0] == ROW_JOURNAL)
            good = take_journal_row(image, &rows[i]);
        if (!good)
            data_image_tell(image, FINDING_NEWER, "kv", "kv", -1,
                            rows[i].key.data[0] == ROW_LOG
                                ? "the row of a log has a version that this tool does not know"
                                : "the row of a journal has a version that this tool does not know",
                            "use the version of Tidemill that wrote it, or a newer one");
    }
    free(rows);
}

static bool read_rows(struct data_image *image, struct failure *f)
{
    image->rows =
        (struct data_rows){.kinds = image->has_all_rows ? NULL : needed_kinds,
                           .is_alone = image->meta.format == DATA_FORMAT_WITHOUT_ROW_FILES};
    enum error error =
        data_rows_read(&image->rows, image->env, image->directory, image->arena, &image->findings);
    if (error != ERR_OK)
        return fail(f, "CANNOT_READ", "cannot read the rows of %s: %s", image->directory,
                    error_text(error));
    image->rows_are_whole = image->rows.copies != COPIES_LOST;
    take_rows(image);
    if (!image->rows_are_whole)
        data_image_tell(image, FINDING_NOTE, "journal", "kv", -1,
                        "rows are missing: the end of a log, and what journals have, may be "
                        "unknown, so less can be checked",
                        "`tidemill log dump` shows each journal file and segment");
    if (image->rows_are_whole && image->journal_count == 0) {
        image->rows_are_whole = false;
        data_image_tell(image, FINDING_MISSING, "kv", "kv", -1,
                        "the rows of the journals are missing", restore);
    }
    return true;
}

static bool has_row(const struct data_image *image, struct row_key key)
{
    struct bytes value;
    return row_changes_get(&image->rows.rows, row_key_view(&key), &value) && !bytes_is_null(value);
}

bool data_image_topic_is_deleted(const struct data_image *image, struct uuid topic_id)
{
    return has_row(image, row_key_deleted_topic(topic_id)) &&
           !has_row(image, row_key_topic(topic_id));
}

static bool has_name(const struct topic *topic, struct bytes name_or_id)
{
    char *path = topic_directory("", topic->id);
    bool same = bytes_equal(topic->name, name_or_id) ||
                bytes_equal_string(name_or_id, strrchr(path, '/') + 1);
    free(path);
    return same;
}

struct topic *data_image_topic(const struct data_image *image, struct bytes name_or_id)
{
    struct topic *found = NULL;
    size_t count;
    struct kv_change *rows = row_changes_array(&image->rows.rows, &count);
    for (size_t i = 0; i < count && found == NULL; i++) {
        if (rows[i].key.data[0] != ROW_TOPIC || bytes_is_null(rows[i].value) ||
            topic_from_row(rows[i].key, rows[i].value, &found) != ERR_OK)
            continue;
        if (!has_name(found, name_or_id)) {
            topic_unref(found);
            found = NULL;
        }
    }
    free(rows);
    return found;
}

/* --- journals --- */

struct batch_visit {
    void (*each)(void *context, struct uuid topic_id, int32_t partition, struct bytes batch);
    void *context;
};

static void learn_batch(struct data_image *image, const struct journal_part *part)
{
    struct batch_header header;
    if (batch_header_read(part->bytes, &header)) {
        struct image_log *l = log_of(image, part->topic_id, part->partition);
        l->next = MAX(l->next, batch_last_offset(&header) + 1);
    }
}

static void learn_part(struct data_image *image, struct image_journal *journal,
                       const struct journal_part *part)
{
    switch (part->kind) {
    case JOURNAL_PUT:
    case JOURNAL_DELETE:
        if (image->has_all_rows ||
            (part->key.size > 0 && part->key.data[0] && strchr(needed_kinds, part->key.data[0])))
            row_changes_put(&image->rows.rows, part->key, part->bytes);
        break;
    case JOURNAL_LOG_START: {
        struct image_log *l = log_of(image, part->topic_id, part->partition);
        l->start = MAX(l->start, part->offset);
        break;
    }
    case JOURNAL_LOG_REMOVED:
        log_of(image, part->topic_id, part->partition)->removed = true;
        break;
    case JOURNAL_BATCH:
        journal->batches++;
        learn_batch(image, part);
        break;
    default:
        journal->entries++;
        break;
    }
}

static void visit_batch(const struct data_image *image, const struct batch_visit *visit,
                        const struct journal_part *part, struct bytes unit)
{
    const struct image_log *l = data_image_log(image, part->topic_id, part->partition);
    if (part->kind != JOURNAL_BATCH || (l && part->offset < l->state.next_offset))
        return;
    struct shared_buffer *whole = part->blocks > 0 ? journal_batch_join(unit, part) : NULL;
    visit->each(visit->context, part->topic_id, part->partition,
                whole ? bytes_of(whole->data, whole->size) : part->bytes);
    shared_buffer_unref(whole);
}

/* Walks a journal: learns its parts, or visits its batches. */
static enum error walk_journal(struct data_image *image, struct image_journal *journal,
                               struct journal_reader *reader, const struct batch_visit *visit)
{
    struct journal_unit unit;
    struct shared_buffer *bytes;
    enum error error;
    while ((error = journal_reader_next(reader, &unit, &bytes)) == ERR_OK && bytes) {
        struct bytes view = bytes_of(bytes->data, bytes->size);
        struct reader parts = journal_unit_parts(view);
        struct journal_part part;
        journal->units += visit == NULL;
        while (journal_part_next(&parts, &part)) {
            if (visit)
                visit_batch(image, visit, &part, view);
            else
                learn_part(image, journal, &part);
        }
        shared_buffer_unref(bytes);
    }
    return error;
}

static enum error open_journal(const struct data_image *image, const struct image_journal *journal,
                               struct journal_reader **out)
{
    char *directory = journal_directory(image->directory, journal->shard);
    enum error error =
        journal_reader_open(image->env, directory, (uint32_t)journal->shard, &journal->mark, out);
    free(directory);
    return error;
}

static void tell_end(const struct data_image *image, const struct image_journal *journal,
                     int64_t cut_bytes)
{
    const char *file = arena_printf(image->arena, "shard-%d/journal-%020" PRIu64 ".log",
                                    journal->shard, journal->at.sequence);
    if (journal->end == JOURNAL_TORN)
        data_image_tell(
            image, FINDING_NOTE, "journal", file, journal->at.position,
            arena_printf(image->arena,
                         "the last unit (%" PRId64
                         " bytes) is not whole: its write was interrupted, and nothing of it was "
                         "acknowledged",
                         cut_bytes),
            "nothing: the next start cuts it");
    else if (journal->end == JOURNAL_DAMAGED)
        data_image_tell(
            image, FINDING_DAMAGED, "journal", file, journal->at.position,
            "a unit is damaged or missing, and acknowledged data follows: a broker does "
            "not start with it",
            "restore the data directory from a copy, or create the file accept-damage "
            "to start without what follows (docs/durability.md)");
}

static bool read_journal(struct data_image *image, struct image_journal *journal, struct failure *f)
{
    struct journal_reader *reader = NULL;
    int64_t cut_bytes = 0;
    enum error error = open_journal(image, journal, &reader);
    if (error == ERR_OK)
        error = walk_journal(image, journal, reader, NULL);
    if (error == ERR_OK)
        error = journal_reader_judge(reader, &journal->end, &journal->at, &cut_bytes);
    bool is_older = error == ERR_OK && journal_reader_checkpoint(reader) > journal->mark.lsn;
    journal_reader_close(reader);
    if (error != ERR_OK)
        return fail(f, "CANNOT_READ", "cannot read the journal of shard %d: %s", journal->shard,
                    error_text(error));
    if (is_older)
        data_image_tell(image, FINDING_DAMAGED, "journal", "kv", -1,
                        arena_printf(image->arena,
                                     "the rows in kv and rows are older than the journal of shard "
                                     "%d: a broker does not start with them",
                                     journal->shard),
                        restore);
    else
        tell_end(image, journal, cut_bytes);
    return true;
}

bool data_image_batches(struct data_image *image,
                        void (*each)(void *context, struct uuid topic_id, int32_t partition,
                                     struct bytes batch),
                        void *context, struct failure *f)
{
    struct batch_visit visit = {each, context};
    for (int i = 0; i < image->journal_count; i++) {
        struct journal_reader *reader = NULL;
        struct image_journal again = image->journals[i];
        enum error error = open_journal(image, &again, &reader);
        if (error == ERR_OK)
            error = walk_journal(image, &again, reader, &visit);
        journal_reader_close(reader);
        if (error != ERR_OK)
            return fail(f, "CANNOT_READ", "cannot read the journal of shard %d: %s", again.shard,
                        error_text(error));
    }
    return true;
}

/* --- the whole --- */

bool data_image_open(struct data_image *image, const char *directory, bool all_rows,
                     struct arena *arena,
                     void (*found)(void *context, const struct finding *finding), void *context,
                     struct failure *f)
{
    static struct env env;
    env = (struct env){
        .clock = clock_system(), .random = random_system(), .io = io_posix(), .kv = kv_leveldb()};
    *image = (struct data_image){.directory = directory,
                                 .env = &env,
                                 .has_all_rows = all_rows,
                                 .arena = arena,
                                 .findings = {found, context},
                                 .lock = -1};
    if (!find_files(image, f) || !take_lock(image, f))
        return false;
    if (!read_meta(image)) {
        fail(f, "UNSUPPORTED_VERSION", "%s was written by a newer version of Tidemill", directory);
        message_set(&f->hint, "use that version's tidemill");
        return false;
    }
    bool good = read_rows(image, f);
    if (good)
        tell_meta(image);
    for (int i = 0; good && i < image->journal_count; i++)
        good = read_journal(image, &image->journals[i], f);
    return good;
}

void data_image_close(struct data_image *image)
{
    size_t at = 0;
    for (struct image_log *l; (l = map_next(&image->logs, &at));)
        free(l);
    map_free(&image->logs);
    row_changes_free(&image->rows.rows);
    free(image->journals);
    free(image->files);
    if (image->lock >= 0)
        close(image->lock);
}
