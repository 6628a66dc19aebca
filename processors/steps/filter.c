/* filter: passes the records for which `where` is true. */
#include "processors/steps/step.h"

static enum error check(struct processor *p, const struct processor_check *check)
{
    return processor_require(p, p->where != NULL, "where", check->message);
}

static void judge(struct chain_step *s, const struct chain_record *r, struct step_verdict *verdict,
                  struct dead_letter_reason *reason)
{
    if (step_where(s, r, verdict, reason))
        verdict->fate = FATE_PASSED;
}

static const struct step_type step = {.judge = judge};

const struct processor_type filter_type = {.name = "filter", .step = &step, .check = check};
