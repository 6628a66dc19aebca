/* Pipelines without a broker: topics are made in memory, records are appended to them, processors
 * run at once and append to their outputs, which other processors may read in turn. */
#ifndef CLIENT_TOOLS_PIPELINE_TRIAL_H
#define CLIENT_TOOLS_PIPELINE_TRIAL_H

#include "client-tools/output/record_json.h"
#include "client-tools/pipeline/processor_file.h"
#include "processors/task/task.h"

struct trial;

/* Sees each record that processors write, in the order of the steps. */
typedef void trial_output(void *context, const struct record_place *place,
                          const struct record *record);

/* Every topic has `partitions` partitions. Warnings of the configuration are appended to
 * `warnings`, one per line. EXIT_USAGE when a pipeline is not valid. */
bool trial_create(const struct declarations *d, int32_t partitions, trial_output *output,
                  void *context, struct buffer *warnings, struct trial **out, struct failure *f);
void trial_free(struct trial *t); /* NULL is fine */

/* Whether a topic has processors. */
bool trial_has_topic(const struct trial *t, struct bytes topic);
/* The only topic that is no other's output, or null when there are several. */
struct bytes trial_input(const struct trial *t);

/* Appends a record and runs what reads it. The partition -1: by key. */
bool trial_append(struct trial *t, const struct record_place *place, const struct record *record,
                  int64_t now_ms, struct failure *f);
/* Commits what is open. `drain`: as if all time had passed, so that every window speaks. */
bool trial_finish(struct trial *t, bool drain, int64_t now_ms, struct failure *f);

/* Counters of one processor, added up over its partitions; index from 0, false at the end. */
bool trial_counters(const struct trial *t, size_t index, struct bytes *topic,
                    struct bytes *processor, struct processor_counters *out);

#endif
