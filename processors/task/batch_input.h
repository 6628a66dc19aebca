/* An input whose records come in batches. A source finds the batches; the input reads them.
 *
 * A batch is read in place. The owner may have to release its memory while records of it are left
 * (batch_input_release). Then the input asks the source for the batch again, continues in the
 * middle of it, and decompresses nothing twice. */
#ifndef PROCESSORS_TASK_BATCH_INPUT_H
#define PROCESSORS_TASK_BATCH_INPUT_H

#include "base/arena.h"
#include "processors/task/input.h"

struct batch_source {
    /* INPUT_RECORD: *out is the batch with the record at `offset`, or the first batch after it. The
     * batch is v2 and whole, and its checksum was compared when it was written or read. Its memory
     * is valid until the next call of an op, or until batch_input_release. INPUT_SKIPPED: the
     * records at the position are deleted, and the source has moved the position over them. The
     * input returns any other status than INPUT_RECORD to its caller. */
    enum input_status (*find)(struct batch_source *s, int64_t offset, struct bytes *out,
                              struct message *message);
    /* The input moves to another offset: the source drops what it read ahead. May be NULL. */
    void (*seek)(struct batch_source *s, int64_t offset);
    bool (*is_at_end)(const struct batch_source *s, int64_t offset); /* as in input_ops */
};

struct batch_input {
    struct input input;
    struct batch_source *source;
    bool is_open, is_here; /* here: the memory of the open batch is there */
    bool is_compressed;
    int64_t opened_at; /* the position when the batch was opened */
    struct batch_header header;
    const uint8_t *data; /* where the batch was when it was last seen */
    struct record_iterator records;
    struct arena arena; /* of a compressed batch */
};

/* Begins at position 0. The caller keeps owning the source. */
void batch_input_init(struct batch_input *b, struct batch_source *source);
void batch_input_free(struct batch_input *b);
/* The memory of the batch is about to become invalid. */
void batch_input_release(struct batch_input *b);

#endif
