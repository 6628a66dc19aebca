/* The parameters of processors: tables say which there are, what they may be and what they are by
 * default. Those of all types are in parameters.c, those of one type in its own files. Unknown ones
 * are refused with the nearest name, and those of the language that are not built yet by name:
 * nothing is ever ignored. */
#ifndef PROCESSORS_TOPOLOGY_PARAMETERS_H
#define PROCESSORS_TOPOLOGY_PARAMETERS_H

#include "processors/topology/processor.h"

/* The rows of all tables, for the documentation and its test: NULL behind the last. A parameter of
 * several types has several. */
const struct parameter *parameter_at(size_t index);
const char *parameter_name(const struct parameter *p);

/* The parameter `name` if it is set on the first processor of a chain only, else NULL. */
const char *parameter_of_chain(struct bytes name);

/* Gives a processor whose type was just set the structure of its own, and what the type has by
 * default. */
void parameters_default(struct processor *p);
/* Parses `text` as the type. */
MUST_USE enum error parameter_parse_type(struct bytes text, const struct processor_type **out,
                                         struct message *why);
/* Sets one parameter; `text` must live as long as the processor. On ERR_INVALID `why` is the
 * reason, without the parameter's name. */
MUST_USE enum error parameter_set(struct processor *p, struct bytes name, struct bytes text,
                                  struct message *why);
/* Releases what the parameters allocated. */
void parameters_free(struct processor *p);

#endif
