#include "storage/store_rows.h"

#include "storage/row_kind.h"

#include <stdio.h>
#include <stdlib.h>

struct row_change {
    size_t key_size, value_size;
    bool deleted;
    uint8_t data[]; /* key, value */
};

static struct bytes change_key(const struct row_change *c)
{
    return bytes_of(c->data, c->key_size);
}

static struct bytes change_value(const struct row_change *c)
{
    return c->deleted ? BYTES_NULL : bytes_of(c->data + c->key_size, c->value_size);
}

static size_t change_size(const struct row_change *c)
{
    return c->key_size + c->value_size;
}

static void insert(struct row_changes *r, struct row_change *change)
{
    struct row_change *old = map_put(&r->map, change_key(change), change);
    r->bytes += change_size(change);
    if (old)
        r->bytes -= change_size(old);
    free(old);
}

void row_changes_put(struct row_changes *r, struct bytes key, struct bytes value)
{
    struct row_change *c = map_get(&r->map, key);
    if (c && !c->deleted && !bytes_is_null(value) && c->value_size == value.size) {
        memcpy(c->data + key.size, value.data, value.size);
        return;
    }
    c = xmalloc(sizeof *c + key.size + value.size);
    *c = (struct row_change){
        .key_size = key.size, .value_size = value.size, .deleted = bytes_is_null(value)};
    memcpy(c->data, key.data, key.size);
    if (value.size > 0)
        memcpy(c->data + key.size, value.data, value.size);
    insert(r, c);
}

void row_changes_merge(struct row_changes *r, struct row_changes *newer)
{
    size_t at = 0;
    for (struct row_change *c; (c = map_next(&newer->map, &at));)
        insert(r, c);
    map_free(&newer->map);
    newer->bytes = 0;
}

void row_changes_put_back(struct row_changes *r, struct row_changes *older)
{
    size_t at = 0;
    for (struct row_change *c; (c = map_next(&older->map, &at));) {
        if (row_changes_has(r, change_key(c)))
            free(c);
        else
            insert(r, c);
    }
    map_free(&older->map);
    older->bytes = 0;
}

void row_changes_delete_prefix(struct row_changes *r, struct bytes prefix)
{
    size_t at = 0;
    for (struct row_change *c; (c = map_next(&r->map, &at));) {
        if (c->deleted || !bytes_starts_with(change_key(c), prefix))
            continue;
        r->bytes -= c->value_size;
        c->value_size = 0;
        c->deleted = true;
    }
}

bool row_changes_get(const struct row_changes *r, struct bytes key, struct bytes *value)
{
    const struct row_change *c = map_get(&r->map, key);
    *value = c ? change_value(c) : BYTES_NULL;
    return c != NULL;
}

bool row_changes_has(const struct row_changes *r, struct bytes key)
{
    return map_get(&r->map, key) != NULL;
}

static int by_key(const void *a, const void *b)
{
    return bytes_compare(((const struct kv_change *)a)->key, ((const struct kv_change *)b)->key);
}

struct kv_change *row_changes_array(const struct row_changes *r, size_t *count)
{
    struct kv_change *array = xmalloc((r->map.count + 1) * sizeof *array);
    size_t at = 0;
    *count = 0;
    for (struct row_change *c; (c = map_next(&r->map, &at));)
        array[(*count)++] = (struct kv_change){change_key(c), change_value(c)};
    qsort(array, *count, sizeof *array, by_key);
    return array;
}

void row_changes_free(struct row_changes *r)
{
    size_t at = 0;
    for (struct row_change *c; (c = map_next(&r->map, &at));)
        free(c);
    map_free(&r->map);
    r->bytes = 0;
}

/* Keys */

static void key_add(struct row_key *key, const void *data, size_t size)
{
    ASSERT(key->size + size <= sizeof key->data);
    memcpy(key->data + key->size, data, size);
    key->size = (uint8_t)(key->size + size);
}

static struct row_key key_of(enum row_kind kind, const struct uuid *topic_id)
{
    struct row_key key = {{(uint8_t)kind}, 1};
    if (topic_id)
        key_add(&key, topic_id->bytes, sizeof topic_id->bytes);
    return key;
}

static void key_add_be32(struct row_key *key, int32_t v)
{
    uint8_t be[4];
    store_be32(be, (uint32_t)v);
    key_add(key, be, sizeof be);
}

struct row_key row_key_topic(struct uuid topic_id)
{
    return key_of(ROW_TOPIC, &topic_id);
}

struct row_key row_key_deleted_topic(struct uuid topic_id)
{
    return key_of(ROW_DELETED, &topic_id);
}

struct row_key row_key_log(struct uuid topic_id, int32_t partition)
{
    struct row_key key = key_of(ROW_LOG, &topic_id);
    key_add_be32(&key, partition);
    return key;
}

struct row_key row_key_producers(struct uuid topic_id, int32_t partition)
{
    struct row_key key = key_of(ROW_PRODUCER, &topic_id);
    key_add_be32(&key, partition);
    return key;
}

struct row_key row_key_producer(struct uuid topic_id, int32_t partition, int64_t producer_id)
{
    struct row_key key = row_key_producers(topic_id, partition);
    uint8_t be[8];
    store_be64(be, (uint64_t)producer_id);
    key_add(&key, be, sizeof be);
    return key;
}

struct row_key row_key_journal(int shard)
{
    struct row_key key = key_of(ROW_JOURNAL, NULL);
    key_add_be32(&key, shard);
    return key;
}

bool row_key_parse(struct bytes key, struct uuid *topic_id, int32_t *partition,
                   int64_t *producer_id)
{
    struct reader r = reader_of(key);
    int8_t kind = read_i8(&r);
    *topic_id = read_uuid(&r);
    *partition = read_i32(&r);
    *producer_id = kind == ROW_PRODUCER ? read_i64(&r) : -1;
    return !r.failed && reader_left(&r) == 0 && (kind == ROW_PRODUCER || kind == ROW_LOG) &&
           *partition >= 0;
}

bool row_key_parse_journal(struct bytes key, int *shard)
{
    struct reader r = reader_of(key);
    int8_t kind = read_i8(&r);
    *shard = read_i32(&r);
    return !r.failed && reader_left(&r) == 0 && kind == ROW_JOURNAL && *shard >= 0;
}

bool row_key_parse_topic(struct bytes key, struct uuid *topic_id)
{
    struct reader r = reader_of(key);
    int8_t kind = read_i8(&r);
    *topic_id = read_uuid(&r);
    return !r.failed && reader_left(&r) == 0 && (kind == ROW_TOPIC || kind == ROW_DELETED);
}

/* Values: a version byte, then big-endian 64-bit numbers. */

enum { VALUE_VERSION = 1, LOG_STATE_VERSION = 2 };

static struct bytes encode_numbers(uint8_t *out, uint8_t version, const uint64_t *numbers,
                                   size_t count)
{
    out[0] = version;
    for (size_t i = 0; i < count; i++)
        store_be64(out + 1 + 8 * i, numbers[i]);
    return bytes_of(out, 1 + 8 * count);
}

static enum error decode_numbers(struct bytes value, int8_t version, uint64_t *numbers,
                                 size_t count)
{
    struct reader r = reader_of(value);
    if (read_i8(&r) != version || reader_left(&r) != 8 * count)
        return ERR_CORRUPT;
    for (size_t i = 0; i < count; i++)
        numbers[i] = (uint64_t)read_i64(&r);
    return ERR_OK;
}

struct bytes log_state_encode(const struct log_state *s, uint8_t out[LOG_STATE_SIZE])
{
    uint64_t numbers[] = {(uint64_t)s->log_start_offset,   (uint64_t)s->next_offset,
                          (uint64_t)s->active_base,        (uint64_t)s->active_size,
                          (uint64_t)s->first_dirty_offset, (uint64_t)s->cleaned_offset};
    return encode_numbers(out, LOG_STATE_VERSION, numbers, COUNT_OF(numbers));
}

enum error log_state_decode(struct bytes value, struct log_state *out)
{
    uint64_t n[6] = {0}; /* version 1 has the first four */
    if (decode_numbers(value, LOG_STATE_VERSION, n, 6) != ERR_OK &&
        decode_numbers(value, VALUE_VERSION, n, 4) != ERR_OK)
        return ERR_CORRUPT;
    *out = (struct log_state){.log_start_offset = (int64_t)n[0],
                              .next_offset = (int64_t)n[1],
                              .active_base = (int64_t)n[2],
                              .active_size = (int64_t)n[3],
                              .first_dirty_offset = (int64_t)n[4],
                              .cleaned_offset = (int64_t)n[5]};
    bool possible = out->log_start_offset >= 0 && out->log_start_offset <= out->next_offset &&
                    out->active_base >= 0 && out->active_base <= out->next_offset &&
                    out->active_size >= 0 && out->cleaned_offset >= 0 &&
                    out->cleaned_offset <= out->first_dirty_offset &&
                    out->first_dirty_offset <= out->active_base;
    return possible ? ERR_OK : ERR_CORRUPT;
}

struct bytes journal_mark_encode(const struct journal_mark *m, uint8_t out[JOURNAL_MARK_SIZE])
{
    uint64_t numbers[] = {m->start, m->run, m->lsn, m->sequence, (uint64_t)m->position};
    return encode_numbers(out, VALUE_VERSION, numbers, COUNT_OF(numbers));
}

enum error journal_mark_decode(struct bytes value, struct journal_mark *out)
{
    uint64_t n[5];
    if (decode_numbers(value, VALUE_VERSION, n, COUNT_OF(n)) != ERR_OK)
        return ERR_CORRUPT;
    *out = (struct journal_mark){
        .start = n[0], .run = n[1], .lsn = n[2], .sequence = n[3], .position = (int64_t)n[4]};
    return out->position >= 0 ? ERR_OK : ERR_CORRUPT;
}

struct bytes deleted_topic_encode(uint8_t out[DELETED_TOPIC_SIZE])
{
    return encode_numbers(out, VALUE_VERSION, NULL, 0);
}

/* Directories */

enum { UUID_TEXT_SIZE = 36 };

static void uuid_format(struct uuid id, char out[UUID_TEXT_SIZE + 1])
{
    char *at = out;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        at += sprintf(at, "%02x", id.bytes[i]);
    }
}

char *topic_directory(const char *data_directory, struct uuid topic_id)
{
    char id[UUID_TEXT_SIZE + 1];
    uuid_format(topic_id, id);
    size_t size = strlen(data_directory) + UUID_TEXT_SIZE + 16;
    char *path = xmalloc(size);
    snprintf(path, size, "%s/topics/%s", data_directory, id);
    return path;
}

char *partition_directory(const char *data_directory, struct uuid topic_id, int32_t partition)
{
    char id[UUID_TEXT_SIZE + 1];
    uuid_format(topic_id, id);
    size_t size = strlen(data_directory) + UUID_TEXT_SIZE + 32;
    char *path = xmalloc(size);
    snprintf(path, size, "%s/topics/%s/%d", data_directory, id, partition);
    return path;
}

bool topic_directory_parse(const char *name, struct uuid *topic_id)
{
    if (strlen(name) != UUID_TEXT_SIZE)
        return false;
    const char *at = name;
    for (int i = 0; i < 16; i++) {
        at += *at == '-';
        unsigned byte;
        if (at + 2 > name + UUID_TEXT_SIZE || sscanf(at, "%2x", &byte) != 1)
            return false;
        topic_id->bytes[i] = (uint8_t)byte;
        at += 2;
    }
    char again[UUID_TEXT_SIZE + 1];
    uuid_format(*topic_id, again);
    return strcmp(name, again) == 0;
}
