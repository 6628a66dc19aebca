/* The settings of compaction, as the store and the gate of the cleaners want them. */
#ifndef BROKER_COMPACTION_H
#define BROKER_COMPACTION_H

#include "broker/clean_gate.h"
#include "broker/config/settings.h"

struct shard;

struct clean_gate_limits compaction_limits(const struct settings *s);
/* Without worker and gate. */
struct clean_options compaction_options(const struct settings *s);
/* The shard's cleaner obeys shard->live from now on. Shard 0 does the same for the gate. */
void compaction_apply_settings(struct shard *shard);

#endif
