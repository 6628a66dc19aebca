#include "client-tools/data/data_dump.h"

#include "client-tools/data/data_segment.h"
#include "storage/journal.h"
#include "storage/journal_witness.h"
#include "storage/leader_epoch_file.h"
#include "storage/offset_index.h"
#include "storage/row_kind.h"
#include "storage/swap_list.h"
#include "storage/time_index.h"

#include <stdio.h>
#include <stdlib.h>

enum { INDEX_FILE_MAX = 64 << 20, SCAN_STEP = IO_ALIGNMENT };

/* --- rows --- */

static const char *kind_of(uint8_t letter)
{
    switch ((enum row_kind)letter) {
    case ROW_TOPIC:
        return "topic";
    case ROW_BROKER:
        return "broker";
    case ROW_GROUP:
        return "group";
    case ROW_OFFSET:
        return "offset";
    case ROW_LOG:
        return "log";
    case ROW_PRODUCER:
        return "producer";
    case ROW_TASK:
        return "task";
    case ROW_OUTBOX:
        return "outbox";
    case ROW_JOURNAL:
        return "journal";
    case ROW_DELETED:
        return "deleted topic";
    case ROW_COMMIT:
        return "commit";
    }
    return "unknown";
}

static void dump_row(struct bytes key, struct bytes value, struct data_lines *out)
{
    data_line_begin(out, "row");
    data_line_text(out, "row_kind", bytes_string(kind_of(key.data[0])));
    data_line_bytes(out, "key", key);
    data_line_bool(out, "deleted", bytes_is_null(value));
    data_line_int(out, "value_bytes", (int64_t)value.size);
    if (value.size > 0)
        data_line_bytes(out, "value", value);
    data_line_end(out);
}

void data_dump_rows(const struct data_image *image, struct data_lines *out)
{
    size_t count;
    struct kv_change *rows = row_changes_array(&image->rows.rows, &count);
    for (size_t i = 0; i < count; i++)
        dump_row(rows[i].key, rows[i].value, out);
    free(rows);
}

/* --- the overview --- */

static void dump_topics(const struct data_image *image, struct data_lines *out)
{
    size_t count;
    struct kv_change *rows = row_changes_array(&image->rows.rows, &count);
    for (size_t i = 0; i < count; i++) {
        struct topic *topic;
        if (rows[i].key.data[0] != ROW_TOPIC || bytes_is_null(rows[i].value) ||
            topic_from_row(rows[i].key, rows[i].value, &topic) != ERR_OK)
            continue;
        data_line_begin(out, "topic");
        data_line_text(out, "topic", topic->name);
        data_line_uuid(out, "topic_id", topic->id);
        data_line_int(out, "partitions", topic->partitions);
        data_line_end(out);
        topic_unref(topic);
    }
    free(rows);
}

static int by_key(const void *a, const void *b)
{
    const struct image_log *const *left = a, *const *right = b;
    return bytes_compare(row_key_view(&(*left)->key), row_key_view(&(*right)->key));
}

static void dump_logs(const struct data_image *image, struct data_lines *out)
{
    struct image_log **logs = xcalloc(image->logs.count + 1, sizeof *logs);
    size_t at = 0, count = 0;
    for (struct image_log *l; (l = map_next(&image->logs, &at));)
        logs[count++] = l;
    qsort(logs, count, sizeof *logs, by_key);
    for (size_t i = 0; i < count; i++) {
        const struct image_log *l = logs[i];
        data_line_begin(out, "log");
        data_line_uuid(out, "topic_id", l->topic_id);
        data_line_int(out, "partition", l->partition);
        data_line_int(out, "start_offset", l->start);
        data_line_int(out, "end_offset", l->next);
        data_line_int(out, "checkpoint_end_offset", l->state.next_offset);
        data_line_int(out, "active_base_offset", l->state.active_base);
        data_line_int(out, "active_bytes", l->state.active_size);
        data_line_int(out, "first_dirty_offset", l->state.first_dirty_offset);
        data_line_int(out, "cleaned_offset", l->state.cleaned_offset);
        data_line_bool(out, "removed", l->removed);
        data_line_end(out);
    }
    free(logs);
}

static void dump_journals(const struct data_image *image, struct data_lines *out)
{
    static const char *const ends[] = {
        [JOURNAL_ENDED] = "whole", [JOURNAL_TORN] = "torn", [JOURNAL_DAMAGED] = "damaged"};
    for (int i = 0; i < image->journal_count; i++) {
        const struct image_journal *j = &image->journals[i];
        data_line_begin(out, "journal");
        data_line_int(out, "shard", j->shard);
        data_line_int(out, "starts", (int64_t)j->mark.start);
        data_line_int(out, "checkpoint_lsn", (int64_t)j->mark.lsn);
        data_line_int(out, "checkpoint_file", (int64_t)j->mark.sequence);
        data_line_int(out, "checkpoint_position", j->mark.position);
        data_line_int(out, "end_lsn", (int64_t)j->at.lsn);
        data_line_int(out, "end_file", (int64_t)j->at.sequence);
        data_line_int(out, "end_position", j->at.position);
        data_line_text(out, "end", bytes_string(ends[j->end]));
        data_line_int(out, "units", j->units);
        data_line_int(out, "entries", j->entries);
        data_line_int(out, "batches", j->batches);
        data_line_end(out);
    }
}

void data_dump_overview(struct data_image *image, struct data_lines *out)
{
    data_line_begin(out, "meta");
    data_line_int(out, "format", image->meta.format);
    data_line_int(out, "starts", (int64_t)image->meta.starts);
    data_line_bool(out, "rows_are_whole", image->rows_are_whole);
    data_line_end(out);
    dump_topics(image, out);
    dump_logs(image, out);
    dump_journals(image, out);
    for (size_t i = 0; i < image->file_count; i++) {
        data_line_begin(out, "file");
        data_line_text(out, "file", bytes_string(image->files[i].path));
        data_line_int(out, "size_bytes", image->files[i].size);
        data_line_end(out);
    }
}

/* --- segments --- */

struct dump_walk {
    struct segment_walk walk;
    struct data_lines *out;
};

static void dump_batch(struct segment_walk *walk, struct segment_scan *scan)
{
    struct data_lines *out = CONTAINER_OF(walk, struct dump_walk, walk)->out;
    const struct batch_header *h = &scan->header;
    data_line_begin(out, "batch");
    data_line_int(out, "position", scan->batch_position);
    data_line_int(out, "size_bytes", (int64_t)scan->batch_size);
    data_line_int(out, "base_offset", h->base_offset);
    data_line_int(out, "last_offset", batch_last_offset(h));
    data_line_int(out, "records", h->record_count);
    data_line_text(out, "compression",
                   bytes_string(codec_name((enum codec)(h->attributes & BATCH_CODEC_MASK))));
    data_line_int(out, "max_timestamp_ms", h->max_timestamp);
    data_line_int(out, "producer_id", h->producer_id);
    data_line_int(out, "producer_epoch", h->producer_epoch);
    data_line_int(out, "base_sequence", h->base_sequence);
    data_line_end(out);
}

static void dump_range(struct segment_walk *walk, const struct damaged_range *range)
{
    struct data_lines *out = CONTAINER_OF(walk, struct dump_walk, walk)->out;
    data_line_begin(out, "damage");
    data_line_int(out, "position", range->from);
    data_line_int(out, "size_bytes", range->to - range->from);
    data_line_int(out, "base_offset", range->first_offset);
    data_line_int(out, "next_offset", range->next_offset);
    data_line_text(out, "message", bytes_string(range->what));
    data_line_end(out);
}

static bool cannot_read(const char *path, enum error error, struct failure *f)
{
    return error == ERR_OK || fail(f, "CANNOT_READ", "cannot read %s: %s", path, error_text(error));
}

static bool dump_index(const struct data_image *image, const char *path, int64_t base_offset,
                       bool is_time, struct data_lines *out, struct failure *f)
{
    struct buffer entries;
    size_t size = is_time ? TIME_INDEX_ENTRY : OFFSET_INDEX_ENTRY;
    char *whole = io_path(image->directory, path);
    buffer_init(&entries, INDEX_FILE_MAX);
    enum error error = io_read_file(image->env->io, whole, &entries);
    for (size_t at = 0; error == ERR_OK && at + size <= entries.size; at += size) {
        data_line_begin(out, is_time ? "time_index_entry" : "index_entry");
        data_line_int(out, "at", (int64_t)at);
        if (is_time) {
            struct time_index_entry e = time_index_decode(entries.data + at, base_offset);
            data_line_int(out, "timestamp_ms", e.timestamp);
            data_line_int(out, "offset", e.offset);
        } else {
            struct offset_index_entry e = offset_index_decode(entries.data + at, base_offset);
            data_line_int(out, "offset", e.offset);
            data_line_int(out, "position", e.position);
        }
        data_line_end(out);
    }
    buffer_free(&entries);
    free(whole);
    return cannot_read(path, error, f);
}

/* --- journal files --- */

static void dump_part(const struct journal_part *part, struct data_lines *out)
{
    static const char *const names[JOURNAL_PART_KINDS] = {[JOURNAL_ENTRY_END] = "entry_end",
                                                          [JOURNAL_BATCH] = "batch_part",
                                                          [JOURNAL_PUT] = "put",
                                                          [JOURNAL_DELETE] = "delete",
                                                          [JOURNAL_LOG_START] = "log_start",
                                                          [JOURNAL_LOG_REMOVED] = "log_removed"};
    data_line_begin(out, names[part->kind]);
    if (part->kind == JOURNAL_PUT || part->kind == JOURNAL_DELETE) {
        data_line_text(out, "row_kind",
                       bytes_string(part->key.size ? kind_of(part->key.data[0]) : "unknown"));
        data_line_bytes(out, "key", part->key);
        data_line_int(out, "value_bytes", (int64_t)part->bytes.size);
    } else if (part->kind != JOURNAL_ENTRY_END) {
        data_line_uuid(out, "topic_id", part->topic_id);
        data_line_int(out, "partition", part->partition);
        if (part->kind != JOURNAL_LOG_REMOVED)
            data_line_int(out, "offset", part->offset);
    }
    if (part->kind == JOURNAL_BATCH) {
        data_line_bool(out, "starts_segment", part->starts_segment);
        data_line_int(
            out, "size_bytes",
            (int64_t)(part->bytes.size + part->tail.size + (size_t)part->blocks * IO_ALIGNMENT));
        data_line_int(out, "blocks", part->blocks);
    }
    data_line_end(out);
}

static void dump_unit(const struct journal_unit *unit, struct bytes bytes, int64_t position,
                      bool whole, struct data_lines *out)
{
    data_line_begin(out, "unit");
    data_line_int(out, "position", position);
    data_line_int(out, "size_bytes", (int64_t)journal_unit_size(unit));
    data_line_int(out, "shard", unit->shard);
    data_line_int(out, "entries", unit->entries);
    data_line_int(out, "lsn", (int64_t)unit->lsn);
    data_line_int(out, "durable_lsn", (int64_t)unit->durable);
    data_line_int(out, "checkpoint_lsn", (int64_t)unit->checkpoint);
    data_line_int(out, "file", (int64_t)unit->sequence);
    data_line_int(out, "next_file", (int64_t)unit->next);
    data_line_int(out, "run", (int64_t)unit->run);
    data_line_bool(out, "closes_run", unit->flags & JOURNAL_CLOSED);
    data_line_bool(out, "whole", whole);
    data_line_end(out);
    struct reader parts = journal_unit_parts(bytes);
    struct journal_part part;
    while (whole && journal_part_next(&parts, &part))
        dump_part(&part, out);
}

/* Every unit that begins at a block, also old ones of a file that was used again. */
static bool dump_journal(const struct data_image *image, const char *path, struct data_lines *out,
                         struct failure *f)
{
    struct io *io = image->env->io;
    struct io_file *file;
    char *whole_path = io_path(image->directory, path);
    enum error error = io->ops->open(io, whole_path, IO_READ, &file);
    free(whole_path);
    int64_t size = 0, position = 0;
    if (error != ERR_OK)
        return cannot_read(path, error, f);
    error = io->ops->size(io, file, &size);
    while (error == ERR_OK && position < size) {
        uint8_t header[JOURNAL_HEADER_SIZE];
        struct journal_unit unit;
        size_t got;
        error = io->ops->read(io, file, header, sizeof header, position, &got);
        int64_t step = SCAN_STEP;
        if (error == ERR_OK && journal_unit_read(bytes_of(header, got), &unit) &&
            (int64_t)journal_unit_size(&unit) <= size - position) {
            uint8_t *data = xmalloc(journal_unit_size(&unit));
            struct bytes bytes = bytes_of(data, journal_unit_size(&unit));
            error = io->ops->read(io, file, data, bytes.size, position, &got);
            bool whole = got == bytes.size && journal_unit_is_whole(bytes);
            dump_unit(&unit, bytes, position, whole, out);
            step = whole ? (int64_t)bytes.size : SCAN_STEP;
            free(data);
        }
        position += step;
    }
    io->ops->close(io, file);
    return cannot_read(path, error, f);
}

/* --- row files --- */

static void dump_record(void *context, int64_t position, size_t size,
                        const struct row_record *record)
{
    static const char *const kinds[] = {[ROW_RECORD_BEGIN] = "begin",
                                        [ROW_RECORD_ROWS] = "rows",
                                        [ROW_RECORD_END] = "end",
                                        [ROW_RECORD_CHANGES] = "changes"};
    struct data_lines *out = context;
    data_line_begin(out, record ? "row_record" : "damage");
    data_line_int(out, "position", position);
    data_line_int(out, "size_bytes", (int64_t)size);
    if (record) {
        data_line_text(out, "record_kind", bytes_string(kinds[record->kind]));
        data_line_int(out, "commit", (int64_t)record->commit);
    } else {
        data_line_text(out, "message", bytes_string("no whole record begins here"));
    }
    data_line_end(out);
    if (record == NULL || (record->kind != ROW_RECORD_ROWS && record->kind != ROW_RECORD_CHANGES))
        return;
    struct reader pairs = reader_of(record->payload);
    for (struct kv_change pair; row_record_next_pair(&pairs, &pair);)
        dump_row(pair.key, pair.value, out);
}

/* --- small files --- */

static bool dump_witness(const struct data_image *image, const char *path, struct data_lines *out,
                         struct failure *f)
{
    struct journal_witness w;
    const char *directory = arena_printf(image->arena, "%s/%.*s", image->directory,
                                         (int)(strrchr(path, '/') - path), path);
    enum error error = journal_witness_read(image->env, directory, &w);
    data_line_begin(out, "witness");
    data_line_bool(out, "whole", error == ERR_OK);
    if (error == ERR_OK) {
        data_line_int(out, "writes", (int64_t)w.count);
        data_line_int(out, "run", (int64_t)w.run);
        data_line_int(out, "durable_lsn", (int64_t)w.durable);
        data_line_int(out, "checkpoint_lsn", (int64_t)w.checkpoint);
        data_line_int(out, "file", (int64_t)w.sequence);
        data_line_int(out, "position", w.position);
        data_line_int(out, "file_bytes", w.file_bytes);
    }
    data_line_end(out);
    return cannot_read(path, error == ERR_NOT_FOUND ? ERR_OK : error, f);
}

static bool dump_swap_list(const struct data_image *image, const char *path, struct data_lines *out,
                           struct failure *f)
{
    struct swap_list list;
    int64_t *bases;
    enum error error = swap_list_read(
        image->env->io, arena_printf(image->arena, "%s/%s", image->directory, path), &list, &bases);
    data_line_begin(out, "swap_list");
    data_line_bool(out, "whole", error == ERR_OK);
    if (error == ERR_OK) {
        data_line_int(out, "segments", (int64_t)list.count);
        data_line_int(out, "end_offset", list.end_offset);
    }
    data_line_end(out);
    for (size_t i = 0; error == ERR_OK && i < list.count; i++) {
        data_line_begin(out, "new_segment");
        data_line_int(out, "base_offset", list.bases[i]);
        data_line_end(out);
    }
    free(bases);
    return cannot_read(path, error == ERR_CORRUPT ? ERR_OK : error, f);
}

/* A file of lines: leader epochs, tidemill.meta. */
static bool dump_text(const struct data_image *image, const char *path, struct data_lines *out,
                      struct failure *f)
{
    struct buffer text;
    char *whole = io_path(image->directory, path);
    buffer_init(&text, INDEX_FILE_MAX);
    enum error error = io_read_file(image->env->io, whole, &text);
    struct bytes rest = buffer_view(&text);
    while (error == ERR_OK && rest.size > 0) {
        const uint8_t *end = memchr(rest.data, '\n', rest.size);
        size_t size = end ? (size_t)(end - rest.data) : rest.size;
        data_line_begin(out, "line");
        data_line_bytes(out, "text", bytes_of(rest.data, size));
        data_line_end(out);
        rest = bytes_from(rest, MIN(size + 1, rest.size));
    }
    buffer_free(&text);
    free(whole);
    return cannot_read(path, error, f);
}

/* A segment in a directory that was set aside or deleted: "topics/<name>/<partition>/<name>". */
static bool find_aside(const struct data_image *image, size_t file, struct data_segment *out,
                       enum segment_part *part)
{
    const char *path = image->files[file].path, *slash = strrchr(path, '/');
    int64_t base_offset;
    if (slash == NULL || strncmp(path, "topics/", 7) != 0 ||
        !segment_name_parse(slash + 1, &base_offset, part))
        return false;
    *out =
        (struct data_segment){.path = path,
                              .directory = arena_printf(image->arena, "%s/%.*s", image->directory,
                                                        (int)(slash - path), path),
                              .base_offset = base_offset,
                              .next_offset = -1,
                              .size = image->files[file].size,
                              .file_size = image->files[file].size};
    return true;
}

/* --- any file --- */

bool data_dump_file(const struct data_image *image, const char *path, struct data_lines *out,
                    struct failure *f)
{
    struct data_segment s;
    enum segment_part part;
    uint64_t sequence;
    const char *rest;
    size_t at = 0;
    while (at < image->file_count && strcmp(image->files[at].path, path) != 0)
        at++;
    if (at == image->file_count) {
        fail(f, "NO_SUCH_FILE", "%s has no file %s", image->directory, path);
        message_set(&f->hint, "tidemill log dump %s lists the files", image->directory);
        return false;
    }
    const char *slash = strrchr(path, '/');
    if (slash && strncmp(path, "shard-", 6) == 0 && journal_parse_name(slash + 1, &sequence))
        return dump_journal(image, path, out, f);
    if (slash && strncmp(path, "shard-", 6) == 0 && strcmp(slash + 1, JOURNAL_WITNESS_NAME) == 0)
        return dump_witness(image, path, out, f);
    if (slash && strncmp(path, "rows/", 5) == 0 && row_file_parse_name(slash + 1, &sequence, &rest))
        return cannot_read(
            path,
            data_rows_walk(image->env->io,
                           arena_printf(image->arena, "%s/%s", image->directory, path), dump_record,
                           out),
            f);
    if (strncmp(path, "cleaning/", 9) == 0)
        return dump_swap_list(image, path, out, f);
    if (strcmp(path, "tidemill.meta") == 0 || (slash && strcmp(slash + 1, LEADER_EPOCH_FILE) == 0))
        return dump_text(image, path, out, f);
    if (!data_segment_find(image, at, &s, &part) && !find_aside(image, at, &s, &part)) {
        fail(f, "NO_SUCH_FILE", "%s is no file that can be shown", path);
        message_set(&f->hint, "tidemill log dump %s --rows shows the rows of kv/",
                    image->directory);
        return false;
    }
    if (part != SEGMENT_LOG)
        return dump_index(image, path, s.base_offset, part == SEGMENT_TIME_INDEX, out, f);
    struct dump_walk walk = {{dump_batch, dump_range}, out};
    return cannot_read(path, data_segment_walk(image, &s, &walk.walk), f);
}
