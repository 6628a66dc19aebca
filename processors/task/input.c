#include "processors/task/input.h"

void input_seek(struct input *in, int64_t offset)
{
    in->has_head = false;
    in->ops->seek(in, offset);
}

enum input_status inputs_merge(struct input *const *inputs, size_t count, size_t *from,
                               struct message *message)
{
    size_t first = count;
    for (size_t i = 0; i < count; i++) {
        struct input *in = inputs[i];
        if (!in->has_head) {
            enum input_status status = in->ops->next(in, &in->head, message);
            if (status == INPUT_AT_END)
                continue;
            *from = i;
            if (status != INPUT_RECORD)
                return status;
            in->has_head = true;
        }
        if (first == count || in->head.timestamp < inputs[first]->head.timestamp)
            first = i;
    }
    if (first == count)
        return INPUT_AT_END;
    inputs[first]->has_head = false;
    *from = first;
    return INPUT_RECORD;
}
