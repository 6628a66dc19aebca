/* Records as lines of JSON, without loss: produce accepts the lines that consume prints.
 *
 *   {"topic":"orders","partition":3,"offset":88121,"timestamp":"2026-11-20T13:37:45.120Z",
 *    "key":"c-481","headers":[{"key":"trace","value":"9f"}],"value":{...}}
 *
 * A value that is JSON is copied byte for byte. Other UTF-8 becomes a string; other bytes become
 * base64 under "value_base64"; null is null. JSON that would read back as something else (a string,
 * null, text over several lines) becomes a string too. A key is copied only if it is an object or
 * an array, and else treated like other UTF-8 or bytes. */
#ifndef CLIENT_TOOLS_OUTPUT_RECORD_JSON_H
#define CLIENT_TOOLS_OUTPUT_RECORD_JSON_H

#include "client-tools/failure.h"
#include "protocol/record_batch.h"

/* Where a record comes from, or goes. */
struct record_place {
    struct bytes topic;
    int32_t partition;    /* -1: not given */
    int32_t leader_epoch; /* -1: unknown */
};

/* Appends the record and a line end. */
void record_json_append(struct buffer *out, const struct record_place *place,
                        const struct record *record);

/* Reads one line. If fields are missing: topic null, partition -1, timestamp -1, key and value
 * null. Headers are encoded into the arena, as in a batch. False with a reason. */
bool record_json_parse(struct bytes line, struct arena *arena, struct record_place *place,
                       struct record *out, struct message *message);

#endif
