/* A host in a test. The model keeps committed steps in memory (a world's outputs and state, and the
 * cursors), and a restart continues from there. Records come as batches or as single messages. The
 * model notes ops as text. */
#ifndef TESTS_PROCESSORS_SUPPORT_HOST_H
#define TESTS_PROCESSORS_SUPPORT_HOST_H

#include "processors/task/host.h"
#include "tests/processors/support_task.h"

enum { MODEL_INPUTS_MAX = 3, MODEL_STEPS_MAX = 64 };

/* The behaviour of an input that is asked for a record. */
enum model_mood { MODEL_GIVES, MODEL_WAITS, MODEL_FAILS };

struct model_input {
    struct batch_input batches;
    struct batch_source source;
    struct input messages;
    struct record *records; /* owned, with their offsets */
    size_t count;
    int64_t end;       /* one after the last used offset */
    size_t batch_size; /* records of a batch, at most */
    enum codec codec;
    bool has_control;    /* a control batch and one without records follow each batch */
    struct bytes memory; /* of the last batch or message */
    enum model_mood mood;
};

struct model {
    struct world world; /* topology, outputs and durable state */
    struct host host;
    struct model_input inputs[MODEL_INPUTS_MAX];
    struct input *list[MODEL_INPUTS_MAX];
    size_t input_count;
    bool as_messages, keeps_open;      /* as_messages: records come as messages, not as batches */
    int64_t cursors[MODEL_INPUTS_MAX]; /* durable */
    bool has_cursors, has_host;
    struct host_slice slice;
    int64_t begin_offset; /* where a new task begins */
    bool holds_answers;   /* model_answer makes steps durable */
    bool waits;           /* steps wait for their output topic */
    bool hides_placing;   /* the owner never finds a first offset */
    struct step held[MODEL_STEPS_MAX];
    size_t held_count;
    struct step waiting;
    struct buffer steps; /* all bytes of every step that became durable */
    size_t step_count;
    struct buffer trace;
};

void model_init(struct model *m, size_t input_count, const char *sections);
void model_free(struct model *m);
/* Adds a record to an input, after a hole of `hole` offsets. */
void model_put(struct model *m, size_t input, int64_t hole, const struct record *record);
void model_put_text(struct model *m, size_t input, int64_t timestamp, const char *key,
                    const char *value);
/* Makes a host that awaits its rows (RESTORING). */
void model_begin(struct model *m);
/* Starts a host with the durable cursors and state. */
void model_start(struct model *m);
/* A crash: loses everything that is not durable, and starts another host. */
void model_restart(struct model *m);
/* Runs slices until there is nothing more to do now. */
void model_run(struct model *m);
/* Reports the result of the steps that are held, in order. */
void model_answer(struct model *m, enum error result);
/* Commits the step that waits. */
void model_take_waiting(struct model *m);
/* The ops since the last call: one word or sentence for each, separated by "; ". */
const char *model_trace(struct model *m);
/* Another definition: a parameter has another value. */
void model_change(struct model *m, const char *name, const char *value);

#endif
