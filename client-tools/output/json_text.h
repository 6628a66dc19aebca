/* JSON in the tool's output: strings from any bytes, and base64 for bytes that are no text. */
#ifndef CLIENT_TOOLS_OUTPUT_JSON_TEXT_H
#define CLIENT_TOOLS_OUTPUT_JSON_TEXT_H

#include "base/arena.h"
#include "base/buffer.h"

/* Appends a JSON string; bytes that are not UTF-8 become U+FFFD. */
void append_json_text(struct buffer *out, struct bytes text);

void append_base64(struct buffer *out, struct bytes bytes);
/* Null when it is not valid base64 (padding required). */
struct bytes decode_base64(struct bytes text, struct arena *arena);
void append_hex(struct buffer *out, struct bytes bytes);

#endif
