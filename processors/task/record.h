/* A record on its way through a chain, as every step sees it. */
#ifndef PROCESSORS_TASK_RECORD_H
#define PROCESSORS_TASK_RECORD_H

#include "processors/expression/expression.h"

/* The time at a record. */
struct record_clock {
    int64_t wall_ms;   /* for the future guard and the times in dead letters */
    int64_t steady_ms; /* the processing-time clock: it never leaps */
};

struct chain_record {
    const struct record *record; /* as the step before it passed it */
    int32_t partition;
    struct bytes topic;
    bool value_is_json;
    int64_t event_time; /* unknown to a step that judges before it (validate as the first) */
    int64_t watermark;  /* its value before this record */
    struct record_clock clock;
    struct arena *arena; /* lives as long as the record */
};

static inline struct expression_input chain_record_input(const struct chain_record *r)
{
    return (struct expression_input){
        .record = r->record,
        .partition = r->partition,
        .topic = r->topic,
        .value_is_json = r->value_is_json,
    };
}

#endif
