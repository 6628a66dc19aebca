/* filter: passes the records for which `where` is true. */
#include "processors/steps/step.h"

static void judge(struct chain_step *s, const struct chain_record *r, struct step_verdict *verdict,
                  struct dead_letter_reason *reason)
{
    if (step_where(s, r, verdict, reason))
        verdict->fate = FATE_PASSED;
}

const struct step_type filter_step = {.name = "filter", .judge = judge};
