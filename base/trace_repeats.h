/* Lines that repeat (trace.h). Any thread. */
#ifndef BASE_TRACE_REPEATS_H
#define BASE_TRACE_REPEATS_H

#include "base/bytes.h"

struct trace_repeats;

struct trace_repeats *trace_repeats_create(void);
void trace_repeats_free(struct trace_repeats *repeats); /* NULL is fine */

/* Whether to print this line (without its time) now. *repeated: how many times it was counted since
 * it was last printed. */
bool trace_repeats_print(struct trace_repeats *repeats, struct bytes line, int64_t now_ms,
                         int64_t *repeated);

#endif
