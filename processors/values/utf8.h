/* UTF-8 text, strict: no overlong forms, no surrogates, nothing above U+10FFFF.
 *
 * Only utf8_decode and utf8_valid check the text. The other functions expect valid text, and stay
 * inside invalid text. */
#ifndef PROCESSORS_VALUES_UTF8_H
#define PROCESSORS_VALUES_UTF8_H

#include "base/bytes.h"

/* Decodes the code point at p < end. Returns its size in bytes, 0 when it is not valid. */
size_t utf8_decode(const uint8_t *p, const uint8_t *end, uint32_t *code_point);
/* Writes a code point (a valid one); returns its size, 1 to 4. */
size_t utf8_encode(uint32_t code_point, uint8_t *out);
bool utf8_valid(struct bytes text);
/* Number of code points. */
size_t utf8_count(struct bytes text);
/* Byte offset of the n-th code point; the size when there are fewer. */
size_t utf8_offset(struct bytes text, size_t n);

#endif
