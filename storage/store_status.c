/* The present work of a store, as lines of the log. The time for a line does not depend on the
 * number of partitions. */
#include "storage/store_internal.h"

#include <stdlib.h>

enum { UNCLEANABLE_LINES = 100 };

static void write_journal(struct store *s)
{
    struct store_stats stats = store_stats(s);
    enum error lack = store_lack(s);
    trace_log(s->env->trace, TRACE_INFO, "status of a journal", F_INT("shard", s->options.shard),
              F_INT("position", s->durable), F_INT("checkpoint_position", s->checkpoint_lsn),
              F_INT("behind_bytes", stats.journal_behind_bytes), F_INT("units", stats.units),
              F_INT("entries", stats.entries), F_INT("bytes", stats.journal_bytes),
              F_INT("checkpoints", stats.checkpoints), F_INT("flushes", stats.flushes),
              F_INT("unflushed_bytes", stats.unflushed_bytes),
              F_INT("tail_cache_bytes", stats.tail_bytes),
              F_STRING("lacks", lack == ERR_OK ? "nothing" : error_text(lack)));
}

static const char *cleaner_state(const struct store *s)
{
    const struct store_cleaning *c = &s->cleaning;
    if (s->options.clean.worker == NULL)
        return "disabled";
    if (c->round)
        return atomic_load(&c->visit.pausing) ? "throttled" : "cleaning";
    if (c->phase == CLEAN_WAITING)
        return "waiting for its turn";
    return c->lacks_space ? "waiting for space" : "idle";
}

static void write_cleaner(struct store *s)
{
    struct store_cleaning *c = &s->cleaning;
    const struct store_stats *stats = &s->stats;
    struct log_clean_progress progress = {.bytes_to_read = 1};
    const struct store_log *log = c->phase == CLEAN_WAITING ? c->best : c->round ? c->log : NULL;
    char *directory = NULL;
    if (c->round)
        progress = log_clean_progress(c->round);
    if (log)
        directory = partition_directory(s->data_directory, log->topic_id, log->partition);
    double share = (double)progress.bytes_read / (double)MAX(progress.bytes_to_read, 1);
    char last_round[40] = "";
    if (stats->last_clean_wall_ms > 0)
        format_rfc3339(stats->last_clean_wall_ms, last_round);
    trace_log(s->env->trace, TRACE_INFO, "status of a cleaner", F_INT("shard", s->options.shard),
              F_STRING("state", cleaner_state(s)),
              F_STRING("directory", directory ? directory : ""),
              F_INT("percent_done", MIN(share, 1.0) * 100), F_INT("compactions", stats->cleanings),
              F_INT("records_dropped", stats->records_dropped),
              F_INT("bytes_read", stats->clean_bytes_read + progress.bytes_read),
              F_INT("bytes_written", stats->clean_bytes_written + progress.bytes_written),
              F_INT("overdue", c->phase == CLEAN_WAITING && c->best_urgency > 1),
              F_INT("dirty_percent_max", stats->max_dirty_ratio * 100),
              F_INT("uncleanable", stats->uncleanable), F_STRING("last_compaction", last_round));
    free(directory);
}

static void write_uncleanable(struct store *s)
{
    int lines = 0;
    LIST_FOR_EACH (node, &s->cleaning.uncleanable) {
        const struct store_log *l = CONTAINER_OF(node, struct store_log, uncleanable);
        if (lines++ == UNCLEANABLE_LINES)
            break;
        char *directory = partition_directory(s->data_directory, l->topic_id, l->partition);
        trace_log(s->env->trace, TRACE_INFO, "status of an uncleanable partition",
                  F_INT("shard", s->options.shard), F_STRING("directory", directory),
                  F_INT("partition", l->partition), F_INT("until_offset", l->uncleanable_until));
        free(directory);
    }
}

void store_write_status(struct store *s)
{
    write_journal(s);
    write_cleaner(s);
    write_uncleanable(s);
}
