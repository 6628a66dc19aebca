#include "broker/fetch/fetch.h"

#include "broker/broker.h"
#include "storage/log_slice.h"

enum {
    ZSTD_SINCE_VERSION = 10,
    IDS_SINCE_VERSION = 13,
    FETCHES_AT_ONCE = 4, /* that can each hold a share of the segment files */
};

static void end_wait(struct fetch_part *fp, struct fetch_item *item)
{
    ASSERT(!item->ends_wait);
    item->ends_wait = true;
    fp->ending++;
}

static void fail_item(struct fetch_part *fp, struct fetch_item *item, enum kafka_error error)
{
    item->error = error;
    item->high_watermark = item->last_stable_offset = item->visible_end = item->log_start = -1;
    end_wait(fp, item);
}

static enum kafka_error check_epoch(const struct fetch_item *item)
{
    if (item->leader_epoch < 0 || item->leader_epoch == LEADER_EPOCH)
        return KAFKA_NONE;
    return item->leader_epoch < LEADER_EPOCH ? KAFKA_FENCED_LEADER_EPOCH
                                             : KAFKA_UNKNOWN_LEADER_EPOCH;
}

static bool piece_has_zstd(const struct slice_piece *piece)
{
    struct bytes left = bytes_of(piece->at, piece->size);
    struct batch_header h;
    while (piece->buffer && batch_header_read(left, &h)) {
        size_t size = batch_size(left);
        if ((h.attributes & BATCH_CODEC_MASK) == CODEC_ZSTD)
            return true;
        if (size == 0 || size > left.size)
            break;
        left = bytes_from(left, size);
    }
    return false;
}

/* Fetch below version 10 cannot carry zstd (KIP-110). For data in files only the topic's setting
 * counts, as in Kafka. */
static bool cannot_read_zstd(const struct fetch_part *fp, const struct partition *p,
                             const struct log_slice *slice)
{
    if (fp->fetch->version >= ZSTD_SINCE_VERSION)
        return false;
    bool found = p->settings.compression_type == COMPRESSION_ZSTD;
    for (size_t i = 0; !found && i < slice->piece_count; i++)
        found = piece_has_zstd(&slice->pieces[i]);
    return found;
}

static enum kafka_error error_of_read(enum error error)
{
    switch (error) {
    case ERR_OK:
        return KAFKA_NONE;
    case ERR_OUT_OF_RANGE:
        return KAFKA_OFFSET_OUT_OF_RANGE;
    case ERR_CORRUPT:
        return KAFKA_CORRUPT_MESSAGE;
    default:
        return KAFKA_KAFKA_STORAGE_ERROR;
    }
}

/* The file cannot be opened now. The partition's answer stays empty, without an error, which every
 * client takes as a reason to ask again. Records of other partitions are sent at once; without any
 * the fetch waits as if there were none. */
static void wait_for_descriptor(struct fetch_part *fp, struct fetch_item *item)
{
    trace_log(fp->part.shard->env->trace, TRACE_WARN,
              "a fetch waits for a file descriptor: raise the limit of open files",
              F_INT("segments_may_have", segment_file_count().limit));
    if (fp->bytes > 0)
        end_wait(fp, item);
}

static int files_of(const struct log_slice *slice)
{
    int count = 0;
    for (size_t i = 0; slice && i < slice->piece_count; i++)
        count += slice->pieces[i].file != NULL;
    return count;
}

/* A slow consumer holds the files of an answer until it has read them. So one fetch gets only a
 * share of the descriptors of segments, and its shards divide the share. Partitions beyond it come
 * in the next fetch: clients and sessions ask for those without records first. */
static bool has_its_share(const struct fetch_part *fp)
{
    int share = segment_file_count().limit / FETCHES_AT_ONCE / fp->fetch->scatter.part_count;
    return fp->files >= MAX(share, 1);
}

/* Takes over the slice. */
static void take_slice(struct fetch_part *fp, struct fetch_item *item, const struct partition *p,
                       enum error error, struct log_slice *slice)
{
    if (error == ERR_NO_FILES) {
        wait_for_descriptor(fp, item);
        return;
    }
    enum kafka_error code = error_of_read(error);
    if (slice && cannot_read_zstd(fp, p, slice))
        code = KAFKA_UNSUPPORTED_COMPRESSION_TYPE;
    if (code != KAFKA_NONE) {
        log_slice_unref(slice);
        fail_item(fp, item, code);
        return;
    }
    item->slice = slice;
    fp->bytes += slice ? slice->size : 0;
    fp->files += files_of(slice);
    /* The slice was cut by a limit or by the end of its file (the rest is in the next file or in
     * memory). */
    if (slice && slice->next_offset < item->visible_end)
        end_wait(fp, item);
}

static void job_done(struct job *job)
{
    struct log_read_job *read = CONTAINER_OF(job, struct log_read_job, job);
    struct fetch_part *fp = CONTAINER_OF(read, struct fetch_part, job);
    struct shard *shard = fp->part.shard;
    struct partition *p = fp->held;
    fp->held = NULL;
    if (p->deleted) {
        log_slice_unref(read->slice);
        fail_item(fp, fp->job_item, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    } else {
        partition_report_damage(shard, p, read);
        take_slice(fp, fp->job_item, p, read->result, read->slice);
    }
    partition_release(shard, p);
    fp->go_on(fp);
}

static void read_by_job(struct fetch_part *fp, struct fetch_item *item, struct partition *p,
                        size_t limit, bool at_least_one)
{
    fp->held = p;
    fp->job_item = item;
    partition_hold(p);
    fp->job = (struct log_read_job){
        .job.done = job_done,
        .log = p->log,
        .offset = item->offset,
        .end_offset = item->visible_end,
        .max_bytes = limit,
        .at_least_one = at_least_one,
    };
    log_read_submit(fp->part.shard->reader, &fp->job);
}

/* A second reading starts without the first one's result. */
static void forget_result(struct fetch_part *fp, struct fetch_item *item)
{
    fp->bytes -= item->slice ? item->slice->size : 0;
    fp->files -= files_of(item->slice);
    fp->ending -= item->ends_wait;
    item->ends_wait = false;
    log_slice_unref(item->slice);
    item->slice = NULL;
    item->error = KAFKA_NONE;
}

static enum kafka_error error_of_absent(const struct fetch_part *fp)
{
    enum kafka_error error = scatter_error_of_absent(&fp->part);
    bool by_id = fp->fetch->version >= IDS_SINCE_VERSION;
    return by_id && error == KAFKA_UNKNOWN_TOPIC_OR_PARTITION ? KAFKA_UNKNOWN_TOPIC_ID : error;
}

static void note_bounds(const struct fetch_part *fp, struct fetch_item *item,
                        const struct partition *p)
{
    item->high_watermark = partition_visible_end(p, READ_UNCOMMITTED);
    item->last_stable_offset = partition_visible_end(p, READ_COMMITTED);
    item->visible_end = partition_visible_end(p, fp->fetch->isolation);
    item->log_start = log_start_offset(p->log);
    ASSERT(item->last_stable_offset <= item->high_watermark);
    ASSERT(item->log_start <= item->last_stable_offset);
}

bool fetch_read_item(struct fetch_part *fp, struct fetch_item *item)
{
    ASSERT(fp->state == FETCH_PART_READING && fp->held == NULL);
    forget_result(fp, item);
    struct partition *p = partition_find(fp->part.shard, item->topic_id, item->target.partition);
    if (p == NULL) {
        fail_item(fp, item, error_of_absent(fp));
        return true;
    }
    enum kafka_error fault = check_epoch(item);
    if (fault == KAFKA_NONE &&
        (item->offset < log_start_offset(p->log) || item->offset > log_next_offset(p->log)))
        fault = KAFKA_OFFSET_OUT_OF_RANGE;
    if (fault != KAFKA_NONE) {
        fail_item(fp, item, fault);
        return true;
    }
    note_bounds(fp, item, p);
    bool first = fp->bytes == 0;
    size_t left = fp->fetch->max_bytes > fp->bytes ? fp->fetch->max_bytes - fp->bytes : 0;
    size_t limit = MIN(left, (size_t)MAX(item->max_bytes, 0));
    if (item->offset >= item->visible_end || (limit == 0 && !first))
        return true;
    struct log_slice *slice = NULL;
    enum error error = log_read(p->log, item->offset, item->visible_end, limit, first, &slice);
    if (error == ERR_BUSY && has_its_share(fp)) {
        end_wait(fp, item);
        return true;
    }
    if (error == ERR_BUSY) {
        read_by_job(fp, item, p, limit, first);
        return false;
    }
    take_slice(fp, item, p, error, slice);
    return true;
}

static void read_on(struct fetch_part *fp)
{
    struct scatter_part *part = &fp->part;
    while (fp->at < part->count) {
        struct fetch_item *item = &fp->fetch->items[part->items[fp->at++]];
        if (!fetch_read_item(fp, item))
            return;
    }
    fp->state = FETCH_PART_IDLE;
    scatter_part_done(part);
}

void fetch_part_read(struct scatter_part *part)
{
    struct fetch_part *fp = fetch_part_of(part);
    fp->state = FETCH_PART_READING;
    fp->go_on = read_on;
    read_on(fp);
}
