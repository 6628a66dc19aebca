/* Classes of characters, and escapes. */
#include "processors/expression/regex_internal.h"

static bool add_range(struct regex_parser *r, struct regex_class *set, uint32_t first,
                      uint32_t last)
{
    if (set->count == set->capacity) {
        size_t capacity = set->capacity ? set->capacity * 2 : 8;
        struct regex_range *ranges = arena_array(r->arena, capacity, sizeof *ranges);
        if (ranges == NULL) {
            regex_refuse(r, "too large");
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

const char *regex_escape_set(const struct regex_parser *r, bool *opposite)
{
    for (const struct named_set *s = escape_sets; s->name && r->p < r->end; s++)
        if ((*r->p | 0x20) == s->name[0]) {
            *opposite = *r->p != (uint8_t)s->name[0];
            return s->pairs;
        }
    return NULL;
}

/* Takes `min` to `max` hexadecimal digits. */
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
        regex_refuse(r, "wrong hexadecimal escape");
        return false;
    }
    return true;
}

bool regex_take_escaped(struct regex_parser *r, uint32_t *out)
{
    static const char names[] = "afnrtv", controls[] = "\a\f\n\r\t\v";
    if (r->p == r->end) {
        regex_refuse(r, "a backslash at the end");
        return false;
    }
    const char *name = *r->p ? strchr(names, *r->p) : NULL;
    if (name) {
        r->p++;
        *out = (uint32_t)controls[name - names];
        return true;
    }
    if (regex_take(r, "x{")) {
        if (!take_hex(r, 1, 8, out))
            return false;
        if (!regex_take(r, "}")) {
            regex_refuse(r, "'}' is missing");
            return false;
        }
        return true;
    }
    if (regex_take(r, "x"))
        return take_hex(r, 2, 2, out);
    if (regex_take(r, "u"))
        return take_hex(r, 4, 4, out);
    bool alphanumeric =
        (*r->p >= '0' && *r->p <= '9') || ((*r->p | 0x20) >= 'a' && (*r->p | 0x20) <= 'z');
    if (alphanumeric || *r->p >= 0x80) {
        regex_refuse(r, *r->p >= '1' && *r->p <= '9' ? "back references are not supported"
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
        regex_refuse(r, "']' is missing");
        return false;
    }
    if (regex_take(r, "\\"))
        return regex_take_escaped(r, out);
    *out = regex_take_code_point(r);
    return true;
}

/* One item between brackets: a named set, a character or a range. */
static bool parse_class_item(struct regex_parser *r, struct regex_class *set)
{
    if (regex_at(r, "[:")) {
        for (const struct named_set *s = posix_sets; s->name; s++)
            if (regex_take(r, s->name))
                return add_set(r, set, s->pairs, false);
        regex_refuse(r, "unknown class name");
        return false;
    }
    bool opposite;
    if (regex_at(r, "\\")) {
        r->p++;
        const char *pairs = regex_escape_set(r, &opposite);
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
    if (regex_at(r, "-") && !regex_at(r, "-]")) {
        r->p++;
        if (!parse_class_character(r, &last))
            return false;
        if (last < first) {
            regex_refuse(r, "a range with its end before its start");
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
    struct regex_node *n = regex_new_node(r, REGEX_CLASS);
    *set = n ? arena_alloc(r->arena, sizeof **set) : NULL;
    if (*set == NULL)
        return regex_refuse(r, "too large");
    n->set = *set;
    return n;
}

struct regex_node *regex_parse_class(struct regex_parser *r)
{
    struct regex_class *set;
    struct regex_node *n = new_class(r, &set);
    if (n == NULL)
        return NULL;
    set->negated = regex_take(r, "^");
    for (bool first = true; first || !regex_at(r, "]"); first = false) {
        if (r->p == r->end)
            return regex_refuse(r, "']' is missing");
        if (!parse_class_item(r, set))
            return NULL;
    }
    r->p++;
    finish_class(set);
    return n;
}

struct regex_node *regex_set_node(struct regex_parser *r, const char *pairs, bool opposite)
{
    struct regex_class *set;
    struct regex_node *n = new_class(r, &set);
    if (n == NULL || !add_set(r, set, pairs, false))
        return NULL;
    set->negated = opposite;
    finish_class(set);
    return n;
}
