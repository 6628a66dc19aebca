/* An input of a task: the records of one partition, one after the other, wherever they come from.
 * They are views, no matter whether of a batch on disk (batch_input.h) or of a client's message.
 *
 * Offsets have holes. The position of an input moves over them, over control batches and over
 * batches without a record.
 *
 * A task with several inputs takes, of their next records, the one with the earliest timestamp; of
 * equal ones, that of the first input. It waits for an input that is being read, whose next record
 * may be the earliest, and does not wait for one that is at its end. So the records alone decide
 * the order as long as there are records; when a task has caught up, their arrival decides too.
 * Both are safe: a step carries the cursors of all inputs. An order that was committed is never
 * chosen again, and one that was not committed has left no trace. */
#ifndef PROCESSORS_TASK_INPUT_H
#define PROCESSORS_TASK_INPUT_H

#include "base/error.h"
#include "protocol/record_batch.h"

enum input_status {
    INPUT_RECORD,  /* here is a record */
    INPUT_SKIPPED, /* no record, but the position moved: ask again */
    INPUT_AT_END,  /* nothing was appended behind the position */
    INPUT_WAITING, /* being read: the input wakes its host when there is more */
    INPUT_FAILED,  /* it cannot be read, and another try would not help; `message` says why */
};

struct input;

struct input_ops {
    /* The next record at or behind the position. Its views live until the next call of an op. Every
     * call does a bounded amount of work. At the end it must be cheap: a task with several inputs
     * asks those at their end again for each record of the others. */
    enum input_status (*next)(struct input *in, struct record *out, struct message *message);
    /* Sets the position, which may go back; forgets what was read ahead. */
    void (*seek)(struct input *in, int64_t offset);
    /* Whether nothing is there at or behind an offset. Reads nothing. */
    bool (*is_at_end)(const struct input *in, int64_t offset);
};

struct input {
    const struct input_ops *ops;
    int64_t position;   /* everything below was given or does not exist */
    struct record head; /* of inputs_next: the next record */
    bool has_head;      /* it is kept, because other inputs have earlier ones */
};

/* Goes to an offset. */
void input_seek(struct input *in, int64_t offset);

/* As inputs_next, for more than one. */
enum input_status inputs_merge(struct input *const *inputs, size_t count, size_t *from,
                               struct message *message);

/* The next record of the inputs: it is the head of inputs[*from], and lives until the next call.
 * Another status than INPUT_RECORD is that of inputs[*from]; INPUT_AT_END is that of all. */
static inline enum input_status inputs_next(struct input *const *inputs, size_t count, size_t *from,
                                            struct message *message)
{
    if (count > 1)
        return inputs_merge(inputs, count, from, message);
    *from = 0;
    return inputs[0]->ops->next(inputs[0], &inputs[0]->head, message);
}

#endif
