/* Static members (KIP-345, KIP-814): their places survive a restart of the client, and old clients
 * are fenced. */
#include "tests/broker/support_group.h"

/* Two static members in a stable group of generation 2, led by a. */
static void static_two(struct group_world *w)
{
    group_world_init(w);
    joins(w, "a", .instance = "one", .protocols = "range:a");
    joins(w, "b", .instance = "two", .protocols = "range:b");
    joins(w, "a", .id = "a", .instance = "one", .protocols = "range:a");
    syncs(w, "b", 2, "");
    syncs(w, "a", 2, "a=first b=second");
    EXPECT_INT(w->group->state, GROUP_STABLE);
    buffer_clear(&w->trace);
}

TEST(a_static_member_is_not_asked_to_come_back_with_an_id)
{
    struct group_world w;
    group_world_init(&w);
    joins(&w, "a", .instance = "one", .asks_id = true);
    expect_trace(&w, "[    0] a joins: CompletingRebalance, generation 1, saved\n"
                     "        a joins -> a in generation 1, leader a, range, members a=a\n");
    group_world_end(&w);
}

TEST(a_static_member_comes_back_without_a_rebalance)
{
    struct group_world w;
    static_two(&w);
    joins(&w, "b2", .instance = "two", .protocols = "range:b");
    syncs(&w, "b2", 2, "");
    heartbeats(&w, "a", 2);
    expect_trace(&w, "[    0] b2 joins, saved\n"
                     "        b2 joins -> b2 in generation 2, leader a, range\n"
                     "[    0] b2 syncs\n"
                     "        b2 syncs -> gets 'second'\n"
                     "[    0] a beats\n"
                     "        a beats -> ok\n");
    group_world_end(&w);
}

TEST(the_replaced_member_is_fenced_in_every_request)
{
    struct group_world w;
    static_two(&w);
    joins(&w, "b2", .instance = "two", .protocols = "range:b");
    buffer_clear(&w.trace);
    heartbeats_as(&w, "b", "two", 2);
    commits(&w, "b", "two", 2);
    syncs_as(&w, &(struct group_event){.member_id = BYTES_LITERAL("b"),
                                       .instance_id = BYTES_LITERAL("two"),
                                       .generation = 2});
    joins(&w, "b", .id = "b", .instance = "two");
    leaves(&w, "b/two");
    heartbeats(&w, "b", 2);
    expect_trace(&w, "[    0] b beats\n"
                     "        b beats -> FENCED_INSTANCE_ID\n"
                     "[    0] b commits\n"
                     "        b commits -> FENCED_INSTANCE_ID\n"
                     "[    0] b syncs\n"
                     "        b syncs -> FENCED_INSTANCE_ID\n"
                     "[    0] b joins\n"
                     "        b joins -> FENCED_INSTANCE_ID\n"
                     "[    0] b/two leaves\n"
                     "        b/two leaves -> ok\n"
                     "        b/two: FENCED_INSTANCE_ID\n"
                     "[    0] b beats\n"
                     "        b beats -> UNKNOWN_MEMBER_ID\n");
    group_world_end(&w);
}

TEST(an_unknown_instance_gets_unknown_member_id)
{
    struct group_world w;
    static_two(&w);
    heartbeats_as(&w, "b", "three", 2);
    commits(&w, "b", "three", 2);
    expect_trace(&w, "[    0] b beats\n"
                     "        b beats -> UNKNOWN_MEMBER_ID\n"
                     "[    0] b commits\n"
                     "        b commits -> UNKNOWN_MEMBER_ID\n");
    group_world_end(&w);
}

TEST(waiting_requests_of_the_replaced_member_are_fenced)
{
    struct group_world w;
    static_two(&w);
    joins(&w, "a", .id = "a", .instance = "one", .protocols = "range:a");
    buffer_clear(&w.trace);
    joins(&w, "a2", .instance = "one", .protocols = "range:a");
    expect_trace(&w, "[    0] a2 joins, saved\n"
                     "        a joins -> FENCED_INSTANCE_ID\n");
    group_world_end(&w);
}

TEST(before_version_9_a_static_leader_comes_back_and_does_not_assign)
{
    struct group_world w;
    static_two(&w);
    joins(&w, "a2", .instance = "one", .protocols = "range:a");
    syncs(&w, "a2", 2, "");
    expect_trace(&w, "[    0] a2 joins, saved\n"
                     "        a2 joins -> a2 in generation 2, leader a, range\n"
                     "[    0] a2 syncs\n"
                     "        a2 syncs -> gets 'first'\n");
    EXPECT_BYTES(w.group->leader->id, BYTES_LITERAL("a2"));
    group_world_end(&w);
}

TEST(from_version_9_on_a_static_leader_comes_back_as_leader_and_skips_the_assignment)
{
    struct group_world w;
    static_two(&w);
    joins(&w, "a2", .instance = "one", .protocols = "range:a", .can_skip = true);
    joins(&w, "b2", .instance = "two", .protocols = "range:b", .can_skip = true);
    expect_trace(&w, "[    0] a2 joins, saved\n"
                     "        a2 joins -> a2 in generation 2, leader a2, range, members a2=a b=b, "
                     "skips assignment\n"
                     "[    0] b2 joins, saved\n"
                     "        b2 joins -> b2 in generation 2, leader a2, range\n");
    group_world_end(&w);
}

TEST(a_static_member_that_changes_the_vote_starts_a_rebalance)
{
    struct group_world w;
    group_world_init(&w);
    joins(&w, "a", .instance = "one", .protocols = "range:1 sticky:2");
    syncs(&w, "a", 1, "a=all");
    buffer_clear(&w.trace);
    joins(&w, "a2", .instance = "one", .protocols = "sticky:3 range:4");
    expect_trace(&w, "[    0] a2 joins: CompletingRebalance, generation 2, saved\n"
                     "        a2 joins -> a2 in generation 2, leader a2, sticky, members a2=3\n");
    group_world_end(&w);
}

TEST(a_static_member_that_comes_back_while_completing_starts_over)
{
    struct group_world w;
    group_world_init(&w);
    w.limits.initial_delay_ms = 1;
    joins(&w, "a", .instance = "one");
    joins(&w, "b", .instance = "two");
    passes(&w, 2);
    syncs(&w, "b", 1, "");
    buffer_clear(&w.trace);
    joins(&w, "b2", .instance = "two");
    expect_trace(&w, "[    2] b2 joins: PreparingRebalance, generation 1, saved\n"
                     "        b syncs -> FENCED_INSTANCE_ID\n");
    group_world_end(&w);
}

TEST(an_absent_static_member_keeps_its_place_through_a_rebalance)
{
    struct group_world w;
    group_world_init(&w);
    joins(&w, "a", .instance = "one", .session_ms = 100000, .rebalance_ms = 5000);
    syncs(&w, "a", 1, "a=all");
    joins(&w, "b", .rebalance_ms = 5000);
    buffer_clear(&w.trace);
    passes(&w, 5000);
    expect_trace(&w, "[ 5000] time: CompletingRebalance, generation 2, saved\n"
                     "        b joins -> b in generation 2, leader b, range, members a=a b=b\n");
    group_world_end(&w);
}

TEST(a_rebalance_waits_while_all_static_members_are_absent)
{
    struct group_world w;
    static_two(&w);
    joins(&w, "c", .rebalance_ms = 5000);
    leaves(&w, "c");
    buffer_clear(&w.trace);
    w.group->join_deadline_ms = 4000;
    w.group->wake_ms = 4000;
    passes(&w, 4000);
    expect_trace(&w, "");
    EXPECT_INT(w.group->state, GROUP_PREPARING_REBALANCE);
    EXPECT_INT(w.group->member_count, 2);
    passes(&w, 10000);
    expect_trace(&w, "[10000] time: Empty, generation 3, saved\n");
    group_world_end(&w);
}

TEST(an_administrator_removes_a_static_member_by_its_instance)
{
    struct group_world w;
    static_two(&w);
    leaves(&w, "/two");
    commits(&w, "b", "two", 2);
    expect_trace(&w, "[    0] /two leaves: PreparingRebalance, generation 2, saved\n"
                     "        /two leaves -> ok\n"
                     "[    0] b commits\n"
                     "        b commits -> UNKNOWN_MEMBER_ID\n");
    group_world_end(&w);
}

TEST(a_static_member_expires_with_its_session)
{
    struct group_world w;
    static_two(&w);
    passes(&w, 9000);
    heartbeats_as(&w, "a", "one", 2);
    buffer_clear(&w.trace);
    passes(&w, 1500);
    expect_trace(&w, "[10000] time: PreparingRebalance, generation 2, saved\n");
    EXPECT_INT(w.group->member_count, 1);
    group_world_end(&w);
}
