/* The rows of a table of parameters, and the parsers that turn the text of a parameter into a
 * field: one parser per kind of value. The parameters of all types are in parameters.c. A type's
 * own parameters are in the type's files, with the parsers that only they need. */
#ifndef PROCESSORS_TOPOLOGY_PARAMETER_PARSERS_H
#define PROCESSORS_TOPOLOGY_PARAMETER_PARSERS_H

#include "processors/topology/processor.h"

/* One row of a table; the last row has no name. */
struct parameter {
    const char *name;
    /* NULL: not built yet. */
    enum error (*parse)(const struct parameter *p, struct bytes text, void *field,
                        struct message *why);
    bool own;                   /* the field is in the type's own structure */
    size_t at;                  /* offset of the field there, or in struct processor */
    const char *otherwise;      /* the default as text; NULL: zero */
    bool chain;                 /* belongs to the first processor of a chain */
    const char *const *words;   /* the allowed words, for parse_word; the field is the index */
    const char *const *planned; /* words that are not built yet */
};

/* For the rows. PARAMETER_FIELD: a field of struct processor; OWN_FIELD: of the type's structure.
 */
#define PARAMETER_FIELD(name) .at = offsetof(struct processor, name)
#define OWN_FIELD(type, name) .own = true, .at = offsetof(type, name)
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define BOOL_WORDS WORDS("false", "true")

#define PARAMETER_PARSER(name) \
    enum error name(const struct parameter *p, struct bytes text, void *field, struct message *why)

/* Every parser gives ERR_INVALID with the reason in `why`. `text` must outlive the processor. */
PARAMETER_PARSER(parse_word);
PARAMETER_PARSER(parse_bool);
PARAMETER_PARSER(parse_duration);
PARAMETER_PARSER(parse_duration_or_off);
PARAMETER_PARSER(parse_positive_duration);
PARAMETER_PARSER(parse_size);
PARAMETER_PARSER(parse_count);
PARAMETER_PARSER(parse_partitions);
PARAMETER_PARSER(parse_topic);
PARAMETER_PARSER(parse_processor_name);
PARAMETER_PARSER(parse_text);
PARAMETER_PARSER(parse_expression);
PARAMETER_PARSER(parse_condition);
PARAMETER_PARSER(parse_expressions);
PARAMETER_PARSER(parse_timestamp);
PARAMETER_PARSER(parse_start);
PARAMETER_PARSER(parse_late);
PARAMETER_PARSER(parse_duplicates);

#endif
