/* Regular expressions: the part of RE2's syntax that filters and schemas use, in linear time.
 *
 * Known: literals, . ^ $, classes with ranges and [:names:], \d \w \s \b and their opposites, \A
 * \z, \n \t \r \f \v \xHH \x{H..} \uHHHH, groups (capturing or not, named too; nothing is
 * captured), flags (?i) (?s) (?m), |, * + ? {n} {n,} {n,m} and their lazy forms. No back
 * references, no look-around, no \p: they are refused with the reason. Letters fold in ASCII only.
 *
 * A program has at most 2000 instructions; a search costs at most text size times program size. */
#ifndef PROCESSORS_EXPRESSION_REGEX_H
#define PROCESSORS_EXPRESSION_REGEX_H

#include "base/arena.h"
#include "base/error.h"

enum { REGEX_MAX_PROGRAM = 2000, REGEX_MAX_DEPTH = 32 };

struct regex;

/* Compiles a UTF-8 pattern into the arena. On ERR_INVALID or ERR_TOO_LARGE the message says at
 * which character and why. */
MUST_USE enum error regex_compile(struct bytes pattern, struct arena *arena,
                                  const struct regex **out, struct message *message);

/* Whether the pattern matches somewhere in the text. Bytes that are not UTF-8 count as U+FFFD. */
bool regex_search(const struct regex *regex, struct bytes text);

/* Number of instructions, to estimate the cost of a search. */
size_t regex_size(const struct regex *regex);

#endif
