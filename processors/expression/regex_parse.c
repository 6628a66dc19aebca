#include "processors/expression/regex_internal.h"

#include "processors/values/utf8.h"

struct regex_node *regex_refuse(struct regex_parser *r, const char *reason)
{
    size_t at = utf8_count(bytes_of(r->start, (size_t)(r->p - r->start))) + 1;
    message_set(r->message, "pattern, character %zu: %s", at, reason);
    return NULL;
}

struct regex_node *regex_new_node(struct regex_parser *r, enum regex_op op)
{
    struct regex_node *n = arena_alloc(r->arena, sizeof *n);
    if (n == NULL)
        return regex_refuse(r, "too large");
    n->op = op;
    return n;
}

bool regex_at(const struct regex_parser *r, const char *text)
{
    return bytes_starts_with(bytes_of(r->p, (size_t)(r->end - r->p)), bytes_string(text));
}

bool regex_take(struct regex_parser *r, const char *text)
{
    if (!regex_at(r, text))
        return false;
    r->p += strlen(text);
    return true;
}

/* The next code point; the pattern was checked to be UTF-8. */
uint32_t regex_take_code_point(struct regex_parser *r)
{
    uint32_t c = 0;
    size_t size = utf8_decode(r->p, r->end, &c);
    ASSERT(size > 0);
    r->p += size;
    return c;
}

static struct regex_node *character_node(struct regex_parser *r, uint32_t c)
{
    if (r->fold_case && c < 128 && (c | 0x20) >= 'a' && (c | 0x20) <= 'z') {
        char pairs[] = {(char)(c & ~0x20u), (char)(c & ~0x20u), (char)(c | 0x20), (char)(c | 0x20),
                        0};
        return regex_set_node(r, pairs, false);
    }
    struct regex_node *n = regex_new_node(r, REGEX_CHAR);
    if (n)
        n->code_point = c;
    return n;
}

static struct regex_node *parse_escape(struct regex_parser *r)
{
    static const struct {
        const char *letter;
        enum regex_op op;
    } places[] = {{"b", REGEX_WORD_EDGE},
                  {"B", REGEX_NO_WORD_EDGE},
                  {"A", REGEX_TEXT_START},
                  {"z", REGEX_TEXT_END}};
    for (size_t i = 0; i < COUNT_OF(places); i++)
        if (regex_take(r, places[i].letter))
            return regex_new_node(r, places[i].op);
    bool opposite;
    const char *pairs = regex_escape_set(r, &opposite);
    if (pairs) {
        r->p++;
        return regex_set_node(r, pairs, opposite);
    }
    uint32_t c;
    return regex_take_escaped(r, &c) ? character_node(r, c) : NULL;
}

static struct regex_node *parse_alternatives(struct regex_parser *r);

static bool take_flags(struct regex_parser *r)
{
    bool on = true;
    for (; r->p < r->end; r->p++) {
        if (*r->p == '-')
            on = false;
        else if (*r->p == 'i')
            r->fold_case = on;
        else if (*r->p == 's')
            r->dot_all = on;
        else if (*r->p == 'm')
            r->multi_line = on;
        else if (*r->p == ':' || *r->p == ')')
            return true;
        else
            break;
    }
    regex_refuse(r, "unknown flag; the flags are i, s and m");
    return false;
}

static bool take_group_name(struct regex_parser *r)
{
    const uint8_t *start = r->p;
    while (r->p < r->end && *r->p != '>' && *r->p != ')')
        r->p++;
    if (r->p > start && regex_take(r, ">"))
        return true;
    regex_refuse(r, "wrong group name");
    return false;
}

/* Parses the text after "(?". *only_flags: the group is empty and its flags hold from here on. */
static bool parse_group_kind(struct regex_parser *r, bool *only_flags)
{
    *only_flags = false;
    if (regex_at(r, "=") || regex_at(r, "!") || regex_at(r, "<=") || regex_at(r, "<!")) {
        regex_refuse(r, "look-around is not supported");
        return false;
    }
    if (regex_take(r, "P<") || regex_take(r, "<"))
        return take_group_name(r);
    if (!take_flags(r))
        return false;
    *only_flags = *r->p++ == ')';
    return true;
}

static struct regex_node *parse_group(struct regex_parser *r)
{
    if (++r->depth > REGEX_MAX_DEPTH)
        return regex_refuse(r, "groups are nested too deeply");
    struct regex_parser outer = *r;
    bool only_flags = false;
    if (regex_take(r, "?") && !parse_group_kind(r, &only_flags))
        return NULL;
    if (only_flags) {
        r->depth--;
        return regex_new_node(r, REGEX_EMPTY);
    }
    struct regex_node *n = parse_alternatives(r);
    if (n == NULL)
        return NULL;
    if (!regex_take(r, ")"))
        return regex_refuse(r, "')' is missing");
    r->fold_case = outer.fold_case;
    r->dot_all = outer.dot_all;
    r->multi_line = outer.multi_line;
    r->depth--;
    return n;
}

static struct regex_node *parse_atom(struct regex_parser *r)
{
    if (regex_at(r, "*") || regex_at(r, "+") || regex_at(r, "?"))
        return regex_refuse(r, "nothing to repeat");
    if (regex_take(r, "("))
        return parse_group(r);
    if (regex_take(r, "["))
        return regex_parse_class(r);
    if (regex_take(r, "\\"))
        return parse_escape(r);
    if (regex_take(r, "."))
        return r->dot_all ? regex_new_node(r, REGEX_ANY) : regex_set_node(r, "\n\n", true);
    if (regex_take(r, "^"))
        return regex_new_node(r, r->multi_line ? REGEX_LINE_START : REGEX_TEXT_START);
    if (regex_take(r, "$"))
        return regex_new_node(r, r->multi_line ? REGEX_LINE_END : REGEX_TEXT_END);
    return character_node(r, regex_take_code_point(r));
}

static bool take_number(struct regex_parser *r, int *out)
{
    const uint8_t *start = r->p;
    for (*out = 0; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++)
        *out = MIN(*out * 10 + (*r->p - '0'), 100000);
    return r->p > start;
}

/* "{2}", "{2,}", "{2,5}"; anything else after '{' is a literal brace, as in RE2. */
static bool take_counts(struct regex_parser *r, int *min, int *max)
{
    const uint8_t *start = r->p;
    if (regex_take(r, "{") && take_number(r, min)) {
        *max = *min;
        if (regex_take(r, ",") && !take_number(r, max))
            *max = REGEX_UNLIMITED;
        if (regex_take(r, "}"))
            return true;
    }
    r->p = start;
    return false;
}

static bool take_repetition(struct regex_parser *r, int *min, int *max)
{
    *min = regex_at(r, "+");
    *max = regex_at(r, "?") ? 1 : REGEX_UNLIMITED;
    bool found =
        regex_take(r, "*") || regex_take(r, "+") || regex_take(r, "?") || take_counts(r, min, max);
    if (found)
        regex_take(r, "?"); /* lazy makes no difference, because nothing is captured */
    return found;
}

static struct regex_node *parse_repeated(struct regex_parser *r)
{
    struct regex_node *atom = parse_atom(r);
    int min, max;
    if (atom == NULL || !take_repetition(r, &min, &max))
        return atom;
    if (max != REGEX_UNLIMITED && max < min)
        return regex_refuse(r, "a repetition with its maximum below its minimum");
    if (min > 1000 || max > 1000)
        return regex_refuse(r, "more than 1000 repetitions");
    const uint8_t *end = r->p;
    int ignored;
    if (take_repetition(r, &ignored, &ignored)) {
        r->p = end;
        return regex_refuse(r, "a repetition of a repetition");
    }
    struct regex_node *n = regex_new_node(r, REGEX_REPEAT);
    if (n) {
        n->child = atom;
        n->min = min;
        n->max = max;
    }
    return n;
}

static struct regex_node *parse_concatenation(struct regex_parser *r)
{
    struct regex_node *n = regex_new_node(r, REGEX_CONCAT);
    if (n == NULL)
        return NULL;
    for (struct regex_node **last = &n->child; r->p < r->end && *r->p != '|' && *r->p != ')';
         last = &(*last)->next) {
        *last = parse_repeated(r);
        if (*last == NULL)
            return NULL;
    }
    return n;
}

static struct regex_node *parse_alternatives(struct regex_parser *r)
{
    struct regex_node *n = regex_new_node(r, REGEX_ALTERNATIVES);
    if (n == NULL)
        return NULL;
    struct regex_node **last = &n->child;
    do {
        *last = parse_concatenation(r);
        if (*last == NULL)
            return NULL;
        last = &(*last)->next;
    } while (regex_take(r, "|"));
    return n;
}

struct regex_node *regex_parse(struct bytes pattern, struct arena *arena, struct message *message)
{
    struct regex_parser r = {.start = pattern.data,
                             .p = pattern.data,
                             .end = pattern.data + pattern.size,
                             .arena = arena,
                             .message = message};
    struct regex_node *n = parse_alternatives(&r);
    if (n && r.p < r.end)
        return regex_refuse(&r, "')' without '('");
    return n;
}
