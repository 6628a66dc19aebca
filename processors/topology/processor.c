#include "processors/topology/processor.h"

#include "base/buffer.h"
#include "base/compiler.h"

#include <stdarg.h>
#include <stdio.h>

static const struct processor_type *const types[] = {
#define X(name) &name##_type,
    PROCESSOR_TYPES(X)
#undef X
};

const struct processor_type *processor_type_at(size_t index)
{
    return index < COUNT_OF(types) ? types[index] : NULL;
}

void processor_types_append(struct buffer *out, const char *before_last)
{
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (i > 0 && i + 1 == COUNT_OF(types))
            buffer_printf(out, " %s ", before_last);
        else if (i > 0)
            buffer_append_string(out, ", ");
        buffer_append_string(out, types[i]->name);
    }
}

bool processor_reads_value(const struct processor *p)
{
    ASSERT(p->type);
    const struct expression *common[] = {p->where, p->time.timestamp};
    for (size_t i = 0; i < COUNT_OF(common); i++) {
        if (common[i] && expression_reads_value(common[i]))
            return true;
    }
    return p->type->reads_value && p->type->reads_value(p);
}

enum error processor_refuse(struct message *message, struct bytes processor, const char *parameter,
                            const char *format, ...)
{
    char why[900];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    message_set(message, "processor.%.*s%s%s: %s", BYTES_PRINTF(processor), *parameter ? "." : "",
                parameter, why);
    return ERR_INVALID;
}

enum error processor_require(const struct processor *p, bool given, const char *parameter,
                             struct message *message)
{
    if (given)
        return ERR_OK;
    return processor_refuse(message, p->name, parameter, "required for type %s", p->type->name);
}

enum error processor_refuse_change(struct message *message, const struct processor *p,
                                   const char *parameter)
{
    return processor_refuse(message, p->name, parameter,
                            "this change would give the existing state another meaning; raise "
                            "state.version to start without the state");
}
