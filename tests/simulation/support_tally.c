#include "tests/simulation/support_tally.h"

#include "tests/simulation/support_pipeline.h"

#include <stdlib.h>

/* As the configs of the pipeline say. */
enum { WINDOW_MS = 20000, OUT_OF_ORDER_MS = 5000 };

static const char rule[] = "every input record is accounted for, once";

/* How often a record of the input was read in each topic. */
enum place { IN, PASSED, REPEATED, DEAD, LATE, EVEN, EVEN_DEAD, PLACES };

struct counts {
    uint32_t at[PLACES];
};

/* The records of a task with the same key in a window. */
struct group {
    int32_t partition;
    char key[16];
    int64_t start, records, sum;
    bool is_emitted;
};

struct tally {
    struct facts *facts;
    struct counts *counts[FACT_PRODUCERS]; /* of each record of each batch */
    struct group *groups;
    size_t group_count, group_capacity;
    int64_t newest_ms[FACT_PARTITIONS]; /* event time, of an input partition */
};

struct origin {
    uint32_t producer, serial, index;
};

static struct origin origin_of(const struct tally *t, const struct record *r)
{
    struct record_header header;
    struct origin o;
    if (!record_header_find(r, BYTES_LITERAL("i"), &header) || header.value.size != 12)
        chronicle_fail(t->facts->chronicle, rule, "a record without its sender");
    o.producer = load_be32(header.value.data);
    o.serial = load_be32(header.value.data + 4);
    o.index = load_be32(header.value.data + 8);
    if (o.producer >= FACT_PRODUCERS || o.serial >= t->facts->batch_count[o.producer] ||
        o.index >= FACT_BATCH_RECORDS)
        chronicle_fail(t->facts->chronicle, rule, "a record with an unknown sender");
    return o;
}

static struct counts *counts_of(const struct tally *t, struct origin o)
{
    return &t->counts[o.producer][o.serial * FACT_BATCH_RECORDS + o.index];
}

/* The value that the producer has put into the field x. */
static int64_t value_of(struct origin o)
{
    return (int64_t)o.serial * 10 + o.index;
}

static bool is_whole(const struct record *r)
{
    return r->value.size > 0 && r->value.data[r->value.size - 1] == '}';
}

/* --- windows --- */

static struct group *group_of(struct tally *t, int32_t partition, struct bytes key, int64_t start)
{
    for (size_t i = 0; i < t->group_count; i++) {
        struct group *g = &t->groups[i];
        if (g->partition == partition && g->start == start && bytes_equal_string(key, g->key))
            return g;
    }
    if (t->group_count == t->group_capacity) {
        t->group_capacity = MAX(2 * t->group_capacity, (size_t)64);
        t->groups = xrealloc(t->groups, t->group_capacity * sizeof *t->groups);
    }
    struct group *g = &t->groups[t->group_count++];
    *g = (struct group){.partition = partition, .start = start};
    memcpy(g->key, key.data, MIN(key.size, sizeof g->key - 1));
    return g;
}

static void add_to_window(struct tally *t, struct origin o, const struct record *r, int64_t count)
{
    int32_t partition = t->facts->batches[o.producer][o.serial]->partition->index;
    struct group *g = group_of(t, partition, r->key, r->timestamp / WINDOW_MS * WINDOW_MS);
    g->records += count;
    g->sum += count * value_of(o);
}

/* The number after "name": in the value. */
static int64_t field(struct bytes value, const char *name)
{
    const char *at = memmem(value.data, value.size, name, strlen(name));
    char text[24] = "";
    size_t from = at ? (size_t)((const uint8_t *)at - value.data) + strlen(name) : value.size;
    memcpy(text, value.data + from, MIN(value.size - from, sizeof text - 1));
    return strtoll(text, NULL, 10);
}

static struct bytes key_field(struct bytes value)
{
    const uint8_t *at = memmem(value.data, value.size, "\"key\":\"", 7);
    return at ? bytes_of(at + 7, 2) : BYTES_NULL; /* the keys are k0 to k4 */
}

static void take_result(struct tally *t, const struct record *r)
{
    int64_t start = field(r->value, "\"window_start\":"), records = field(r->value, "\"n\":"),
            sum = field(r->value, "\"x\":");
    struct bytes key = key_field(r->value);
    for (int32_t p = 0; p < PIPELINE_PARTITIONS; p++) {
        struct group *g = group_of(t, p, key, start);
        if (!g->is_emitted && g->records == records && g->sum == sum && records > 0) {
            g->is_emitted = true;
            return;
        }
    }
    chronicle_fail(t->facts->chronicle, "a window has exactly its records", "%.*s",
                   BYTES_PRINTF(r->value));
}

static void check_open(const struct tally *t)
{
    for (size_t i = 0; i < t->group_count; i++) {
        const struct group *g = &t->groups[i];
        int64_t watermark = t->newest_ms[g->partition] - OUT_OF_ORDER_MS;
        if (g->records > 0 && !g->is_emitted && g->start + WINDOW_MS <= watermark)
            chronicle_fail(t->facts->chronicle, "a complete window has a result",
                           "partition %d key %s start %lld: %lld records", g->partition, g->key,
                           (long long)g->start, (long long)g->records);
    }
}

/* --- records --- */

/* Which processor has refused a record, of the names in its dead letter. */
static bool is_from_even(const struct record *r)
{
    struct record_header header;
    return record_header_find(r, BYTES_LITERAL("__dlq.errors.processor"), &header) &&
           bytes_equal_string(header.value, "even");
}

static enum place place_of(const char *topic, const struct record *r)
{
    if (strcmp(topic, "passed") == 0)
        return PASSED;
    if (strcmp(topic, "repeated") == 0)
        return REPEATED;
    if (strcmp(topic, "late") == 0)
        return LATE;
    if (strcmp(topic, "even") == 0)
        return EVEN;
    if (strcmp(topic, "dlq.in") == 0)
        return is_from_even(r) ? EVEN_DEAD : DEAD;
    return IN;
}

static void take_record(struct tally *t, const char *topic, const struct record *r)
{
    struct origin o = origin_of(t, r);
    enum place place = place_of(topic, r);
    int32_t partition = t->facts->batches[o.producer][o.serial]->partition->index;
    counts_of(t, o)->at[place]++;
    if (place == PASSED || place == REPEATED)
        t->newest_ms[partition] = MAX(t->newest_ms[partition], r->timestamp);
    if (place == PASSED)
        add_to_window(t, o, r, 1);
}

/* Late records have the time of their append, so the passed ones say in which window they lack. */
static void take_away_late(struct tally *t, const struct record *r)
{
    struct origin o = origin_of(t, r);
    struct counts *c = counts_of(t, o);
    if (c->at[LATE] == 0)
        return;
    c->at[LATE]--;
    add_to_window(t, o, r, -1);
}

static void each_record(struct tally *t, const char *topic,
                        void (*take)(struct tally *t, const struct fact_topic *topic,
                                     const struct record *r))
{
    const struct fact_topic *found = facts_topic(t->facts, topic);
    for (int p = 0; found && p < found->partition_count; p++) {
        for (int64_t i = 0; i < found->partitions[p].end; i++)
            take(t, found, &found->partitions[p].kept[i]);
    }
}

static void take_any(struct tally *t, const struct fact_topic *topic, const struct record *r)
{
    take_record(t, topic->name, r);
}

static void take_passed(struct tally *t, const struct fact_topic *topic, const struct record *r)
{
    (void)topic;
    take_away_late(t, r);
}

static void take_sum(struct tally *t, const struct fact_topic *topic, const struct record *r)
{
    (void)topic;
    take_result(t, r);
}

static void check_record(struct tally *t, const struct fact_topic *topic, const struct record *r)
{
    struct origin o = origin_of(t, r);
    const struct counts *c = counts_of(t, o);
    const uint32_t *at = c->at;
    bool is_even = value_of(o) % 2 == 0;
    (void)topic;
    /* A value that is no JSON is null for a filter. */
    uint32_t even = is_whole(r) && is_even ? at[IN] : 0;
    if (at[PASSED] + at[REPEATED] + at[DEAD] != at[IN] || at[LATE] > at[PASSED] ||
        (!is_whole(r) && at[DEAD] != at[IN]) || at[EVEN] != even || at[EVEN_DEAD] > 0)
        chronicle_fail(t->facts->chronicle, rule,
                       "producer %u batch %u record %u: in %u passed %u repeated %u dead %u late "
                       "%u even %u dead there %u",
                       o.producer, o.serial, o.index, at[IN], at[PASSED], at[REPEATED], at[DEAD],
                       at[LATE], at[EVEN], at[EVEN_DEAD]);
}

void tally_check(struct facts *f)
{
    static const char *const topics[] = {PIPELINE_TOPIC, "passed", "repeated",
                                         "late",         "even",   "dlq.in"};
    struct tally t = {.facts = f};
    for (int p = 0; p < FACT_PRODUCERS; p++)
        t.counts[p] = xcalloc(f->batch_count[p] * FACT_BATCH_RECORDS + 1, sizeof *t.counts[p]);
    for (size_t i = 0; i < COUNT_OF(topics); i++)
        each_record(&t, topics[i], take_any);
    each_record(&t, PIPELINE_TOPIC, check_record);
    each_record(&t, "passed", take_passed);
    each_record(&t, "sums", take_sum);
    check_open(&t);
    for (int p = 0; p < FACT_PRODUCERS; p++)
        free(t.counts[p]);
    free(t.groups);
}
