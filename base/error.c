#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

const char *error_text(enum error e)
{
    static const char *const texts[] = {
#define X(name, text) [ERR_##name] = text,
        ERRORS(X)
#undef X
    };
    return (size_t)e < COUNT_OF(texts) ? texts[e] : "unknown error";
}

void message_set(struct message *m, const char *format, ...)
{
    if (m == NULL)
        return;
    va_list args;
    va_start(args, format);
    int size = vsnprintf(m->text, sizeof m->text, format, args);
    va_end(args);
    if (size >= (int)sizeof m->text)
        memcpy(m->text + sizeof m->text - 4, "...", 4);
}
