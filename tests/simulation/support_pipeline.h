/* The records that the processors of a simulated run must have written: the same as tasks write
 * that read the stored input in one go, from the first record to the last, and are never
 * interrupted.
 *
 * Each partition of an output must have the records of every task in the task's order, each once,
 * and no others. */
#ifndef TESTS_SIMULATION_SUPPORT_PIPELINE_H
#define TESTS_SIMULATION_SUPPORT_PIPELINE_H

#include "tests/simulation/support_facts.h"

/* The topic with processors, its partitions, and the configs that declare them. */
#define PIPELINE_TOPIC "in"
enum { PIPELINE_PARTITIONS = 2 };
extern const char *const pipeline_configs[];

struct pipeline;

/* Runs the tasks over everything that was read of the input. */
struct pipeline *pipeline_create(struct facts *f);
void pipeline_free(struct pipeline *p);
/* Whether all outputs have as many records as expected, as far as the clients know. */
bool pipeline_is_complete(const struct pipeline *p, struct facts *f);
/* Compares all records that were read. */
void pipeline_check(struct pipeline *p, struct facts *f);

#endif
