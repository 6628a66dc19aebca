/* A running chain: takes records one by one through its steps, in the order of section 1.
 *
 * It knows nothing of cursors and commits. Its output goes to an outbox and a state delta. */
#ifndef PROCESSORS_TASK_CHAIN_RUN_H
#define PROCESSORS_TASK_CHAIN_RUN_H

#include "processors/steps/step.h"
#include "processors/task/outbox.h"
#include "processors/task/task_counters.h"
#include "processors/topology/chain.h"

struct chain_run {
    const struct chain *chain;
    int32_t partition;
    struct chain_step **steps; /* one per processor, in the chain's order */
    struct step_verdict *verdicts;
    struct dead_letter_reason *reasons;
    bool *is_reached; /* whether the record came to this step */
    bool reads_value; /* some expression or step reads the value */
    int64_t watermark;
    bool is_pending; /* the watermark has completed windows that are not emitted yet */
    struct outbox outbox;
    struct state_delta delta;
    struct arena arena;
    struct task_commit *commit; /* is asked for needs_keys; NULL: no output topic needs keys */
    const struct bytes *topics; /* all output topics */
    size_t topic_count;
    uint8_t *key_rules;            /* by topic: an enum key_rule, for the records of one step */
    struct task_counters counters; /* of records; the steps count the rest */
};

void chain_run_init(struct chain_run *run, const struct chain *chain, int32_t partition);
void chain_run_free(struct chain_run *run);

/* From now on a record without a key for a topic that needs keys is a dead letter. */
void chain_run_ask(struct chain_run *run, const struct bytes *topics, size_t topic_count,
                   struct task_commit *commit);
/* A step ends: the next one asks again, because the configs of a topic may change. */
void chain_run_forget_answers(struct chain_run *run);

/* Takes one record through the chain; no windows may be pending. */
void chain_run_record(struct chain_run *run, const struct record *record,
                      const struct record_clock *clock);
/* Raises the watermark; the windows that it completes are pending afterwards. */
void chain_run_raise(struct chain_run *run, int64_t watermark);
/* Emits pending windows, at most *budget panes, and subtracts their number from it. */
void chain_run_advance(struct chain_run *run, size_t *budget);
/* The step of a processor, or NULL. */
struct chain_step *chain_run_find(const struct chain_run *run, struct bytes processor);

#endif
