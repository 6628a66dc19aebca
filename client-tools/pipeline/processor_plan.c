#include "client-tools/pipeline/processor_plan.h"

#include "base/units.h"

const char *plan_action_name(enum plan_action action)
{
    static const char *const names[] = {
        [PLAN_SET] = "set", [PLAN_CHANGE] = "change", [PLAN_REMOVE] = "remove"};
    return names[action];
}

static const struct declared_config *find(const struct declarations *d, struct bytes topic,
                                          struct bytes key)
{
    for (size_t i = 0; i < d->count; i++) {
        if (bytes_equal(d->items[i].key, key) && bytes_equal(d->items[i].topic, topic))
            return &d->items[i];
    }
    return NULL;
}

static bool declares_topic(const struct declarations *d, struct bytes topic)
{
    for (size_t i = 0; i < d->count; i++) {
        if (bytes_equal(d->items[i].topic, topic))
            return true;
    }
    return false;
}

static bool declares_processor(const struct declarations *d, struct bytes topic,
                               struct bytes processor)
{
    for (size_t i = 0; i < d->count; i++) {
        if (bytes_equal(d->items[i].topic, topic) && bytes_equal(d->items[i].processor, processor))
            return true;
    }
    return false;
}

/* Compares ordinary settings in base units, as the broker reports them: 7d is 604800000. */
static bool is_same(const struct declared_config *a, const struct declared_config *b)
{
    int64_t x, y;
    if (bytes_equal(a->value, b->value))
        return true;
    if (!bytes_is_null(a->processor) || !parse_i64(b->value, &y))
        return false;
    return (parse_duration_ms(a->value, &x) && x == y) ||
           (parse_size_bytes(a->value, &x) && x == y);
}

static void plan_wanted(const struct declarations *declared, const struct declarations *current,
                        struct bytes topic, struct plan *out)
{
    for (size_t i = 0; i < declared->count; i++) {
        const struct declared_config *want = &declared->items[i];
        if (!bytes_equal(want->topic, topic))
            continue;
        const struct declared_config *have = find(current, topic, want->key);
        if (have && is_same(want, have))
            continue;
        out->changes[out->count++] = (struct plan_change){
            have ? PLAN_CHANGE : PLAN_SET,  topic, want->processor, want->key, want->value,
            have ? have->value : BYTES_NULL};
    }
}

static void plan_unwanted(const struct declarations *declared, const struct declarations *current,
                          bool prune, struct bytes topic, struct plan *out)
{
    struct bytes last = BYTES_NULL;
    for (size_t i = 0; i < current->count; i++) {
        const struct declared_config *have = &current->items[i];
        if (!bytes_equal(have->topic, topic) || bytes_is_null(have->processor) ||
            find(declared, topic, have->key))
            continue;
        bool known = declares_processor(declared, topic, have->processor);
        if (!known && !prune)
            continue;
        if (!known && !bytes_equal(last, have->processor))
            out->removed_processors++;
        last = have->processor;
        out->changes[out->count++] = (struct plan_change){PLAN_REMOVE, topic,      have->processor,
                                                          have->key,   BYTES_NULL, have->value};
    }
}

void processor_plan_make(const struct declarations *declared, const struct declarations *current,
                         bool prune, struct arena *arena, struct plan *out)
{
    *out = (struct plan){0};
    out->changes = arena_array(arena, declared->count + current->count, sizeof *out->changes);
    for (size_t i = 0; i < declared->count; i++) {
        struct declarations before = {.items = declared->items, .count = i};
        struct bytes topic = declared->items[i].topic;
        if (declares_topic(&before, topic))
            continue;
        plan_wanted(declared, current, topic, out);
        plan_unwanted(declared, current, prune, topic, out);
    }
}
