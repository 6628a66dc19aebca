#include "broker/groups/coordinator_rows.h"

#include "protocol/reader.h"
#include "protocol/writer.h"
#include "storage/store.h"

#include <stdlib.h>

enum { OFFSET_ROW_FORMAT_RETENTION = 2 }; /* with a retention time */

void group_row_key(struct bytes group_id, struct buffer *key)
{
    buffer_append_u8(key, ROW_GROUP);
    buffer_append_bytes(key, group_id);
}

struct bytes group_row_group(struct bytes key)
{
    return key.size > 0 && key.data[0] == ROW_GROUP ? bytes_from(key, 1) : BYTES_NULL;
}

static void write_member(struct writer *w, const struct group_member *m)
{
    write_compact(w, m->id);
    write_compact(w, m->instance_id);
    write_compact(w, m->client_id);
    write_compact(w, m->client_host);
    write_i32(w, m->session_timeout_ms);
    write_i32(w, m->rebalance_timeout_ms);
    write_compact(w, m->assignment);
    write_uvarint(w, (uint32_t)m->protocol_count);
    for (size_t i = 0; i < m->protocol_count; i++) {
        write_compact(w, m->protocols[i].name);
        write_compact(w, m->protocols[i].metadata);
    }
}

static const struct group_member *member_at(const struct list_node *node)
{
    return CONTAINER_OF(node, struct group_member, node);
}

void group_row_value(const struct group *g, struct buffer *value)
{
    struct writer w;
    writer_init(&w, value);
    write_i8(&w, GROUP_ROW_FORMAT);
    write_i8(&w, (int8_t)g->state);
    write_i32(&w, g->generation);
    write_i64(&w, g->empty_since_ms);
    write_compact(&w, g->protocol_type);
    write_compact(&w, g->protocol_name);
    write_compact(&w, g->leader && !g->leader->is_new ? g->leader->id : BYTES_NULL);
    uint32_t count = 0;
    LIST_FOR_EACH (node, &g->members)
        count += !member_at(node)->is_new;
    write_uvarint(&w, count);
    LIST_FOR_EACH (node, &g->members) {
        if (!member_at(node)->is_new)
            write_member(&w, member_at(node));
    }
    writer_free(&w);
}

static bool read_member(struct reader *r, struct group *g)
{
    struct group_member m = {.id = read_compact(r), .instance_id = read_compact(r)};
    m.client_id = read_compact(r);
    m.client_host = read_compact(r);
    m.session_timeout_ms = read_i32(r);
    m.rebalance_timeout_ms = read_i32(r);
    m.assignment = read_compact(r);
    m.protocol_count = read_uvarint(r);
    if (r->failed || m.protocol_count > reader_left(r) || group_member_of(g, m.id))
        return false;
    m.protocols = xcalloc(MAX(m.protocol_count, (size_t)1), sizeof *m.protocols);
    for (size_t i = 0; i < m.protocol_count; i++) {
        m.protocols[i].name = read_compact(r);
        m.protocols[i].metadata = read_compact(r);
    }
    bool taken = !bytes_is_null(m.instance_id) && map_get(&g->by_instance, m.instance_id);
    if (!r->failed && !taken)
        group_restore_member(g, &m);
    free(m.protocols);
    return !r->failed && !taken;
}

static bool read_group(struct reader *r, struct group *g)
{
    int8_t state = read_i8(r);
    g->generation = read_i32(r);
    g->empty_since_ms = read_i64(r);
    g->protocol_type = bytes_copy(read_compact(r));
    g->protocol_name = bytes_copy(read_compact(r));
    struct bytes leader = read_compact(r);
    uint32_t count = read_uvarint(r);
    if (r->failed || state < GROUP_EMPTY || state >= GROUP_DEAD)
        return false;
    g->state = (enum group_state)state;
    for (uint32_t i = 0; i < count; i++) {
        if (!read_member(r, g))
            return false;
    }
    g->leader = bytes_is_null(leader) ? NULL : group_member_of(g, leader);
    bool has_generation = state == GROUP_COMPLETING_REBALANCE || state == GROUP_STABLE;
    return !has_generation || (g->member_count > 0 && !bytes_is_null(g->protocol_name));
}

static enum error check_format(struct reader *r)
{
    int8_t format = read_i8(r);
    if (r->failed)
        return ERR_CORRUPT;
    return format == GROUP_ROW_FORMAT ? ERR_OK : ERR_UNSUPPORTED;
}

enum error group_from_row(struct bytes key, struct bytes value, const struct group_limits *limits,
                          struct group **out)
{
    struct bytes id = group_row_group(key);
    if (bytes_is_null(id))
        return ERR_CORRUPT;
    struct reader r = reader_of(value);
    enum error error = check_format(&r);
    if (error)
        return error;
    struct group *g = group_create(id, limits);
    if (!read_group(&r, g)) {
        group_free(g);
        return ERR_CORRUPT;
    }
    *out = g;
    return ERR_OK;
}

void offset_row_key(struct bytes group_id, struct bytes topic, int32_t partition,
                    struct buffer *key)
{
    buffer_append_u8(key, ROW_OFFSET);
    buffer_append_bytes(key, group_id);
    buffer_append_u8(key, 0);
    buffer_append_bytes(key, topic);
    buffer_append_u8(key, 0);
    buffer_append_be32(key, (uint32_t)partition);
}

void offset_row_value(const struct committed_offset *offset, struct buffer *value)
{
    bool is_limited = offset->retention_ms >= 0;
    buffer_append_u8(value, is_limited ? OFFSET_ROW_FORMAT_RETENTION : GROUP_ROW_FORMAT);
    buffer_append_be64(value, (uint64_t)offset->offset);
    buffer_append_be32(value, (uint32_t)offset->leader_epoch);
    buffer_append_be64(value, (uint64_t)offset->commit_ms);
    if (is_limited)
        buffer_append_be64(value, (uint64_t)offset->retention_ms);
    buffer_append_bytes(value, offset->metadata);
}

/* Takes the key apart from its end. */
static bool parse_offset_key(struct bytes key, struct offset_row *out)
{
    enum { TAIL = 1 + 4 };
    if (key.size < 1 + 1 + TAIL || key.data[0] != ROW_OFFSET)
        return false;
    size_t topic_end = key.size - TAIL;
    if (key.data[topic_end] != 0)
        return false;
    size_t topic_start = topic_end;
    while (topic_start > 1 && key.data[topic_start - 1] != 0)
        topic_start--;
    if (topic_start <= 1)
        return false;
    out->group_id = bytes_of(key.data + 1, topic_start - 2);
    out->topic = bytes_of(key.data + topic_start, topic_end - topic_start);
    out->partition = (int32_t)load_be32(key.data + topic_end + 1);
    return out->partition >= 0 && out->partition < OFFSETS_PARTITION_MAX;
}

enum error offset_from_row(struct bytes key, struct bytes value, struct offset_row *out)
{
    if (!parse_offset_key(key, out))
        return ERR_CORRUPT;
    struct reader r = reader_of(value);
    bool is_limited = value.size > 0 && value.data[0] == OFFSET_ROW_FORMAT_RETENTION;
    enum error error = is_limited ? ERR_OK : check_format(&r);
    if (error)
        return error;
    if (is_limited)
        (void)read_i8(&r);
    out->offset = (struct committed_offset){.is_set = true};
    out->offset.offset = read_i64(&r);
    out->offset.leader_epoch = read_i32(&r);
    out->offset.commit_ms = read_i64(&r);
    out->offset.retention_ms = is_limited ? read_i64(&r) : -1;
    out->offset.metadata = bytes_of(r.at, reader_left(&r));
    return r.failed ? ERR_CORRUPT : ERR_OK;
}
