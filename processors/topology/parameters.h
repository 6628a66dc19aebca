/* The parameters of processors: one table says which there are, for which types, what they may be
 * and what they are by default. Unknown ones are refused with the nearest name, and those of the
 * language that are not built yet by name: nothing is ever ignored. */
#ifndef PROCESSORS_TOPOLOGY_PARAMETERS_H
#define PROCESSORS_TOPOLOGY_PARAMETERS_H

#include "processors/topology/processor.h"

struct parameter;

/* The table, for the documentation and its test: NULL behind the last. */
const struct parameter *parameter_at(size_t index);
const char *parameter_name(const struct parameter *p);
bool parameter_is_built(const struct parameter *p);
bool parameter_is_of(const struct parameter *p, enum processor_type type);

/* Whether it is set on the first processor of a chain only. */
bool parameter_is_of_chain(const struct parameter *p);
const struct parameter *parameter_find(struct bytes name); /* NULL: unknown */

/* Sets what the processor's type has by default. */
void parameters_default(struct processor *p);
/* Parses `text` as the type. */
MUST_USE enum error parameter_parse_type(struct bytes text, enum processor_type *out,
                                         struct message *why);
/* Sets one parameter; `text` must live as long as the processor. On ERR_INVALID `why` is the
 * reason, without the parameter's name. */
MUST_USE enum error parameter_set(struct processor *p, struct bytes name, struct bytes text,
                                  struct message *why);
/* Releases what the parameters allocated. */
void parameters_free(struct processor *p);

#endif
