/* Compilation and search.
 *
 * The program is a nondeterministic automaton (Thompson's construction). The search follows all of
 * its states at once, character by character, so its time is bounded for any pattern. The order of
 * states does not matter, because nothing is captured. */
#include "processors/expression/regex.h"

#include "base/compiler.h"
#include "processors/expression/regex_internal.h"
#include "processors/values/utf8.h"

struct compiler {
    struct regex_instruction *program;
    size_t count;
};

bool regex_class_has(const struct regex_class *set, uint32_t c)
{
    if (c < 128)
        return set->ascii[c / 64] >> c % 64 & 1;
    for (size_t i = 0; i < set->count; i++)
        if (c >= set->ranges[i].first && c <= set->ranges[i].last)
            return !set->negated;
    return set->negated;
}

size_t regex_size(const struct regex *regex)
{
    return regex->count;
}

/* Appends an instruction that continues with the one after it. False when the program is full. */
static bool emit_instruction(struct compiler *c, enum regex_op op, const struct regex_node *node)
{
    ASSERT(c->count <= REGEX_MAX_PROGRAM);
    if (c->count == REGEX_MAX_PROGRAM)
        return false;
    c->program[c->count] = (struct regex_instruction){.op = op,
                                                      .next = (uint16_t)(c->count + 1),
                                                      .other = (uint16_t)(c->count + 1),
                                                      .code_point = node ? node->code_point : 0,
                                                      .set = node ? node->set : NULL};
    c->count++;
    return true;
}

static bool emit_node(struct compiler *c, const struct regex_node *node);

/* split 1, 2; 1: first; jump end; 2: split ... */
static bool emit_alternatives(struct compiler *c, const struct regex_node *node)
{
    const struct regex_node *alternative = node->child;
    /* The jumps are chained through `other` until the end is known. */
    size_t last_jump = 0, jumps = 0;
    for (; alternative->next; alternative = alternative->next) {
        size_t split = c->count;
        if (!emit_instruction(c, REGEX_SPLIT, NULL) || !emit_node(c, alternative))
            return false;
        size_t jump = c->count;
        if (!emit_instruction(c, REGEX_JUMP, NULL))
            return false;
        c->program[jump].other = (uint16_t)last_jump;
        last_jump = jump;
        jumps++;
        c->program[split].other = (uint16_t)c->count;
    }
    if (!emit_node(c, alternative))
        return false;
    for (; jumps > 0; jumps--) {
        struct regex_instruction *jump = &c->program[last_jump];
        last_jump = jump->other;
        jump->next = (uint16_t)c->count;
    }
    return true;
}

static bool emit_repeat(struct compiler *c, const struct regex_node *node)
{
    for (int i = 0; i < node->min; i++)
        if (!emit_node(c, node->child))
            return false;
    size_t loop = c->count;
    if (node->max == REGEX_UNLIMITED) {
        if (!emit_instruction(c, REGEX_SPLIT, NULL) || !emit_node(c, node->child) ||
            !emit_instruction(c, REGEX_JUMP, NULL))
            return false;
        c->program[c->count - 1].next = (uint16_t)loop;
        c->program[loop].other = (uint16_t)c->count;
        return true;
    }
    ASSERT(node->min <= node->max);
    size_t splits = (size_t)(node->max - node->min), at = loop;
    for (size_t i = 0; i < splits; i++) {
        size_t split = c->count;
        if (!emit_instruction(c, REGEX_SPLIT, NULL) || !emit_node(c, node->child))
            return false;
        c->program[at].other = (uint16_t)split; /* a chain, in order */
        at = split;
    }
    for (at = loop; splits > 0; splits--) {
        size_t next = c->program[at].other;
        c->program[at].other = (uint16_t)c->count;
        at = next;
    }
    return true;
}

/* Recurses as deep as groups are nested; the parser bounds the depth. */
static bool emit_node(struct compiler *c, const struct regex_node *node)
{
    switch (node->op) {
    case REGEX_EMPTY:
        return true;
    case REGEX_CONCAT:
        for (const struct regex_node *part = node->child; part; part = part->next)
            if (!emit_node(c, part))
                return false;
        return true;
    case REGEX_ALTERNATIVES:
        return emit_alternatives(c, node);
    case REGEX_REPEAT:
        return emit_repeat(c, node);
    default:
        return emit_instruction(c, node->op, node);
    }
}

static void set_bit(uint64_t *bits, size_t i)
{
    bits[i / 64] |= (uint64_t)1 << i % 64;
}

/* Adds the bytes with which the instruction can start. False when it reads no text. */
static bool add_first_bytes(const struct regex_instruction *i, uint64_t *bytes)
{
    uint8_t encoded[4];
    switch (i->op) {
    case REGEX_CHAR:
        utf8_encode(i->code_point, encoded);
        set_bit(bytes, encoded[0]);
        return true;
    case REGEX_CLASS:
        bytes[0] |= i->set->ascii[0];
        bytes[1] |= i->set->ascii[1];
        bytes[2] = bytes[3] = ~(uint64_t)0;
        return true;
    case REGEX_ANY:
        memset(bytes, 0xff, 4 * sizeof *bytes);
        return true;
    default:
        return i->op != REGEX_MATCH;
    }
}

/* Collects the first bytes of all instructions that are reached without reading. */
static void find_first_bytes(struct regex *regex)
{
    uint64_t seen[REGEX_MAX_PROGRAM / 64 + 1] = {0};
    uint16_t stack[REGEX_MAX_PROGRAM * 2 + 1];
    size_t depth = 0;
    stack[depth++] = 0;
    while (depth > 0) {
        uint16_t at = stack[--depth];
        if (seen[at / 64] >> at % 64 & 1)
            continue;
        set_bit(seen, at);
        const struct regex_instruction *i = &regex->program[at];
        if (!add_first_bytes(i, regex->first_bytes)) {
            memset(regex->first_bytes, 0xff, sizeof regex->first_bytes);
            return;
        }
        if (i->op == REGEX_CHAR || i->op == REGEX_CLASS || i->op == REGEX_ANY)
            continue;
        stack[depth++] = i->next;
        if (i->op == REGEX_SPLIT)
            stack[depth++] = i->other;
    }
}

enum error regex_compile(struct bytes pattern, struct arena *arena, const struct regex **out,
                         struct message *message)
{
    if (!utf8_valid(pattern)) {
        message_set(message, "the pattern is not UTF-8");
        return ERR_INVALID;
    }
    struct regex_node *tree = regex_parse(pattern, arena, message);
    if (tree == NULL)
        return ERR_INVALID;
    struct regex_instruction program[REGEX_MAX_PROGRAM];
    struct compiler c = {.program = program};
    struct regex *regex = arena_alloc(arena, sizeof *regex);
    if (!emit_node(&c, tree) || !emit_instruction(&c, REGEX_MATCH, NULL) || regex == NULL) {
        message_set(message, "the pattern is too large: over %d instructions", REGEX_MAX_PROGRAM);
        return ERR_TOO_LARGE;
    }
    struct regex_instruction *copy = arena_array(arena, c.count, sizeof *copy);
    if (copy == NULL) {
        message_set(message, "the pattern is too large");
        return ERR_TOO_LARGE;
    }
    memcpy(copy, program, c.count * sizeof *copy);
    regex->program = copy;
    regex->count = c.count;
    find_first_bytes(regex);
    *out = regex;
    return ERR_OK;
}

enum { NO_CHARACTER = 0xffffffff }; /* before and after the text */

struct search {
    const struct regex *regex;
    uint32_t step;          /* marks the states reached before the current character */
    uint32_t before, after; /* characters around the current place */
    size_t count, next_count;
    uint32_t mark[REGEX_MAX_PROGRAM];
    uint16_t states[2][REGEX_MAX_PROGRAM], stack[REGEX_MAX_PROGRAM];
    uint16_t *current, *next;
};

static bool is_word_character(uint32_t c)
{
    return c < 128 &&
           ((c >= '0' && c <= '9') || c == '_' || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'));
}

static bool place_is(const struct search *s, enum regex_op op)
{
    switch (op) {
    case REGEX_TEXT_START:
        return s->before == NO_CHARACTER;
    case REGEX_TEXT_END:
        return s->after == NO_CHARACTER;
    case REGEX_LINE_START:
        return s->before == NO_CHARACTER || s->before == '\n';
    case REGEX_LINE_END:
        return s->after == NO_CHARACTER || s->after == '\n';
    case REGEX_WORD_EDGE:
        return is_word_character(s->before) != is_word_character(s->after);
    case REGEX_NO_WORD_EDGE:
        return is_word_character(s->before) == is_word_character(s->after);
    default:
        return true; /* jump and split */
    }
}

static void push_state(struct search *s, size_t *depth, uint16_t at)
{
    if (s->mark[at] == s->step)
        return;
    s->mark[at] = s->step;
    s->stack[(*depth)++] = at;
}

/* Adds all states that are reached from `start` without reading. True when one is a match. */
static bool follow(struct search *s, uint16_t start)
{
    size_t depth = 0;
    push_state(s, &depth, start);
    while (depth > 0) {
        uint16_t at = s->stack[--depth];
        const struct regex_instruction *i = &s->regex->program[at];
        if (i->op == REGEX_MATCH)
            return true;
        if (i->op == REGEX_CHAR || i->op == REGEX_CLASS || i->op == REGEX_ANY) {
            s->next[s->next_count++] = at;
        } else if (place_is(s, i->op)) {
            push_state(s, &depth, i->next);
            if (i->op == REGEX_SPLIT)
                push_state(s, &depth, i->other);
        }
    }
    return false;
}

static bool reads(const struct regex_instruction *i, uint32_t c)
{
    return i->op == REGEX_ANY || (i->op == REGEX_CHAR && i->code_point == c) ||
           (i->op == REGEX_CLASS && regex_class_has(i->set, c));
}

/* Reads one character in all states. A new search may also start after it. */
static bool advance_search(struct search *s, uint32_t c)
{
    uint16_t *swap = s->current;
    s->current = s->next;
    s->next = swap;
    s->count = s->next_count;
    s->next_count = 0;
    s->step++;
    for (size_t k = 0; k < s->count; k++) {
        const struct regex_instruction *i = &s->regex->program[s->current[k]];
        if (reads(i, c) && follow(s, i->next))
            return true;
    }
    return follow(s, 0);
}

static uint32_t character_at(const uint8_t *p, const uint8_t *end, size_t *size)
{
    uint32_t c = NO_CHARACTER;
    *size = 0;
    if (p < end) {
        *size = utf8_decode(p, end, &c);
        if (*size == 0) {
            *size = 1;
            c = 0xfffd;
        }
    }
    return c;
}

static bool can_start(const struct regex *regex, uint8_t byte)
{
    return regex->first_bytes[byte / 64] >> byte % 64 & 1;
}

bool regex_search(const struct regex *regex, struct bytes text)
{
    struct search s;
    s.regex = regex;
    s.step = 1;
    s.count = s.next_count = 0;
    s.current = s.states[0];
    s.next = s.states[1];
    memset(s.mark, 0, regex->count * sizeof s.mark[0]);
    const uint8_t *p = text.data, *end = p + text.size;
    /* Skips text that cannot start a match, which is most text. */
    while (p < end && *p < 0x80 && !can_start(regex, *p))
        p++;
    size_t size;
    s.before = p > text.data ? p[-1] : NO_CHARACTER;
    s.after = character_at(p, end, &size);
    if (follow(&s, 0))
        return true;
    while (p < end) {
        uint32_t c = s.after;
        p += size;
        s.before = c;
        s.after = character_at(p, end, &size);
        if (advance_search(&s, c))
            return true;
    }
    return false;
}
