/* Java properties: `key = value`, `#` and `!` comments, `\` continuation and escapes, UTF-8; with
 * `[section]` headers where the reader of the file allows them. The value is raw text to the end of
 * the line, so expressions need no quoting; only `\` followed by a newline, a `\` or u and four hex
 * digits is special, other escapes are kept as they stand (a pattern such as \d survives). */
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

/* The next pair, its text in the arena. False at the end, or on a fault: then message is set (line
 * and what is wrong), otherwise its text is empty. */
bool properties_next(struct properties_reader *r, struct arena *arena, struct property *out,
                     struct message *message);

#endif
