#include "tests/simulation/support_chronicle.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define REACH_TEXT(name, text) text,
const char *const reach_texts[REACH_COUNT] = {REACHES(REACH_TEXT)};
#undef REACH_TEXT

void chronicle_init(struct chronicle *c, uint64_t seed, bool verbose, uint64_t *reached)
{
    memset(c, 0, sizeof *c);
    c->seed = seed;
    c->hash = 0xcbf29ce484222325;
    c->verbose = verbose;
    c->reached = reached;
}

void chronicle_note(struct chronicle *c, const char *format, ...)
{
    char *line = c->lines[c->events % CHRONICLE_LINES];
    va_list args;
    int size = snprintf(line, CHRONICLE_LINE_SIZE, "%8" PRId64 " ", c->now_ms);
    va_start(args, format);
    vsnprintf(line + size, (size_t)(CHRONICLE_LINE_SIZE - size), format, args);
    va_end(args);
    for (const char *at = line; *at; at++)
        c->hash = (c->hash ^ (uint8_t)*at) * 0x100000001b3;
    c->events++;
    if (c->verbose)
        printf("%s\n", line);
}

void chronicle_reach(struct chronicle *c, enum reach reach)
{
    c->reached[reach]++;
}

void chronicle_fail(struct chronicle *c, const char *rule, const char *format, ...)
{
    va_list args;
    uint64_t first = c->events > CHRONICLE_LINES ? c->events - CHRONICLE_LINES : 0;
    for (uint64_t i = first; i < c->events && !c->verbose; i++)
        printf("%s\n", c->lines[i % CHRONICLE_LINES]);
    printf("at %" PRId64 " ms, broken rule: %s\n  ", c->now_ms, rule);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\nreplay: simulation_test_broker --seed %" PRIu64 " --verbose\n", c->seed);
    fflush(stdout);
    _exit(1);
}
