#include "broker/connection/frame_phase.h"

#include "broker/partition.h"
#include "protocol/api.h"
#include "protocol/messages.h"

_Static_assert((int)BUFFER_PHASES == (int)IO_ALIGNMENT, "frames are placed by blocks of files");

enum { FIRST_COMPACT = 9, FIRST_WITH_TRANSACTIONS = 3, FIRST_WITH_TOPIC_IDS = 13 };

/* The part of a produce request before the first records. */
struct produce_head {
    struct bytes topic_name;
    struct uuid topic_id;
    int32_t partition;
};

static bool read_produce_head(struct reader *r, int version, struct produce_head *out)
{
    bool compact = version >= FIRST_COMPACT;
    if (version >= FIRST_WITH_TRANSACTIONS)
        (void)(compact ? read_compact(r) : read_string16(r)); /* transactional id */
    read_i16(r);                                              /* acks */
    read_i32(r);                                              /* timeout */
    (void)(compact ? (int32_t)read_uvarint(r) : read_i32(r)); /* topics */
    if (version >= FIRST_WITH_TOPIC_IDS)
        out->topic_id = read_uuid(r);
    else
        out->topic_name = compact ? read_compact(r) : read_string16(r);
    (void)(compact ? (int32_t)read_uvarint(r) : read_i32(r)); /* partitions */
    out->partition = read_i32(r);
    (void)(compact ? (int32_t)read_uvarint(r) : read_i32(r)); /* size of the records */
    return !r->failed;
}

static struct partition *find(struct shard *shard, const struct produce_head *head)
{
    struct uuid id = head->topic_id;
    if (head->topic_name.size > 0) {
        const struct topic *topic = catalog_by_name(shard->catalog, head->topic_name);
        if (topic == NULL)
            return NULL;
        id = topic->id;
    }
    return partition_find(shard, id, head->partition);
}

int frame_phase(struct shard *shard, struct bytes head)
{
    struct reader r = reader_of(head);
    struct request_header header = read_request_header(&r);
    struct produce_head produce = {.partition = -1};
    if (r.failed || header.api_key != API_PRODUCE ||
        !read_produce_head(&r, header.api_version, &produce))
        return BUFFER_ANYWHERE;
    const struct partition *partition = find(shard, &produce);
    if (partition == NULL)
        return BUFFER_ANYWHERE;
    size_t batch = head.size - reader_left(&r);
    size_t position = (size_t)log_state(partition->log).active_size;
    return (int)((position - batch) % BUFFER_PHASES);
}
