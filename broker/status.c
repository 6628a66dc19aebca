#include "broker/status.h"

#include "broker/broker.h"
#include "broker/shard.h"
#include "storage/segment_file.h"

#include <stdlib.h>
#include <sys/resource.h>

static int64_t seconds_to_ms(struct timeval t)
{
    return t.tv_sec * 1000LL + t.tv_usec / 1000;
}

static void write_broker(const struct shard *shard)
{
    struct broker *broker = shard->broker;
    struct segment_file_counts files = segment_file_count();
    struct rusage used = {0};
    getrusage(RUSAGE_SELF, &used);
    trace_log(
        shard->env->trace, TRACE_INFO, "status", F_INT("topics", catalog_count(shard->catalog)),
        F_INT("shards", broker->shard_count),
        F_INT("connections", atomic_load(&broker->connections)),
        F_INT("connections_max", MIN(broker->descriptors, atomic_load(&broker->connections_max))),
        F_INT("uptime_ms", shard->now_ms - broker->started_ms),
        F_INT("cpu_ms", seconds_to_ms(used.ru_utime) + seconds_to_ms(used.ru_stime)),
        F_INT("memory_peak_bytes", used.ru_maxrss * 1024), F_INT("segment_files_open", files.open),
        F_INT("segment_files_max", files.limit));
}

static void write_shard(const struct shard *shard)
{
    trace_log(shard->env->trace, TRACE_INFO, "status of a shard", F_INT("shard", shard->id),
              F_INT("connections", shard->connection_count),
              F_INT("partitions", shard->partitions.count),
              F_INT("request_bytes", shard->in_flight_bytes),
              F_INT("unfinished_bytes", shard->unfinished_bytes),
              F_INT("unsent_bytes", shard->unsent_bytes), F_INT("turns", shard->turns));
}

/* Runs on the shard's thread, which alone may read its fields. */
static void write_status(struct mail *mail, struct shard *shard)
{
    free(mail);
    if (shard->id == 0)
        write_broker(shard);
    write_shard(shard);
    store_write_status(shard->store);
}

void status_write(struct broker *broker)
{
    for (int i = 0; i < broker->shard_count; i++) {
        struct mail *mail = xcalloc(1, sizeof *mail);
        mail->deliver = write_status;
        shard_post(broker->shards[i], mail);
    }
}
