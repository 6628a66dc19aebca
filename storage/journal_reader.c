#include "storage/journal_reader.h"

#include "storage/journal.h"
#include "storage/journal_witness.h"

#include <stdio.h>
#include <stdlib.h>

enum { SCAN_BYTES = 256 << 10 };

/* A journal file and the content of its first unit. */
struct journal_input {
    uint64_t sequence;
    struct io_file *file;
    int64_t size;
    bool starts; /* it begins with a whole unit of this run */
    lsn_t start;
    bool consumed; /* read to its end, or it begins before the mark */
};

struct journal_reader {
    struct env *env;
    char *directory;
    uint32_t shard;
    uint64_t run;
    lsn_t lsn;        /* of the unit that is expected next */
    lsn_t checkpoint; /* the latest one that a whole unit contains */
    struct journal_input *files, *current;
    size_t file_count, file_capacity;
    int64_t position;
    struct journal_input *last_file; /* of the last whole unit; NULL: there is none */
    int64_t last_position;
    bool last_has_entries;
    struct shared_buffer *scratch; /* of the last unit: reused if nobody else holds a reference */
    size_t scratch_capacity;
    bool closed_in_order;
    struct journal_witness witness; /* of this run; zeros if there is none */
    uint64_t needed; /* the file that must exist: the mark's, or the last unit's `next`; 0: none */
};

static void note_file(void *context, const char *name)
{
    struct journal_reader *r = context;
    uint64_t sequence;
    if (!journal_parse_name(name, &sequence))
        return;
    if (r->file_count == r->file_capacity) {
        r->file_capacity = r->file_capacity ? r->file_capacity * 2 : 8;
        r->files = xrealloc(r->files, r->file_capacity * sizeof *r->files);
    }
    r->files[r->file_count++] = (struct journal_input){.sequence = sequence};
}

/* The header at a position, if it belongs to this run, shard and file. */
static enum error read_header(struct journal_reader *r, const struct journal_input *f,
                              int64_t position, struct journal_unit *unit, bool *ours)
{
    uint8_t header[JOURNAL_HEADER_SIZE];
    size_t got;
    *ours = false;
    enum error error =
        r->env->io->ops->read(r->env->io, f->file, header, sizeof header, position, &got);
    if (error == ERR_OK)
        *ours = journal_unit_read(bytes_of(header, got), unit) && unit->run == r->run &&
                unit->shard == r->shard && unit->sequence == f->sequence;
    return error;
}

/* A buffer for a unit. It is reused, because new memory costs more time than reading into it. */
static struct shared_buffer *take_buffer(struct journal_reader *r, size_t size)
{
    struct shared_buffer *b = r->scratch;
    if (b && size <= r->scratch_capacity && atomic_load(&b->references) == 1) {
        b->size = size;
        return shared_buffer_ref(b);
    }
    shared_buffer_unref(b);
    r->scratch = b = shared_buffer_create(size);
    r->scratch_capacity = size;
    return b ? shared_buffer_ref(b) : NULL;
}

/* The whole unit at a position. NULL: the header is not of this run, shard and file, or the unit is
 * not whole. */
static enum error read_unit(struct journal_reader *r, const struct journal_input *f,
                            int64_t position, struct journal_unit *unit, struct shared_buffer **out)
{
    *out = NULL;
    bool ours;
    enum error error = read_header(r, f, position, unit, &ours);
    if (error != ERR_OK || !ours || (int64_t)journal_unit_size(unit) > f->size - position)
        return error;
    struct shared_buffer *buffer = take_buffer(r, journal_unit_size(unit));
    if (buffer == NULL)
        return ERR_NO_MEMORY;
    size_t got;
    error = r->env->io->ops->read(r->env->io, f->file, buffer->data, buffer->size, position, &got);
    if (error == ERR_OK && got == buffer->size &&
        journal_unit_is_whole(bytes_of(buffer->data, buffer->size)))
        *out = buffer;
    else
        shared_buffer_unref(buffer);
    if (*out)
        r->checkpoint = MAX(r->checkpoint, unit->checkpoint);
    return error;
}

static enum error open_file(struct journal_reader *r, struct journal_input *f)
{
    struct io *io = r->env->io;
    char *path = journal_path(r->directory, f->sequence);
    enum error error = io->ops->open(io, path, IO_READ, &f->file);
    free(path);
    if (error != ERR_OK) {
        f->file = NULL;
        return error;
    }
    /* The process may have been killed before these bytes were durable. If a later crash lost
     * them, a second recovery would decide differently. */
    error = io_sync(io, f->file);
    if (error == ERR_OK)
        error = io->ops->size(io, f->file, &f->size);
    struct journal_unit unit;
    struct shared_buffer *first = NULL;
    if (error == ERR_OK)
        error = read_unit(r, f, 0, &unit, &first);
    f->starts = first != NULL;
    f->start = first ? unit.lsn : 0;
    shared_buffer_unref(first);
    return error;
}

/* Without a witness of this run the other checks remain, so an error is not a reason to stop. */
static void read_witness(struct journal_reader *r)
{
    struct journal_witness witness;
    if (journal_witness_read(r->env, r->directory, &witness) != ERR_OK || witness.run != r->run)
        return;
    r->witness = witness;
    r->checkpoint = witness.checkpoint;
}

enum error journal_reader_open(struct env *env, const char *directory, uint32_t shard,
                               const struct journal_mark *mark, struct journal_reader **out)
{
    struct journal_reader *r = xcalloc(1, sizeof *r);
    *r = (struct journal_reader){.env = env, .shard = shard, .run = mark->run, .lsn = mark->lsn};
    r->directory = xstrdup(directory);
    r->needed = mark->sequence;
    read_witness(r);
    enum error error = env->io->ops->list(env->io, directory, note_file, r);
    if (error == ERR_NOT_FOUND)
        error = ERR_OK; /* the run ended before it made its directory */
    for (size_t i = 0; i < r->file_count && error == ERR_OK; i++) {
        struct journal_input *f = &r->files[i];
        error = open_file(r, f);
        f->consumed = f->starts && f->start < mark->lsn;
        if (f->sequence != mark->sequence)
            continue;
        r->current = f;
        r->position = mark->position;
    }
    if (error != ERR_OK) {
        journal_reader_close(r);
        return error;
    }
    *out = r;
    return ERR_OK;
}

void journal_reader_close(struct journal_reader *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->file_count; i++) {
        if (r->files[i].file)
            r->env->io->ops->close(r->env->io, r->files[i].file);
    }
    shared_buffer_unref(r->scratch);
    free(r->files);
    free(r->directory);
    free(r);
}

/* The file whose first unit is the expected one. */
static struct journal_input *next_file(struct journal_reader *r)
{
    for (size_t i = 0; i < r->file_count; i++) {
        struct journal_input *f = &r->files[i];
        if (f != r->current && f->starts && f->start == r->lsn)
            return f;
    }
    return NULL;
}

enum error journal_reader_next(struct journal_reader *r, struct journal_unit *unit,
                               struct shared_buffer **bytes)
{
    *bytes = NULL;
    enum error error = ERR_OK;
    if (r->current)
        error = read_unit(r, r->current, r->position, unit, bytes);
    if (error == ERR_OK && *bytes && unit->lsn != r->lsn) {
        shared_buffer_unref(*bytes);
        *bytes = NULL;
    }
    if (error == ERR_OK && *bytes == NULL) {
        struct journal_input *next = next_file(r);
        if (next == NULL)
            return ERR_OK;
        if (r->current)
            r->current->consumed = true;
        r->current = next;
        r->position = 0;
        error = read_unit(r, next, 0, unit, bytes);
    }
    if (error != ERR_OK || *bytes == NULL)
        return error;
    r->last_file = r->current;
    r->last_position = r->position;
    r->last_has_entries = unit->entries > 0;
    r->position += (int64_t)journal_unit_size(unit);
    r->lsn += journal_unit_size(unit);
    r->closed_in_order = unit->flags & JOURNAL_CLOSED;
    r->needed = unit->next;
    return ERR_OK;
}

static enum error write_again(struct journal_reader *r, struct bytes unit)
{
    struct io *io = r->env->io;
    struct io_file *file;
    char *path = journal_path(r->directory, r->last_file->sequence);
    enum error error = io->ops->open(io, path, IO_READ | IO_WRITE, &file);
    free(path);
    if (error != ERR_OK)
        return error;
    error = io_write(io, file, unit.data, unit.size, r->last_position);
    if (error == ERR_OK)
        error = io_sync(io, file);
    io->ops->close(io, file);
    return error;
}

enum error journal_reader_make_durable(struct journal_reader *r)
{
    if (r->last_file == NULL || !r->last_has_entries)
        return ERR_OK;
    struct journal_unit unit;
    struct shared_buffer *last;
    enum error error = read_unit(r, r->last_file, r->last_position, &unit, &last);
    if (error == ERR_OK && last == NULL)
        error = ERR_CORRUPT; /* it was whole a moment ago */
    if (error == ERR_OK)
        error = write_again(r, bytes_of(last->data, last->size));
    shared_buffer_unref(last);
    return error;
}

/* Whether a file has, at `from` or after, a whole unit of this run that is later than the expected
 * one. Reads all such units, because they contain checkpoints. */
static enum error find_later_unit(struct journal_reader *r, const struct journal_input *f,
                                  int64_t from, uint8_t *chunk, bool *found)
{
    for (int64_t at = from; at < f->size; at += SCAN_BYTES) {
        size_t got;
        enum error error = r->env->io->ops->read(r->env->io, f->file, chunk, SCAN_BYTES, at, &got);
        if (error != ERR_OK)
            return error;
        for (size_t i = 0; i < got; i += IO_ALIGNMENT) {
            struct journal_unit unit;
            if (!journal_unit_read(bytes_of(chunk + i, got - i), &unit) || unit.run != r->run ||
                unit.sequence != f->sequence || unit.lsn <= r->lsn)
                continue;
            struct shared_buffer *whole;
            error = read_unit(r, f, at + (int64_t)i, &unit, &whole);
            if (error != ERR_OK)
                return error;
            *found |= whole != NULL;
            shared_buffer_unref(whole);
        }
    }
    return ERR_OK;
}

static enum error later_unit_exists(struct journal_reader *r, bool *found)
{
    uint8_t *chunk = xmalloc(SCAN_BYTES);
    enum error error = ERR_OK;
    *found = false;
    for (size_t i = 0; i < r->file_count && error == ERR_OK; i++) {
        struct journal_input *f = &r->files[i];
        if (f != r->current && f->consumed)
            continue;
        int64_t from = f == r->current ? r->position + IO_ALIGNMENT : 0;
        error = find_later_unit(r, f, from, chunk, found);
    }
    free(chunk);
    return error;
}

/* The file that must exist and does not, or a file that was truncated; 0: none. A file has its name
 * only when it has its whole size. */
static uint64_t lacking_file(const struct journal_reader *r)
{
    bool missing = r->needed != 0;
    for (size_t i = 0; i < r->file_count; i++) {
        const struct journal_input *f = &r->files[i];
        if (f->size < r->witness.file_bytes && (f == r->current || !f->consumed))
            return f->sequence;
        missing &= f->sequence != r->needed;
    }
    return missing ? r->needed : 0;
}

/* Whether something else than a later unit shows that durable bytes are missing. Then `at` becomes
 * the place of the first of them. */
static bool durable_bytes_are_missing(const struct journal_reader *r, struct journal_mark *at)
{
    const struct journal_witness *w = &r->witness;
    lsn_t file_start = w->durable - (lsn_t)w->position;
    if (w->durable > r->lsn) {
        if (r->lsn >= file_start) {
            at->sequence = w->sequence;
            at->position = (int64_t)(r->lsn - file_start);
        }
        return true;
    }
    uint64_t lacking = lacking_file(r);
    if (lacking != 0 && (r->current == NULL || lacking != r->current->sequence)) {
        at->sequence = lacking;
        at->position = 0;
    }
    return lacking != 0;
}

enum error journal_reader_judge(struct journal_reader *r, enum journal_end *end,
                                struct journal_mark *at, int64_t *cut_bytes)
{
    *end = JOURNAL_ENDED;
    *cut_bytes = 0;
    *at = (struct journal_mark){.run = r->run,
                                .lsn = r->lsn,
                                .sequence = r->current ? r->current->sequence : 0,
                                .position = r->position};
    if (r->closed_in_order)
        return ERR_OK;
    bool later, ours = false;
    enum error error = later_unit_exists(r, &later);
    if (error != ERR_OK)
        return error;
    struct journal_unit unit;
    if (r->current)
        error = read_header(r, r->current, r->position, &unit, &ours);
    if (ours && unit.lsn == r->lsn)
        *cut_bytes = (int64_t)journal_unit_size(&unit);
    later |= durable_bytes_are_missing(r, at);
    *end = later ? JOURNAL_DAMAGED : *cut_bytes > 0 ? JOURNAL_TORN : JOURNAL_ENDED;
    return error;
}

lsn_t journal_reader_checkpoint(const struct journal_reader *r)
{
    return r->checkpoint;
}

static enum error copy_file(struct journal_reader *r, const struct journal_input *f)
{
    struct io *io = r->env->io;
    char *path = journal_path(r->directory, f->sequence);
    size_t size = strlen(path) + sizeof ".damaged";
    path = xrealloc(path, size);
    strcat(path, ".damaged");
    struct io_file *copy = NULL;
    enum error error = io->ops->open(io, path, IO_READ | IO_WRITE | IO_CREATE, &copy);
    uint8_t *chunk = xmalloc(SCAN_BYTES);
    size_t got = 1;
    for (int64_t at = 0; error == ERR_OK && got > 0; at += (int64_t)got) {
        error = io->ops->read(io, f->file, chunk, SCAN_BYTES, at, &got);
        if (error == ERR_OK && got > 0)
            error = io_write(io, copy, chunk, got, at);
    }
    if (error == ERR_OK)
        error = io_sync(io, copy);
    if (copy)
        io->ops->close(io, copy);
    free(chunk);
    free(path);
    return error;
}

enum error journal_reader_keep_copies(struct journal_reader *r)
{
    enum error error = ERR_OK;
    for (size_t i = 0; i < r->file_count && error == ERR_OK; i++) {
        if (&r->files[i] == r->current || !r->files[i].consumed)
            error = copy_file(r, &r->files[i]);
    }
    if (error == ERR_OK)
        error = io_sync_directory(r->env->io, r->directory);
    return error;
}
