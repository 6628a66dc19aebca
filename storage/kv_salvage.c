#include "storage/kv_salvage.h"

#include "base/crc32c.h"
#include "protocol/compression.h"
#include "storage/kv_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    NAME_SIZE = 64,
    FOOTER_SIZE = 48, /* of a table: two handles, padding, magic */
    TRAILER_SIZE = 5, /* of a block: its compression and its checksum */
    TABLE_BLOCK_MAX = 64 << 20,
    PAIR_CHECKSUM = 4,
};
static const uint64_t table_magic = 0xdb4775248b80fb57u;

/* The newest version of a key. */
struct version {
    uint64_t sequence;
    size_t key_size, value_size;
    bool deleted, is_digest;
    uint8_t data[]; /* key, value */
};

/* A file of the directory that LevelDB numbered. */
struct numbered {
    uint64_t number;
    bool live; /* a table that the MANIFEST names */
};

struct salvage {
    struct kv_salvage *out;
    struct io *io;
    const char *directory;
    const char *file; /* that is read now */
    int64_t at;       /* the block that is read now; -1: unknown */
    struct map versions;
    struct numbered *tables, *logs;
    size_t table_count, log_count;
    bool has_manifest; /* it was whole, so `live` counts */
    uint64_t log_number, previous_log;
};

static void tell(struct salvage *s, enum kv_salvage_kind kind, int64_t at, const char *what)
{
    s->out->faults += kind != KV_SALVAGE_TORN;
    s->out->found(s->out->context, kind, s->file, at, what);
}

static enum error read_file(struct salvage *s, const char *name, struct buffer *out)
{
    char *path = io_path(s->directory, name);
    buffer_init(out, SIZE_MAX / 2);
    s->file = name;
    s->out->files++;
    enum error error = io_read_file(s->io, path, out);
    free(path);
    if (error == ERR_NOT_FOUND) {
        tell(s, KV_SALVAGE_MISSING, -1, "the file is missing");
        return ERR_OK;
    }
    if (error == ERR_IO) {
        tell(s, KV_SALVAGE_DAMAGED, -1, "the file cannot be read");
        return ERR_OK;
    }
    return error;
}

/* --- LevelDB's numbers are little-endian --- */

static uint64_t load_le(const uint8_t *p, int size)
{
    uint64_t value = 0;
    for (int i = size; i-- > 0;)
        value = value << 8 | p[i];
    return value;
}

static uint64_t read_le(struct reader *r, int size)
{
    const uint8_t *p = read_raw(r, (size_t)size);
    return p ? load_le(p, size) : 0;
}

static uint64_t read_number(struct reader *r)
{
    uint64_t number = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        uint8_t byte = (uint8_t)read_i8(r);
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return number;
    }
    r->failed = true;
    return 0;
}

static struct bytes read_sized(struct reader *r)
{
    uint64_t size = read_number(r);
    if (r->failed || size > reader_left(r)) {
        r->failed = true;
        return BYTES_NULL;
    }
    return bytes_of(read_raw(r, (size_t)size), (size_t)size);
}

/* LevelDB rotates a checksum and adds a constant, so that a checksum of checksums is not weak. */
static uint32_t unmask(uint32_t masked)
{
    uint32_t turned = masked - 0xa282ead8u;
    return turned >> 17 | turned << 15;
}

/* --- versions of rows --- */

static void keep(struct salvage *s, struct bytes key, uint64_t sequence, bool deleted,
                 struct bytes value, bool is_digest)
{
    const struct version *known = map_get(&s->versions, key);
    if (known && known->sequence > sequence)
        return;
    struct version *v = xmalloc(sizeof *v + key.size + value.size);
    *v = (struct version){sequence, key.size, value.size, deleted, is_digest};
    memcpy(v->data, key.data, key.size);
    if (value.size > 0)
        memcpy(v->data + key.size, value.data, value.size);
    free(map_put(&s->versions, bytes_of(v->data, key.size), v));
}

struct bytes kv_salvage_digest(struct bytes value, uint8_t out[KV_DIGEST_SIZE])
{
    store_be64(out, value.size);
    store_be32(out + 8, crc32c(0, value.data, value.size));
    return bytes_of(out, KV_DIGEST_SIZE);
}

/* A row begins with the checksum of its key and value. */
static void add_row(struct salvage *s, struct bytes key, uint64_t sequence, bool deleted,
                    struct bytes stored)
{
    struct bytes value = stored.size < PAIR_CHECKSUM ? BYTES_NULL : bytes_from(stored, 4);
    uint8_t digest[KV_DIGEST_SIZE];
    if (key.size == 0)
        return;
    bool wanted = s->out->kinds == NULL || (key.data[0] && strchr(s->out->kinds, key.data[0]));
    if (!deleted &&
        (stored.size < PAIR_CHECKSUM ||
         load_be32(stored.data) != crc32c(crc32c(0, key.data, key.size), value.data, value.size)))
        tell(s, KV_SALVAGE_DAMAGED, s->at, "a row has a wrong checksum");
    else if (wanted)
        keep(s, key, sequence, deleted, deleted ? BYTES_NULL : value, false);
    else if (s->out->keeps_digests)
        keep(s, key, sequence, deleted, deleted ? BYTES_NULL : kv_salvage_digest(value, digest),
             true);
}

static void give_rows(struct salvage *s)
{
    size_t at = 0;
    for (struct version *v; (v = map_next(&s->versions, &at));) {
        if (!v->deleted)
            row_changes_put(v->is_digest ? &s->out->rest : &s->out->rows,
                            bytes_of(v->data, v->key_size),
                            bytes_of(v->data + v->key_size, v->value_size));
        free(v);
    }
    map_free(&s->versions);
}

/* --- tables --- */

struct handle {
    uint64_t offset, size;
};

static struct handle read_handle(struct reader *r)
{
    uint64_t offset = read_number(r);
    return (struct handle){offset, read_number(r)};
}

/* The content of a block, in the arena if it was compressed. Null: it is not whole. */
static struct bytes read_block(struct salvage *s, struct bytes file, struct handle h,
                               struct arena *arena)
{
    s->at = (int64_t)h.offset;
    s->out->blocks++;
    if (h.offset > file.size || h.size + TRAILER_SIZE > file.size - h.offset ||
        h.size > TABLE_BLOCK_MAX) {
        tell(s, KV_SALVAGE_DAMAGED, (int64_t)MIN(h.offset, file.size),
             "a block lies outside the file");
        return BYTES_NULL;
    }
    const uint8_t *data = file.data + h.offset;
    struct bytes block = bytes_of(data, (size_t)h.size);
    bool whole = unmask((uint32_t)load_le(data + h.size + 1, 4)) == crc32c(0, data, h.size + 1);
    if (whole && data[h.size] != 0)
        whole = codec_decompress(CODEC_SNAPPY, block, TABLE_BLOCK_MAX, arena, &block) == ERR_OK;
    if (whole && block.size >= 4)
        return block;
    tell(s, KV_SALVAGE_DAMAGED, s->at, "a block has a wrong checksum");
    return BYTES_NULL;
}

/* Calls `each` for the pairs of a block. A key shares its beginning with the one before it. */
static void walk_block(struct salvage *s, struct bytes block, struct bytes file,
                       void (*each)(struct salvage *s, struct bytes file, struct bytes key,
                                    struct bytes value))
{
    uint64_t restarts = load_le(block.data + block.size - 4, 4);
    if (restarts > (block.size - 4) / 4)
        return;
    struct reader r = reader_of(bytes_of(block.data, block.size - 4 - (size_t)restarts * 4));
    struct buffer key;
    buffer_init(&key, TABLE_BLOCK_MAX);
    while (!r.failed && reader_left(&r) > 0) {
        uint64_t shared = read_number(&r), more = read_number(&r), size = read_number(&r);
        if (r.failed || shared > key.size || more > reader_left(&r) ||
            size > reader_left(&r) - more)
            break;
        key.size = (size_t)shared;
        buffer_append(&key, read_raw(&r, (size_t)more), (size_t)more);
        each(s, file, buffer_view(&key), bytes_of(read_raw(&r, (size_t)size), (size_t)size));
    }
    buffer_free(&key);
}

/* The key ends with the sequence number and the type: 1 is a value, 0 a deletion. */
static void take_pair(struct salvage *s, struct bytes file, struct bytes key, struct bytes value)
{
    (void)file;
    if (key.size < 8)
        return;
    uint64_t tag = load_le(key.data + key.size - 8, 8);
    add_row(s, bytes_of(key.data, key.size - 8), tag >> 8, (tag & 0xff) == 0, value);
}

static void take_index_entry(struct salvage *s, struct bytes file, struct bytes key,
                             struct bytes value)
{
    (void)key;
    struct reader r = reader_of(value);
    struct handle h = read_handle(&r);
    struct arena arena;
    arena_init(&arena, TABLE_BLOCK_MAX + (1 << 20));
    struct bytes block = r.failed ? BYTES_NULL : read_block(s, file, h, &arena);
    if (!bytes_is_null(block))
        walk_block(s, block, file, take_pair);
    arena_free(&arena);
}

static void walk_table(struct salvage *s, struct bytes file)
{
    if (file.size < FOOTER_SIZE || load_le(file.data + file.size - 8, 8) != table_magic) {
        tell(s, KV_SALVAGE_DAMAGED,
             (int64_t)(file.size < FOOTER_SIZE ? 0 : file.size - FOOTER_SIZE),
             "the file does not end like a table");
        return;
    }
    struct reader r = reader_of(bytes_of(file.data + file.size - FOOTER_SIZE, FOOTER_SIZE));
    struct arena arena;
    arena_init(&arena, TABLE_BLOCK_MAX + (1 << 20));
    struct handle meta = read_handle(&r), index = read_handle(&r);
    (void)read_block(s, file, meta, &arena);
    struct bytes block = read_block(s, file, index, &arena);
    if (!bytes_is_null(block))
        walk_block(s, block, file, take_index_entry);
    arena_free(&arena);
}

/* --- logs --- */

/* A write: its first sequence number, the number of changes, the changes. */
static void take_write(void *context, struct bytes record)
{
    struct salvage *s = context;
    struct reader r = reader_of(record);
    uint64_t sequence = read_le(&r, 8), count = read_le(&r, 4);
    s->out->blocks++;
    for (uint64_t i = 0; i < count && !r.failed; i++) {
        bool deleted = read_i8(&r) == 0;
        struct bytes key = read_sized(&r), value = deleted ? BYTES_NULL : read_sized(&r);
        if (!r.failed)
            add_row(s, key, sequence + i, deleted, value);
    }
    if (r.failed)
        tell(s, KV_SALVAGE_DAMAGED, -1, "a write is malformed");
}

/* --- the MANIFEST --- */

static struct numbered *find_number(struct numbered *at, size_t count, uint64_t number)
{
    for (size_t i = 0; i < count; i++) {
        if (at[i].number == number)
            return &at[i];
    }
    return NULL;
}

static void note_number(struct numbered **at, size_t *count, uint64_t number, bool live)
{
    struct numbered *known = find_number(*at, *count, number);
    if (known == NULL) {
        *at = xrealloc(*at, (*count + 1) * sizeof **at);
        known = &(*at)[(*count)++];
    }
    *known = (struct numbered){number, live};
}

/* A record consists of fields, each after its tag. */
static void take_edit(void *context, struct bytes record)
{
    struct salvage *s = context;
    struct reader r = reader_of(record);
    s->out->blocks++;
    while (!r.failed && reader_left(&r) > 0) {
        uint64_t tag = read_number(&r), number;
        if (tag == 1) {
            (void)read_sized(&r);
        } else if (tag == 5) {
            (void)read_number(&r);
            (void)read_sized(&r);
        } else if (tag == 6 || tag == 7) {
            (void)read_number(&r);
            number = read_number(&r);
            if (!r.failed)
                note_number(&s->tables, &s->table_count, number, tag == 7);
            if (tag == 7) {
                (void)read_number(&r);
                (void)read_sized(&r);
                (void)read_sized(&r);
            }
        } else {
            number = read_number(&r);
            s->log_number = tag == 2 ? number : s->log_number;
            s->previous_log = tag == 9 ? number : s->previous_log;
        }
    }
}

static enum error read_manifest(struct salvage *s)
{
    struct buffer current, data = {0};
    int64_t bad;
    char name[NAME_SIZE] = "";
    enum error error = read_file(s, "CURRENT", &current);
    if (error == ERR_OK && current.size > 0 &&
        sscanf(buffer_c_string(&current), "%60[^\n]", name) == 1 &&
        strncmp(name, "MANIFEST-", 9) == 0 && strchr(name, '/') == NULL) {
        error = read_file(s, name, &data);
        enum kv_log_end end = kv_log_scan(buffer_view(&data), take_edit, s, &bad);
        if (end != KV_LOG_WHOLE)
            tell(s, KV_SALVAGE_DAMAGED, bad, "an entry of the list of files is not whole");
        s->has_manifest = data.size > 0 && end == KV_LOG_WHOLE;
        buffer_free(&data);
    } else if (error == ERR_OK && current.size > 0) {
        tell(s, KV_SALVAGE_DAMAGED, 0, "the file does not name a MANIFEST");
    }
    buffer_free(&current);
    return error;
}

/* --- the directory --- */

/* A table that the MANIFEST does not name is obsolete, unless the MANIFEST is damaged. */
static void note_name(void *context, const char *name)
{
    struct salvage *s = context;
    char *end;
    uint64_t number = strtoull(name, &end, 10);
    if (end == name)
        return;
    bool is_table = strcmp(end, ".ldb") == 0 || strcmp(end, ".sst") == 0;
    if (is_table && !s->has_manifest)
        note_number(&s->tables, &s->table_count, number, true);
    if (strcmp(end, ".log") == 0 &&
        (!s->has_manifest || number >= s->log_number || number == s->previous_log))
        note_number(&s->logs, &s->log_count, number, true);
}

static int by_number(const void *a, const void *b)
{
    const struct numbered *left = a, *right = b;
    return (left->number > right->number) - (left->number < right->number);
}

static enum error read_tables(struct salvage *s)
{
    enum error error = ERR_OK;
    for (size_t i = 0; i < s->table_count && error == ERR_OK; i++) {
        char name[NAME_SIZE];
        struct buffer data;
        if (!s->tables[i].live)
            continue;
        snprintf(name, sizeof name, "%06" PRIu64 ".ldb", s->tables[i].number);
        int faults = s->out->faults;
        error = read_file(s, name, &data);
        if (error == ERR_OK && faults == s->out->faults)
            walk_table(s, buffer_view(&data));
        buffer_free(&data);
    }
    return error;
}

static enum error read_logs(struct salvage *s)
{
    enum error error = ERR_OK;
    bool found = !s->has_manifest || s->log_number == 0;
    if (s->log_count > 0)
        qsort(s->logs, s->log_count, sizeof *s->logs, by_number);
    for (size_t i = 0; i < s->log_count && error == ERR_OK; i++) {
        char name[NAME_SIZE];
        struct buffer data;
        int64_t bad;
        snprintf(name, sizeof name, "%06" PRIu64 ".log", s->logs[i].number);
        found |= s->logs[i].number == s->log_number;
        error = read_file(s, name, &data);
        s->at = -1;
        enum kv_log_end end = kv_log_scan(buffer_view(&data), take_write, s, &bad);
        if (end == KV_LOG_TORN && i + 1 == s->log_count)
            tell(s, KV_SALVAGE_TORN, bad, "the last write is not whole");
        else if (end != KV_LOG_WHOLE)
            tell(s, KV_SALVAGE_DAMAGED, bad, "a write is not whole");
        buffer_free(&data);
    }
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "%06" PRIu64 ".log", s->log_number);
    s->file = name;
    if (error == ERR_OK && !found)
        tell(s, KV_SALVAGE_MISSING, -1, "the file is missing");
    return error;
}

enum error kv_salvage_run(struct kv_salvage *out, struct io *io, const char *directory)
{
    struct salvage s = {.out = out, .io = io, .directory = directory, .at = -1};
    enum error error = read_manifest(&s);
    if (error == ERR_OK)
        error = io->ops->list(io, directory, note_name, &s);
    if (error == ERR_OK)
        error = read_tables(&s);
    if (error == ERR_OK)
        error = read_logs(&s);
    give_rows(&s);
    free(s.tables);
    free(s.logs);
    return error;
}
