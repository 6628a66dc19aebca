#include "storage/catalog.h"

#include "tests/harness/harness.h"

static struct uuid id_of(int n)
{
    struct uuid id = {{0}};
    id.bytes[0] = (uint8_t)n;
    return id;
}

static struct catalog *with(struct catalog *c, const char *name, int id)
{
    struct topic *t = topic_create(bytes_string(name), id_of(id), 1, 0, NULL, 0);
    struct catalog *next = catalog_with(c, t);
    topic_unref(t);
    catalog_unref(c);
    return next;
}

static struct catalog *without(struct catalog *c, int id)
{
    struct catalog *next = catalog_without(c, id_of(id));
    catalog_unref(c);
    return next;
}

static const char *fault(const char *name)
{
    return topic_name_fault(bytes_string(name));
}

static const struct topic_config configs[] = {
    {BYTES_LITERAL("segment.bytes"), BYTES_LITERAL("1000")},
    {BYTES_LITERAL("cleanup.policy"), BYTES_LITERAL("compact,delete")},
    {BYTES_LITERAL("retention.ms"), BYTES_LITERAL("")},
};

TEST(a_topic_finds_its_overrides)
{
    struct topic *t = topic_create(BYTES_LITERAL("orders"), id_of(1), 3, 77, configs, 3);
    EXPECT_BYTES(topic_config_get(t, BYTES_LITERAL("segment.bytes")), BYTES_LITERAL("1000"));
    EXPECT_BYTES(topic_config_get(t, BYTES_LITERAL("cleanup.policy")),
                 BYTES_LITERAL("compact,delete"));
    EXPECT(!bytes_is_null(topic_config_get(t, BYTES_LITERAL("retention.ms"))));
    EXPECT(bytes_is_null(topic_config_get(t, BYTES_LITERAL("flush.ms"))));
    EXPECT_BYTES(t->configs[0].name, BYTES_LITERAL("cleanup.policy"));
    topic_unref(t);
}

TEST(a_row_restores_the_topic)
{
    struct topic *t = topic_create(BYTES_LITERAL("orders"), id_of(9), 3, 77, configs, 3), *back;
    struct buffer key, value;
    buffer_init(&key, 100);
    buffer_init(&value, 1000);
    topic_row(t, &key, &value);
    EXPECT_INT(topic_from_row(buffer_view(&key), buffer_view(&value), &back), ERR_OK);
    EXPECT_BYTES(back->name, t->name);
    EXPECT_INT(memcmp(&back->id, &t->id, sizeof t->id), 0);
    EXPECT_INT(back->partitions, 3);
    EXPECT_INT(back->created_ms, 77);
    EXPECT_INT(back->config_count, 3);
    EXPECT_BYTES(topic_config_get(back, BYTES_LITERAL("segment.bytes")), BYTES_LITERAL("1000"));
    topic_unref(back);
    topic_unref(t);
    buffer_free(&key);
    buffer_free(&value);
}

TEST(a_row_that_is_truncated_anywhere_is_corrupt)
{
    struct topic *t = topic_create(BYTES_LITERAL("orders"), id_of(9), 3, 77, configs, 3), *back;
    struct buffer key, value;
    buffer_init(&key, 100);
    buffer_init(&value, 1000);
    topic_row(t, &key, &value);
    for (size_t size = 0; size < value.size; size++)
        EXPECT_INT(topic_from_row(buffer_view(&key), bytes_of(value.data, size), &back),
                   ERR_CORRUPT);
    buffer_append_u8(&value, 0);
    EXPECT_INT(topic_from_row(buffer_view(&key), buffer_view(&value), &back), ERR_CORRUPT);
    EXPECT_INT(topic_from_row(BYTES_LITERAL("T"), buffer_view(&value), &back), ERR_CORRUPT);
    topic_unref(t);
    buffer_free(&key);
    buffer_free(&value);
}

TEST(snapshots_find_topics_by_name_and_id_in_order)
{
    struct catalog *c = catalog_create_empty();
    EXPECT(catalog_by_name(c, BYTES_LITERAL("b")) == NULL);
    c = with(c, "b", 2);
    c = with(c, "c", 3);
    c = with(c, "a", 1);
    EXPECT_INT(catalog_count(c), 3);
    EXPECT_BYTES(catalog_at(c, 0)->name, BYTES_LITERAL("a"));
    EXPECT_BYTES(catalog_at(c, 2)->name, BYTES_LITERAL("c"));
    EXPECT(catalog_by_name(c, BYTES_LITERAL("b")) == catalog_by_id(c, id_of(2)));
    c = without(c, 2);
    EXPECT_INT(catalog_count(c), 2);
    EXPECT(catalog_by_name(c, BYTES_LITERAL("b")) == NULL);
    EXPECT(catalog_by_id(c, id_of(2)) == NULL);
    catalog_unref(c);
}

TEST(a_snapshot_does_not_change_when_another_is_made_of_it)
{
    struct catalog *before = with(catalog_create_empty(), "a", 1);
    struct topic *changed = topic_create(BYTES_LITERAL("a"), id_of(1), 8, 0, NULL, 0);
    struct catalog *after = catalog_with(before, changed);
    topic_unref(changed);
    EXPECT_INT(catalog_by_name(before, BYTES_LITERAL("a"))->partitions, 1);
    EXPECT_INT(catalog_by_name(after, BYTES_LITERAL("a"))->partitions, 8);
    EXPECT_INT(catalog_count(after), 1);
    struct topic *kept = topic_ref(catalog_by_name(before, BYTES_LITERAL("a")));
    catalog_unref(before);
    EXPECT_INT(kept->partitions, 1);
    topic_unref(kept);
    catalog_unref(after);
}

TEST(names_that_differ_by_dot_and_underscore_collide)
{
    struct catalog *c = with(with(catalog_create_empty(), "a.b_c", 1), "plain", 2);
    EXPECT(catalog_collision(c, BYTES_LITERAL("a_b.c")) == catalog_by_id(c, id_of(1)));
    EXPECT(catalog_collision(c, BYTES_LITERAL("a_b_c")) == catalog_by_id(c, id_of(1)));
    EXPECT(catalog_collision(c, BYTES_LITERAL("a.b_c")) == NULL);
    EXPECT(catalog_collision(c, BYTES_LITERAL("plain")) == NULL);
    EXPECT(catalog_collision(c, BYTES_LITERAL("a-b_c")) == NULL);
    catalog_unref(c);
}

TEST(topic_names_follow_kafkas_rules)
{
    char name[251];
    memset(name, 'x', sizeof name);
    EXPECT(topic_name_fault(bytes_of(name, 249)) == NULL);
    EXPECT(topic_name_fault(bytes_of(name, 250)) != NULL);
    EXPECT(fault("A-z_0.9") == NULL);
    EXPECT(fault("...") == NULL);
    EXPECT(fault("") != NULL);
    EXPECT(fault(".") != NULL);
    EXPECT(fault("..") != NULL);
    EXPECT(fault("a b") != NULL);
    EXPECT(fault("a/b") != NULL);
    EXPECT(fault("\xc3\xa9") != NULL);
    EXPECT(topic_name_fault(bytes_of("a\0b", 3)) != NULL);
}
