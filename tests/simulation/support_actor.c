#include "tests/simulation/support_trial.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void answered(struct wire_owner *owner, struct exchange *e, const void *response)
{
    struct actor *a = CONTAINER_OF(owner, struct actor, owner);
    a->ops->answered(a, e, response);
}

static void lost(struct wire_owner *owner)
{
    struct actor *a = CONTAINER_OF(owner, struct actor, owner);
    a->wire = NULL;
    a->ops->lost(a);
    actor_wait(a, 100);
}

void actor_init(struct actor *a, struct trial *trial, const struct actor_ops *ops, const char *kind,
                int number)
{
    *a = (struct actor){.owner = {answered, lost}, .ops = ops, .trial = trial};
    snprintf(a->name, sizeof a->name, "%s%d", kind, number);
    ASSERT(trial->actor_count < TRIAL_ACTORS);
    trial->actors[trial->actor_count++] = a;
    a->wake_ms = trial->machine.now_ms;
}

void actor_send(struct actor *a, int16_t api, int16_t version, const void *request,
                struct exchange *e)
{
    wire_send(a->wire, api, version, request, e);
}

void actor_wait(struct actor *a, int64_t ms)
{
    a->wake_ms = a->trial->machine.now_ms + (int64_t)actor_below(a, (uint64_t)ms + 1);
}

void actor_hang_up(struct actor *a)
{
    if (a->wire == NULL)
        return;
    wire_close(a->wire);
    lost(&a->owner);
}

void actor_note(struct actor *a, const char *format, ...)
{
    char text[CHRONICLE_LINE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    chronicle_note(&a->trial->chronicle, "%s %s", a->name, text);
}

uint64_t actor_below(struct actor *a, uint64_t bound)
{
    return machine_below(&a->trial->machine, bound);
}

bool actor_once_in(struct actor *a, uint64_t n)
{
    return actor_below(a, n) == 0;
}

void actor_unexpected(struct actor *a, const char *what, int error)
{
    chronicle_fail(&a->trial->chronicle, "requests get only the errors that fit", "%s: %s got %s",
                   a->name, what, kafka_error_name((enum kafka_error)error));
}

bool trial_may_be_full(const struct trial *t, const struct exchange *e)
{
    return t->machine.full || t->machine.no_files || e->sent_ms < t->full_until_ms;
}

void late_requests_add(struct late_requests *l, uint64_t wire)
{
    if (l->count == l->capacity) {
        l->capacity = l->capacity ? 2 * l->capacity : 16;
        l->wires = xrealloc(l->wires, l->capacity * sizeof *l->wires);
    }
    l->wires[l->count++] = wire;
}

bool late_requests_any(struct late_requests *l)
{
    for (size_t i = 0; i < l->count;) {
        if (l->machine->settled[l->wires[i]])
            l->wires[i] = l->wires[--l->count];
        else
            i++;
    }
    return l->count > 0;
}

void late_requests_free(struct late_requests *l)
{
    free(l->wires);
}
