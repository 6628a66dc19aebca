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
    struct bytes
        parameter; /* behind the processor's name: type; the key itself for ordinary ones */
    struct bytes value;
    const char *path; /* the file that says so, NULL when it is from the broker */
    int line;
    struct bytes chain; /* set by declarations_sort: the processors in front of this one, and it */
};

struct declarations {
    struct declared_config *items; /* in the order of the file */
    size_t count, capacity;
};

/* Adds what a file declares. A section or key that stands twice is refused. */
bool processor_file_parse(const char *path, struct bytes text, struct arena *arena,
                          struct declarations *d, struct failure *f);

/* Splits "processor.m1.window" into "m1" and "window". False for any other setting. */
bool processor_key_split(struct bytes key, struct bytes *processor, struct bytes *parameter);

void declarations_add(struct declarations *d, const struct declared_config *item,
                      struct arena *arena);

/* Sorts by topic, then ordinary settings, then processors: each behind the one it follows
 * (`after`), `type` first. */
void declarations_sort(struct declarations *d, struct arena *arena);

/* Writes declarations as a file that reads back the same. Those of one section stand together. */
void processor_file_format(const struct declarations *d, struct buffer *out);

#endif
