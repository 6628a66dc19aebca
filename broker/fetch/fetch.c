#include "broker/fetch/fetch.h"

#include "storage/log_slice.h"

static bool must_answer(struct fetch *fetch)
{
    size_t ending = fetch->failed;
    for (int i = 0; i < fetch->scatter.part_count; i++) {
        struct fetch_part *fp = fetch_part_at(fetch, i);
        ASSERT(fp->state == FETCH_PART_IDLE);
        fp->known_bytes = fp->bytes;
        ending += fp->ending;
    }
    return fetch->max_wait_ms <= 0 || fetch->count == 0 || ending > 0 || fetch->home->stopping ||
           fetch_has_enough(fetch);
}

static void first_pass_done(struct scatter *scatter)
{
    struct fetch *fetch = CONTAINER_OF(scatter, struct fetch, scatter);
    if (must_answer(fetch))
        fetch->answer(fetch);
    else
        fetch_park(fetch);
}

void fetch_start(struct fetch *fetch, const int *owners)
{
    struct request *request = fetch->request;
    struct scatter *s = &fetch->scatter;
    scatter_init(s, fetch->home, &request->arena, owners, fetch->count, sizeof(struct fetch_part));
    for (int i = 0; i < s->part_count; i++)
        fetch_part_at(fetch, i)->fetch = fetch;
    s->gathered = first_pass_done;
    scatter_run(s, fetch_part_read);
}

void fetch_trim(struct fetch *fetch)
{
    size_t used = 0;
    for (uint32_t i = 0; i < fetch->count; i++) {
        struct fetch_item *item = &fetch->items[i];
        if (item->slice == NULL)
            continue;
        if (used > 0 && used + item->slice->size > fetch->max_bytes) {
            log_slice_unref(item->slice);
            item->slice = NULL;
            continue;
        }
        used += item->slice->size;
    }
}
