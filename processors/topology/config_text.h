/* Small grammars of parameter values: lists, calls, names and topics. Nothing here allocates. */
#ifndef PROCESSORS_TOPOLOGY_CONFIG_TEXT_H
#define PROCESSORS_TOPOLOGY_CONFIG_TEXT_H

#include "base/error.h"

/* The largest duration that a parameter may have: a century. Keeps all sums of times far from the
 * ends of int64. */
#define CONFIG_MAX_DURATION_MS (INT64_C(36525) * 86400000)

struct bytes config_trim(struct bytes text);

/* Cuts the next part at a top-level `separator` (outside quotes, parentheses, brackets and braces);
 * *rest starts as the whole text and becomes null behind the last part. The part is trimmed. False
 * when nothing is left. */
bool config_next_part(struct bytes *rest, char separator, struct bytes *part);

/* Position of the word `word` at top level, white space around it; size when it is not there. */
size_t config_find_word(struct bytes text, const char *word);

/* "name(arguments)" or "name": both views, trimmed; arguments null without parentheses. False when
 * something else follows or a parenthesis is missing. */
bool config_call(struct bytes text, struct bytes *name, struct bytes *arguments);

bool config_is_identifier(struct bytes text);     /* [A-Za-z_][A-Za-z0-9_]*, up to 63 */
bool config_is_processor_name(struct bytes text); /* [a-z0-9][a-z0-9-]{0,62} */
bool config_is_topic_name(struct bytes text);     /* Kafka's rule */

/* A duration from 0 to CONFIG_MAX_DURATION_MS; only 0 goes without a unit. */
bool config_duration(struct bytes text, int64_t *out);
/* Says why it is none. */
void config_refuse_duration(struct bytes text, struct message *message);

#endif
