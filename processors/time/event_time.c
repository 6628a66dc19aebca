#include "processors/time/event_time.h"

#include "base/units.h"

static bool set_reason(struct dead_letter_reason *reason, enum dead_letter_code code,
                       const char *why)
{
    reason->code = code;
    reason->path[0] = 0;
    message_set(&reason->message, "%s", why);
    return false;
}

static bool record_time(const struct record *record, int64_t *time_ms,
                        struct dead_letter_reason *reason)
{
    *time_ms = record->timestamp;
    return *time_ms >= 0 ||
           set_reason(reason, DEAD_TIMESTAMP_INVALID, "the record has no timestamp");
}

static bool field_time(const struct event_time *t, const struct expression_input *input,
                       struct arena *arena, int64_t *time_ms, struct dead_letter_reason *reason)
{
    struct message why;
    struct value v;
    if (expression_evaluate(t->timestamp, input, arena, &v, &why)) {
        message_set(&reason->message, "timestamp: %s", why.text);
        reason->code = DEAD_EXPR_ERROR;
        reason->path[0] = 0;
        return false;
    }
    switch (timestamp_extract(&t->format, &v, time_ms)) {
    case TIMESTAMP_OK:
        return true;
    case TIMESTAMP_MISSING:
        if (t->on_missing == ON_MISSING_RECORD)
            return record_time(input->record, time_ms, reason);
        return set_reason(reason, DEAD_TIMESTAMP_MISSING, "the timestamp is missing or null");
    case TIMESTAMP_INVALID:
        break;
    }
    return set_reason(reason, DEAD_TIMESTAMP_INVALID,
                      "the timestamp does not have the declared format");
}

bool event_time_of(const struct event_time *t, const struct expression_input *input,
                   int64_t wall_ms, struct arena *arena, int64_t *time_ms,
                   struct dead_letter_reason *reason)
{
    bool found = t->timestamp ? field_time(t, input, arena, time_ms, reason)
                              : record_time(input->record, time_ms, reason);
    if (!found)
        return false;
    if (t->max_future_ms >= 0 && *time_ms > wall_ms && *time_ms - wall_ms > t->max_future_ms) {
        char limit[UNITS_TEXT_SIZE];
        message_set(&reason->message,
                    "the event is %lld ms ahead of the broker's clock; "
                    "max-future is %s",
                    (long long)(*time_ms - wall_ms), format_duration(t->max_future_ms, limit));
        reason->code = DEAD_TIMESTAMP_FUTURE;
        reason->path[0] = 0;
        return false;
    }
    if (*time_ms > TIME_MAX_MS || *time_ms < -TIME_MAX_MS)
        return set_reason(reason, DEAD_TIMESTAMP_INVALID, "the timestamp is out of range");
    return true;
}
