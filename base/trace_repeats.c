#include "base/trace_repeats.h"

#include "base/compiler.h"

#include <pthread.h>
#include <stdlib.h>

enum { LINES = 64, QUIET_MS = 10000 };

/* A line is known by its hash: a collision of two recent lines is very unlikely. A new line
 * replaces the one that was printed the longest time ago, whose count is lost. */
struct trace_repeats {
    pthread_mutex_t mutex;
    struct seen {
        uint64_t hash;
        int64_t printed_ms, count;
    } lines[LINES];
};

struct trace_repeats *trace_repeats_create(void)
{
    struct trace_repeats *r = xcalloc(1, sizeof *r);
    pthread_mutex_init(&r->mutex, NULL);
    for (size_t i = 0; i < LINES; i++)
        r->lines[i].printed_ms = INT64_MIN;
    return r;
}

void trace_repeats_free(struct trace_repeats *repeats)
{
    if (repeats == NULL)
        return;
    pthread_mutex_destroy(&repeats->mutex);
    free(repeats);
}

static uint64_t hash_of(struct bytes line)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < line.size; i++)
        hash = (hash ^ line.data[i]) * 1099511628211u;
    return hash;
}

static struct seen *place_of(struct trace_repeats *r, uint64_t hash)
{
    struct seen *oldest = r->lines;
    for (struct seen *s = r->lines; s < r->lines + LINES; s++) {
        if (s->printed_ms != INT64_MIN && s->hash == hash)
            return s;
        if (s->printed_ms < oldest->printed_ms)
            oldest = s;
    }
    *oldest = (struct seen){.hash = hash, .printed_ms = INT64_MIN};
    return oldest;
}

bool trace_repeats_print(struct trace_repeats *repeats, struct bytes line, int64_t now_ms,
                         int64_t *repeated)
{
    uint64_t hash = hash_of(line);
    pthread_mutex_lock(&repeats->mutex);
    struct seen *s = place_of(repeats, hash);
    /* If the clock was set back, the ten seconds begin again. */
    bool quiet =
        s->printed_ms != INT64_MIN && now_ms >= s->printed_ms && now_ms - s->printed_ms < QUIET_MS;
    *repeated = s->count;
    s->count = quiet ? s->count + 1 : 0;
    if (!quiet)
        s->printed_ms = now_ms;
    pthread_mutex_unlock(&repeats->mutex);
    return !quiet;
}
