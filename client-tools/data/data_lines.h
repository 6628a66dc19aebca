/* Lines of fields for output that may be long: "kind key=value ..." as text, or one JSON object per
 * line. They are written as they come. */
#ifndef CLIENT_TOOLS_DATA_DATA_LINES_H
#define CLIENT_TOOLS_DATA_DATA_LINES_H

#include "base/buffer.h"
#include "protocol/reader.h"

struct data_lines {
    bool json;
    bool reader_gone; /* nobody reads the output, or it cannot be written */
    int write_error;  /* errno; 0: none */
    struct buffer out;
};

void data_lines_init(struct data_lines *l, bool json);
/* Writes the rest. */
void data_lines_end(struct data_lines *l);

void data_line_begin(struct data_lines *l, const char *kind);
void data_line_int(struct data_lines *l, const char *key, int64_t value);
void data_line_text(struct data_lines *l, const char *key, struct bytes text);
/* Bytes as text if they are printable ASCII, else in hexadecimal; long ones are cut. */
void data_line_bytes(struct data_lines *l, const char *key, struct bytes bytes);
void data_line_uuid(struct data_lines *l, const char *key, struct uuid id);
void data_line_bool(struct data_lines *l, const char *key, bool value);
void data_line_end(struct data_lines *l);

#endif
