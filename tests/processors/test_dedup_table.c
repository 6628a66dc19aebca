#include "processors/steps/dedup_table.h"

#include "base/compiler.h"
#include "tests/harness/harness.h"

#include <stdio.h>

struct found {
    int64_t anchors[64];
    size_t count;
};

static bool note(void *context, int64_t anchor)
{
    struct found *f = context;
    f->anchors[f->count++] = anchor;
    return true;
}

static struct found find(struct dedup_table *t, const char *id)
{
    struct found f = {.count = 0};
    EXPECT(dedup_table_visit(t, bytes_string(id), note, &f));
    return f;
}

TEST(an_id_may_have_several_anchors)
{
    struct dedup_table *t = dedup_table_create(100);
    dedup_table_add(t, BYTES_LITERAL("a"), 50);
    dedup_table_add(t, BYTES_LITERAL("a"), -950);
    dedup_table_add(t, BYTES_LITERAL("b"), 7);
    EXPECT_INT(find(t, "a").count, 2);
    EXPECT_INT(find(t, "b").anchors[0], 7);
    EXPECT_INT(find(t, "c").count, 0);
    EXPECT_INT(dedup_table_count(t), 3);
    dedup_table_free(t);
}

TEST(an_anchor_can_move_within_its_slice_and_out_of_it)
{
    struct dedup_table *t = dedup_table_create(100);
    dedup_table_add(t, BYTES_LITERAL("a"), 10);
    dedup_table_move(t, BYTES_LITERAL("a"), 10, 99);
    EXPECT_INT(find(t, "a").anchors[0], 99);
    dedup_table_move(t, BYTES_LITERAL("a"), 99, 250);
    EXPECT_INT(find(t, "a").count, 1);
    EXPECT_INT(find(t, "a").anchors[0], 250);
    EXPECT_INT(dedup_table_oldest(t), 250);
    dedup_table_free(t);
}

TEST(slices_expire_as_a_whole_oldest_first)
{
    struct dedup_table *t = dedup_table_create(100);
    struct bytes id;
    int64_t anchor;
    dedup_table_add(t, BYTES_LITERAL("b"), 150);
    dedup_table_add(t, BYTES_LITERAL("a"), 10);
    dedup_table_add(t, BYTES_LITERAL("a"), 60);
    EXPECT_INT(dedup_table_oldest(t), 60);
    EXPECT(!dedup_table_expire(t, 60, &id, &anchor)); /* it holds 60 */
    EXPECT(dedup_table_expire(t, 61, &id, &anchor));
    EXPECT_BYTES(id, BYTES_LITERAL("a"));
    EXPECT_INT(anchor, 10);
    EXPECT(dedup_table_expire(t, 61, &id, &anchor));
    EXPECT(!dedup_table_expire(t, 61, &id, &anchor));
    EXPECT_INT(find(t, "a").count, 0);
    EXPECT_INT(find(t, "b").count, 1);
    EXPECT(dedup_table_expire(t, INT64_MAX, &id, &anchor));
    EXPECT_INT(dedup_table_count(t), 0);
    dedup_table_free(t);
}

/* Adds, finds and expires many anchors, so that chunks and parts grow. */
TEST(a_hundred_thousand_ids_come_and_go)
{
    enum { COUNT = 100000 };
    struct dedup_table *t = dedup_table_create(1000);
    char text[64];
    for (int i = 0; i < COUNT; i++) {
        snprintf(text, sizeof text, "%08d-1234-1234-1234-%0*d", i, 1 + i % 12, 1);
        dedup_table_add(t, bytes_string(text), i / 2);
    }
    EXPECT_INT(dedup_table_count(t), COUNT);
    EXPECT(dedup_table_memory(t) < (size_t)COUNT * 54);
    for (int i = 0; i < COUNT; i += 7) {
        snprintf(text, sizeof text, "%08d-1234-1234-1234-%0*d", i, 1 + i % 12, 1);
        struct found f = find(t, text);
        EXPECT(f.count == 1 && f.anchors[0] == i / 2);
    }
    struct bytes id;
    int64_t anchor, left = COUNT;
    while (dedup_table_expire(t, 25000, &id, &anchor)) {
        EXPECT(anchor < 25000);
        left--;
    }
    EXPECT_INT(left, COUNT / 2);
    EXPECT_INT(dedup_table_count(t), left);
    EXPECT_INT(find(t, "00000000-1234-1234-1234-1").count, 0);
    dedup_table_free(t);
}

TEST(anchors_with_times_far_apart_are_kept_long_enough)
{
    struct dedup_table *t = dedup_table_create(1);
    char text[16];
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "%d", i);
        dedup_table_add(t, bytes_string(text), (int64_t)(i * 7919 % 1000) * 1000);
    }
    struct bytes id;
    int64_t anchor;
    while (dedup_table_expire(t, 500000, &id, &anchor))
        EXPECT(anchor < 500000);
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "%d", i);
        if (i * 7919 % 1000 >= 500)
            EXPECT_INT(find(t, text).count, 1);
    }
    dedup_table_free(t);
}

static void count_anchor(void *context, struct bytes id UNUSED, int64_t anchor UNUSED)
{
    ++*(int *)context;
}

TEST(every_anchor_is_visited_once)
{
    struct dedup_table *t = dedup_table_create(10);
    char text[16];
    int count = 0;
    for (int i = 0; i < 500; i++) {
        snprintf(text, sizeof text, "%d", i / 2);
        dedup_table_add(t, bytes_string(text), i);
    }
    dedup_table_each(t, count_anchor, &count);
    EXPECT_INT(count, 500);
    dedup_table_free(t);
}
