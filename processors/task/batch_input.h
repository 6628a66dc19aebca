/* An input whose records lie in batches. A source finds the batches; this takes them apart.
 *
 * A batch is read where it lies. When its memory must go while records of it are left, the input is
 * told so (batch_input_release) and asks the source for the batch again; it goes on in the middle,
 * and decompresses nothing twice. */
#ifndef PROCESSORS_TASK_BATCH_INPUT_H
#define PROCESSORS_TASK_BATCH_INPUT_H

#include "base/arena.h"
#include "processors/task/input.h"

struct batch_source {
    /* INPUT_RECORD: *out is the batch with the record at `offset`, or the first one behind it; v2,
     * whole, its checksum was compared when it was written or read. It stays where it is until the
     * source is asked again, or until the input is told otherwise. Any other status is passed on.
     */
    enum input_status (*find)(struct batch_source *s, int64_t offset, struct bytes *out,
                              struct message *message);
    /* The input goes to another offset: forgets what was read ahead. May be NULL. */
    void (*seek)(struct batch_source *s, int64_t offset);
    bool (*is_at_end)(const struct batch_source *s, int64_t offset); /* as in input_ops */
};

struct batch_input {
    struct input input;
    struct batch_source *source;
    bool is_open, is_here; /* here: the memory of the open batch is there */
    bool is_compressed;
    int64_t opened_at; /* the position then */
    struct batch_header header;
    const uint8_t *data; /* where the batch was when it was last seen */
    struct record_iterator records;
    struct arena arena; /* of a compressed batch */
};

/* At position 0. The source stays the caller's. */
void batch_input_init(struct batch_input *b, struct batch_source *source);
void batch_input_free(struct batch_input *b);
/* The memory of the batch goes. */
void batch_input_release(struct batch_input *b);

#endif
