#include "protocol/kafka_error.h"

#include "base/compiler.h"

enum retry { RETRY_FINAL, RETRY_RETRIABLE };

static const struct kafka_error_entry {
    const char *name, *text;
    bool is_retriable;
} entries[] = {
#define X(error, code, retry, sentence) \
    [(code) + 1] = {#error, sentence, RETRY_##retry == RETRY_RETRIABLE},
    KAFKA_ERRORS(X)
#undef X
};

static const struct kafka_error_entry *entry(int code)
{
    static const struct kafka_error_entry unknown = {"UNKNOWN_ERROR_CODE", "unknown error", false};
    return code >= -1 && code + 1 < (int)COUNT_OF(entries) ? &entries[code + 1] : &unknown;
}

const char *kafka_error_name(int code)
{
    return entry(code)->name;
}

const char *kafka_error_text(int code)
{
    return entry(code)->text;
}

bool kafka_error_is_retriable(int code)
{
    return entry(code)->is_retriable;
}
