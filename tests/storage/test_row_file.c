/* The format of row files: what is written comes back, and damage is found where it is. */
#include "storage/row_file.h"

#include "base/crc32c.h"
#include "tests/harness/harness.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 40, WRITES = 12, RECORDS_MAX = 64, LARGE = 70000 };

/* A store with rows r00, r01, ... The value of row n has n bytes, but the last one is large. */
static enum error scan_rows(struct kv *kv, struct bytes prefix,
                            enum error (*each)(void *context, struct bytes key, struct bytes value),
                            void *context)
{
    (void)kv, (void)prefix;
    static char value[LARGE];
    memset(value, 'v', sizeof value);
    enum error error = each(context, BYTES_LITERAL("C"), BYTES_LITERAL("hidden"));
    for (size_t i = 0; i < ROWS && error == ERR_OK; i++) {
        char key[24];
        snprintf(key, sizeof key, "r%02zu", i);
        error = each(context, bytes_string(key), bytes_of(value, i == ROWS - 1 ? LARGE : i));
    }
    return error;
}

struct scene {
    char directory[256], path[400];
    struct row_file file;
    struct buffer content;
    size_t ends[RECORDS_MAX];  /* of the records */
    size_t count, first_write; /* records; the first one behind the snapshot */
};

static struct row_file start_file(uint64_t generation)
{
    return (struct row_file){
        .identity = {.bytes = "identity"}, .generation = generation, .commit = 7, .mark = 99};
}

static void note_end(struct scene *s)
{
    s->ends[s->count++] = (size_t)s->file.size;
}

/* Write n changes row r0n and deletes row r1n. */
static void append(struct scene *s, struct io_file *file, int n)
{
    struct buffer record;
    char put[16], deleted[16], value[32];
    snprintf(put, sizeof put, "r%02d", n);
    snprintf(deleted, sizeof deleted, "r%02d", n + 10);
    snprintf(value, sizeof value, "write %d", n);
    buffer_init(&record, 1 << 20);
    row_record_begin(&record, ROW_RECORD_CHANGES, s->file.commit + 1, s->file.chain);
    row_record_add(&record, bytes_string(put), bytes_string(value));
    row_record_add(&record, bytes_string(deleted), BYTES_NULL);
    s->file.mark = s->file.chain = row_record_end(&record, 0);
    EXPECT_INT(io_write(io_posix(), file, record.data, record.size, s->file.size), ERR_OK);
    s->file.size += (int64_t)record.size;
    s->file.commit++;
    note_end(s);
    buffer_free(&record);
}

static void read_content(struct scene *s)
{
    buffer_init(&s->content, 1 << 24);
    EXPECT_INT(io_read_file(io_posix(), s->path, &s->content), ERR_OK);
}

static void note_snapshot_records(struct scene *s)
{
    for (size_t at = 0; at < s->content.size; s->ends[s->count++] = at)
        at += row_record_size(s->content.data + at);
    s->first_write = s->count;
    buffer_free(&s->content);
}

static void set_scene(struct scene *s, const char *name, uint64_t generation)
{
    struct kv_driver driver = {.scan = scan_rows};
    struct kv kv = {&driver};
    struct io_file *file;
    char file_name[ROW_FILE_NAME_SIZE];
    *s = (struct scene){.file = start_file(generation)};
    snprintf(s->directory, sizeof s->directory, "%s/%s", test_directory(), name);
    EXPECT_INT(io_make_path(io_posix(), s->directory), ERR_OK);
    EXPECT_INT(row_file_create(io_posix(), s->directory, &kv, BYTES_LITERAL("C"), &s->file, &file),
               ERR_OK);
    row_file_name(generation, file_name);
    snprintf(s->path, sizeof s->path, "%s/%s", s->directory, file_name);
    read_content(s);
    note_snapshot_records(s);
    for (int i = 0; i < WRITES; i++)
        append(s, file, i);
    io_posix()->ops->close(io_posix(), file);
    read_content(s);
    EXPECT_INT(s->content.size, s->file.size);
}

/* The result of a check. */
struct verdict {
    struct row_file_report report;
    int writes;
    bool wrong; /* a write came that was not written, or in the wrong order */
};

static enum error note_write(void *context, const struct row_record *record)
{
    struct verdict *v = context;
    struct reader r = reader_of(record->payload);
    struct kv_change put, deleted;
    char value[32];
    snprintf(value, sizeof value, "write %d", v->writes);
    v->wrong |= record->commit != (uint64_t)(8 + v->writes) || !row_record_next_pair(&r, &put) ||
                !row_record_next_pair(&r, &deleted) || !bytes_equal_string(put.value, value) ||
                !bytes_is_null(deleted.value) || reader_left(&r) > 0;
    v->writes++;
    return ERR_OK;
}

/* Without a sync, which takes most of the time. */
static void write_content(const struct scene *s, struct bytes content)
{
    struct io *io = io_posix();
    struct io_file *file;
    EXPECT_INT(io->ops->open(io, s->path, IO_WRITE | IO_CREATE, &file), ERR_OK);
    EXPECT_INT(io->ops->truncate(io, file, 0), ERR_OK);
    EXPECT_INT(io_write(io, file, content.data, content.size, 0), ERR_OK);
    io->ops->close(io, file);
}

static struct verdict check(const struct scene *s, struct bytes content)
{
    struct verdict v = {.writes = 0};
    write_content(s, content);
    EXPECT_INT(row_file_check(io_posix(), s->path, s->file.generation, note_write, &v, &v.report),
               ERR_OK);
    EXPECT(!v.wrong);
    return v;
}

static void expect(const struct verdict *v, enum row_file_state state, int writes, size_t at)
{
    if (v->report.state != state || v->writes != writes)
        test_fail(__FILE__, __LINE__, "byte %zu: state %d with %d writes, expected %d with %d", at,
                  v->report.state, v->writes, state, writes);
}

static size_t record_of(const struct scene *s, size_t at)
{
    size_t i = 0;
    while (s->ends[i] <= at)
        i++;
    return i;
}

static int writes_before(const struct scene *s, size_t record)
{
    return record < s->first_write ? 0 : (int)(record - s->first_write);
}

TEST(a_file_gives_back_what_was_written)
{
    struct scene s;
    set_scene(&s, "whole", 5);
    struct verdict v = check(&s, buffer_view(&s.content));
    expect(&v, ROW_FILE_WHOLE, WRITES, s.content.size);
    const struct row_file *f = &v.report.file;
    EXPECT_INT(f->rows, ROWS);
    EXPECT_INT(f->snapshot_commit, 7);
    EXPECT_INT(f->snapshot_mark, 99);
    EXPECT_INT(f->commit, 7 + WRITES);
    EXPECT_INT(f->mark, s.file.mark);
    EXPECT_INT(f->size, s.content.size);
    EXPECT_INT(f->snapshot_end, s.ends[s.first_write - 1]);
    buffer_free(&s.content);
}

TEST(rows_come_in_key_order_with_the_changes_over_the_snapshot)
{
    struct scene s;
    set_scene(&s, "cursor", 5);
    struct kv_change changes[] = {{BYTES_LITERAL("a"), BYTES_LITERAL("first")},
                                  {BYTES_LITERAL("r00"), BYTES_NULL},
                                  {BYTES_LITERAL("r01"), BYTES_LITERAL("changed")},
                                  {BYTES_LITERAL("r01x"), BYTES_NULL},
                                  {BYTES_LITERAL("z"), BYTES_LITERAL("")}};
    struct row_cursor *cursor;
    struct kv_change row;
    EXPECT_INT(row_cursor_open(io_posix(), s.path, &s.file, changes, COUNT_OF(changes), &cursor),
               ERR_OK);
    EXPECT_INT(row_cursor_next(cursor, &row), ERR_OK);
    EXPECT_BYTES(row.key, BYTES_LITERAL("a"));
    EXPECT_INT(row_cursor_next(cursor, &row), ERR_OK);
    EXPECT_BYTES(row.key, BYTES_LITERAL("r01"));
    EXPECT_BYTES(row.value, BYTES_LITERAL("changed"));
    for (size_t i = 2; i < ROWS; i++) {
        char key[24];
        snprintf(key, sizeof key, "r%02zu", i);
        EXPECT_INT(row_cursor_next(cursor, &row), ERR_OK);
        EXPECT_BYTES(row.key, bytes_string(key));
        EXPECT_INT(row.value.size, i == ROWS - 1 ? LARGE : i);
    }
    EXPECT_INT(row_cursor_next(cursor, &row), ERR_OK);
    EXPECT_BYTES(row.key, BYTES_LITERAL("z"));
    for (int i = 0; i < 2; i++) {
        EXPECT_INT(row_cursor_next(cursor, &row), ERR_OK);
        EXPECT(bytes_is_null(row.key));
    }
    row_cursor_close(cursor);
    buffer_free(&s.content);
}

static void expect_flip_found(struct scene *s, size_t at)
{
    s->content.data[at] ^= (uint8_t)(1 << at % 8);
    struct verdict v = check(s, buffer_view(&s->content));
    s->content.data[at] ^= (uint8_t)(1 << at % 8);
    size_t record = record_of(s, at);
    expect(&v, record == s->count - 1 ? ROW_FILE_TORN : ROW_FILE_DAMAGED, writes_before(s, record),
           at);
    EXPECT_INT(v.report.bad, record == 0 ? 0 : s->ends[record - 1]);
    if (record < s->count - 1)
        EXPECT_INT(v.report.proved, 7 + WRITES);
}

TEST(a_flipped_bit_anywhere_is_found_in_its_record)
{
    struct scene s;
    set_scene(&s, "flips", 5);
    size_t large = s.ends[s.first_write - 2];
    for (size_t at = 0; at < s.content.size; at++) {
        expect_flip_found(&s, at);
        if (at > 2000 && at + 2000 < large)
            at += test_states(97, 997);
    }
    buffer_free(&s.content);
}

TEST(a_shorter_file_has_fewer_writes_and_a_short_snapshot_is_damage)
{
    struct scene s;
    set_scene(&s, "cuts", 5);
    size_t snapshot = s.ends[s.first_write - 1];
    for (size_t size = 0; size < s.content.size; size += size + 300 < snapshot ? 211 : 1) {
        struct verdict v = check(&s, bytes_of(s.content.data, size));
        size_t record = record_of(&s, size);
        bool at_end = record > 0 && s.ends[record - 1] == size;
        expect(&v,
               size < snapshot ? ROW_FILE_DAMAGED
               : at_end        ? ROW_FILE_WHOLE
                               : ROW_FILE_TORN,
               writes_before(&s, record), size);
    }
    buffer_free(&s.content);
}

/* A power cut may leave zeros where the last record should be, or after it. */
TEST(zeros_at_the_end_are_a_torn_write_and_zeros_before_are_damage)
{
    struct scene s;
    set_scene(&s, "zeros", 5);
    size_t last = s.ends[s.count - 2], size = s.content.size;
    uint8_t *data = xcalloc(1, size + 10000);
    memcpy(data, s.content.data, size);
    struct verdict v = check(&s, bytes_of(data, size + 10000));
    expect(&v, ROW_FILE_TORN, WRITES, size);
    for (size_t at = last; at < size; at++) {
        memset(data + at, 0, size - at);
        v = check(&s, bytes_of(data, size));
        expect(&v, ROW_FILE_TORN, WRITES - 1, at);
        memcpy(data, s.content.data, size);
    }
    for (size_t at = 0; at + 512 < last; at += 512) {
        memset(data + at, 0, 512);
        v = check(&s, bytes_of(data, size));
        EXPECT_INT(v.report.state, ROW_FILE_DAMAGED);
        memcpy(data, s.content.data, size);
    }
    free(data);
    buffer_free(&s.content);
}

static struct bytes record_at(const struct scene *s, size_t i)
{
    size_t start = i == 0 ? 0 : s->ends[i - 1];
    return bytes_of(s->content.data + start, s->ends[i] - start);
}

/* Writes the records in the order of `order`. */
static struct verdict check_order(const struct scene *s, const size_t *order, size_t count)
{
    struct buffer changed;
    buffer_init(&changed, 1 << 24);
    for (size_t i = 0; i < count; i++)
        buffer_append_bytes(&changed, record_at(s, order[i]));
    struct verdict v = check(s, buffer_view(&changed));
    buffer_free(&changed);
    return v;
}

TEST(records_that_are_swapped_repeated_or_missing_are_damage)
{
    struct scene s;
    set_scene(&s, "order", 5);
    size_t order[RECORDS_MAX];
    for (size_t at = 0; at + 1 < s.count; at++) {
        for (size_t i = 0; i < s.count; i++)
            order[i] = i == at ? at + 1 : i == at + 1 ? at : i;
        struct verdict v = check_order(&s, order, s.count);
        expect(&v, ROW_FILE_DAMAGED, writes_before(&s, at), at);
        for (size_t i = 0; i <= s.count; i++)
            order[i] = i <= at ? i : i - 1;
        v = check_order(&s, order, s.count + 1);
        expect(&v, ROW_FILE_DAMAGED, writes_before(&s, at + 1), at);
        for (size_t i = 0; i + 1 < s.count; i++)
            order[i] = i < at ? i : i + 1;
        v = check_order(&s, order, s.count - 1);
        expect(&v, ROW_FILE_DAMAGED, writes_before(&s, at), at);
    }
    buffer_free(&s.content);
}

TEST(a_file_of_another_generation_is_damage_also_a_part_of_it)
{
    struct scene s, other;
    set_scene(&s, "generation", 5);
    set_scene(&other, "generation-other", 6);
    struct verdict v = check(&s, buffer_view(&other.content));
    expect(&v, ROW_FILE_DAMAGED, 0, 0);
    EXPECT(v.report.knows_identity);
    for (size_t i = 0; i + 1 < s.count; i++) {
        memcpy(other.content.data, s.content.data, s.ends[i]);
        v = check(&s, buffer_view(&other.content));
        expect(&v, ROW_FILE_DAMAGED, writes_before(&s, i + 1), i);
    }
    buffer_free(&s.content);
    buffer_free(&other.content);
}

static void begin_part(struct buffer *out, enum row_record_kind kind, uint32_t chain)
{
    buffer_clear(out);
    row_record_begin(out, kind, 7, chain);
}

/* A file with one row. Its first record follows `chain`, its snapshot says that it has `rows`. */
static void craft(const struct scene *s, uint32_t chain, uint64_t rows, struct buffer *out)
{
    struct buffer part;
    buffer_init(&part, 1000);
    begin_part(&part, ROW_RECORD_BEGIN, chain);
    buffer_append_be32(&part, ROW_FILE_FORMAT);
    buffer_append_be64(&part, s->file.generation);
    buffer_append(&part, s->file.identity.bytes, sizeof s->file.identity.bytes);
    chain = row_record_end(&part, 0);
    buffer_append_bytes(out, buffer_view(&part));
    begin_part(&part, ROW_RECORD_ROWS, chain);
    row_record_add(&part, BYTES_LITERAL("key"), BYTES_LITERAL("value"));
    chain = row_record_end(&part, 0);
    buffer_append_bytes(out, buffer_view(&part));
    begin_part(&part, ROW_RECORD_END, chain);
    buffer_append_be64(&part, rows);
    buffer_append_be32(&part, 99);
    row_record_end(&part, 0);
    buffer_append_bytes(out, buffer_view(&part));
    buffer_free(&part);
}

static enum row_file_state state_of_crafted(const struct scene *s, uint32_t chain, uint64_t rows)
{
    struct buffer content;
    buffer_init(&content, 10000);
    craft(s, chain, rows, &content);
    struct verdict v = check(s, buffer_view(&content));
    buffer_free(&content);
    return v.report.state;
}

TEST(a_snapshot_with_another_identity_or_number_of_rows_is_damage)
{
    struct scene s;
    set_scene(&s, "snapshot", 5);
    uint32_t chain = crc32c(0, s.file.identity.bytes, sizeof s.file.identity.bytes);
    EXPECT_INT(state_of_crafted(&s, chain, 1), ROW_FILE_WHOLE);
    EXPECT_INT(state_of_crafted(&s, chain + 1, 1), ROW_FILE_DAMAGED);
    EXPECT_INT(state_of_crafted(&s, chain, 0), ROW_FILE_DAMAGED);
    EXPECT_INT(state_of_crafted(&s, chain, 2), ROW_FILE_DAMAGED);
    buffer_free(&s.content);
}

TEST(a_write_with_another_commit_number_is_damage)
{
    struct scene s;
    set_scene(&s, "commit", 5);
    for (uint64_t step = 0; step <= 2; step++) {
        struct buffer content, record;
        buffer_init(&content, 1 << 24);
        buffer_init(&record, 1000);
        row_record_begin(&record, ROW_RECORD_CHANGES, s.file.commit + step, s.file.chain);
        row_record_add(&record, BYTES_LITERAL("r12"), BYTES_LITERAL("write 12"));
        row_record_add(&record, BYTES_LITERAL("r22"), BYTES_NULL);
        row_record_end(&record, 0);
        buffer_append_bytes(&content, buffer_view(&s.content));
        buffer_append_bytes(&content, buffer_view(&record));
        struct verdict v = check(&s, buffer_view(&content));
        expect(&v, step == 1 ? ROW_FILE_WHOLE : ROW_FILE_DAMAGED, WRITES + (step == 1),
               s.content.size);
        buffer_free(&record);
        buffer_free(&content);
    }
    buffer_free(&s.content);
}

TEST(a_newer_format_is_not_taken_for_damage)
{
    struct scene s;
    struct buffer newer;
    struct verdict v = {.writes = 0};
    set_scene(&s, "format", 5);
    buffer_init(&newer, 1000);
    row_record_begin(&newer, ROW_RECORD_BEGIN, 7, 0);
    buffer_append_be32(&newer, ROW_FILE_FORMAT + 1);
    row_record_end(&newer, 0);
    write_content(&s, buffer_view(&newer));
    EXPECT_INT(row_file_check(io_posix(), s.path, 5, note_write, &v, &v.report), ERR_UNSUPPORTED);
    buffer_free(&newer);
    buffer_free(&s.content);
}

TEST(names_have_the_generation_in_twenty_digits)
{
    uint64_t generation;
    const char *rest;
    char name[ROW_FILE_NAME_SIZE];
    row_file_name(12, name);
    EXPECT_STRING(name, "rows-00000000000000000012.log");
    EXPECT(row_file_parse_name("rows-00000000000000000012.log.new", &generation, &rest));
    EXPECT_INT(generation, 12);
    EXPECT_STRING(rest, ".new");
    EXPECT(!row_file_parse_name("rows-12.log", &generation, &rest));
    EXPECT(!row_file_parse_name("journal-00000000000000000012.log", &generation, &rest));
}
