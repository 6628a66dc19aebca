#include "protocol/consumer_protocol.h"

#include "protocol/reader.h"
#include "protocol/writer.h"

/* Reads the number of elements of an array, each of at least `smallest` bytes. */
static int32_t read_count(struct reader *r, size_t smallest)
{
    int32_t count = read_i32(r);
    if (count < 0 || (size_t)count > reader_left(r) / smallest) {
        r->failed = true;
        return 0;
    }
    return count;
}

static int32_t *read_partitions(struct reader *r, struct arena *arena, int32_t *count)
{
    *count = read_count(r, 4);
    int32_t *partitions = arena_array(arena, (size_t)*count, sizeof *partitions);
    for (int32_t i = 0; partitions && i < *count; i++)
        partitions[i] = read_i32(r);
    return partitions;
}

static struct consumer_partitions *read_topics(struct reader *r, struct arena *arena,
                                               int32_t *count)
{
    *count = read_count(r, 6);
    struct consumer_partitions *topics = arena_array(arena, (size_t)*count, sizeof *topics);
    for (int32_t i = 0; topics && i < *count && !r->failed; i++) {
        topics[i].topic = read_string16(r);
        topics[i].partitions = read_partitions(r, arena, &topics[i].count);
        r->failed |= bytes_is_null(topics[i].topic);
    }
    return topics;
}

static enum error result_of(const struct reader *r, const struct arena *arena)
{
    if (arena->exhausted)
        return ERR_NO_MEMORY;
    return r->failed ? ERR_INVALID : ERR_OK;
}

enum error consumer_subscription_decode(struct bytes in, struct arena *arena,
                                        struct consumer_subscription *out)
{
    struct reader r = reader_of(in);
    *out = (struct consumer_subscription){.generation_id = -1};
    out->version = read_i16(&r);
    r.failed |= out->version < 0;
    out->topic_count = read_count(&r, 2);
    out->topics = arena_array(arena, (size_t)out->topic_count, sizeof *out->topics);
    for (int32_t i = 0; out->topics && i < out->topic_count; i++) {
        out->topics[i] = read_string16(&r);
        r.failed |= bytes_is_null(out->topics[i]);
    }
    out->user_data = read_bytes32(&r);
    if (out->version >= 1)
        out->owned = read_topics(&r, arena, &out->owned_count);
    if (out->version >= 2)
        out->generation_id = read_i32(&r);
    if (out->version >= 3)
        out->rack = read_string16(&r);
    return result_of(&r, arena);
}

enum error consumer_assignment_decode(struct bytes in, struct arena *arena,
                                      struct consumer_assignment *out)
{
    struct reader r = reader_of(in);
    *out = (struct consumer_assignment){0};
    out->version = read_i16(&r);
    r.failed |= out->version < 0;
    out->topics = read_topics(&r, arena, &out->topic_count);
    out->user_data = read_bytes32(&r);
    return result_of(&r, arena);
}

static void write_topics(struct writer *w, const struct consumer_partitions *topics, int32_t count)
{
    write_i32(w, count);
    for (int32_t i = 0; i < count; i++) {
        write_string16(w, topics[i].topic);
        write_i32(w, topics[i].count);
        for (int32_t p = 0; p < topics[i].count; p++)
            write_i32(w, topics[i].partitions[p]);
    }
}

void consumer_subscription_encode(const struct consumer_subscription *in, struct buffer *out)
{
    ASSERT(in->version == 0 || in->version == 1);
    struct writer w;
    writer_init(&w, out);
    write_i16(&w, in->version);
    write_i32(&w, in->topic_count);
    for (int32_t i = 0; i < in->topic_count; i++)
        write_string16(&w, in->topics[i]);
    write_bytes32(&w, in->user_data);
    if (in->version >= 1)
        write_topics(&w, in->owned, in->owned_count);
    writer_free(&w);
}

void consumer_assignment_encode(const struct consumer_assignment *in, struct buffer *out)
{
    ASSERT(in->version == 0 || in->version == 1);
    struct writer w;
    writer_init(&w, out);
    write_i16(&w, in->version);
    write_topics(&w, in->topics, in->topic_count);
    write_bytes32(&w, in->user_data);
    writer_free(&w);
}
