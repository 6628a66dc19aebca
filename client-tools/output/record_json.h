/* Records as lines of JSON, both ways, without loss: what consume prints, produce takes.
 *
 *   {"topic":"orders","partition":3,"offset":88121,"timestamp":"2026-11-20T13:37:45.120Z",
 *    "key":"c-481","headers":[{"key":"trace","value":"9f"}],"value":{...}}
 *
 * A value that is JSON stands there byte for byte; other UTF-8 is a string; the rest is base64
 * under "value_base64"; null is null. JSON that would read back as something else (a string, null,
 * text over several lines) is a string too. Keys are copied only when they are objects or arrays.
 */
#ifndef CLIENT_TOOLS_OUTPUT_RECORD_JSON_H
#define CLIENT_TOOLS_OUTPUT_RECORD_JSON_H

#include "client-tools/failure.h"
#include "protocol/record_batch.h"

/* Where a record is from, or goes. */
struct record_place {
    struct bytes topic;
    int32_t partition;    /* -1: not said */
    int32_t leader_epoch; /* -1: unknown */
};

/* Appends the record and a line end. */
void record_json_append(struct buffer *out, const struct record_place *place,
                        const struct record *record);

/* Reads one line. Fields that are not there: topic null, partition -1, timestamp -1, key and value
 * null. Headers are encoded into the arena, as batches have them. False with a reason. */
bool record_json_parse(struct bytes line, struct arena *arena, struct record_place *place,
                       struct record *out, struct message *message);

#endif
