/* A declared processor, with every parameter parsed and checked, and the types of processors.
 *
 * A processor has the parameters of all types. The parameters of its own type are in a structure
 * that only the type's files know. The topology owns the processor, which never changes in it. */
#ifndef PROCESSORS_TOPOLOGY_PROCESSOR_H
#define PROCESSORS_TOPOLOGY_PROCESSOR_H

#include "processors/time/event_time.h"

/* Where a chain without state begins. */
enum chain_start { START_EARLIEST, START_LATEST, START_TIME };
enum on_error { ON_ERROR_DLQ, ON_ERROR_FALSE };
/* The disposal of late records and of duplicates. */
enum disposal { DISPOSE_DROP, DISPOSE_PASS, DISPOSE_TAG, DISPOSE_TOPIC };

enum { NO_TOPIC = -1, NO_PARENT = -1 };

struct processor {
    struct bytes name, version; /* version: state.version and a digest of the configuration */
    const struct processor_type *type;
    void *own; /* the type's own parameters, such as struct dedup_parameters; NULL: none */
    struct bytes after;
    uint32_t digest; /* of its configuration, in any order */
    int parent;      /* index in its chain, lower than its own; NO_PARENT for the first */
    bool has_follower;
    const char *chain_parameter; /* a set parameter that only a chain's first may have; or NULL */

    /* Of the chain; meaningful on its first processor. */
    bool enabled;
    int64_t state_version, commit_interval_ms;
    int holds_retention; /* retention.guard=hold */
    int64_t retention_guard_bytes;
    enum chain_start start;
    int64_t start_ms;
    struct event_time time; /* of the first processor; the others have a copy of its numbers */
    struct bytes timestamp_format, timestamp_tz;
    int watermark_scope;

    /* Where records go: names as written, then indexes in the topology's topics. A type without
     * late records, or without duplicates, does not set their fields. */
    struct bytes output, late, duplicates, dead_letters;
    int output_topic, late_topic, duplicates_topic, dead_letter_topic;
    int late_disposal, duplicates_disposal; /* enum disposal */
    int64_t output_partitions;              /* 0: as many as the input */

    struct expression *where;
    int on_error;
};

/* The topic that a processor reads, and the messages of a check. */
struct processor_check {
    struct bytes topic;
    int32_t partitions;
    struct message *message; /* why the processor is refused */
    struct buffer *warnings; /* a line for each; may be NULL */
};

struct parameter;
struct step_type;

/* A type of processors: the rules of its declaration. Its step (steps/step.h) does the work. */
struct processor_type {
    const char *name;
    const struct step_type *step;
    /* Its own parameters; the last row has no name; NULL: none. They fill a structure of this size,
     * which is all zero before. */
    const struct parameter *parameters;
    size_t parameters_size;
    bool may_lack_output;    /* it is useful even without an output */
    const char *no_follower; /* why no processor may follow it; NULL: one may */

    /* A function is NULL if there is nothing to do or to refuse. */

    /* Checks all parameters together, and sets the fields that follow from them. */
    enum error (*check)(struct processor *p, const struct processor_check *check);
    /* Whether `next` may continue with the state of `running`. Only types with state have it. */
    enum error (*replace)(const struct processor *running, const struct processor *next,
                          struct message *message);
    /* Whether a parameter of its own reads the record's value. */
    bool (*reads_value)(const struct processor *p);
    /* Frees the memory that its own structure points to. */
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

/* NULL after the last one. */
const struct processor_type *processor_type_at(size_t index);
/* Appends "validate, filter, dedup and aggregate", with any word in place of "and". */
enum { PROCESSOR_TYPES_TEXT_MAX = 4096 };
void processor_types_append(struct buffer *out, const char *before_last);

/* Whether any parameter reads the record's value. */
bool processor_reads_value(const struct processor *p);

/* Writes "processor.<name>.<parameter>: ..." into the message; returns ERR_INVALID. */
enum error processor_refuse(struct message *message, struct bytes processor, const char *parameter,
                            const char *format, ...) PRINTF_LIKE(4, 5);
/* Refuses a processor when a parameter that its type requires was not given. */
enum error processor_require(const struct processor *p, bool given, const char *parameter,
                             struct message *message);
/* Refuses a change that the existing state does not allow. */
enum error processor_refuse_change(struct message *message, const struct processor *p,
                                   const char *parameter);

#endif
