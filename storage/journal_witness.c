#include "storage/journal_witness.h"

#include "base/crc32c.h"

#include <stdlib.h>

enum {
    WITNESS_MAGIC = 0x544d5731, /* "TMW1" */
    SLOT_BYTES = IO_ALIGNMENT,
    CONTENT_BYTES = 64,
    AT_MAGIC = 0,
    AT_CRC = 4,
    AT_COUNT = 8, /* the checksum covers everything from here on */
    AT_RUN = 16,
    AT_DURABLE = 24,
    AT_CHECKPOINT = 32,
    AT_SEQUENCE = 40,
    AT_POSITION = 48,
    AT_FILE_BYTES = 56,
};

static uint32_t slot_crc(const uint8_t *slot)
{
    return crc32c(0, slot + AT_COUNT, CONTENT_BYTES - AT_COUNT);
}

static void encode(const struct journal_witness *w, uint8_t *slot)
{
    store_be32(slot + AT_MAGIC, WITNESS_MAGIC);
    store_be64(slot + AT_COUNT, w->count);
    store_be64(slot + AT_RUN, w->run);
    store_be64(slot + AT_DURABLE, w->durable);
    store_be64(slot + AT_CHECKPOINT, w->checkpoint);
    store_be64(slot + AT_SEQUENCE, w->sequence);
    store_be64(slot + AT_POSITION, (uint64_t)w->position);
    store_be64(slot + AT_FILE_BYTES, (uint64_t)w->file_bytes);
    store_be32(slot + AT_CRC, slot_crc(slot));
}

static bool decode(const uint8_t *slot, struct journal_witness *out)
{
    if (load_be32(slot + AT_MAGIC) != WITNESS_MAGIC || load_be32(slot + AT_CRC) != slot_crc(slot))
        return false;
    *out = (struct journal_witness){
        .count = load_be64(slot + AT_COUNT),
        .run = load_be64(slot + AT_RUN),
        .durable = load_be64(slot + AT_DURABLE),
        .checkpoint = load_be64(slot + AT_CHECKPOINT),
        .sequence = load_be64(slot + AT_SEQUENCE),
        .position = (int64_t)load_be64(slot + AT_POSITION),
        .file_bytes = (int64_t)load_be64(slot + AT_FILE_BYTES),
    };
    return true;
}

enum error journal_witness_read(struct env *env, const char *directory, struct journal_witness *out)
{
    struct io *io = env->io;
    struct io_file *file;
    char *path = io_path(directory, JOURNAL_WITNESS_NAME);
    enum error error = io->ops->open(io, path, IO_READ, &file);
    free(path);
    if (error != ERR_OK)
        return error;
    bool found = false;
    for (int i = 0; i < 2 && error == ERR_OK; i++) {
        uint8_t slot[CONTENT_BYTES];
        struct journal_witness witness;
        size_t got;
        error = io->ops->read(io, file, slot, sizeof slot, i * SLOT_BYTES, &got);
        if (error != ERR_OK || got < sizeof slot || !decode(slot, &witness) ||
            (found && witness.count < out->count))
            continue;
        *out = witness;
        found = true;
    }
    io->ops->close(io, file);
    return error != ERR_OK || found ? error : ERR_NOT_FOUND;
}

/* The blocks of both slots exist before the first write, so that later ones need no space. */
static enum error make_room(struct env *env, const char *directory, struct io_file *file)
{
    struct io *io = env->io;
    int64_t size;
    enum error error = io->ops->size(io, file, &size);
    if (error != ERR_OK || size >= 2 * SLOT_BYTES)
        return error;
    uint8_t *zeros = xcalloc(2, SLOT_BYTES);
    error = io_write(io, file, zeros, 2 * SLOT_BYTES, 0);
    free(zeros);
    return error == ERR_OK ? io_sync_directory(io, directory) : error;
}

enum error journal_witness_write(struct env *env, const char *directory,
                                 const struct journal_witness *witness)
{
    struct io *io = env->io;
    struct io_file *file;
    char *path = io_path(directory, JOURNAL_WITNESS_NAME);
    enum error error = io->ops->open(io, path, IO_READ | IO_WRITE | IO_CREATE, &file);
    free(path);
    if (error != ERR_OK)
        return error;
    uint8_t slot[CONTENT_BYTES];
    encode(witness, slot);
    error = make_room(env, directory, file);
    if (error == ERR_OK)
        error = io_write(io, file, slot, sizeof slot, (int64_t)(witness->count % 2) * SLOT_BYTES);
    if (error == ERR_OK)
        error = io_sync(io, file);
    io->ops->close(io, file);
    return error;
}
