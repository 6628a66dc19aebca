#include "base/arena.h"
#include "base/buffer.h"
#include "base/list.h"
#include "base/map.h"
#include "base/random.h"
#include "base/timers.h"
#include "tests/harness/harness.h"

#include <stdlib.h>

TEST(a_buffer_never_grows_past_its_maximum_and_reports_it_at_the_end)
{
    struct buffer b;
    buffer_init(&b, 10);
    buffer_append_string(&b, "12345678");
    buffer_append_string(&b, "abc");
    EXPECT(b.overflowed);
    buffer_append_string(&b, "d");
    EXPECT_BYTES(buffer_view(&b), BYTES_LITERAL("12345678"));
    buffer_clear(&b);
    buffer_printf(&b, "%s-%d", "ten", 123456);
    EXPECT_STRING(buffer_c_string(&b), "ten-123456");
    EXPECT(!b.overflowed);
    buffer_free(&b);
}

TEST(a_buffer_drops_what_was_consumed_from_its_front)
{
    struct buffer b;
    buffer_init(&b, 100);
    buffer_append_string(&b, "header body");
    buffer_consume(&b, 7);
    EXPECT_BYTES(buffer_view(&b), BYTES_LITERAL("body"));
    buffer_free(&b);
}

TEST(an_arena_stays_exhausted_after_its_maximum_was_exceeded)
{
    struct arena a;
    arena_init(&a, 4096);
    EXPECT(arena_alloc(&a, 4000) != NULL);
    EXPECT(arena_alloc(&a, 97) == NULL);
    EXPECT(a.exhausted);
    EXPECT(arena_alloc(&a, 1) == NULL);
    arena_reset(&a);
    uint8_t *zeroed = arena_alloc(&a, 64);
    for (int i = 0; i < 64; i++)
        EXPECT_INT(zeroed[i], 0);
    arena_free(&a);
}

TEST(an_arena_checks_the_product_of_an_array)
{
    struct arena a;
    arena_init(&a, SIZE_MAX);
    EXPECT(arena_array(&a, SIZE_MAX / 2, 3) == NULL);
    EXPECT(a.exhausted);
    arena_free(&a);
}

struct entry {
    uint64_t key;
    bool present;
};

TEST(a_map_agrees_with_an_array_over_random_puts_and_removes)
{
    enum { KEYS = 300, ROUNDS = 20000 };
    static struct entry entries[KEYS];
    struct random_seeded random;
    random_seeded_init(&random, test_seed());
    struct map m = MAP_EMPTY;
    size_t present = 0;
    for (int i = 0; i < KEYS; i++)
        entries[i] = (struct entry){.key = (uint64_t)i * 2654435761u};
    for (int round = 0; round < ROUNDS; round++) {
        struct entry *e = &entries[random_below(&random.random, KEYS)];
        struct bytes key = map_key_u64(&e->key);
        if (random_below(&random.random, 2)) {
            EXPECT((map_put(&m, key, e) != NULL) == e->present);
            present += !e->present;
            e->present = true;
        } else {
            EXPECT((map_remove(&m, key) != NULL) == e->present);
            present -= e->present;
            e->present = false;
        }
        struct entry *other = &entries[random_below(&random.random, KEYS)];
        EXPECT(map_get(&m, map_key_u64(&other->key)) == (other->present ? other : NULL));
    }
    size_t at = 0, seen = 0;
    for (struct entry *e; (e = map_next(&m, &at)); seen++)
        EXPECT(e->present);
    EXPECT_INT(seen, present);
    EXPECT_INT(m.count, present);
    map_free(&m);
}

static bool is_odd(void *context, void *value)
{
    (void)context;
    return ((struct entry *)value)->key % 2 == 1;
}

TEST(a_map_keeps_the_entries_that_remove_if_did_not_choose)
{
    static struct entry entries[100];
    struct map m = MAP_EMPTY;
    for (int i = 0; i < 100; i++) {
        entries[i].key = (uint64_t)i;
        map_put(&m, map_key_u64(&entries[i].key), &entries[i]);
    }
    EXPECT_INT(map_remove_if(&m, is_odd, NULL), 50);
    for (int i = 0; i < 100; i++)
        EXPECT((map_get(&m, map_key_u64(&entries[i].key)) != NULL) == (i % 2 == 0));
    map_free(&m);
}

struct alarm {
    struct timer timer;
    int number;
    int *fired;
};

static void ring(struct timer *timer, int64_t now_ms)
{
    (void)now_ms;
    struct alarm *a = CONTAINER_OF(timer, struct alarm, timer);
    a->fired[a->fired[0]++ + 1] = a->number;
}

TEST(timers_fire_by_due_time_and_equal_ones_in_the_order_they_were_set)
{
    int fired[8] = {0};
    struct timers t = {0};
    struct alarm alarms[4];
    int64_t due[4] = {30, 10, 30, 20};
    for (int i = 0; i < 4; i++) {
        alarms[i] = (struct alarm){.timer = {.fire = ring}, .number = i, .fired = fired};
        timers_set(&t, &alarms[i].timer, due[i]);
    }
    EXPECT_INT(timers_next_ms(&t), 10);
    timers_cancel(&t, &alarms[3].timer);
    EXPECT_INT(timers_run(&t, 29), 1);
    EXPECT_INT(timers_run(&t, 30), 2);
    EXPECT_INT(fired[0], 3);
    EXPECT_INT(fired[1], 1);
    EXPECT_INT(fired[2], 0);
    EXPECT_INT(fired[3], 2);
    EXPECT_INT(timers_next_ms(&t), INT64_MAX);
    EXPECT(!timer_is_set(&alarms[3].timer));
    timers_free(&t);
}

TEST(timers_agree_with_sorting_over_random_sets_moves_and_cancels)
{
    enum { COUNT = 200 };
    static struct alarm alarms[COUNT];
    static int fired[COUNT + 1];
    struct random_seeded random;
    random_seeded_init(&random, test_seed());
    struct timers t = {0};
    for (int i = 0; i < COUNT; i++)
        alarms[i] = (struct alarm){.timer = {.fire = ring}, .number = i, .fired = fired};
    for (int round = 0; round < 2000; round++) {
        struct alarm *a = &alarms[random_below(&random.random, COUNT)];
        if (random_below(&random.random, 3) == 0)
            timers_cancel(&t, &a->timer);
        else
            timers_set(&t, &a->timer, (int64_t)random_below(&random.random, 1000));
    }
    int set = 0;
    for (int i = 0; i < COUNT; i++)
        set += timer_is_set(&alarms[i].timer);
    fired[0] = 0;
    EXPECT_INT(timers_run(&t, 1000), set);
    for (int i = 2; i <= fired[0]; i++)
        EXPECT(alarms[fired[i - 1]].timer.due_ms <= alarms[fired[i]].timer.due_ms);
    timers_free(&t);
}

static void expect_order(const struct list *l, struct list_node **nodes, int count)
{
    const struct list_node *at = &l->head;
    for (int i = 0; i < count; i++) {
        EXPECT(at->next == nodes[i] && nodes[i]->previous == at);
        at = at->next;
    }
    EXPECT(at->next == &l->head && l->head.previous == at);
}

TEST(a_list_takes_all_of_another_and_leaves_it_empty)
{
    struct list to, from;
    struct list_node a = {0}, b = {0}, c = {0};
    list_init(&to);
    list_init(&from);
    list_take_all(&to, &from);
    EXPECT(list_is_empty(&to) && list_is_empty(&from));
    list_append(&from, &a);
    list_append(&from, &b);
    list_take_all(&to, &from);
    expect_order(&to, (struct list_node *[]){&a, &b}, 2);
    EXPECT(list_is_empty(&from));
    list_append(&from, &c);
    list_take_all(&to, &from);
    expect_order(&to, (struct list_node *[]){&a, &b, &c}, 3);
    list_take_all(&to, &from);
    expect_order(&to, (struct list_node *[]){&a, &b, &c}, 3);
    EXPECT(list_is_empty(&from));
}
