/* Lines that repeat (trace.h). Any thread. */
#ifndef BASE_TRACE_REPEATS_H
#define BASE_TRACE_REPEATS_H

#include "base/trace.h"

/* Whether this line (without its time) is to be printed now; *repeated: how many times it was
 * counted since it was printed last. */
bool trace_repeats_print(struct trace_repeats *repeats, struct bytes line, int64_t now_ms,
                         int64_t *repeated);

#endif
