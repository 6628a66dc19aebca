/* The counters of a task. */
#ifndef PROCESSORS_TASK_TASK_COUNTERS_H
#define PROCESSORS_TASK_TASK_COUNTERS_H

#include <stdint.h>

/* Counters of a task for metrics and status; they never decrease, except gauges. They are part of
 * the state: after a restart they continue from the restored values. In a chain without branches
 *
 *   records_in = passed + absorbed + filtered + nulls + late + duplicates + dead_letters
 *
 * and in one with branches the same holds for every processor (task_processor_counters). */
struct task_counters {
    uint64_t records_in, records_out, filtered, late, late_window_drops, duplicates, dead_letters,
        nulls, panes, steps;
    int64_t watermark;               /* INT64_MIN: none yet */
    int64_t open_windows;            /* gauge; of hopping windows, their slices */
    int64_t state_keys, state_bytes; /* gauges */
    uint64_t passed;                 /* went through the whole chain */
    uint64_t absorbed;               /* went into a window */
    uint64_t tagged;                 /* duplicates that were tagged and passed */
    uint64_t evicted;                /* ids forgotten early because of max-ids */
};
/* The fates of the records that one processor saw since the task was created. */
struct processor_counters {
    uint64_t records_in, passed, absorbed, filtered, nulls, late, duplicates, dead_letters, panes;
};

#endif
