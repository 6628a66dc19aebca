/* validate: passes what is JSON and, if there is one, fits the schema. A null value is a tombstone
 * and passes. */
#include "processors/json/json.h"
#include "processors/steps/step.h"

static void judge(struct chain_step *s, const struct chain_record *r, struct step_verdict *verdict,
                  struct dead_letter_reason *reason)
{
    const struct json_schema *schema = s->processor->schema;
    struct bytes value = r->record->value;
    struct schema_failure failure;
    size_t at;
    if (!bytes_is_null(value) && !r->value_is_json) {
        const char *why = json_check(value, &at);
        step_fail(verdict, reason, DEAD_MALFORMED_JSON, "%s at byte %zu", why, at);
        return;
    }
    if (!bytes_is_null(value) && schema &&
        !json_schema_accepts(schema, value, r->arena, &failure)) {
        step_fail(verdict, reason, DEAD_SCHEMA_VIOLATION, "%s", failure.reason);
        memcpy(reason->path, failure.path, sizeof reason->path);
        return;
    }
    if (step_where(s, r, verdict, reason))
        verdict->fate = FATE_PASSED;
}

const struct step_type validate_step = {.name = "validate", .before_time = true, .judge = judge};
