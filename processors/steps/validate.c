/* validate: passes a record whose value is JSON and fits the schema, if there is one. A null value
 * is a tombstone and passes. */
#include "processors/json/json.h"
#include "processors/json/json_schema.h"
#include "processors/steps/step.h"
#include "processors/topology/parameter_parsers.h"

struct validate_parameters {
    bool json;
    struct json_schema *schema; /* NULL: none */
};

static struct validate_parameters *parameters_of(const struct processor *p)
{
    return p->own;
}

static enum error parse_schema(const struct parameter *p UNUSED, struct bytes text, void *field,
                               struct message *why)
{
    if (!bytes_starts_with(text, BYTES_LITERAL("inline:"))) {
        message_set(why, "registered schemas are not built yet; use inline:{...}");
        return ERR_INVALID;
    }
    return json_schema_compile(bytes_from(text, strlen("inline:")), field, why);
}

static const struct parameter parameters[] = {
    {"json", parse_bool, OWN_FIELD(struct validate_parameters, json), "true", .words = BOOL_WORDS},
    {"json-schema", parse_schema, OWN_FIELD(struct validate_parameters, schema)},
    {0},
};

static enum error check(struct processor *p, const struct processor_check *check)
{
    const struct validate_parameters *own = parameters_of(p);
    if (!own->json && own->schema == NULL)
        return processor_refuse(check->message, p->name, "json", "there is nothing to validate");
    if (!own->json)
        return processor_refuse(check->message, p->name, "json", "a json-schema needs json=true");
    return ERR_OK;
}

/* It always checks whether the value is JSON. */
static bool reads_value(const struct processor *p UNUSED)
{
    return true;
}

static void free_parameters(struct processor *p)
{
    json_schema_free(parameters_of(p)->schema);
}

static void judge(struct chain_step *s, const struct chain_record *r, struct step_verdict *verdict,
                  struct dead_letter_reason *reason)
{
    const struct json_schema *schema = parameters_of(s->processor)->schema;
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

static const struct step_type step = {.before_time = true, .judge = judge};

const struct processor_type validate_type = {
    .name = "validate",
    .step = &step,
    .parameters = parameters,
    .parameters_size = sizeof(struct validate_parameters),
    .may_lack_output = true,
    .check = check,
    .reads_value = reads_value,
    .free = free_parameters,
};
