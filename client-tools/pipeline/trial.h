/* Pipelines without a broker. Topics are in memory. When a record is appended, the processors of
 * its topic run at once and append to their outputs, which other processors may read in turn. */
#ifndef CLIENT_TOOLS_PIPELINE_TRIAL_H
#define CLIENT_TOOLS_PIPELINE_TRIAL_H

#include "client-tools/output/record_json.h"
#include "client-tools/pipeline/processor_file.h"
#include "processors/task/task.h"

struct trial;

/* Called for each record that processors write, in the order of the steps. */
typedef void trial_output(void *context, const struct record_place *place,
                          const struct record *record);

/* Every topic has `partitions` partitions. Appends warnings about the configuration to `warnings`,
 * one per line. EXIT_USAGE when a pipeline is not valid. */
bool trial_create(const struct declarations *d, int32_t partitions, trial_output *output,
                  void *context, struct buffer *warnings, struct trial **out, struct failure *f);
void trial_free(struct trial *t); /* NULL is fine */

/* Whether a topic has processors. */
bool trial_has_topic(const struct trial *t, struct bytes topic);
/* The only topic that is no output, or null when there are several. */
struct bytes trial_input(const struct trial *t);

/* Appends a record and runs the processors that read it. Partition -1: the key decides. */
bool trial_append(struct trial *t, const struct record_place *place, const struct record *record,
                  int64_t now_ms, struct failure *f);
/* Commits the open steps. `drain`: first lifts the watermarks, which emits all open windows. */
bool trial_finish(struct trial *t, bool drain, int64_t now_ms, struct failure *f);

/* Counters of one processor, added up over its partitions; index from 0, false at the end. */
bool trial_counters(const struct trial *t, size_t index, struct bytes *topic,
                    struct bytes *processor, struct processor_counters *out);

#endif
