/* Small grammars of parameter values: lists, calls, names and topics. Nothing here allocates. */
#ifndef PROCESSORS_TOPOLOGY_CONFIG_TEXT_H
#define PROCESSORS_TOPOLOGY_CONFIG_TEXT_H

#include "base/error.h"

/* The largest duration of a parameter: a century. Sums of times stay far from the ends of int64. */
#define CONFIG_MAX_DURATION_MS (INT64_C(36525) * 86400000)

struct bytes config_trim(struct bytes text);

/* Cuts the next part at a top-level `separator` (outside quotes, parentheses, brackets and braces).
 * *rest starts as the whole text and becomes null after the last part. The part is trimmed. False
 * when nothing is left. */
bool config_next_part(struct bytes *rest, char separator, struct bytes *part);

/* Position of `word` at top level, with white space around it; the text's size when absent. */
size_t config_find_word(struct bytes text, const char *word);

/* Splits "name(arguments)" or "name" into trimmed views; `arguments` is null without parentheses.
 * False when other text follows or a parenthesis is missing. */
bool config_call(struct bytes text, struct bytes *name, struct bytes *arguments);

bool config_is_identifier(struct bytes text);     /* [A-Za-z_][A-Za-z0-9_]*, up to 63 */
bool config_is_processor_name(struct bytes text); /* [a-z0-9][a-z0-9-]{0,62} */
bool config_is_topic_name(struct bytes text);     /* Kafka's rule */

/* Parses a duration from 0 to CONFIG_MAX_DURATION_MS; only 0 may lack a unit. */
bool config_duration(struct bytes text, int64_t *out);
/* Says why the text is no duration. */
void config_refuse_duration(struct bytes text, struct message *message);

#endif
