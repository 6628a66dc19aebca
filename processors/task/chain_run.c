#include "processors/task/chain_run.h"

#include "base/compiler.h"
#include "processors/json/json.h"

#include <stdlib.h>

/* Memory that the expressions of one record may take. */
static const size_t MAX_RECORD_ARENA = (size_t)1 << 30;

enum key_rule { KEY_RULE_UNKNOWN, KEY_RULE_NEEDED, KEY_RULE_NONE };

void chain_run_init(struct chain_run *run, const struct chain *chain, int32_t partition)
{
    ASSERT(chain->count > 0 && chain->processors[0]->parent == NO_PARENT);
    *run = (struct chain_run){
        .chain = chain,
        .partition = partition,
        .steps = xcalloc(chain->count, sizeof(struct chain_step *)),
        .verdicts = xcalloc(chain->count, sizeof *run->verdicts),
        .reasons = xcalloc(chain->count, sizeof *run->reasons),
        .is_reached = xcalloc(chain->count, sizeof *run->is_reached),
        .watermark = WATERMARK_NONE,
    };
    outbox_init(&run->outbox);
    state_delta_init(&run->delta);
    arena_init(&run->arena, MAX_RECORD_ARENA);
    for (size_t i = 0; i < chain->count; i++) {
        struct chain_step *s = run->steps[i] = step_create(chain->processors[i]);
        s->topic = chain->topic;
        s->partition = partition;
        s->outbox = &run->outbox;
        s->delta = &run->delta;
        /* Checking whether the value is JSON costs more than most steps. */
        run->reads_value |= processor_reads_value(chain->processors[i]);
    }
}

void chain_run_free(struct chain_run *run)
{
    for (size_t i = 0; i < run->chain->count; i++)
        step_free(run->steps[i]);
    free(run->steps);
    free(run->verdicts);
    free(run->reasons);
    free(run->is_reached);
    free(run->key_rules);
    outbox_free(&run->outbox);
    state_delta_free(&run->delta);
    arena_free(&run->arena);
}

void chain_run_ask(struct chain_run *run, const struct bytes *topics, size_t topic_count,
                   struct task_commit *commit)
{
    free(run->key_rules);
    run->commit = commit;
    run->topics = topics;
    run->topic_count = topic_count;
    run->key_rules = xcalloc(topic_count + 1, sizeof *run->key_rules);
}

void chain_run_forget_answers(struct chain_run *run)
{
    if (run->key_rules)
        memset(run->key_rules, KEY_RULE_UNKNOWN, run->topic_count);
}

struct chain_step *chain_run_find(const struct chain_run *run, struct bytes processor)
{
    for (size_t i = 0; i < run->chain->count; i++) {
        if (bytes_equal(run->chain->processors[i]->name, processor))
            return run->steps[i];
    }
    return NULL;
}

/* Judging. */

static bool extract_time(struct chain_run *run, struct chain_record *r)
{
    struct expression_input input = chain_record_input(r);
    if (event_time_of(&chain_first(run->chain)->time, &input, r->clock.wall_ms, r->arena,
                      &r->event_time, &run->reasons[0]))
        return true;
    run->verdicts[0].fate = FATE_DEAD;
    return false;
}

/* Whether the record reaches step i: the step before it let the record pass. */
static bool reaches(const struct chain_run *run, size_t i)
{
    int parent = run->chain->processors[i]->parent;
    return parent == NO_PARENT ||
           (run->is_reached[parent] && run->verdicts[parent].fate == FATE_PASSED);
}

static void judge_step(struct chain_run *run, size_t i, struct chain_record *r)
{
    int parent = run->chain->processors[i]->parent;
    ASSERT(parent < (int)i);
    if (parent != NO_PARENT)
        r->record = run->verdicts[parent].record;
    run->verdicts[i] = (struct step_verdict){.fate = FATE_PASSED, .record = r->record};
    run->steps[i]->type->judge(run->steps[i], r, &run->verdicts[i], &run->reasons[i]);
    ASSERT(run->verdicts[i].fate < FATE_COUNT && run->verdicts[i].record);
}

static size_t record_bytes(const struct record *r)
{
    return r->key.size + r->value.size + r->headers.size;
}

/* Where the verdict of step i sends the record, or NO_TOPIC. */
static int topic_of(const struct chain_run *run, size_t i)
{
    const struct processor *p = run->chain->processors[i];
    enum fate fate = run->verdicts[i].fate;
    return fate == FATE_PASSED      ? p->output_topic
           : fate == FATE_LATE      ? p->late_topic
           : fate == FATE_DUPLICATE ? p->duplicates_topic
                                    : NO_TOPIC;
}

/* Bytes that the task writes because of the verdict of step i. */
static size_t writes_of(const struct chain_run *run, size_t i)
{
    const struct step_verdict *v = &run->verdicts[i];
    int topic = topic_of(run, i);
    return v->state_bytes + (topic != NO_TOPIC ? record_bytes(v->record) : 0);
}

/* An upper bound of what the verdicts make the task write. Most steps pass on the record that they
 * got. */
static size_t most_written(const struct chain_run *run)
{
    const struct record *record = NULL;
    size_t sum = 0, size = 0;
    for (size_t i = 0; i < run->chain->count; i++) {
        if (!run->is_reached[i])
            continue;
        if (run->verdicts[i].record != record)
            size = record_bytes(record = run->verdicts[i].record);
        sum += run->verdicts[i].state_bytes + size;
    }
    return sum;
}

/* Whether one committed step can hold all that the record writes. If not, *failed is the processor
 * that exceeds the limit. One copy is always allowed, because a dead letter would be a copy too. */
static bool writes_fit(struct chain_run *run, size_t *failed)
{
    if (most_written(run) <= STEP_WRITE_MAX)
        return true;
    size_t sum = 0;
    for (size_t i = 0; i < run->chain->count; i++) {
        size_t before = sum, writes = run->is_reached[i] ? writes_of(run, i) : 0;
        sum += writes;
        bool is_alone = before == 0 && run->verdicts[i].state_bytes == 0;
        if (sum <= STEP_WRITE_MAX || writes == 0 || is_alone)
            continue;
        step_fail(&run->verdicts[i], &run->reasons[i], DEAD_OUTPUT_TOO_LARGE,
                  "the processors of topic %.*s would write %zu bytes for this record, more than "
                  "the limit of %zu: give them fewer outputs or smaller records",
                  BYTES_PRINTF(run->chain->topic), sum, STEP_WRITE_MAX);
        *failed = i;
        return false;
    }
    return true;
}

static bool needs_keys(struct chain_run *run, int topic)
{
    if (run->commit == NULL || run->commit->needs_keys == NULL)
        return false;
    uint8_t *rule = &run->key_rules[topic];
    if (*rule == KEY_RULE_UNKNOWN)
        *rule = run->commit->needs_keys(run->commit, run->topics[topic]) ? KEY_RULE_NEEDED
                                                                         : KEY_RULE_NONE;
    return *rule == KEY_RULE_NEEDED;
}

/* A cleaner would drop a record without a key from a compacted topic, and nobody would learn of
 * it. If there is one, *failed is the processor that would write it. */
static bool keys_fit(struct chain_run *run, size_t *failed)
{
    for (size_t i = 0; i < run->chain->count; i++) {
        if (!run->is_reached[i] || !bytes_is_null(run->verdicts[i].record->key))
            continue;
        int topic = topic_of(run, i);
        if (topic == NO_TOPIC || !needs_keys(run, topic))
            continue;
        step_fail(&run->verdicts[i], &run->reasons[i], DEAD_KEY_MISSING,
                  "the topic %.*s has cleanup.policy=compact, so each of its records needs a key, "
                  "and this record has none: produce it with a key, or name another topic",
                  BYTES_PRINTF(run->topics[topic]));
        *failed = i;
        return false;
    }
    return true;
}

/* Lets every step judge. False: the record is a dead letter because of the step *failed. */
static bool judge_record(struct chain_run *run, struct chain_record *r, size_t *failed)
{
    *failed = 0;
    bool time_first = !run->steps[0]->type->before_time;
    for (size_t i = 0; i < run->chain->count; i++)
        run->is_reached[i] = false;
    run->is_reached[0] = true;
    if (time_first && !extract_time(run, r))
        return false;
    for (size_t i = 0; i < run->chain->count; i++) {
        run->is_reached[i] = reaches(run, i);
        if (!run->is_reached[i])
            continue;
        judge_step(run, i, r);
        *failed = i;
        if (run->verdicts[i].fate == FATE_DEAD || (i == 0 && !time_first && !extract_time(run, r)))
            return false;
    }
    return writes_fit(run, failed) && keys_fit(run, failed);
}

/* Applying. */

/* A record that passes keeps its key, so it stays with the records of the same key. */
static inline __attribute__((always_inline)) void pass_to(struct chain_run *run, int topic,
                                                          const struct record *record)
{
    ASSERT(topic != NO_TOPIC);
    struct route route = bytes_is_null(record->key) ? route_to(topic, run->partition)
                                                    : route_by_key(topic, record->key);
    outbox_add(&run->outbox, route, record);
}

static void add_dead_letter(struct chain_run *run, size_t i, int topic,
                            const struct chain_record *r)
{
    const struct processor *p = run->chain->processors[i];
    struct dead_letter_origin origin = {
        .topic = run->chain->topic,
        .processor = p->name,
        .version = p->version,
        .partition = run->partition,
        .wall_ms = r->clock.wall_ms,
        .watermark = r->watermark,
    };
    dead_letter_add(&run->outbox, route_to(topic, run->partition), run->verdicts[i].record, &origin,
                    &run->reasons[i]);
}

static void apply_step(struct chain_run *run, size_t i, const struct chain_record *r)
{
    struct chain_step *s = run->steps[i];
    const struct processor *p = s->processor;
    struct task_counters *c = &run->counters;
    enum fate fate = run->verdicts[i].fate;
    ASSERT(fate < FATE_DEAD); /* bury() handles dead letters */
    s->fates[fate]++;
    if (s->type->stateful)
        s->type->apply(s, r, fate);
    switch (fate) {
    case FATE_PASSED:
        c->passed += !p->has_follower;
        if (p->output_topic != NO_TOPIC) {
            pass_to(run, p->output_topic, run->verdicts[i].record);
            c->records_out++;
        }
        break;
    case FATE_ABSORBED:
        c->absorbed++;
        break;
    case FATE_FILTERED:
        c->filtered++;
        break;
    case FATE_NULL:
        c->nulls++;
        break;
    case FATE_LATE:
        c->late++;
        if (p->late_topic != NO_TOPIC)
            add_dead_letter(run, i, p->late_topic, r);
        break;
    case FATE_DUPLICATE:
        c->duplicates++;
        if (p->duplicates_topic != NO_TOPIC)
            pass_to(run, p->duplicates_topic, run->verdicts[i].record);
        break;
    case FATE_DEAD:
    case FATE_COUNT:
        break;
    }
}

/* Makes the whole record a dead letter. No step keeps any of it; those before count it as passed.
 */
static void bury(struct chain_run *run, size_t failed, const struct chain_record *r)
{
    ASSERT(run->verdicts[failed].fate == FATE_DEAD);
    run->counters.dead_letters++;
    run->steps[failed]->fates[FATE_DEAD]++;
    for (int i = run->chain->processors[failed]->parent; i != NO_PARENT;
         i = run->chain->processors[i]->parent)
        run->steps[i]->fates[FATE_PASSED]++;
    add_dead_letter(run, failed, run->chain->processors[failed]->dead_letter_topic, r);
}

void chain_run_record(struct chain_run *run, const struct record *record,
                      const struct record_clock *clock)
{
    ASSERT(!run->is_pending);
    size_t at, failed;
    arena_reset(&run->arena);
    struct chain_record r = {
        .record = record,
        .partition = run->partition,
        .topic = run->chain->topic,
        .value_is_json = run->reads_value && !bytes_is_null(record->value) &&
                         json_check(record->value, &at) == NULL,
        .watermark = run->watermark,
        .clock = *clock,
        .arena = &run->arena,
    };
    run->counters.records_in++;
    run->verdicts[0].record = record;
    if (!judge_record(run, &r, &failed)) {
        bury(run, failed, &r);
        return;
    }
    for (size_t i = 0; i < run->chain->count; i++) {
        if (!run->is_reached[i])
            continue;
        int parent = run->chain->processors[i]->parent;
        r.record = parent == NO_PARENT ? record : run->verdicts[parent].record;
        apply_step(run, i, &r);
    }
    chain_run_raise(run,
                    watermark_after(&chain_first(run->chain)->time, run->watermark, r.event_time));
}

void chain_run_raise(struct chain_run *run, int64_t watermark)
{
    run->watermark = MAX(run->watermark, watermark);
    run->is_pending = true;
}

void chain_run_advance(struct chain_run *run, size_t *budget)
{
    if (!run->is_pending)
        return;
    struct advance advance = {.watermark = run->watermark, .budget = *budget};
    bool is_done = true;
    for (size_t i = 0; i < run->chain->count && is_done; i++) {
        if (run->steps[i]->type->stateful)
            is_done = run->steps[i]->type->advance(run->steps[i], &advance);
    }
    ASSERT(advance.budget <= *budget);
    *budget = advance.budget;
    run->is_pending = !is_done;
}
