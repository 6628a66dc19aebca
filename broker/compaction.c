#include "broker/compaction.h"

#include "broker/broker.h"
#include "broker/shard.h"

struct clean_gate_limits compaction_limits(const struct settings *s)
{
    return (struct clean_gate_limits){s->cleaner_threads, s->cleaner_io_bytes_per_second};
}

struct clean_options compaction_options(const struct settings *s)
{
    return (struct clean_options){
        .map_bytes = (size_t)(s->cleaner_dedupe_bytes / s->cleaner_threads),
        .map_load = MAX(s->cleaner_load_factor, 0.01),
        .buffer_bytes = (size_t)(s->cleaner_io_buffer_bytes / s->cleaner_threads),
        .max_uncompressed = (size_t)s->max_uncompressed_bytes,
        .backoff_ms = s->cleaner_backoff_ms,
    };
}

void compaction_apply_settings(struct shard *shard)
{
    struct clean_options options = compaction_options(&shard->live->now);
    struct clean_gate_limits limits = compaction_limits(&shard->live->now);
    store_set_clean_options(shard->store, &options);
    if (shard->id == 0 && shard->broker->clean_gate)
        clean_gate_set_limits(shard->broker->clean_gate, &limits);
}
