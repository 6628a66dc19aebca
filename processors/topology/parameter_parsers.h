/* How the text of a parameter becomes a field of struct processor: one parser per kind of value.
 * The table that uses them is in parameters.c. */
#ifndef PROCESSORS_TOPOLOGY_PARAMETER_PARSERS_H
#define PROCESSORS_TOPOLOGY_PARAMETER_PARSERS_H

#include "processors/topology/processor.h"

/* One row of the table. */
struct parameter {
    const char *name;
    int types;
    /* NULL: not built yet. */
    enum error (*parse)(const struct parameter *p, struct bytes text, void *field,
                        struct message *why);
    size_t at;                  /* of the field in struct processor */
    const char *otherwise;      /* the default as text; NULL: zero */
    bool chain;                 /* belongs to the first processor of a chain */
    const char *const *words;   /* what the field may be, for parse_word; its value is the index */
    const char *const *planned; /* words that are not built yet */
};

#define PARAMETER_PARSER(name) \
    enum error name(const struct parameter *p, struct bytes text, void *field, struct message *why)

/* All of them: ERR_INVALID with the reason in `why`. `text` must outlive the processor. */
PARAMETER_PARSER(parse_word);
PARAMETER_PARSER(parse_bool);
PARAMETER_PARSER(parse_duration);
PARAMETER_PARSER(parse_duration_or_off);
PARAMETER_PARSER(parse_positive_duration);
PARAMETER_PARSER(parse_count);
PARAMETER_PARSER(parse_partitions);
PARAMETER_PARSER(parse_topic);
PARAMETER_PARSER(parse_processor_name);
PARAMETER_PARSER(parse_text);
PARAMETER_PARSER(parse_expression);
PARAMETER_PARSER(parse_condition);
PARAMETER_PARSER(parse_expressions);
PARAMETER_PARSER(parse_timestamp);
PARAMETER_PARSER(parse_window);
PARAMETER_PARSER(parse_select);
PARAMETER_PARSER(parse_schema);
PARAMETER_PARSER(parse_start);
PARAMETER_PARSER(parse_late);
PARAMETER_PARSER(parse_duplicates);
#undef PARAMETER_PARSER

#endif
