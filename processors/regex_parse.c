#include "processors/regex_tree.h"

#include "processors/utf8.h"

#include <stdlib.h>

struct regex_parser {
    const uint8_t *start, *p, *end;
    struct arena *arena;
    struct message *message;
    int depth;
    bool fold_case, dot_all, multi_line;
};

static struct regex_node *refuse(struct regex_parser *r, const char *reason)
{
    size_t at = utf8_count(bytes_of(r->start, (size_t)(r->p - r->start))) + 1;
    message_set(r->message, "pattern, character %zu: %s", at, reason);
    return NULL;
}

static struct regex_node *new_node(struct regex_parser *r, enum regex_op op)
{
    struct regex_node *n = arena_alloc(r->arena, sizeof *n);
    if (n == NULL)
        return refuse(r, "too large");
    n->op = op;
    return n;
}

static bool at(const struct regex_parser *r, const char *text)
{
    return bytes_starts_with(bytes_of(r->p, (size_t)(r->end - r->p)), bytes_string(text));
}

static bool take(struct regex_parser *r, const char *text)
{
    if (!at(r, text))
        return false;
    r->p += strlen(text);
    return true;
}

/* The next code point; the pattern was checked to be UTF-8. */
static uint32_t take_code_point(struct regex_parser *r)
{
    uint32_t c = 0;
    size_t size = utf8_decode(r->p, r->end, &c);
    ASSERT(size > 0);
    r->p += size;
    return c;
}

/* Classes. */

static bool add_range(struct regex_parser *r, struct regex_class *set, uint32_t first,
                      uint32_t last)
{
    if (set->count == set->capacity) {
        size_t capacity = set->capacity ? set->capacity * 2 : 8;
        struct regex_range *ranges = arena_array(r->arena, capacity, sizeof *ranges);
        if (ranges == NULL) {
            refuse(r, "too large");
            return false;
        }
        if (set->count)
            memcpy(ranges, set->ranges, set->count * sizeof *ranges);
        set->ranges = ranges;
        set->capacity = capacity;
    }
    set->ranges[set->count++] = (struct regex_range){first, last};
    return true;
}

static bool add_folded(struct regex_parser *r, struct regex_class *set, uint32_t first,
                       uint32_t last)
{
    if (!add_range(r, set, first, last))
        return false;
    if (!r->fold_case)
        return true;
    uint32_t lower_first = MAX(first, (uint32_t)'a'), lower_last = MIN(last, (uint32_t)'z');
    uint32_t upper_first = MAX(first, (uint32_t)'A'), upper_last = MIN(last, (uint32_t)'Z');
    return (lower_first > lower_last || add_range(r, set, lower_first - 0x20, lower_last - 0x20)) &&
           (upper_first > upper_last || add_range(r, set, upper_first + 0x20, upper_last + 0x20));
}

/* Ranges of named sets as pairs of ASCII characters, ascending. */
struct named_set {
    const char *name, *pairs;
};

static const struct named_set escape_sets[] = {
    {"d", "09"}, {"w", "09AZ__az"}, {"s", "\t\n\f\r  "}, {NULL, NULL}};

static const struct named_set posix_sets[] = {{"[:alnum:]", "09AZaz"},
                                              {"[:alpha:]", "AZaz"},
                                              {"[:ascii:]", "\x01\x7f"},
                                              {"[:blank:]", "\t\t  "},
                                              {"[:cntrl:]", "\x01\x1f\x7f\x7f"},
                                              {"[:digit:]", "09"},
                                              {"[:graph:]", "!~"},
                                              {"[:lower:]", "az"},
                                              {"[:print:]", " ~"},
                                              {"[:punct:]", "!/:@[`{~"},
                                              {"[:space:]", "\t\r  "},
                                              {"[:upper:]", "AZ"},
                                              {"[:word:]", "09AZ__az"},
                                              {"[:xdigit:]", "09AFaf"},
                                              {NULL, NULL}};

static bool add_set(struct regex_parser *r, struct regex_class *set, const char *pairs,
                    bool opposite)
{
    uint32_t from = 0;
    for (; *pairs; pairs += 2) {
        uint32_t first = (uint8_t)pairs[0], last = (uint8_t)pairs[1];
        if (!opposite && !add_folded(r, set, first, last))
            return false;
        if (opposite && first > from && !add_range(r, set, from, first - 1))
            return false;
        from = last + 1;
    }
    return !opposite || add_range(r, set, from, 0x10ffff);
}

/* \d \W and the like, behind the backslash; their letter, or NULL. */
static const char *escape_set(const struct regex_parser *r, bool *opposite)
{
    for (const struct named_set *s = escape_sets; s->name && r->p < r->end; s++)
        if ((*r->p | 0x20) == s->name[0]) {
            *opposite = *r->p != (uint8_t)s->name[0];
            return s->pairs;
        }
    return NULL;
}

/* Hexadecimal digits, `min` to `max` of them. */
static bool take_hex(struct regex_parser *r, int min, int max, uint32_t *out)
{
    int count = 0;
    for (*out = 0; count < max && r->p < r->end; count++, r->p++) {
        const char *digits = "0123456789abcdef";
        const char *digit = *r->p ? strchr(digits, *r->p >= 'A' ? *r->p | 0x20 : *r->p) : NULL;
        if (digit == NULL)
            break;
        *out = *out << 4 | (uint32_t)(digit - digits);
    }
    if (count < min || *out > 0x10ffff || (*out >= 0xd800 && *out < 0xe000)) {
        refuse(r, "wrong hexadecimal escape");
        return false;
    }
    return true;
}

/* The character that an escape stands for, behind the backslash. */
static bool take_escaped(struct regex_parser *r, uint32_t *out)
{
    static const char names[] = "afnrtv", controls[] = "\a\f\n\r\t\v";
    if (r->p == r->end) {
        refuse(r, "a backslash at the end");
        return false;
    }
    const char *name = *r->p ? strchr(names, *r->p) : NULL;
    if (name) {
        r->p++;
        *out = (uint32_t)controls[name - names];
        return true;
    }
    if (take(r, "x{")) {
        if (!take_hex(r, 1, 8, out))
            return false;
        if (!take(r, "}")) {
            refuse(r, "'}' is missing");
            return false;
        }
        return true;
    }
    if (take(r, "x"))
        return take_hex(r, 2, 2, out);
    if (take(r, "u"))
        return take_hex(r, 4, 4, out);
    bool alphanumeric =
        (*r->p >= '0' && *r->p <= '9') || ((*r->p | 0x20) >= 'a' && (*r->p | 0x20) <= 'z');
    if (alphanumeric || *r->p >= 0x80) {
        refuse(r, *r->p >= '1' && *r->p <= '9' ? "back references are not supported"
                  : (*r->p | 0x20) == 'p'      ? "\\p classes are not supported"
                                               : "unknown escape");
        return false;
    }
    *out = *r->p++;
    return true;
}

static bool parse_class_character(struct regex_parser *r, uint32_t *out)
{
    if (r->p == r->end) {
        refuse(r, "']' is missing");
        return false;
    }
    if (take(r, "\\"))
        return take_escaped(r, out);
    *out = take_code_point(r);
    return true;
}

/* One item between brackets: a named set, a character or a range. */
static bool parse_class_item(struct regex_parser *r, struct regex_class *set)
{
    if (at(r, "[:")) {
        for (const struct named_set *s = posix_sets; s->name; s++)
            if (take(r, s->name))
                return add_set(r, set, s->pairs, false);
        refuse(r, "unknown class name");
        return false;
    }
    bool opposite;
    if (at(r, "\\")) {
        r->p++;
        const char *pairs = escape_set(r, &opposite);
        if (pairs) {
            r->p++;
            return add_set(r, set, pairs, opposite);
        }
        r->p--;
    }
    uint32_t first, last;
    if (!parse_class_character(r, &first))
        return false;
    last = first;
    if (at(r, "-") && !at(r, "-]")) {
        r->p++;
        if (!parse_class_character(r, &last))
            return false;
        if (last < first) {
            refuse(r, "a range that goes backwards");
            return false;
        }
    }
    return add_folded(r, set, first, last);
}

static void finish_class(struct regex_class *set)
{
    for (uint32_t c = 0; c < 128; c++) {
        bool has = false;
        for (size_t i = 0; i < set->count && !has; i++)
            has = c >= set->ranges[i].first && c <= set->ranges[i].last;
        if (has != set->negated)
            set->ascii[c / 64] |= (uint64_t)1 << c % 64;
    }
}

static struct regex_node *new_class(struct regex_parser *r, struct regex_class **set)
{
    struct regex_node *n = new_node(r, REGEX_CLASS);
    *set = n ? arena_alloc(r->arena, sizeof **set) : NULL;
    if (*set == NULL)
        return refuse(r, "too large");
    n->set = *set;
    return n;
}

static struct regex_node *parse_class(struct regex_parser *r)
{
    struct regex_class *set;
    struct regex_node *n = new_class(r, &set);
    if (n == NULL)
        return NULL;
    set->negated = take(r, "^");
    for (bool first = true; first || !at(r, "]"); first = false) {
        if (r->p == r->end)
            return refuse(r, "']' is missing");
        if (!parse_class_item(r, set))
            return NULL;
    }
    r->p++;
    finish_class(set);
    return n;
}

static struct regex_node *set_node(struct regex_parser *r, const char *pairs, bool opposite)
{
    struct regex_class *set;
    struct regex_node *n = new_class(r, &set);
    if (n == NULL || !add_set(r, set, pairs, false))
        return NULL;
    set->negated = opposite;
    finish_class(set);
    return n;
}

/* Everything else. */

static struct regex_node *character_node(struct regex_parser *r, uint32_t c)
{
    if (r->fold_case && c < 128 && (c | 0x20) >= 'a' && (c | 0x20) <= 'z') {
        char pairs[] = {(char)(c & ~0x20u), (char)(c & ~0x20u), (char)(c | 0x20), (char)(c | 0x20),
                        0};
        return set_node(r, pairs, false);
    }
    struct regex_node *n = new_node(r, REGEX_CHAR);
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
        if (take(r, places[i].letter))
            return new_node(r, places[i].op);
    bool opposite;
    const char *pairs = escape_set(r, &opposite);
    if (pairs) {
        r->p++;
        return set_node(r, pairs, opposite);
    }
    uint32_t c;
    return take_escaped(r, &c) ? character_node(r, c) : NULL;
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
    refuse(r, "unknown flag; known are i, s and m");
    return false;
}

static bool take_group_name(struct regex_parser *r)
{
    const uint8_t *start = r->p;
    while (r->p < r->end && *r->p != '>' && *r->p != ')')
        r->p++;
    if (r->p > start && take(r, ">"))
        return true;
    refuse(r, "wrong group name");
    return false;
}

/* What follows "(?". *only_flags: the group has no content and its flags hold from here on. */
static bool parse_group_kind(struct regex_parser *r, bool *only_flags)
{
    *only_flags = false;
    if (at(r, "=") || at(r, "!") || at(r, "<=") || at(r, "<!")) {
        refuse(r, "look-around is not supported");
        return false;
    }
    if (take(r, "P<") || take(r, "<"))
        return take_group_name(r);
    if (!take_flags(r))
        return false;
    *only_flags = *r->p++ == ')';
    return true;
}

static struct regex_node *parse_group(struct regex_parser *r)
{
    if (++r->depth > REGEX_MAX_DEPTH)
        return refuse(r, "groups are nested too deeply");
    struct regex_parser outer = *r;
    bool only_flags = false;
    if (take(r, "?") && !parse_group_kind(r, &only_flags))
        return NULL;
    if (only_flags) {
        r->depth--;
        return new_node(r, REGEX_EMPTY);
    }
    struct regex_node *n = parse_alternatives(r);
    if (n == NULL)
        return NULL;
    if (!take(r, ")"))
        return refuse(r, "')' is missing");
    r->fold_case = outer.fold_case;
    r->dot_all = outer.dot_all;
    r->multi_line = outer.multi_line;
    r->depth--;
    return n;
}

static struct regex_node *parse_atom(struct regex_parser *r)
{
    if (at(r, "*") || at(r, "+") || at(r, "?"))
        return refuse(r, "nothing to repeat");
    if (take(r, "("))
        return parse_group(r);
    if (take(r, "["))
        return parse_class(r);
    if (take(r, "\\"))
        return parse_escape(r);
    if (take(r, "."))
        return r->dot_all ? new_node(r, REGEX_ANY) : set_node(r, "\n\n", true);
    if (take(r, "^"))
        return new_node(r, r->multi_line ? REGEX_LINE_START : REGEX_TEXT_START);
    if (take(r, "$"))
        return new_node(r, r->multi_line ? REGEX_LINE_END : REGEX_TEXT_END);
    return character_node(r, take_code_point(r));
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
    if (take(r, "{") && take_number(r, min)) {
        *max = *min;
        if (take(r, ",") && !take_number(r, max))
            *max = REGEX_UNLIMITED;
        if (take(r, "}"))
            return true;
    }
    r->p = start;
    return false;
}

static bool take_repetition(struct regex_parser *r, int *min, int *max)
{
    *min = at(r, "+");
    *max = at(r, "?") ? 1 : REGEX_UNLIMITED;
    bool found = take(r, "*") || take(r, "+") || take(r, "?") || take_counts(r, min, max);
    if (found)
        take(r, "?"); /* lazy: the same question, as nothing is captured */
    return found;
}

static struct regex_node *parse_repeated(struct regex_parser *r)
{
    struct regex_node *atom = parse_atom(r);
    int min, max;
    if (atom == NULL || !take_repetition(r, &min, &max))
        return atom;
    if (max != REGEX_UNLIMITED && max < min)
        return refuse(r, "a repetition whose end is below its start");
    if (min > 1000 || max > 1000)
        return refuse(r, "more than 1000 repetitions");
    const uint8_t *end = r->p;
    int ignored;
    if (take_repetition(r, &ignored, &ignored)) {
        r->p = end;
        return refuse(r, "a repetition of a repetition");
    }
    struct regex_node *n = new_node(r, REGEX_REPEAT);
    if (n) {
        n->child = atom;
        n->min = min;
        n->max = max;
    }
    return n;
}

static struct regex_node *parse_concatenation(struct regex_parser *r)
{
    struct regex_node *n = new_node(r, REGEX_CONCAT);
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
    struct regex_node *n = new_node(r, REGEX_ALTERNATIVES);
    if (n == NULL)
        return NULL;
    struct regex_node **last = &n->child;
    do {
        *last = parse_concatenation(r);
        if (*last == NULL)
            return NULL;
        last = &(*last)->next;
    } while (take(r, "|"));
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
        return refuse(&r, "')' without '('");
    return n;
}
