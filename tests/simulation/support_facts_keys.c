/* Rules over compacted topics: each key keeps its last record, and nothing comes back. */
#include "tests/simulation/support_facts.h"

enum { KEYS_MAX = 256 };

static bool is_there(const struct fact_mark *mark, uint64_t since_step)
{
    return mark->seen_step >= since_step && mark->key > 0;
}

/* Whether a cleaner may have removed a tombstone that no record has replaced. A leap of the wall
 * clock may have moved the time that the cleaner trusts. */
static bool may_have_expired(const struct facts *f, const struct fact_topic *t,
                             const struct fact_mark *mark)
{
    return f->machine->now_ms - mark->sent_ms >= t->tombstones_ms - f->machine->ahead_ms;
}

/* The last record of a key. */
static void check_last(struct facts *f, const struct fact_partition *p, int64_t offset,
                       uint64_t since_step)
{
    const struct fact_mark *mark = &p->marks[offset];
    if (is_there(mark, since_step)) {
        if (mark->is_tombstone)
            chronicle_reach(f->chronicle, REACH_TOMBSTONE_KEPT);
        return;
    }
    if (!mark->is_tombstone)
        chronicle_fail(f->chronicle, "compaction keeps the last record of each key",
                       "%s/%d key %d has lost offset %lld", p->topic->name, p->index, mark->key - 1,
                       (long long)offset);
    if (!may_have_expired(f, p->topic, mark))
        chronicle_fail(f->chronicle, "compaction keeps a tombstone for delete.retention.ms",
                       "%s/%d key %d has lost offset %lld after %lld ms", p->topic->name, p->index,
                       mark->key - 1, (long long)offset,
                       (long long)(f->machine->now_ms - mark->sent_ms));
    chronicle_reach(f->chronicle, REACH_TOMBSTONE_GONE);
}

/* From the newest record to the oldest. `gone`: a newer record of the key was removed. */
static void check_partition(struct facts *f, const struct fact_partition *p, uint64_t since_step,
                            bool still)
{
    int64_t newest[KEYS_MAX] = {0}, gone[KEYS_MAX] = {0};
    int64_t first = p->topic->trims ? p->start : 0;
    for (int64_t i = MIN(p->end, (int64_t)p->capacity) - 1; i >= first; i--) {
        const struct fact_mark *mark = &p->marks[i];
        if (mark->key == 0)
            continue;
        if (newest[mark->key] == 0)
            check_last(f, p, i, since_step);
        newest[mark->key] = i + 1;
        if (!is_there(mark, since_step))
            gone[mark->key] = i + 1;
        else if (still && gone[mark->key] > 0)
            chronicle_fail(f->chronicle, "compaction removes older records first",
                           "%s/%d key %d has offset %lld, but not %lld", p->topic->name, p->index,
                           mark->key - 1, (long long)i, (long long)(gone[mark->key] - 1));
    }
}

void facts_check_keys(struct facts *f, uint64_t since_step, bool still)
{
    for (int t = 0; t < f->topic_count; t++) {
        const struct fact_topic *topic = &f->topics[t];
        for (int p = 0; topic->compacts && p < topic->partition_count; p++)
            check_partition(f, &topic->partitions[p], since_step, still);
    }
}
