"""Rules that the whole broker in simulation must see broken: tests/simulation/test_broker."""
from mutant import Mutant

SIMULATION = ["simulation/test_broker"]

MUTANTS = [
    Mutant("changed_topic_is_stored_as_it_was", "added partitions and changed configs are gone after a restart",
           "broker/topics/controller.c", "    topic_row(topic, &key, &value);",
           "    struct topic *before = catalog_draft_by_name(&controller->draft, topic->name);\n"
           "    topic_row(before ? before : topic, &key, &value);", SIMULATION),
    Mutant("offsets_of_a_deleted_topic_stay", "a group has the offsets of a deleted topic in a new one of the same name",
           "broker/partitions.c", "        coordinator_topic_deleted(shard->coordinator, topic->name);",
           "        return;", SIMULATION),
    Mutant("log_start_is_not_stored", "DeleteRecords answers without an entry in the journal",
           "broker/handlers/delete_records.c", "    store_set_log_start(shard->store, p->log, offset);",
           "    log_set_start(p->log, offset);", SIMULATION + ["broker/test_delete_records"]),
    Mutant("tombstone_goes_at_once", "compaction drops a tombstone before its delete.retention.ms",
           "storage/clean_batch.c",
           "(h->attributes & BATCH_DELETE_HORIZON) && h->base_timestamp <= rules->now_ms;",
           "(h->attributes & BATCH_DELETE_HORIZON) && rules->now_ms > 0;",
           SIMULATION + ["storage/test_clean_batch"]),
    Mutant("duplicate_is_not_written", "a duplicate is counted, but does not reach its topic",
           "processors/task/chain_run.c", "        if (p->duplicates_topic != NO_TOPIC)", "        if (false)", SIMULATION),
    Mutant("offsets_never_expire", "old committed offsets stay", "broker/groups/coordinator_expiry.c",
           "    return c->shard->steady_ms - since_ms >= retention_ms;",
           "    return c->shard->steady_ms - since_ms >= INT64_MAX - retention_ms;", SIMULATION),
]
