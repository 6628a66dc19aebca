/* The reference page of all configuration keys, written from the tables. */
#ifndef BROKER_CONFIG_REFERENCE_H
#define BROKER_CONFIG_REFERENCE_H

#include "base/buffer.h"

/* docs/configuration.md, whole. */
void reference_write(struct buffer *out);

#endif
