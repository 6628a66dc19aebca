/* The parameters of processors. Tables hold their names, their allowed values and their defaults.
 * The parameters of all types are in parameters.c, those of one type in the type's files. No
 * parameter is ever ignored: an unknown one is refused with the nearest name, and one that is not
 * built yet is refused by name. */
#ifndef PROCESSORS_TOPOLOGY_PARAMETERS_H
#define PROCESSORS_TOPOLOGY_PARAMETERS_H

#include "processors/topology/processor.h"

/* The rows of all tables, for the documentation and its test; NULL after the last one. A parameter
 * of several types has several rows. */
const struct parameter *parameter_at(size_t index);
const char *parameter_name(const struct parameter *p);

/* The name if this parameter may be set on the first processor of a chain only, else NULL. */
const char *parameter_of_chain(struct bytes name);

/* Gives a processor, once its type is set, the type's own structure and the default values. */
void parameters_default(struct processor *p);
/* Parses `text` as the name of a type. */
MUST_USE enum error parameter_parse_type(struct bytes text, const struct processor_type **out,
                                         struct message *why);
/* Sets one parameter; `text` must live as long as the processor. On ERR_INVALID `why` is the
 * reason, without the parameter's name. */
MUST_USE enum error parameter_set(struct processor *p, struct bytes name, struct bytes text,
                                  struct message *why);
/* Frees the memory that the parameters allocated. */
void parameters_free(struct processor *p);

#endif
