/* The results of a recovery. */
#ifndef STORAGE_RECOVERY_REPORT_H
#define STORAGE_RECOVERY_REPORT_H

#include <stdbool.h>
#include <stdint.h>

struct recovery_report {
    bool clean; /* the last run had checkpointed everything */
    int64_t journal_bytes, entries, batches, rows, cut_bytes;
    int logs, damaged, damaged_logs; /* damaged: journals */
    int64_t took_ms;
};

#endif
