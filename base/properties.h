/* Java properties: `key = value`, `#` and `!` comments, `\` continuation and escapes, UTF-8; with
 * `[section]` headers if the reader allows them. The value is raw text to the end of the line, so
 * expressions need no quoting. Only `\` followed by a newline, a `\` or u and four hex digits is
 * special. Other escapes are kept unchanged (such as \d in a pattern). */
#ifndef BASE_PROPERTIES_H
#define BASE_PROPERTIES_H

#include "base/arena.h"
#include "base/error.h"

struct property {
    struct bytes section; /* null outside of any section */
    struct bytes key, value;
    int line; /* from 1 */
};

struct properties_reader {
    struct bytes text;
    size_t at;
    int line;
    struct bytes section;
    bool sections; /* whether [section] lines are allowed */
};

struct properties_reader properties_reader_of(struct bytes text, bool sections);

/* The next pair, with its text in the arena. False at the end, or on a fault. On a fault the
 * message names the line and the reason; at the end its text is empty. */
bool properties_next(struct properties_reader *r, struct arena *arena, struct property *out,
                     struct message *message);

#endif
