#include "storage/catalog.h"

#include "base/map.h"
#include "storage/store.h"

#include <stdlib.h>

enum {
    TOPIC_ROW_VERSION = 1,
    TOPIC_NAME_MAX = 249,
    TOPIC_CONFIGS_MAX = 1000, /* of one row */
};

/* --- one topic --- */

static int compare_configs(const void *a, const void *b)
{
    const struct topic_config *left = a, *right = b;
    return bytes_compare(left->name, right->name);
}

/* Copies a view to *at and moves *at to its end. */
static struct bytes place(uint8_t **at, struct bytes b)
{
    struct bytes placed = bytes_of(*at, b.size);
    if (b.size > 0)
        memcpy(*at, b.data, b.size);
    *at += b.size;
    return placed;
}

/* One allocation: the structure, its configs, then all text. */
struct topic *topic_create(struct bytes name, struct uuid id, int32_t partitions,
                           int64_t created_ms, const struct topic_config *configs,
                           size_t config_count)
{
    size_t text = name.size;
    for (size_t i = 0; i < config_count; i++)
        text += configs[i].name.size + configs[i].value.size;
    struct topic *t = xmalloc(sizeof *t + config_count * sizeof *configs + text);
    struct topic_config *own = (struct topic_config *)(void *)(t + 1);
    uint8_t *at = (uint8_t *)(own + config_count);
    *t = (struct topic){
        .id = id,
        .partitions = partitions,
        .created_ms = created_ms,
        .configs = own,
        .config_count = config_count,
    };
    atomic_init(&t->references, 1);
    t->name = place(&at, name);
    for (size_t i = 0; i < config_count; i++) {
        own[i].name = place(&at, configs[i].name);
        own[i].value = place(&at, configs[i].value);
    }
    if (config_count > 0)
        qsort(own, config_count, sizeof *own, compare_configs);
    return t;
}

struct topic *topic_ref(struct topic *t)
{
    atomic_fetch_add_explicit(&t->references, 1, memory_order_relaxed);
    return t;
}

void topic_unref(struct topic *t)
{
    if (t == NULL)
        return;
    int before = atomic_fetch_sub_explicit(&t->references, 1, memory_order_acq_rel);
    ASSERT(before >= 1);
    if (before == 1)
        free(t);
}

struct bytes topic_config_get(const struct topic *t, struct bytes name)
{
    struct topic_config wanted = {.name = name};
    if (t->config_count == 0)
        return BYTES_NULL;
    const struct topic_config *found =
        bsearch(&wanted, t->configs, t->config_count, sizeof wanted, compare_configs);
    return found ? found->value : BYTES_NULL;
}

void topic_row(const struct topic *t, struct buffer *key, struct buffer *value)
{
    buffer_append_u8(key, ROW_TOPIC);
    buffer_append(key, t->id.bytes, sizeof t->id.bytes);
    buffer_append_u8(value, TOPIC_ROW_VERSION);
    buffer_append_be32(value, (uint32_t)t->name.size);
    buffer_append_bytes(value, t->name);
    buffer_append_be32(value, (uint32_t)t->partitions);
    buffer_append_be64(value, (uint64_t)t->created_ms);
    buffer_append_be32(value, (uint32_t)t->config_count);
    for (size_t i = 0; i < t->config_count; i++) {
        buffer_append_be32(value, (uint32_t)t->configs[i].name.size);
        buffer_append_bytes(value, t->configs[i].name);
        buffer_append_be32(value, (uint32_t)t->configs[i].value.size);
        buffer_append_bytes(value, t->configs[i].value);
    }
}

enum error topic_from_row(struct bytes key, struct bytes value, struct topic **out)
{
    struct uuid id;
    if (key.size != 1 + sizeof id.bytes || key.data[0] != ROW_TOPIC)
        return ERR_CORRUPT;
    memcpy(id.bytes, key.data + 1, sizeof id.bytes);
    struct reader r = reader_of(value);
    int8_t version = read_i8(&r);
    struct bytes name = read_bytes32(&r);
    int32_t partitions = read_i32(&r);
    int64_t created_ms = read_i64(&r);
    int32_t count = read_i32(&r);
    if (r.failed || version != TOPIC_ROW_VERSION || topic_name_fault(name) || partitions < 1 ||
        count < 0 || count > TOPIC_CONFIGS_MAX)
        return ERR_CORRUPT;
    struct topic_config *configs = xcalloc((size_t)count + 1, sizeof *configs);
    for (int32_t i = 0; i < count; i++) {
        configs[i].name = read_bytes32(&r);
        configs[i].value = read_bytes32(&r);
    }
    bool whole = !r.failed && reader_left(&r) == 0;
    if (whole)
        *out = topic_create(name, id, partitions, created_ms, configs, (size_t)count);
    free(configs);
    return whole ? ERR_OK : ERR_CORRUPT;
}

const char *topic_name_fault(struct bytes name)
{
    if (name.size == 0)
        return "a topic name may not be empty";
    if (name.size > TOPIC_NAME_MAX)
        return "a topic name may have at most 249 characters";
    if (bytes_equal_string(name, ".") || bytes_equal_string(name, ".."))
        return "a topic name may not be \".\" or \"..\"";
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '.' && c != '_' && c != '-')
            return "a topic name may have only ASCII letters, digits, '.', '_' and '-'";
    }
    return NULL;
}

/* --- the snapshot --- */

struct catalog {
    atomic_int references;
    size_t count;
    struct topic **topics; /* sorted by name */
    struct map names, ids;
    struct map normalized; /* by name with '_' for '.'; the keys are in `text` */
    uint8_t *text;
};

static void normalize(struct bytes name, uint8_t *out)
{
    for (size_t i = 0; i < name.size; i++)
        out[i] = name.data[i] == '.' ? '_' : name.data[i];
}

static int compare_topics(const void *a, const void *b)
{
    struct topic *const *left = a, *const *right = b;
    return bytes_compare((*left)->name, (*right)->name);
}

static struct bytes id_key(const struct uuid *id)
{
    return bytes_of(id->bytes, sizeof id->bytes);
}

struct catalog *catalog_create(struct topic *const *topics, size_t count)
{
    struct catalog *c = xcalloc(1, sizeof *c);
    atomic_init(&c->references, 1);
    c->count = count;
    c->topics = xcalloc(count + 1, sizeof(struct topic *));
    size_t text = 0;
    for (size_t i = 0; i < count; i++) {
        c->topics[i] = topic_ref(topics[i]);
        text += topics[i]->name.size;
    }
    if (count > 0)
        qsort(c->topics, count, sizeof(struct topic *), compare_topics);
    c->text = xmalloc(text + 1);
    uint8_t *at = c->text;
    for (size_t i = 0; i < count; i++) {
        struct topic *t = c->topics[i];
        normalize(t->name, at);
        map_put(&c->names, t->name, t);
        map_put(&c->ids, id_key(&t->id), t);
        map_put(&c->normalized, bytes_of(at, t->name.size), t);
        at += t->name.size;
    }
    return c;
}

struct catalog *catalog_create_empty(void)
{
    return catalog_create(NULL, 0);
}

/* A snapshot without the topic that has this id, but with `added` unless NULL. */
static struct catalog *derive(const struct catalog *c, struct uuid id, struct topic *added)
{
    struct topic **topics = xcalloc(c->count + 1, sizeof *topics);
    size_t count = 0;
    for (size_t i = 0; i < c->count; i++) {
        if (memcmp(c->topics[i]->id.bytes, id.bytes, sizeof id.bytes) != 0)
            topics[count++] = c->topics[i];
    }
    if (added)
        topics[count++] = added;
    struct catalog *derived = catalog_create(topics, count);
    free(topics);
    return derived;
}

struct catalog *catalog_with(const struct catalog *c, struct topic *topic)
{
    return derive(c, topic->id, topic);
}

struct catalog *catalog_without(const struct catalog *c, struct uuid id)
{
    return derive(c, id, NULL);
}

struct catalog *catalog_ref(struct catalog *c)
{
    atomic_fetch_add_explicit(&c->references, 1, memory_order_relaxed);
    return c;
}

void catalog_unref(struct catalog *c)
{
    if (c == NULL)
        return;
    int before = atomic_fetch_sub_explicit(&c->references, 1, memory_order_acq_rel);
    ASSERT(before >= 1);
    if (before > 1)
        return;
    for (size_t i = 0; i < c->count; i++)
        topic_unref(c->topics[i]);
    map_free(&c->names);
    map_free(&c->ids);
    map_free(&c->normalized);
    free(c->topics);
    free(c->text);
    free(c);
}

struct topic *catalog_by_name(const struct catalog *c, struct bytes name)
{
    return map_get(&c->names, name);
}

struct topic *catalog_by_id(const struct catalog *c, struct uuid id)
{
    return map_get(&c->ids, id_key(&id));
}

size_t catalog_count(const struct catalog *c)
{
    return c->count;
}

struct topic *catalog_at(const struct catalog *c, size_t index)
{
    ASSERT(index < c->count);
    return c->topics[index];
}

struct topic *catalog_collision(const struct catalog *c, struct bytes name)
{
    uint8_t key[TOPIC_NAME_MAX];
    if (name.size > sizeof key)
        return NULL;
    normalize(name, key);
    struct topic *t = map_get(&c->normalized, bytes_of(key, name.size));
    return t && !bytes_equal(t->name, name) ? t : NULL;
}
