#include "storage/log_slice.h"

#include <stdlib.h>

struct log_slice *log_slice_create(const struct slice_piece *pieces, size_t count,
                                   int64_t first_offset, int64_t next_offset)
{
    struct log_slice *s = xmalloc(sizeof *s + count * sizeof *pieces);
    *s = (struct log_slice){
        .first_offset = first_offset, .next_offset = next_offset, .piece_count = count};
    atomic_init(&s->references, 1);
    memcpy(s->pieces, pieces, count * sizeof *pieces);
    for (size_t i = 0; i < count; i++)
        s->size += pieces[i].size;
    return s;
}

void log_slice_unref(struct log_slice *s)
{
    if (s == NULL)
        return;
    int before = atomic_fetch_sub_explicit(&s->references, 1, memory_order_acq_rel);
    ASSERT(before >= 1);
    if (before > 1)
        return;
    for (size_t i = 0; i < s->piece_count; i++) {
        shared_buffer_unref(s->pieces[i].buffer);
        segment_file_unref(s->pieces[i].file);
    }
    free(s);
}

enum error log_slice_copy(struct io *io, const struct log_slice *s, uint8_t *out)
{
    for (size_t i = 0; i < s->piece_count; i++) {
        const struct slice_piece *piece = &s->pieces[i];
        if (piece->file) {
            enum error error =
                segment_file_read(io, piece->file, out, piece->size, piece->position);
            if (error != ERR_OK)
                return error;
        } else {
            memcpy(out, piece->at, piece->size);
        }
        out += piece->size;
    }
    return ERR_OK;
}
