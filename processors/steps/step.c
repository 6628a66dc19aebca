#include "processors/steps/step.h"

#include "base/compiler.h"
#include "processors/json/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static bool has_all_functions(const struct step_type *t)
{
    return t->create && t->free && t->apply && t->advance && t->collect && t->restore &&
           t->restored && t->visit;
}

struct chain_step *step_create(const struct processor *p)
{
    const struct step_type *type = p->type->step;
    ASSERT(type->judge && (!type->stateful || has_all_functions(type)));
    ASSERT(type->stateful == (p->type->replace != NULL));
    struct chain_step *s = type->stateful ? type->create(p) : xcalloc(1, sizeof *s);
    s->type = type;
    s->processor = p;
    return s;
}

void step_free(struct chain_step *s)
{
    if (s && s->type->stateful)
        s->type->free(s);
    else
        free(s);
}

void step_fail(struct step_verdict *verdict, struct dead_letter_reason *reason,
               enum dead_letter_code code, const char *format, ...)
{
    ASSERT(code < DEAD_LETTER_CODE_COUNT);
    verdict->fate = FATE_DEAD;
    reason->code = code;
    reason->path[0] = 0;
    va_list args;
    va_start(args, format);
    vsnprintf(reason->message.text, sizeof reason->message.text, format, args);
    va_end(args);
}

bool step_where(const struct chain_step *s, const struct chain_record *r,
                struct step_verdict *verdict, struct dead_letter_reason *reason)
{
    if (s->processor->where == NULL)
        return true;
    struct expression_input input = chain_record_input(r);
    struct message why;
    bool wanted = false;
    enum error e = expression_test(s->processor->where, &input, r->arena, &wanted, &why);
    if (e && s->processor->on_error == ON_ERROR_DLQ) {
        step_fail(verdict, reason, DEAD_EXPR_ERROR, "where: %s", why.text);
        return false;
    }
    if (e || !wanted)
        verdict->fate = FATE_FILTERED;
    return !e && wanted;
}

/* One part of an identity, as canonical JSON. */
static enum identity append_part(const struct expression *e, const struct expression_input *input,
                                 bool null_allowed, struct arena *arena, struct buffer *out,
                                 struct message *message)
{
    struct value v;
    if (expression_evaluate(e, input, arena, &v, message))
        return IDENTITY_ERROR;
    if (v.type == VALUE_NULL && !null_allowed) {
        struct bytes source = expression_source(e);
        message_set(message, "%.*s is missing or null", BYTES_PRINTF(source));
        return IDENTITY_MISSING;
    }
    json_append_value(out, &v, arena);
    return IDENTITY_OK;
}

static enum identity check_size(const struct buffer *out, struct message *message)
{
    if (!out->overflowed)
        return IDENTITY_OK;
    message_set(message, "the value is larger than %zu bytes", out->max);
    return IDENTITY_ERROR;
}

enum identity step_identity(const struct expression_list *e, const struct identity_form *form,
                            const struct chain_record *r, struct buffer *out,
                            struct message *message)
{
    ASSERT(e->count == 1 || form->brackets);
    buffer_clear(out);
    if (form->raw_key) {
        if (bytes_is_null(r->record->key)) {
            message_set(message, "the record has no key");
            return IDENTITY_MISSING;
        }
        buffer_append_bytes(out, r->record->key);
        return check_size(out, message);
    }
    struct expression_input input = chain_record_input(r);
    if (form->brackets)
        buffer_append_u8(out, '[');
    for (size_t i = 0; i < e->count; i++) {
        if (i > 0)
            buffer_append_u8(out, ',');
        enum identity part =
            append_part(e->items[i], &input, form->null_allowed, r->arena, out, message);
        if (part != IDENTITY_OK)
            return part;
    }
    if (form->brackets)
        buffer_append_u8(out, ']');
    return check_size(out, message);
}
