/* An input of a task: the records of one partition, one after the other, from any source. The
 * records are views, for example of a batch on disk (batch_input.h) or of a client's message.
 *
 * Offsets have holes. The position of an input moves over them, over control batches and over
 * batches without a record.
 *
 * A task with several inputs takes, of their next records, the one with the earliest timestamp. If
 * timestamps are equal, it takes the record of the first input. It waits for an input that is being
 * read, because its next record may be the earliest. It does not wait for an input that is at its
 * end. So the records alone decide the order while every input has records; after the task has
 * caught up, the time of their arrival decides too. Both are safe, because a step carries the
 * cursors of all inputs: a committed order is never chosen again, and an order that was not
 * committed has left no trace. */
#ifndef PROCESSORS_TASK_INPUT_H
#define PROCESSORS_TASK_INPUT_H

#include "base/error.h"
#include "protocol/record_batch.h"

enum input_status {
    INPUT_RECORD,  /* here is a record */
    INPUT_SKIPPED, /* no record, but the position moved: ask again */
    INPUT_AT_END,  /* there is no record at or after the position */
    INPUT_WAITING, /* being read: the input wakes its host when there is more */
    INPUT_FAILED,  /* it cannot be read, and another try would not help; `message` says why */
};

struct input;

struct input_ops {
    /* The next record at or after the position. Its views are valid until the next call of an op.
     * Every call does a bounded amount of work. At the end a call must be cheap: a task with
     * several inputs asks the ones at their end again for each record of the others. */
    enum input_status (*next)(struct input *in, struct record *out, struct message *message);
    /* Sets the position, forwards or backwards, and drops what was read ahead. */
    void (*seek)(struct input *in, int64_t offset);
    /* Whether there is no record at or after an offset. Reads nothing. */
    bool (*is_at_end)(const struct input *in, int64_t offset);
};

struct input {
    const struct input_ops *ops;
    int64_t position;   /* every record below was given or does not exist */
    struct record head; /* the next record, for inputs_next */
    bool has_head;      /* head is kept, because another input has an earlier record */
};

/* Moves the input to an offset. */
void input_seek(struct input *in, int64_t offset);

/* As inputs_next, for more than one input. */
enum input_status inputs_merge(struct input *const *inputs, size_t count, size_t *from,
                               struct message *message);

/* The next record of the inputs: it is the head of inputs[*from] and valid until the next call. Any
 * other status comes from inputs[*from]; INPUT_AT_END means that all inputs are at their end. */
static inline enum input_status inputs_next(struct input *const *inputs, size_t count, size_t *from,
                                            struct message *message)
{
    if (count > 1)
        return inputs_merge(inputs, count, from, message);
    *from = 0;
    return inputs[0]->ops->next(inputs[0], &inputs[0]->head, message);
}

#endif
