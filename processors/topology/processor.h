/* A processor as it was declared, every parameter parsed and checked, and what a type of processors
 * is.
 *
 * A processor has what all types have, and the parameters of its type in a structure of the type's
 * own, which only the files of the type know. It is immutable once its topology is made, and owned
 * by that. */
#ifndef PROCESSORS_TOPOLOGY_PROCESSOR_H
#define PROCESSORS_TOPOLOGY_PROCESSOR_H

#include "processors/time/event_time.h"

/* Where a chain without state begins. */
enum chain_start { START_EARLIEST, START_LATEST, START_TIME };
enum on_error { ON_ERROR_DLQ, ON_ERROR_FALSE };
/* What becomes of late records and of duplicates. */
enum disposal { DISPOSE_DROP, DISPOSE_PASS, DISPOSE_TAG, DISPOSE_TOPIC };

enum { NO_TOPIC = -1, NO_PARENT = -1 };

struct processor {
    struct bytes name, version; /* version: state.version and a digest of the configuration */
    const struct processor_type *type;
    void *own; /* the parameters of its type, such as struct dedup_parameters; NULL: it has none */
    struct bytes after;
    uint32_t digest; /* of its configuration, whatever its order */
    int parent;      /* index in its chain, lower than its own; NO_PARENT for the first */
    bool has_follower;
    const char *chain_parameter; /* one that was set and belongs to the chain's first; or NULL */

    /* Of the chain; meaningful on its first processor. */
    bool enabled;
    int64_t state_version, commit_interval_ms;
    enum chain_start start;
    int64_t start_ms;
    struct event_time time; /* of the first one; the others have a copy of its numbers */
    struct bytes timestamp_format, timestamp_tz;
    int watermark_scope;

    /* Where records go: names as written, then indexes in the topology's topics. A type without
     * late records, or without duplicates, leaves theirs alone. */
    struct bytes output, late, duplicates, dead_letters;
    int output_topic, late_topic, duplicates_topic, dead_letter_topic;
    int late_disposal, duplicates_disposal; /* enum disposal */
    int64_t output_partitions;              /* 0: as many as the input */

    struct expression *where;
    int on_error;
};

/* The topic that a processor reads, and where a check puts what it has to say. */
struct processor_check {
    struct bytes topic;
    int32_t partitions;
    struct message *message; /* why the processor is refused */
    struct buffer *warnings; /* a line for each; may be NULL */
};

struct parameter;
struct step_type;

/* A type of processors: what its declaration may say. How it works is its step's business. */
struct processor_type {
    const char *name;
    const struct step_type *step;
    /* Its own parameters, ended by a row without name; NULL: none. They fill a structure of this
     * size, which is all zero before. */
    const struct parameter *parameters;
    size_t parameters_size;
    bool may_lack_output;    /* it is of use even if its results go nowhere */
    const char *no_follower; /* why no processor may come after it; NULL: one may */

    /* The functions may be NULL: then there is nothing to do or to refuse. */

    /* Checks what only all parameters together show, and sets what follows from them. */
    enum error (*check)(struct processor *p, const struct processor_check *check);
    /* Whether `next` may go on with the state of `running`. Types with state have it, no others. */
    enum error (*replace)(const struct processor *running, const struct processor *next,
                          struct message *message);
    /* Whether a parameter of its own looks into the record's value. */
    bool (*reads_value)(const struct processor *p);
    /* Releases what the structure of its own points to. */
    void (*free)(struct processor *p);
};

/* All types, in the order in which messages name them. */
#define PROCESSOR_TYPES(X) \
    X(validate)            \
    X(filter)              \
    X(dedup)               \
    X(aggregate)

#define X(name) extern const struct processor_type name##_type;
PROCESSOR_TYPES(X)
#undef X

/* NULL behind the last. */
const struct processor_type *processor_type_at(size_t index);
/* Appends "validate, filter, dedup and aggregate", with any word before the last. */
enum { PROCESSOR_TYPES_TEXT_MAX = 4096 };
void processor_types_append(struct buffer *out, const char *before_last);

/* Whether anything in it looks into the record's value. */
bool processor_reads_value(const struct processor *p);

/* "processor.<name>.<parameter>: ..."; returns ERR_INVALID. */
enum error processor_refuse(struct message *message, struct bytes processor, const char *parameter,
                            const char *format, ...) PRINTF_LIKE(4, 5);
/* Refuses unless a parameter was given that the type requires. */
enum error processor_require(const struct processor *p, bool given, const char *parameter,
                             struct message *message);
/* Refuses a change that the state kept so far does not allow. */
enum error processor_refuse_change(struct message *message, const struct processor *p,
                                   const char *parameter);

#endif
