/* Pipelines as files: sectioned properties, one to one with topic settings.
 *
 *   [orders/m1]            processor m1 on topic orders: each key is processor.m1.<key>
 *   type = aggregate
 *   [orders]               ordinary settings of the topic
 *   retention.ms = 7d */
#ifndef CLIENT_TOOLS_PIPELINE_PROCESSOR_FILE_H
#define CLIENT_TOOLS_PIPELINE_PROCESSOR_FILE_H

#include "base/arena.h"
#include "client-tools/failure.h"

struct declared_config {
    struct bytes topic;
    struct bytes processor; /* null: an ordinary setting */
    struct bytes key;       /* the setting's full name: processor.m1.type */
    struct bytes parameter; /* after the processor's name: type; for ordinary ones the key */
    struct bytes value;
    const char *path; /* the file that declares it; NULL: from the broker */
    int line;
    struct bytes chain; /* set by declarations_sort: the processors up to this one */
};

struct declarations {
    struct declared_config *items; /* in the order of the file */
    size_t count, capacity;
};

/* Adds the declarations of a file. Refuses a section or key that is there twice. */
bool processor_file_parse(const char *path, struct bytes text, struct arena *arena,
                          struct declarations *d, struct failure *f);

/* Splits "processor.m1.window" into "m1" and "window". False for any other setting. */
bool processor_key_split(struct bytes key, struct bytes *processor, struct bytes *parameter);

void declarations_add(struct declarations *d, const struct declared_config *item,
                      struct arena *arena);

/* Sorts by topic; in a topic first the ordinary settings, then the processors, each after the one
 * that it follows (`after`); in a processor `type` first. */
void declarations_sort(struct declarations *d, struct arena *arena);

/* Writes declarations as a file that reads back the same. Those of one section must be adjacent. */
void processor_file_format(const struct declarations *d, struct buffer *out);

#endif
