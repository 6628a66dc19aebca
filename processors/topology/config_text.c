#include "processors/topology/config_text.h"

#include "base/units.h"

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower(uint8_t c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_word(uint8_t c)
{
    return is_lower(c) || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c);
}

struct bytes config_trim(struct bytes text)
{
    while (text.size > 0 && is_space(text.data[0]))
        text = bytes_from(text, 1);
    while (text.size > 0 && is_space(text.data[text.size - 1]))
        text.size--;
    return text;
}

/* Walks text and says which characters are outside quotes and brackets (at top level). */
struct scanner {
    struct bytes text;
    size_t at;
    int depth;
    uint8_t quote;
};

/* Takes one character. True when it is at top level; an opening bracket there is, too. */
static bool scan(struct scanner *s, uint8_t *c)
{
    *c = s->text.data[s->at++];
    if (s->quote) {
        if (*c == '\\' && s->at < s->text.size)
            s->at++;
        else if (*c == s->quote)
            s->quote = 0;
        return false;
    }
    bool top = s->depth == 0;
    if (*c == '\'' || *c == '"')
        s->quote = *c;
    else if (*c == '(' || *c == '[' || *c == '{')
        s->depth++;
    else if ((*c == ')' || *c == ']' || *c == '}') && s->depth > 0)
        s->depth--;
    return top;
}

bool config_next_part(struct bytes *rest, char separator, struct bytes *part)
{
    if (bytes_is_null(*rest))
        return false;
    struct scanner s = {.text = *rest};
    while (s.at < s.text.size) {
        uint8_t c;
        if (scan(&s, &c) && c == (uint8_t)separator) {
            *part = config_trim(bytes_of(rest->data, s.at - 1));
            *rest = bytes_from(*rest, s.at);
            return true;
        }
    }
    *part = config_trim(*rest);
    *rest = BYTES_NULL;
    return true;
}

size_t config_find_word(struct bytes text, const char *word)
{
    size_t size = strlen(word);
    struct scanner s = {.text = text};
    while (s.at < text.size) {
        size_t at = s.at;
        uint8_t c;
        if (!scan(&s, &c) || c != (uint8_t)word[0] || text.size - at < size)
            continue;
        bool starts = at == 0 || is_space(text.data[at - 1]);
        bool ends =
            at + size == text.size || is_space(text.data[at + size]) || text.data[at + size] == '(';
        if (starts && ends && memcmp(text.data + at, word, size) == 0)
            return at;
    }
    return text.size;
}

bool config_call(struct bytes text, struct bytes *name, struct bytes *arguments)
{
    text = config_trim(text);
    struct scanner s = {.text = text};
    size_t open = text.size;
    while (s.at < text.size) {
        uint8_t c;
        size_t at = s.at;
        if (scan(&s, &c) && c == '(') {
            open = at;
            break;
        }
    }
    *name = config_trim(bytes_of(text.data, open));
    *arguments = BYTES_NULL;
    if (open == text.size)
        return true;
    while (s.at < text.size && s.depth > 0) {
        uint8_t c;
        scan(&s, &c);
    }
    if (s.depth > 0 || s.at != text.size || text.data[text.size - 1] != ')')
        return false;
    *arguments = config_trim(bytes_of(text.data + open + 1, text.size - open - 2));
    return true;
}

bool config_is_identifier(struct bytes text)
{
    if (text.size == 0 || text.size > 63 || is_digit(text.data[0]))
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (!is_word(text.data[i]))
            return false;
    }
    return true;
}

bool config_is_processor_name(struct bytes text)
{
    if (text.size == 0 || text.size > 63 || text.data[0] == '-')
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (!is_lower(text.data[i]) && !is_digit(text.data[i]) && text.data[i] != '-')
            return false;
    }
    return true;
}

bool config_is_topic_name(struct bytes text)
{
    if (text.size == 0 || text.size > 249 || bytes_equal_string(text, ".") ||
        bytes_equal_string(text, ".."))
        return false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (!is_word(c) && c != '.' && c != '-')
            return false;
    }
    return true;
}

static bool has_unit(struct bytes text)
{
    return text.size > 0 && !is_digit(text.data[text.size - 1]);
}

bool config_duration(struct bytes text, int64_t *out)
{
    return parse_duration_ms(text, out) && *out >= 0 && *out <= CONFIG_MAX_DURATION_MS &&
           (*out == 0 || has_unit(text));
}

void config_refuse_duration(struct bytes text, struct message *message)
{
    int64_t number;
    if (parse_i64(text, &number) && number > 0)
        message_set(message, "'%.*s' has no unit: %.*sms, %.*ss, %.*sm, %.*sh or %.*sd",
                    BYTES_PRINTF(text), BYTES_PRINTF(text), BYTES_PRINTF(text), BYTES_PRINTF(text),
                    BYTES_PRINTF(text), BYTES_PRINTF(text));
    else
        message_set(message, "'%.*s' is not a duration such as 500ms, 10s, 5m, 1h or 7d",
                    BYTES_PRINTF(text));
}
