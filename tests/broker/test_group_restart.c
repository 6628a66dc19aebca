/* Groups made again from their rows: members continue after a restart. */
#include "broker/groups/coordinator_rows.h"
#include "tests/broker/support_group.h"

TEST(members_continue_after_a_restart_without_a_rebalance)
{
    struct group_world w;
    group_world_of_two(&w);
    passes(&w, 9000);
    restarts(&w);
    passes(&w, 9000);
    heartbeats(&w, "a", 2);
    heartbeats(&w, "b", 2);
    syncs(&w, "b", 2, "");
    joins_again(&w, "b");
    expect_trace(&w, "[ 9000] restart: Stable, generation 2\n"
                     "[18000] a beats\n"
                     "        a beats -> ok\n"
                     "[18000] b beats\n"
                     "        b beats -> ok\n"
                     "[18000] b syncs\n"
                     "        b syncs -> gets 'second'\n"
                     "[18000] b joins\n"
                     "        b joins -> b in generation 2, leader a, range\n");
    group_world_end(&w);
}

TEST(members_that_do_not_come_back_expire_after_a_restart)
{
    struct group_world w;
    group_world_of_two(&w);
    restarts(&w);
    passes(&w, 9000);
    heartbeats(&w, "b", 2);
    buffer_clear(&w.trace);
    passes(&w, 1000);
    expect_trace(&w, "[10000] time: PreparingRebalance, generation 2, saved\n");
    EXPECT_BYTES(w.group->leader->id, BYTES_LITERAL("b"));
    group_world_end(&w);
}

TEST(a_restart_while_completing_waits_for_the_syncs)
{
    struct group_world w;
    group_world_of_two(&w);
    joins_again(&w, "a");
    joins_again(&w, "b");
    syncs(&w, "b", 3, "");
    buffer_clear(&w.trace);
    restarts(&w);
    syncs(&w, "b", 3, "");
    syncs(&w, "a", 3, "a=1 b=2");
    expect_trace(&w, "[    0] restart: CompletingRebalance, generation 3\n"
                     "[    0] b syncs\n"
                     "[    0] a syncs: Stable, generation 3, saved\n"
                     "        a syncs -> gets '1'\n"
                     "        b syncs -> gets '2'\n");
    group_world_end(&w);
}

TEST(a_restart_while_preparing_waits_for_the_joins)
{
    struct group_world w;
    group_world_of_two(&w);
    joins(&w, "c");
    joins_again(&w, "a");
    buffer_clear(&w.trace);
    restarts(&w);
    heartbeats(&w, "b", 2);
    joins_again(&w, "b");
    joins_again(&w, "c");
    joins_again(&w, "a");
    expect_trace(&w, "[    0] restart: PreparingRebalance, generation 2\n"
                     "[    0] b beats\n"
                     "        b beats -> REBALANCE_IN_PROGRESS\n"
                     "[    0] b joins\n"
                     "[    0] c joins\n"
                     "        c joins -> UNKNOWN_MEMBER_ID\n"
                     "[    0] a joins: CompletingRebalance, generation 3, saved\n"
                     "        a joins -> a in generation 3, leader a, range, members a=a b=b\n"
                     "        b joins -> b in generation 3, leader a, range\n");
    group_world_end(&w);
}

TEST(members_that_were_in_no_generation_are_forgotten)
{
    struct group_world w;
    group_world_init(&w);
    w.limits.initial_delay_ms = 3000;
    joins(&w, "a");
    buffer_clear(&w.trace);
    restarts(&w);
    expect_trace(&w, "[    0] restart: Empty, generation 0\n");
    group_world_end(&w);
}

TEST(static_members_are_static_after_a_restart)
{
    struct group_world w;
    group_world_init(&w);
    joins(&w, "a", .instance = "one");
    syncs(&w, "a", 1, "a=all");
    restarts(&w);
    buffer_clear(&w.trace);
    joins(&w, "a2", .instance = "one", .protocols = "range:a", .can_skip = true);
    heartbeats_as(&w, "a", "one", 1);
    expect_trace(&w, "[    0] a2 joins, saved\n"
                     "        a2 joins -> a2 in generation 1, leader a2, range, members a2=a, "
                     "skips assignment\n"
                     "[    0] a beats\n"
                     "        a beats -> FENCED_INSTANCE_ID\n");
    group_world_end(&w);
}

/* A row with any cut or any flipped byte is read or refused, without harm. */
TEST(damaged_group_rows_do_no_harm)
{
    struct group_world w;
    group_world_of_two(&w);
    struct buffer key, value;
    buffer_init(&key, 1 << 16);
    buffer_init(&value, 1 << 16);
    group_row_key(w.group->id, &key);
    group_row_value(w.group, &value);
    for (size_t size = 0; size < value.size; size++) {
        struct group *g = NULL;
        enum error error =
            group_from_row(buffer_view(&key), bytes_of(value.data, size), &w.limits, &g);
        EXPECT(error == ERR_CORRUPT);
    }
    for (size_t at = 1; at < value.size; at++) {
        struct group *g = NULL;
        value.data[at] ^= 0xff;
        if (group_from_row(buffer_view(&key), buffer_view(&value), &w.limits, &g) == ERR_OK) {
            group_resume(g, 0);
            group_free(g);
        }
        value.data[at] ^= 0xff;
    }
    value.data[0] = 2;
    struct group *newer = NULL;
    EXPECT_INT(group_from_row(buffer_view(&key), buffer_view(&value), &w.limits, &newer),
               ERR_UNSUPPORTED);
    buffer_free(&key);
    buffer_free(&value);
    group_world_end(&w);
}
