/* Joining and rebalancing: generations, leaders and assignments. */
#include "tests/broker/support_group.h"

#include <stdlib.h>

TEST(a_single_member_leads_the_first_generation)
{
    struct group_world w;
    group_world_init(&w);
    joins(&w, "a");
    syncs(&w, "a", 1, "a=all");
    heartbeats(&w, "a", 1);
    expect_trace(&w, "[    0] a joins: CompletingRebalance, generation 1, saved\n"
                     "        a joins -> a in generation 1, leader a, range, members a=a\n"
                     "[    0] a syncs: Stable, generation 1, saved\n"
                     "        a syncs -> gets 'all'\n"
                     "[    0] a beats\n"
                     "        a beats -> ok\n");
    group_world_end(&w);
}

TEST(the_first_generation_waits_for_more_members)
{
    struct group_world w;
    group_world_init(&w);
    w.limits.initial_delay_ms = 3000;
    joins(&w, "a");
    passes(&w, 2000);
    joins(&w, "b");
    passes(&w, 4000);
    expect_trace(&w, "[    0] a joins: PreparingRebalance, generation 0\n"
                     "[ 2000] b joins\n"
                     "[ 6000] time: CompletingRebalance, generation 1, saved\n"
                     "        a joins -> a in generation 1, leader a, range, members a=a b=b\n"
                     "        b joins -> b in generation 1, leader a, range\n");
    group_world_end(&w);
}

TEST(the_initial_delay_ends_with_the_rebalance_timeout)
{
    struct group_world w;
    group_world_init(&w);
    w.limits.initial_delay_ms = 3000;
    joins(&w, "a", .rebalance_ms = 5000);
    passes(&w, 2000);
    joins(&w, "b", .rebalance_ms = 5000);
    passes(&w, 2000);
    joins(&w, "c", .rebalance_ms = 5000);
    passes(&w, 1000);
    expect_trace(&w, "[    0] a joins: PreparingRebalance, generation 0\n"
                     "[ 2000] b joins\n"
                     "[ 4000] c joins\n"
                     "[ 5000] time: CompletingRebalance, generation 1, saved\n"
                     "        a joins -> a in generation 1, leader a, range, members a=a b=b c=c\n"
                     "        b joins -> b in generation 1, leader a, range\n"
                     "        c joins -> c in generation 1, leader a, range\n");
    group_world_end(&w);
}

TEST(a_new_member_makes_the_others_join_again)
{
    struct group_world w;
    group_world_of_two(&w);
    joins(&w, "c");
    heartbeats(&w, "a", 2);
    joins_again(&w, "a");
    joins_again(&w, "b");
    heartbeats(&w, "b", 2);
    syncs(&w, "b", 3, "");
    syncs(&w, "c", 3, "");
    syncs(&w, "a", 3, "a=1 b=2");
    expect_trace(&w, "[    0] c joins: PreparingRebalance, generation 2\n"
                     "[    0] a beats\n"
                     "        a beats -> REBALANCE_IN_PROGRESS\n"
                     "[    0] a joins\n"
                     "[    0] b joins: CompletingRebalance, generation 3, saved\n"
                     "        a joins -> a in generation 3, leader a, range, members a=a b=b c=c\n"
                     "        b joins -> b in generation 3, leader a, range\n"
                     "        c joins -> c in generation 3, leader a, range\n"
                     "[    0] b beats\n"
                     "        b beats -> ILLEGAL_GENERATION\n"
                     "[    0] b syncs\n"
                     "[    0] c syncs\n"
                     "[    0] a syncs: Stable, generation 3, saved\n"
                     "        a syncs -> gets '1'\n"
                     "        b syncs -> gets '2'\n"
                     "        c syncs -> gets ''\n");
    group_world_end(&w);
}

TEST(members_that_do_not_join_again_are_removed_after_the_rebalance_timeout)
{
    struct group_world w;
    group_world_of_two(&w);
    joins(&w, "c");
    for (int i = 0; i < 8; i++) {
        passes(&w, 7000);
        heartbeats(&w, "a", 2);
        heartbeats(&w, "b", 2);
    }
    joins_again(&w, "b");
    buffer_clear(&w.trace);
    passes(&w, 4000);
    expect_trace(&w, "[60000] time: CompletingRebalance, generation 3, saved\n"
                     "        b joins -> b in generation 3, leader b, range, members b=b c=c\n"
                     "        c joins -> c in generation 3, leader b, range\n");
    heartbeats(&w, "a", 2);
    expect_trace(&w, "[60000] a beats\n"
                     "        a beats -> UNKNOWN_MEMBER_ID\n");
    group_world_end(&w);
}

TEST(from_version_4_on_a_new_member_gets_its_id_first)
{
    struct group_world w;
    group_world_init(&w);
    joins(&w, "a", .asks_id = true);
    heartbeats(&w, "a", 0);
    joins(&w, "a", .asks_id = true, .id = "a");
    joins(&w, "x", .asks_id = true, .id = "never-given");
    expect_trace(&w, "[    0] a joins\n"
                     "        a joins -> MEMBER_ID_REQUIRED: a\n"
                     "[    0] a beats\n"
                     "        a beats -> UNKNOWN_MEMBER_ID\n"
                     "[    0] a joins: CompletingRebalance, generation 1, saved\n"
                     "        a joins -> a in generation 1, leader a, range, members a=a\n"
                     "[    0] x joins\n"
                     "        x joins -> UNKNOWN_MEMBER_ID\n");
    group_world_end(&w);
}

TEST(an_id_that_was_given_out_expires_with_the_session)
{
    struct group_world w;
    group_world_init(&w);
    joins(&w, "a", .asks_id = true);
    EXPECT(!group_is_idle(w.group));
    passes(&w, 10000);
    EXPECT(group_is_idle(w.group));
    joins(&w, "a", .asks_id = true, .id = "a");
    expect_trace(&w, "[    0] a joins\n"
                     "        a joins -> MEMBER_ID_REQUIRED: a\n"
                     "[10000] a joins\n"
                     "        a joins -> UNKNOWN_MEMBER_ID\n");
    group_world_end(&w);
}

TEST(a_rebalance_waits_for_members_that_were_given_an_id)
{
    struct group_world w;
    group_world_of_two(&w);
    joins(&w, "c", .asks_id = true);
    joins_again(&w, "a");
    joins_again(&w, "b");
    EXPECT_INT(w.group->state, GROUP_PREPARING_REBALANCE);
    buffer_clear(&w.trace);
    joins(&w, "c", .asks_id = true, .id = "c");
    expect_trace(&w, "[    0] c joins: CompletingRebalance, generation 3, saved\n"
                     "        a joins -> a in generation 3, leader a, range, members a=a b=b c=c\n"
                     "        b joins -> b in generation 3, leader a, range\n"
                     "        c joins -> c in generation 3, leader a, range\n");
    group_world_end(&w);
}

TEST(a_follower_that_changed_nothing_gets_its_generation_again)
{
    struct group_world w;
    group_world_of_two(&w);
    joins_again(&w, "b");
    expect_trace(&w, "[    0] b joins\n"
                     "        b joins -> b in generation 2, leader a, range\n");
    joins(&w, "b", .id = "b", .protocols = "range:other-topics");
    expect_trace(&w, "[    0] b joins: PreparingRebalance, generation 2\n");
    group_world_end(&w);
}

TEST(a_leader_that_joins_again_starts_a_rebalance)
{
    struct group_world w;
    group_world_of_two(&w);
    joins_again(&w, "a");
    expect_trace(&w, "[    0] a joins: PreparingRebalance, generation 2\n");
    group_world_end(&w);
}

TEST(a_member_that_missed_its_answer_gets_it_again_while_completing)
{
    struct group_world w;
    group_world_init(&w);
    joins(&w, "a");
    buffer_clear(&w.trace);
    joins_again(&w, "a");
    expect_trace(&w, "[    0] a joins\n"
                     "        a joins -> a in generation 1, leader a, range, members a=a\n");
    group_world_end(&w);
}

TEST(new_metadata_while_completing_sends_waiting_members_back_to_joining)
{
    struct group_world w;
    group_world_of_two(&w);
    joins_again(&w, "a");
    joins_again(&w, "b");
    syncs(&w, "b", 3, "");
    buffer_clear(&w.trace);
    joins(&w, "c");
    syncs(&w, "a", 3, "a=1");
    expect_trace(&w, "[    0] c joins: PreparingRebalance, generation 3\n"
                     "        b syncs -> REBALANCE_IN_PROGRESS\n"
                     "[    0] a syncs\n"
                     "        a syncs -> REBALANCE_IN_PROGRESS\n");
    group_world_end(&w);
}

TEST(members_vote_for_a_protocol_that_all_know)
{
    struct group_world w;
    group_world_init(&w);
    w.limits.initial_delay_ms = 1;
    joins(&w, "a", .protocols = "sticky:1 range:2 robin:3");
    joins(&w, "b", .protocols = "robin:4 range:5");
    joins(&w, "c", .protocols = "robin:6 range:7 sticky:8");
    buffer_clear(&w.trace);
    passes(&w, 2);
    expect_trace(&w, "[    2] time: CompletingRebalance, generation 1, saved\n"
                     "        a joins -> a in generation 1, leader a, robin, members a=3 b=4 c=6\n"
                     "        b joins -> b in generation 1, leader a, robin\n"
                     "        c joins -> c in generation 1, leader a, robin\n");
    group_world_end(&w);
}

TEST(a_tied_vote_goes_to_the_leaders_preference)
{
    struct group_world w;
    group_world_init(&w);
    w.limits.initial_delay_ms = 1;
    joins(&w, "a", .protocols = "sticky:1 range:2");
    joins(&w, "b", .protocols = "range:3 sticky:4");
    passes(&w, 2);
    EXPECT_BYTES(w.group->protocol_name, BYTES_LITERAL("sticky"));
    group_world_end(&w);
}

TEST(protocols_that_no_member_shares_are_refused)
{
    struct group_world w;
    group_world_of_two(&w);
    joins(&w, "c", .protocols = "robin:x");
    joins(&w, "d", .type = "connect");
    joins(&w, "e", .protocols = "");
    joins(&w, "f", .protocols = "range:x", .type = "");
    expect_trace(&w, "[    0] c joins\n"
                     "        c joins -> INCONSISTENT_GROUP_PROTOCOL\n"
                     "[    0] d joins\n"
                     "        d joins -> INCONSISTENT_GROUP_PROTOCOL\n"
                     "[    0] e joins\n"
                     "        e joins -> INCONSISTENT_GROUP_PROTOCOL\n"
                     "[    0] f joins\n"
                     "        f joins -> INCONSISTENT_GROUP_PROTOCOL\n");
    group_world_end(&w);
}

TEST(session_timeouts_have_bounds)
{
    struct group_world w;
    group_world_init(&w);
    joins(&w, "a", .session_ms = 5999);
    joins(&w, "b", .session_ms = 1800001);
    joins(&w, "c", .session_ms = 6000);
    expect_trace(&w, "[    0] a joins\n"
                     "        a joins -> INVALID_SESSION_TIMEOUT\n"
                     "[    0] b joins\n"
                     "        b joins -> INVALID_SESSION_TIMEOUT\n"
                     "[    0] c joins: CompletingRebalance, generation 1, saved\n"
                     "        c joins -> c in generation 1, leader c, range, members c=c\n");
    group_world_end(&w);
}

TEST(a_full_group_admits_only_its_own_members)
{
    struct group_world w;
    group_world_of_two(&w);
    w.limits.max_members = 2;
    joins(&w, "c");
    joins_again(&w, "b");
    joins_again(&w, "a");
    joins(&w, "d");
    joins_again(&w, "b");
    expect_trace(&w, "[    0] c joins\n"
                     "        c joins -> GROUP_MAX_SIZE_REACHED\n"
                     "[    0] b joins\n"
                     "        b joins -> b in generation 2, leader a, range\n"
                     "[    0] a joins: PreparingRebalance, generation 2\n"
                     "[    0] d joins\n"
                     "[    0] b joins\n"
                     "        b joins -> GROUP_MAX_SIZE_REACHED\n");
    group_world_end(&w);
}

TEST(a_group_has_a_bound_in_bytes)
{
    struct group_world w;
    group_world_of_two(&w);
    char *large = xmalloc(GROUP_BYTES_MAX + 16);
    memset(large, 'x', GROUP_BYTES_MAX + 15);
    large[GROUP_BYTES_MAX + 15] = '\0';
    memcpy(large, "range:", 6);
    joins(&w, "c", .protocols = large);
    expect_trace(&w, "[    0] c joins\n"
                     "        c joins -> GROUP_MAX_SIZE_REACHED\n");
    memcpy(large, "a=", 2);
    joins_again(&w, "a");
    joins_again(&w, "b");
    buffer_clear(&w.trace);
    syncs(&w, "a", 3, large);
    expect_trace(&w, "[    0] a syncs\n"
                     "        a syncs -> MESSAGE_TOO_LARGE\n");
    free(large);
    group_world_end(&w);
}

TEST(a_cooperative_member_revokes_and_joins_again)
{
    struct group_world w;
    group_world_of_two(&w);
    joins(&w, "c", .protocols = "range:owns-nothing");
    joins(&w, "a", .id = "a", .protocols = "range:owns-1-2");
    joins(&w, "b", .id = "b", .protocols = "range:owns-3");
    syncs(&w, "c", 3, "");
    syncs(&w, "b", 3, "");
    syncs(&w, "a", 3, "a=1 b=3 c=");
    buffer_clear(&w.trace);
    /* It revoked 2 and reports that. The leader assigns it in the next generation. */
    joins(&w, "a", .id = "a", .protocols = "range:owns-1");
    joins(&w, "b", .id = "b", .protocols = "range:owns-3");
    joins(&w, "c", .id = "c", .protocols = "range:owns-nothing");
    expect_trace(&w,
                 "[    0] a joins: PreparingRebalance, generation 3\n"
                 "[    0] b joins\n"
                 "[    0] c joins: CompletingRebalance, generation 4, saved\n"
                 "        a joins -> a in generation 4, leader a, range, members a=owns-1 b=owns-3 "
                 "c=owns-nothing\n"
                 "        b joins -> b in generation 4, leader a, range\n"
                 "        c joins -> c in generation 4, leader a, range\n");
    group_world_end(&w);
}

TEST(a_join_that_is_sent_twice_is_answered_twice)
{
    struct group_world w;
    group_world_of_two(&w);
    joins_again(&w, "a");
    joins_again(&w, "a");
    expect_trace(&w, "[    0] a joins: PreparingRebalance, generation 2\n"
                     "[    0] a joins\n"
                     "        a joins -> REBALANCE_IN_PROGRESS\n");
    group_world_end(&w);
}
