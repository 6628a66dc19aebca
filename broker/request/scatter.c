#include "broker/request/scatter.h"

#include "broker/broker.h"

enum { PART_ARENA_MAX = 1 << 20 };

/* Counts the items of each shard, then distributes them. `slots` has a place per shard. */
static void deal(struct scatter *s, uint32_t *items, struct scatter_part **slots, const int *owners,
                 size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (owners[i] != SCATTER_NOBODY)
            slots[owners[i]]->count++;
    }
    for (int p = 0; p < s->part_count; p++) {
        s->parts[p]->items = items;
        items += s->parts[p]->count;
        s->parts[p]->count = 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (owners[i] == SCATTER_NOBODY)
            continue;
        struct scatter_part *part = slots[owners[i]];
        part->items[part->count++] = (uint32_t)i;
    }
}

static struct scatter_part *add_part(struct scatter *s, struct shard *shard, struct arena *arena,
                                     size_t size)
{
    ASSERT(size >= sizeof(struct scatter_part));
    struct scatter_part *part = arena_alloc(arena, size);
    ASSERT(part);
    part->scatter = s;
    part->shard = shard;
    arena_init(&part->arena, PART_ARENA_MAX);
    s->parts[s->part_count++] = part;
    return part;
}

void scatter_init(struct scatter *s, struct shard *home, struct arena *arena, const int *owners,
                  size_t count, size_t part_size)
{
    struct broker *broker = home->broker;
    size_t shards = (size_t)broker->shard_count;
    struct scatter_part **slots = arena_array(arena, shards, sizeof(struct scatter_part *));
    struct scatter_part **parts = arena_array(arena, shards, sizeof(struct scatter_part *));
    uint32_t *items = arena_array(arena, count, sizeof *items);
    ASSERT(slots && parts && items);
    *s = (struct scatter){.home = home, .catalog_version = home->catalog_version, .parts = parts};
    for (size_t i = 0; i < count; i++) {
        if (owners[i] != SCATTER_NOBODY && slots[owners[i]] == NULL)
            slots[owners[i]] = add_part(s, broker->shards[owners[i]], arena, part_size);
    }
    deal(s, items, slots, owners, count);
}

enum kafka_error scatter_error_of_absent(const struct scatter_part *part)
{
    return part->shard->catalog_version < part->scatter->catalog_version
               ? KAFKA_NOT_LEADER_OR_FOLLOWER
               : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
}

static void deliver_work(struct mail *mail, struct shard *shard)
{
    struct scatter_part *part = CONTAINER_OF(mail, struct scatter_part, mail);
    ASSERT(part->shard == shard);
    part->work(part);
}

void scatter_send(struct scatter_part *part)
{
    struct scatter *s = part->scatter;
    ASSERT(!part->away);
    part->away = true;
    s->away++;
    if (part->shard == s->home) {
        part->work(part);
        return;
    }
    part->mail.deliver = deliver_work;
    shard_post(part->shard, &part->mail);
}

/* The part counts as away until part_back has returned. So the scatter is gathered only here, even
 * if part_back sends the part again. */
static void arrive(struct scatter_part *part)
{
    struct scatter *s = part->scatter;
    ASSERT(part->away);
    part->away = false;
    if (s->part_back)
        s->part_back(s, part);
    scatter_release(s);
}

static void deliver_back(struct mail *mail, struct shard *shard)
{
    struct scatter_part *part = CONTAINER_OF(mail, struct scatter_part, mail);
    ASSERT(part->scatter->home == shard);
    arrive(part);
}

void scatter_part_done(struct scatter_part *part)
{
    struct shard *home = part->scatter->home;
    if (part->shard == home) {
        arrive(part);
        return;
    }
    part->mail.deliver = deliver_back;
    shard_post(home, &part->mail);
}

void scatter_hold(struct scatter *s)
{
    s->away++;
}

void scatter_release(struct scatter *s)
{
    ASSERT(s->away > 0);
    if (--s->away == 0)
        s->gathered(s);
}

void scatter_run(struct scatter *s, void (*work)(struct scatter_part *part))
{
    struct scatter_part *own = NULL; /* runs last, while the others work already */
    ASSERT(s->away == 0);
    scatter_hold(s);
    for (int i = 0; i < s->part_count; i++) {
        s->parts[i]->work = work;
        if (s->parts[i]->shard == s->home)
            own = s->parts[i];
        else
            scatter_send(s->parts[i]);
    }
    if (own)
        scatter_send(own);
    scatter_release(s);
}

void scatter_end(struct scatter *s, struct arena *arena)
{
    ASSERT(s->away == 0);
    for (int i = 0; i < s->part_count; i++)
        arena_take(arena, &s->parts[i]->arena);
}
