/* The parameters of an aggregate, beside those of every processor. */
#ifndef PROCESSORS_STEPS_AGGREGATE_PARAMETERS_H
#define PROCESSORS_STEPS_AGGREGATE_PARAMETERS_H

#include "processors/steps/select.h"
#include "processors/time/window.h"
#include "processors/topology/parameter_parsers.h"

enum output_key { OUTPUT_KEY_JSON, OUTPUT_KEY_GROUP, OUTPUT_KEY_KAFKA_WINDOWED };
enum output_time { OUTPUT_TIME_MAX_EVENT, OUTPUT_TIME_WINDOW_END };
enum window_format { WINDOW_FORMAT_EPOCH_MS, WINDOW_FORMAT_ISO };
enum on_type_error { ON_TYPE_ERROR_DLQ, ON_TYPE_ERROR_SKIP };
enum on_missing_key { ON_MISSING_KEY_DLQ, ON_MISSING_KEY_DROP, ON_MISSING_KEY_NULL };
enum nulls { NULLS_SKIP, NULLS_COUNT };

struct aggregate_parameters {
    struct expression_list group_by;
    bool grouped_by_key; /* group-by is `key` alone: the grouping key is the record's key */
    struct window window;
    int64_t lateness_ms;
    struct select select;
    int emit; /* only final */
    int output_key, output_timestamp, window_format;
    int on_type_error, on_missing_key, nulls;
};

static inline struct aggregate_parameters *aggregate_parameters_of(const struct processor *p)
{
    return p->own;
}

/* For struct processor_type. */
extern const struct parameter aggregate_parameters[];
enum error aggregate_parameters_check(struct processor *p, const struct processor_check *check);
enum error aggregate_parameters_replace(const struct processor *running,
                                        const struct processor *next, struct message *message);
bool aggregate_parameters_read_value(const struct processor *p);
void aggregate_parameters_free(struct processor *p);

#endif
