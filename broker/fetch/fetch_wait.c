#include "broker/fetch/fetch.h"

#include "broker/broker.h"
#include "storage/log_slice.h"

bool fetch_has_enough(const struct fetch *fetch)
{
    size_t bytes = 0;
    for (int i = 0; i < fetch->scatter.part_count; i++)
        bytes += fetch_part_at(fetch, i)->known_bytes;
    return bytes >= fetch->min_bytes;
}

/* --- on the part's shard --- */

static void mark_dirty(struct fetch_part *fp, struct fetch_item *item)
{
    if (item->is_dirty)
        return;
    item->is_dirty = true;
    item->next_dirty = fp->dirty;
    fp->dirty = item;
}

/* Whether a second reading may find something else. That is true also if the partition is gone
 * (NULL): the reading then gives the error. */
static bool has_moved(const struct fetch_item *item, const struct partition *p)
{
    return p == NULL ||
           partition_visible_end(p, item->part->fetch->isolation) != item->visible_end ||
           log_start_offset(p->log) != item->log_start;
}

static void partition_woke(struct partition_wait *wait, struct shard *shard,
                           const struct partition *partition)
{
    struct fetch_item *item = CONTAINER_OF(wait, struct fetch_item, wait);
    ASSERT(item->part->part.shard == shard);
    if (!has_moved(item, partition))
        return;
    mark_dirty(item->part, item);
    due_work_add(shard, &item->part->due);
}

static void end_wait(struct fetch_part *fp)
{
    struct scatter_part *part = &fp->part;
    ASSERT(fp->state == FETCH_PART_WAITING && fp->held == NULL);
    due_work_cancel(&fp->due);
    for (uint32_t i = 0; i < part->count; i++)
        wait_cancel(&fp->fetch->items[part->items[i]].wait);
    fp->state = FETCH_PART_IDLE;
    scatter_part_done(part);
}

/* Whether the part must go home. A part with all items knows itself whether there is enough.
 * Otherwise it takes any news home, where the sum is made. */
static bool is_news(const struct fetch_part *fp, size_t bytes_before)
{
    if (fp->ending > 0)
        return true;
    if (fp->fetch->scatter.part_count == 1)
        return fp->bytes >= fp->fetch->min_bytes;
    return fp->bytes != bytes_before;
}

/* Reads the items again whose partitions moved. */
static void look_again(struct fetch_part *fp)
{
    size_t before = fp->bytes;
    fp->state = FETCH_PART_READING;
    while (fp->dirty) {
        struct fetch_item *item = fp->dirty;
        fp->dirty = item->next_dirty;
        item->is_dirty = false;
        if (!fetch_read_item(fp, item))
            return;
    }
    fp->state = FETCH_PART_WAITING;
    if (fp->stopped || is_news(fp, before))
        end_wait(fp);
}

/* A job of look_again is done. It counts as news, because nothing remembers the bytes from
 * before. */
static void look_on(struct fetch_part *fp)
{
    fp->stopped |= fp->fetch->scatter.part_count > 1;
    look_again(fp);
}

static void run_due(struct due_work *work, struct shard *shard)
{
    struct fetch_part *fp = CONTAINER_OF(work, struct fetch_part, due);
    (void)shard;
    if (fp->state == FETCH_PART_WAITING)
        look_again(fp);
}

static void wait_on_partitions(struct scatter_part *part)
{
    struct fetch_part *fp = fetch_part_of(part);
    ASSERT(fp->state == FETCH_PART_IDLE && fp->dirty == NULL);
    fp->state = FETCH_PART_WAITING;
    fp->go_on = look_on;
    fp->due.run = run_due;
    fp->stopped = false;
    for (uint32_t i = 0; i < part->count; i++) {
        struct fetch_item *item = &fp->fetch->items[part->items[i]];
        struct partition *p = partition_find(part->shard, item->topic_id, item->target.partition);
        item->part = fp;
        item->wait.wake = partition_woke;
        if (p)
            wait_register(&item->wait, p);
        /* Records that came since the reading wake no waits: the item must be read again. */
        if (has_moved(item, p))
            mark_dirty(fp, item);
    }
    if (fp->dirty)
        look_again(fp);
}

static void stop_part(struct fetch_part *fp)
{
    if (fp->state == FETCH_PART_WAITING)
        end_wait(fp);
    else
        fp->stopped = true; /* obeyed when the job is done; has no meaning when idle */
}

/* --- at home --- */

static void stop_is_back(struct mail *mail, struct shard *shard)
{
    struct fetch_part *fp = CONTAINER_OF(mail, struct fetch_part, stop_mail);
    (void)shard;
    scatter_release(&fp->fetch->scatter);
}

static void deliver_stop(struct mail *mail, struct shard *shard)
{
    struct fetch_part *fp = CONTAINER_OF(mail, struct fetch_part, stop_mail);
    struct shard *home = fp->fetch->home;
    (void)shard;
    stop_part(fp);
    mail->deliver = stop_is_back;
    shard_post(home, mail);
}

/* Calls all parts home. Parts on other shards get a mail of their own, which also comes back. */
static void stop_waiting(struct fetch *fetch)
{
    struct scatter *s = &fetch->scatter;
    if (fetch->stopping)
        return;
    fetch->stopping = true;
    timers_cancel(&fetch->home->timers, &fetch->deadline);
    parked_remove(&fetch->parked);
    scatter_hold(s);
    for (int i = 0; i < s->part_count; i++) {
        struct fetch_part *fp = fetch_part_at(fetch, i);
        if (!fp->part.away)
            continue;
        if (fp->part.shard == fetch->home) {
            stop_part(fp);
            continue;
        }
        scatter_hold(s);
        fp->stop_mail.deliver = deliver_stop;
        shard_post(fp->part.shard, &fp->stop_mail);
    }
    scatter_release(s);
}

static void time_is_up(struct timer *timer, int64_t now_ms)
{
    (void)now_ms;
    stop_waiting(CONTAINER_OF(timer, struct fetch, deadline));
}

static void shard_stops(struct parked *parked)
{
    stop_waiting(CONTAINER_OF(parked, struct fetch, parked));
}

static void part_is_back(struct scatter *scatter, struct scatter_part *part)
{
    struct fetch *fetch = CONTAINER_OF(scatter, struct fetch, scatter);
    struct fetch_part *fp = fetch_part_of(part);
    fp->known_bytes = fp->bytes;
    if (fetch->stopping)
        return;
    if (fp->ending > 0 || fetch_has_enough(fetch))
        stop_waiting(fetch);
    else
        scatter_send(part);
}

static void wait_is_over(struct scatter *scatter)
{
    struct fetch *fetch = CONTAINER_OF(scatter, struct fetch, scatter);
    ASSERT(fetch->stopping && !timer_is_set(&fetch->deadline));
    fetch->answer(fetch);
}

void fetch_park(struct fetch *fetch)
{
    struct shard *home = fetch->home;
    fetch->deadline.fire = time_is_up;
    timers_set(&home->timers, &fetch->deadline, home->now_ms + fetch->max_wait_ms);
    fetch->parked.end = shard_stops;
    parked_add(home, &fetch->parked);
    fetch->scatter.part_back = part_is_back;
    fetch->scatter.gathered = wait_is_over;
    scatter_run(&fetch->scatter, wait_on_partitions);
}
