/* The % language for records, as rpk and kcl have it.
 *
 *   %t topic  %p partition  %o offset  %d timestamp (ms)  %k key  %v value  %h headers  %e epoch
 *   %T %K %V sizes in bytes  %H number of headers  %i number of the record  %% a percent sign
 *   \n \t \r \\ \xNN
 *
 * %k{hex} %k{base64} %v{hex} %v{base64}; %d{iso}; %h{%k=%v } formats each header. */
#ifndef CLIENT_TOOLS_OUTPUT_RECORD_FORMAT_H
#define CLIENT_TOOLS_OUTPUT_RECORD_FORMAT_H

#include "client-tools/output/record_json.h"

/* False with a reason when the format is not valid; positions in it count from 1. */
bool record_format_check(struct bytes format, struct message *message);
/* Appends one record; `format` was checked. `number` is what %i prints. */
void record_format_append(struct buffer *out, struct bytes format, const struct record_place *place,
                          const struct record *record, int64_t number);

/* For reading: %k %v %t %p %d. Each takes the line up to the text that follows it; the last one
 * takes the rest. A line end at the end of the format is the end of the line. */
bool record_format_check_input(struct bytes format, struct message *message);
bool record_format_parse(struct bytes format, struct bytes line, struct record_place *place,
                         struct record *out, struct message *message);

#endif
