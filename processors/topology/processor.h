/* A processor as it was declared: every parameter parsed and checked. Immutable; owned by its
 * topology. The table in parameters.c fills this structure. */
#ifndef PROCESSORS_TOPOLOGY_PROCESSOR_H
#define PROCESSORS_TOPOLOGY_PROCESSOR_H

#include "processors/json/json_schema.h"
#include "processors/steps/select.h"
#include "processors/time/event_time.h"
#include "processors/time/window.h"

enum processor_type {
    PROCESSOR_VALIDATE,
    PROCESSOR_FILTER,
    PROCESSOR_DEDUP,
    PROCESSOR_AGGREGATE,
    PROCESSOR_TYPE_COUNT,
};

/* Where a chain without state begins. */
enum chain_start { START_EARLIEST, START_LATEST, START_TIME };
enum output_key { OUTPUT_KEY_JSON, OUTPUT_KEY_GROUP, OUTPUT_KEY_KAFKA_WINDOWED };
enum output_time { OUTPUT_TIME_MAX_EVENT, OUTPUT_TIME_WINDOW_END };
enum window_format { WINDOW_FORMAT_EPOCH_MS, WINDOW_FORMAT_ISO };
enum on_error { ON_ERROR_DLQ, ON_ERROR_FALSE };
enum on_type_error { ON_TYPE_ERROR_DLQ, ON_TYPE_ERROR_SKIP };
enum on_missing_key { ON_MISSING_KEY_DLQ, ON_MISSING_KEY_DROP, ON_MISSING_KEY_NULL };
enum nulls { NULLS_SKIP, NULLS_COUNT };
enum dedup_clock { CLOCK_EVENT, CLOCK_PROCESSING };
/* What becomes of late records and of duplicates. */
enum disposal { DISPOSE_DROP, DISPOSE_PASS, DISPOSE_TAG, DISPOSE_TOPIC };

enum { NO_TOPIC = -1, NO_PARENT = -1 };

struct processor {
    struct bytes name, version; /* version: state.version and a digest of the configuration */
    enum processor_type type;
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

    /* Where records go: names as written, then indexes in the topology's topics. */
    struct bytes output, late, duplicates, dead_letters;
    int output_topic, late_topic, duplicates_topic, dead_letter_topic;
    int late_disposal, duplicates_disposal; /* enum disposal */
    int64_t output_partitions;              /* 0: as many as the input */

    struct expression *where;
    int on_error;
    int64_t lateness_ms;

    /* validate */
    bool json;
    struct json_schema *schema;

    /* dedup */
    struct expression_list id;
    int64_t within_ms, max_ids;
    int clock, scope;
    bool refresh;

    /* aggregate */
    struct expression_list group_by;
    bool grouped_by_key; /* group-by = key alone: the grouping key is the record's */
    struct window window;
    struct select select;
    int emit; /* only final */
    int output_key, output_timestamp, window_format;
    int on_type_error, on_missing_key, nulls;
};

/* What the steps and the parameters know a type by. */
const char *processor_type_name(enum processor_type type);

#endif
