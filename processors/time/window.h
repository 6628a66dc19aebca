/* Windows aligned to the epoch: tumbling and hopping. Times in ms, intervals [start, end).
 *
 * A hopping window consists of slices: the longest intervals that no window boundary cuts, of
 * gcd(size, advance). A record belongs to one slice; a window has size / slice of them. A tumbling
 * window is a single slice. All divisions floor, so times before 1970 are correct too. */
#ifndef PROCESSORS_TIME_WINDOW_H
#define PROCESSORS_TIME_WINDOW_H

#include "base/error.h"

enum { WINDOW_MAX_OVERLAP = 10000 }; /* windows that one record may be in */

struct window {
    int64_t size_ms, advance_ms, offset_ms; /* 0 <= offset < advance */
    int64_t slice_ms;
};

/* Parses "tumbling(5m)", "tumbling(1d; offset=6h)", "hopping(1h; 5m; offset=30s)". On ERR_INVALID
 * the message says why, also for windows that are not built yet. */
MUST_USE enum error window_parse(struct bytes text, struct window *out, struct message *message);

/* Start of the slice that holds `time_ms`. */
int64_t window_slice_start(const struct window *w, int64_t time_ms);
/* End of the first and of the last window that hold `time_ms`; the ends between them are
 * advance_ms apart. */
int64_t window_first_end(const struct window *w, int64_t time_ms);
int64_t window_last_end(const struct window *w, int64_t time_ms);

#endif
