/* The parameters of a dedup, beside those of every processor. */
#ifndef PROCESSORS_STEPS_DEDUP_PARAMETERS_H
#define PROCESSORS_STEPS_DEDUP_PARAMETERS_H

#include "processors/topology/parameter_parsers.h"

enum dedup_clock { CLOCK_EVENT, CLOCK_PROCESSING };

struct dedup_parameters {
    struct expression_list id;
    int64_t within_ms, lateness_ms, max_ids;
    int clock; /* enum dedup_clock */
    int scope; /* always the partition */
    bool refresh;
};

static inline struct dedup_parameters *dedup_parameters_of(const struct processor *p)
{
    return p->own;
}

/* For struct processor_type. */
extern const struct parameter dedup_parameters[];
enum error dedup_parameters_check(struct processor *p, const struct processor_check *check);
enum error dedup_parameters_replace(const struct processor *running, const struct processor *next,
                                    struct message *message);
bool dedup_parameters_read_value(const struct processor *p);
void dedup_parameters_free(struct processor *p);

#endif
