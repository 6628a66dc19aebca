#include "processors/expression/expression_internal.h"
#include "processors/values/number.h"
#include "processors/values/utf8.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

bool lexer_refuse(struct lexer *l, size_t at, const char *format, ...)
{
    char reason[768];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    message_set(l->message, "column %zu: %s", l->column_base + at + 1, reason);
    return false;
}

/* The byte `ahead` of the current one; 0 after the end (no token begins with a zero byte). */
static uint8_t peek(const struct lexer *l, size_t ahead)
{
    return l->at + ahead < l->source.size ? l->source.data[l->at + ahead] : 0;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_hex(uint8_t c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static uint32_t hex_digit(uint8_t c)
{
    return is_digit(c) ? c - (uint32_t)'0' : (c | 0x20u) - 'a' + 10;
}

static bool lex_hex(struct lexer *l, struct token *t)
{
    uint64_t v = 0;
    l->at += 2;
    if (!is_hex(peek(l, 0)))
        return lexer_refuse(l, l->at, "hexadecimal digits are missing");
    for (; is_hex(peek(l, 0)); l->at++) {
        if (v >> 59)
            return lexer_refuse(l, t->at, "the number does not fit 64 bits");
        v = v << 4 | hex_digit(peek(l, 0));
    }
    t->constant = value_int((int64_t)v);
    return true;
}

static bool lex_integer(struct lexer *l, struct token *t, struct bytes text)
{
    int64_t v = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, text.data[i] - '0', &v))
            return lexer_refuse(l, t->at, "the number does not fit 64 bits");
    }
    t->is_lowest = v == INT64_MIN;
    t->constant = value_int(t->is_lowest ? v : -v);
    return true;
}

static bool lex_number(struct lexer *l, struct token *t)
{
    t->kind = TOKEN_CONSTANT;
    if (peek(l, 0) == '0' && (peek(l, 1) | 0x20) == 'x') {
        if (!lex_hex(l, t))
            return false;
    } else {
        bool is_double = false;
        while (is_digit(peek(l, 0)))
            l->at++;
        if (peek(l, 0) == '.' && is_digit(peek(l, 1))) {
            is_double = true;
            for (l->at++; is_digit(peek(l, 0)); l->at++)
                ;
        }
        size_t sign = peek(l, 1) == '+' || peek(l, 1) == '-';
        if ((peek(l, 0) | 0x20) == 'e' && is_digit(peek(l, 1 + sign))) {
            is_double = true;
            for (l->at += 1 + sign; is_digit(peek(l, 0)); l->at++)
                ;
        }
        struct bytes text = bytes_of(l->source.data + t->at, l->at - t->at);
        if (!is_double && !lex_integer(l, t, text))
            return false;
        if (is_double)
            t->constant = (struct value){.type = VALUE_DOUBLE, .real = number_to_double(text)};
        if (is_double && (text.size > NUMBER_MAX_TEXT || !isfinite(t->constant.real)))
            return lexer_refuse(l, t->at, "the number is out of range");
    }
    if (is_letter(peek(l, 0)))
        return lexer_refuse(l, l->at, "unexpected '%c' after a number", peek(l, 0));
    return true;
}

/* \xHH, \uHHHH, \UHHHHHHHH and \ooo give a code point. */
static bool lex_numeric_escape(struct lexer *l, uint8_t letter, uint8_t *out, size_t *size)
{
    size_t digits = letter == 'U' ? 8 : letter == 'u' ? 4 : (letter | 0x20) == 'x' ? 2 : 3;
    bool is_octal = is_digit(letter);
    uint32_t c = 0;
    size_t start = l->at - 2;
    l->at -= is_octal;
    for (size_t i = 0; i < digits; i++, l->at++) {
        uint8_t digit = peek(l, 0);
        if (is_octal ? digit < '0' || digit > '7' : !is_hex(digit))
            return lexer_refuse(l, start, "'\\%c' needs %zu %s digits", is_octal ? 'o' : letter,
                                digits, is_octal ? "octal" : "hexadecimal");
        c = is_octal ? c << 3 | (digit - (uint32_t)'0') : c << 4 | hex_digit(digit);
    }
    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return lexer_refuse(l, start, "the escape is not a valid character");
    *size = utf8_encode(c, out);
    return true;
}

/* Reads an escape from after its backslash. Writes its character. */
static bool lex_escape(struct lexer *l, uint8_t *out, size_t *size)
{
    static const char names[] = "abfnrtv\\?\"'`", controls[] = "\a\b\f\n\r\t\v\\?\"'`";
    uint8_t letter = peek(l, 0);
    const char *name = letter ? strchr(names, letter) : NULL;
    l->at++;
    *size = 1;
    if (name) {
        *out = (uint8_t)controls[name - names];
        return true;
    }
    if (letter == 'x' || letter == 'X' || letter == 'u' || letter == 'U' ||
        (letter >= '0' && letter <= '3'))
        return lex_numeric_escape(l, letter, out, size);
    return lexer_refuse(l, l->at - 2, "unknown escape in a string; a backslash is written '\\\\'");
}

static bool at_quote(const struct lexer *l, uint8_t quote, size_t width)
{
    for (size_t i = 0; i < width; i++)
        if (peek(l, i) != quote)
            return false;
    return true;
}

static bool string_goes_on(const struct lexer *l, uint8_t quote, size_t width)
{
    return l->at < l->source.size && !at_quote(l, quote, width) &&
           (width == 3 || peek(l, 0) != '\n');
}

/* Decodes from a string's first escape on; `plain` is the text before it. */
static bool lex_escaped(struct lexer *l, uint8_t quote, size_t width, struct bytes *plain)
{
    /* An escape is never shorter than its character. */
    uint8_t *text = arena_alloc(l->arena, plain->size + l->source.size - l->at);
    if (text == NULL)
        return lexer_refuse(l, l->at, "the strings are too long");
    memcpy(text, plain->data, plain->size);
    size_t size = plain->size;
    while (string_goes_on(l, quote, width)) {
        size_t added = 1;
        if (peek(l, 0) != '\\')
            text[size] = l->source.data[l->at++];
        else if (l->at++, !lex_escape(l, text + size, &added))
            return false;
        size += added;
    }
    *plain = bytes_of(text, size);
    return true;
}

/* Reads a string from its quote on; three quotes in a row begin a long string. */
static bool lex_string(struct lexer *l, struct token *t, bool is_raw)
{
    uint8_t quote = peek(l, 0);
    size_t width = at_quote(l, quote, 3) ? 3 : 1;
    l->at += width;
    size_t start = l->at;
    while (string_goes_on(l, quote, width) && (is_raw || peek(l, 0) != '\\'))
        l->at++;
    struct bytes text = bytes_of(l->source.data + start, l->at - start);
    if (!is_raw && peek(l, 0) == '\\' && !lex_escaped(l, quote, width, &text))
        return false;
    if (!at_quote(l, quote, width))
        return lexer_refuse(l, t->at, "the string has no closing quote");
    l->at += width;
    t->kind = TOKEN_CONSTANT;
    t->constant = value_string(text);
    return true;
}

static bool lex_name(struct lexer *l, struct token *t)
{
    while (is_letter(peek(l, 0)) || is_digit(peek(l, 0)))
        l->at++;
    struct bytes name = bytes_of(l->source.data + t->at, l->at - t->at);
    t->kind = bytes_equal_string(name, "in") ? TOKEN_IN : TOKEN_NAME;
    if (peek(l, 0) != '\'' && peek(l, 0) != '"')
        return true;
    if (bytes_equal_string(name, "r") || bytes_equal_string(name, "R"))
        return lex_string(l, t, true);
    if (bytes_equal_string(name, "b") || bytes_equal_string(name, "B"))
        return lexer_refuse(l, t->at, "byte literals are not supported");
    return true;
}

static const struct {
    char text[3];
    enum token_kind kind;
} symbols[] = {
    {"||", TOKEN_OR},          {"&&", TOKEN_AND},          {"==", TOKEN_EQUAL},
    {"!=", TOKEN_NOT_EQUAL},   {"<=", TOKEN_LESS_EQUAL},   {">=", TOKEN_GREATER_EQUAL},
    {"<", TOKEN_LESS},         {">", TOKEN_GREATER},       {"+", TOKEN_PLUS},
    {"-", TOKEN_MINUS},        {"*", TOKEN_TIMES},         {"/", TOKEN_DIVIDE},
    {"%", TOKEN_MODULO},       {"!", TOKEN_NOT},           {"?", TOKEN_QUESTION},
    {":", TOKEN_COLON},        {".", TOKEN_DOT},           {",", TOKEN_COMMA},
    {";", TOKEN_SEMICOLON},    {"(", TOKEN_OPEN},          {")", TOKEN_CLOSE},
    {"[", TOKEN_OPEN_BRACKET}, {"]", TOKEN_CLOSE_BRACKET}, {"{", TOKEN_OPEN_BRACE},
    {"}", TOKEN_CLOSE_BRACE},
};

static bool lex_symbol(struct lexer *l, struct token *t)
{
    for (size_t i = 0; i < COUNT_OF(symbols); i++) {
        size_t size = strlen(symbols[i].text);
        if (peek(l, 0) == (uint8_t)symbols[i].text[0] &&
            (size == 1 || peek(l, 1) == (uint8_t)symbols[i].text[1])) {
            l->at += size;
            t->kind = symbols[i].kind;
            return true;
        }
    }
    static const struct {
        char found, meant[3];
    } mistakes[] = {{'=', "=="}, {'&', "&&"}, {'|', "||"}};
    for (size_t i = 0; i < COUNT_OF(mistakes); i++)
        if (peek(l, 0) == (uint8_t)mistakes[i].found)
            return lexer_refuse(l, l->at, "found '%c'; did you mean '%s'?", mistakes[i].found,
                                mistakes[i].meant);
    if (peek(l, 0) < ' ' || peek(l, 0) >= 0x7f)
        return lexer_refuse(l, l->at, "found byte 0x%02x outside a string", l->source.data[l->at]);
    return lexer_refuse(l, l->at, "unexpected '%c'", peek(l, 0));
}

bool lexer_next(struct lexer *l, struct token *out)
{
    while (peek(l, 0) == ' ' || (peek(l, 0) >= '\t' && peek(l, 0) <= '\r'))
        l->at++;
    *out = (struct token){.kind = TOKEN_END, .at = l->at};
    bool ok = true;
    if (l->at >= l->source.size)
        ok = true;
    else if (is_letter(peek(l, 0)))
        ok = lex_name(l, out);
    else if (is_digit(peek(l, 0)) || (peek(l, 0) == '.' && is_digit(peek(l, 1))))
        ok = lex_number(l, out);
    else if (peek(l, 0) == '\'' || peek(l, 0) == '"')
        ok = lex_string(l, out, false);
    else
        ok = lex_symbol(l, out);
    out->text = bytes_of(l->source.data + out->at, l->at - out->at);
    return ok;
}
