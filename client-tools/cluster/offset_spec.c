#include "client-tools/cluster/offset_spec.h"

#include "base/units.h"

static bool parse_bound(struct bytes text, int64_t now_ms, struct offset_bound *out)
{
    *out = (struct offset_bound){BOUND_NONE, 0};
    if (bytes_equal_string(text, "start") || bytes_equal_string(text, "oldest") ||
        bytes_equal_string(text, "beginning"))
        out->kind = BOUND_START;
    else if (bytes_equal_string(text, "end") || bytes_equal_string(text, "newest"))
        out->kind = BOUND_END;
    else if (text.size > 1 && text.data[0] == '@' &&
             parse_time_ms(bytes_from(text, 1), now_ms, &out->value))
        out->kind = BOUND_TIME;
    else if (text.size > 1 && parse_i64(text, &out->value))
        out->kind = text.data[0] == '+'   ? BOUND_AFTER_START
                    : text.data[0] == '-' ? BOUND_BEFORE_END
                                          : BOUND_OFFSET;
    else if (parse_i64(text, &out->value))
        out->kind = BOUND_OFFSET;
    if (out->value < 0 && out->kind == BOUND_BEFORE_END)
        out->value = -out->value;
    return out->kind != BOUND_NONE;
}

/* "@T1:T2" and "@T1:@T2" mean the same. */
static bool parse_stop(struct bytes text, bool from_time, int64_t now_ms, struct offset_bound *out)
{
    if (bytes_equal_string(text, "end") || !from_time || (text.size && text.data[0] == '@'))
        return parse_bound(text, now_ms, out);
    out->kind = BOUND_TIME;
    return parse_time_ms(text, now_ms, &out->value);
}

bool offset_spec_parse(struct bytes text, int64_t now_ms, struct offset_spec *out,
                       struct failure *f)
{
    *out = (struct offset_spec){{BOUND_NONE, 0}, {BOUND_NONE, 0}};
    if (parse_bound(text, now_ms, &out->from))
        return true;
    /* A time may contain colons, so any colon may be the separator. */
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] != ':')
            continue;
        struct bytes left = bytes_of(text.data, i), right = bytes_from(text, i + 1);
        if (left.size == 0)
            left = BYTES_LITERAL("start");
        bool from_time = left.data[0] == '@';
        if (parse_bound(left, now_ms, &out->from) &&
            parse_stop(right, from_time, now_ms, &out->to) && out->to.kind != BOUND_START)
            return true;
    }
    fail_usage(f, "-o %.*s: invalid offset", BYTES_PRINTF(text));
    message_set(&f->hint, "expected one of start end +N -N N N:M :end @TIME @TIME:TIME");
    return false;
}

static bool ask(struct client *c, const struct offset_target *targets, size_t count, int64_t time,
                struct offset_query *queries, struct arena *arena, struct failure *f)
{
    for (size_t i = 0; i < count; i++)
        queries[i] = (struct offset_query){.topic = targets[i].topic,
                                           .partition = targets[i].partition,
                                           .leader = targets[i].leader,
                                           .time = time};
    return cluster_offsets(c, queries, count, arena, f);
}

bool offset_bound_resolve(struct client *c, struct offset_bound bound,
                          struct offset_target *targets, size_t count, struct arena *arena,
                          struct failure *f)
{
    struct offset_query *first = arena_array(arena, count, sizeof *first);
    struct offset_query *last = arena_array(arena, count, sizeof *last);
    struct offset_query *timed = arena_array(arena, count, sizeof *timed);
    bool needs_first = bound.kind != BOUND_END && bound.kind != BOUND_TIME;
    bool needs_last = bound.kind != BOUND_START;
    if ((needs_first && !ask(c, targets, count, OFFSET_EARLIEST, first, arena, f)) ||
        (needs_last && !ask(c, targets, count, OFFSET_LATEST, last, arena, f)) ||
        (bound.kind == BOUND_TIME && !ask(c, targets, count, bound.value, timed, arena, f)))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct offset_target *t = &targets[i];
        int64_t start = first[i].offset, end = last[i].offset;
        t->error_code = first[i].error_code  ? first[i].error_code
                        : last[i].error_code ? last[i].error_code
                                             : timed[i].error_code;
        if (bound.kind == BOUND_START)
            t->offset = start;
        else if (bound.kind == BOUND_END)
            t->offset = end;
        else if (bound.kind == BOUND_AFTER_START)
            t->offset = bound.value > end - start ? end : start + bound.value;
        else if (bound.kind == BOUND_BEFORE_END)
            t->offset = bound.value > end - start ? start : end - bound.value;
        else if (bound.kind == BOUND_TIME)
            t->offset = timed[i].offset < 0 ? end : timed[i].offset;
        else
            t->offset = MAX(start, MIN(bound.value, end));
    }
    return true;
}
