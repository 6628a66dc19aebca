#include "processors/task/batch_input.h"

#include "base/compiler.h"

enum { MAX_UNCOMPRESSED = 256 << 20 };

static struct batch_input *of(const struct input *in)
{
    return CONTAINER_OF(in, struct batch_input, input);
}

static void close_batch(struct batch_input *b)
{
    b->is_open = b->is_here = false;
    arena_reset(&b->arena);
}

static bool is_same_batch(const struct batch_input *b, struct bytes batch,
                          const struct batch_header *h)
{
    return b->is_open && b->header.base_offset == h->base_offset && b->header.crc == h->crc &&
           batch_size(batch) == (size_t)b->header.batch_length + BATCH_OVERHEAD;
}

/* Continues in the open batch, whose memory may have moved. */
static void go_on(struct batch_input *b, struct bytes batch)
{
    if (!b->is_compressed) {
        b->records.at = batch.data + (b->records.at - b->data);
        b->records.end = batch.data + (b->records.end - b->data);
    }
    b->data = batch.data;
    b->is_here = true;
}

static enum input_status open_batch(struct batch_input *b, struct bytes batch,
                                    const struct batch_header *h, struct message *message)
{
    close_batch(b);
    enum error e = records_open(batch, &b->arena, MAX_UNCOMPRESSED, &b->records);
    if (e) {
        message_set(message, "batch at offset %lld cannot be read: %s", (long long)h->base_offset,
                    error_text(e));
        return INPUT_FAILED;
    }
    b->is_open = b->is_here = true;
    b->is_compressed = (h->attributes & BATCH_CODEC_MASK) != CODEC_NONE;
    b->opened_at = b->input.position;
    b->header = *h;
    b->data = batch.data;
    return INPUT_RECORD;
}

static enum input_status find_batch(struct batch_input *b, struct message *message)
{
    struct batch_header header;
    struct bytes batch;
    enum input_status status = b->source->find(b->source, b->input.position, &batch, message);
    if (status != INPUT_RECORD)
        return status;
    if (!batch_header_read(batch, &header) || header.magic != BATCH_MAGIC) {
        message_set(message, "not a batch of format 2");
        return INPUT_FAILED;
    }
    int64_t next = batch_last_offset(&header) + 1;
    if ((header.attributes & BATCH_CONTROL) || next <= b->input.position) {
        b->input.position = MAX(b->input.position, next);
        return INPUT_SKIPPED;
    }
    if (!is_same_batch(b, batch, &header))
        return open_batch(b, batch, &header, message);
    go_on(b, batch);
    return INPUT_RECORD;
}

static bool next_of_batch(struct batch_input *b, struct record *out)
{
    while (records_next(&b->records, out)) {
        if (out->offset < b->input.position)
            continue;
        b->input.position = out->offset + 1;
        return true;
    }
    return false;
}

/* The first record after the open batch, if there is one. */
__attribute__((noinline)) static enum input_status
next_of_others(struct batch_input *b, struct record *out, struct message *message)
{
    for (;;) {
        enum input_status status = b->is_here ? INPUT_RECORD : find_batch(b, message);
        if (status != INPUT_RECORD || next_of_batch(b, out))
            return status;
        bool failed = b->records.failed, was_empty = b->input.position == b->opened_at;
        close_batch(b);
        if (failed) {
            message_set(message, "batch at offset %lld is damaged",
                        (long long)b->header.base_offset);
            return INPUT_FAILED;
        }
        b->input.position = MAX(b->input.position, batch_last_offset(&b->header) + 1);
        if (was_empty)
            return INPUT_SKIPPED;
    }
}

/* Handles nearly all records; the rare cases are out of line. */
static enum input_status next(struct input *in, struct record *out, struct message *message)
{
    struct batch_input *b = of(in);
    return b->is_here && next_of_batch(b, out) ? INPUT_RECORD : next_of_others(b, out, message);
}

static void seek(struct input *in, int64_t offset)
{
    struct batch_input *b = of(in);
    close_batch(b);
    in->position = offset;
    if (b->source->seek)
        b->source->seek(b->source, offset);
}

static bool is_at_end(const struct input *in, int64_t offset)
{
    const struct batch_input *b = of(in);
    return b->source->is_at_end(b->source, offset);
}

void batch_input_init(struct batch_input *b, struct batch_source *source)
{
    static const struct input_ops ops = {next, seek, is_at_end};
    *b = (struct batch_input){.input.ops = &ops, .source = source};
    arena_init(&b->arena, MAX_UNCOMPRESSED + (1 << 20));
}

void batch_input_free(struct batch_input *b)
{
    arena_free(&b->arena);
}

void batch_input_release(struct batch_input *b)
{
    if (b->input.has_head) { /* a view of this memory */
        b->input.has_head = false;
        b->input.position = b->input.head.offset;
        b->is_open = false;
    }
    b->is_here = false;
}
