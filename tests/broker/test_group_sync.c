/* Sync, heartbeats, leaving, commits: their checks and their timeouts. */
#include "tests/broker/support_group.h"

TEST(a_sync_must_name_the_generation_and_the_protocol)
{
    struct group_world w;
    group_world_of_two(&w);
    syncs(&w, "a", 1, "");
    syncs(&w, "x", 2, "");
    syncs(&w, "", 2, "");
    syncs_as(&w, &(struct group_event){.member_id = BYTES_LITERAL("b"),
                                       .generation = 2,
                                       .sync = {.protocol_type = BYTES_LITERAL("connect")}});
    syncs_as(&w, &(struct group_event){.member_id = BYTES_LITERAL("b"),
                                       .generation = 2,
                                       .sync = {.protocol_name = BYTES_LITERAL("robin")}});
    syncs_as(&w, &(struct group_event){.member_id = BYTES_LITERAL("b"),
                                       .generation = 2,
                                       .sync = {.protocol_type = BYTES_LITERAL("consumer"),
                                                .protocol_name = BYTES_LITERAL("range")}});
    expect_trace(&w, "[    0] a syncs\n"
                     "        a syncs -> ILLEGAL_GENERATION\n"
                     "[    0] x syncs\n"
                     "        x syncs -> UNKNOWN_MEMBER_ID\n"
                     "[    0]  syncs\n"
                     "         syncs -> UNKNOWN_MEMBER_ID\n"
                     "[    0] b syncs\n"
                     "        b syncs -> INCONSISTENT_GROUP_PROTOCOL\n"
                     "[    0] b syncs\n"
                     "        b syncs -> INCONSISTENT_GROUP_PROTOCOL\n"
                     "[    0] b syncs\n"
                     "        b syncs -> gets 'second'\n");
    group_world_end(&w);
}

TEST(assignments_for_unknown_members_are_ignored)
{
    struct group_world w;
    group_world_init(&w);
    joins(&w, "a");
    syncs(&w, "a", 1, "x=1 a=2");
    EXPECT_BYTES(group_member_of(w.group, BYTES_LITERAL("a"))->assignment, BYTES_LITERAL("2"));
    group_world_end(&w);
}

TEST(members_that_never_sync_are_removed_and_the_others_continue)
{
    struct group_world w;
    group_world_init(&w);
    w.limits.initial_delay_ms = 1;
    joins(&w, "a", .rebalance_ms = 8000);
    joins(&w, "b", .rebalance_ms = 8000);
    passes(&w, 2);
    syncs(&w, "a", 1, "a=1 b=2");
    passes(&w, 4000);
    heartbeats(&w, "a", 1);
    heartbeats(&w, "b", 1);
    buffer_clear(&w.trace);
    passes(&w, 4000);
    heartbeats(&w, "b", 1);
    joins(&w, "a", .id = "a", .rebalance_ms = 8000);
    expect_trace(&w, "[ 8002] time: PreparingRebalance, generation 1, saved\n"
                     "[ 8002] b beats\n"
                     "        b beats -> UNKNOWN_MEMBER_ID\n"
                     "[ 8002] a joins: CompletingRebalance, generation 2, saved\n"
                     "        a joins -> a in generation 2, leader a, range, members a=a\n");
    group_world_end(&w);
}

TEST(a_leader_that_never_syncs_is_replaced)
{
    struct group_world w;
    group_world_of_two(&w);
    joins(&w, "a", .id = "a", .rebalance_ms = 8000);
    joins(&w, "b", .id = "b", .rebalance_ms = 8000);
    syncs(&w, "b", 3, "");
    buffer_clear(&w.trace);
    passes(&w, 8000);
    joins_again(&w, "b");
    expect_trace(&w, "[ 8000] time: PreparingRebalance, generation 3, saved\n"
                     "        b syncs -> REBALANCE_IN_PROGRESS\n"
                     "[ 8000] b joins: CompletingRebalance, generation 4, saved\n"
                     "        b joins -> b in generation 4, leader b, range, members b=b\n");
    group_world_end(&w);
}

TEST(a_member_without_heartbeats_expires_with_its_session)
{
    struct group_world w;
    group_world_of_two(&w);
    passes(&w, 6000);
    heartbeats(&w, "a", 2);
    buffer_clear(&w.trace);
    passes(&w, 9000);
    expect_trace(&w, "[10000] time: PreparingRebalance, generation 2, saved\n");
    joins_again(&w, "a");
    heartbeats(&w, "b", 2);
    expect_trace(&w, "[15000] a joins: CompletingRebalance, generation 3, saved\n"
                     "        a joins -> a in generation 3, leader a, range, members a=a\n"
                     "[15000] b beats\n"
                     "        b beats -> UNKNOWN_MEMBER_ID\n");
    group_world_end(&w);
}

TEST(members_that_wait_do_not_expire)
{
    struct group_world w;
    group_world_of_two(&w);
    joins_again(&w, "a");
    for (int i = 0; i < 5; i++) {
        passes(&w, 9000);
        heartbeats(&w, "b", 2);
    }
    buffer_clear(&w.trace);
    joins_again(&w, "b");
    syncs(&w, "b", 3, "");
    for (int i = 0; i < 5; i++) {
        passes(&w, 9000);
        heartbeats(&w, "a", 3);
    }
    buffer_clear(&w.trace);
    syncs(&w, "a", 3, "b=all");
    expect_trace(&w, "[90000] a syncs: Stable, generation 3, saved\n"
                     "        a syncs -> gets ''\n"
                     "        b syncs -> gets 'all'\n");
    group_world_end(&w);
}

TEST(a_commit_counts_as_a_heartbeat)
{
    struct group_world w;
    group_world_of_two(&w);
    for (int i = 0; i < 4; i++) {
        passes(&w, 6000);
        commits(&w, "a", NULL, 2);
        heartbeats(&w, "b", 2);
    }
    EXPECT_INT(w.group->state, GROUP_STABLE);
    group_world_end(&w);
}

TEST(the_last_member_that_leaves_empties_the_group)
{
    struct group_world w;
    group_world_of_two(&w);
    passes(&w, 500);
    leaves(&w, "a");
    joins_again(&w, "b");
    leaves(&w, "b");
    expect_trace(&w, "[  500] a leaves: PreparingRebalance, generation 2, saved\n"
                     "        a leaves -> ok\n"
                     "[  500] b joins: CompletingRebalance, generation 3, saved\n"
                     "        b joins -> b in generation 3, leader b, range, members b=b\n"
                     "[  500] b leaves: Empty, generation 4, saved\n"
                     "        b leaves -> ok\n");
    EXPECT_INT(w.group->empty_since_ms, 1000500);
    EXPECT(group_is_idle(w.group));
    group_world_end(&w);
}

TEST(several_members_leave_at_once_each_with_its_own_result)
{
    struct group_world w;
    group_world_of_two(&w);
    leaves(&w, "a x b /nobody");
    expect_trace(&w, "[    0] a x b /nobody leaves: Empty, generation 3, saved\n"
                     "        a x b /nobody leaves -> ok\n"
                     "        x: UNKNOWN_MEMBER_ID\n"
                     "        /nobody: UNKNOWN_MEMBER_ID\n");
    group_world_end(&w);
}

TEST(leaving_with_an_empty_member_id_is_unknown)
{
    struct group_world w;
    group_world_of_two(&w);
    struct group_leaver leaver = {.member_id = BYTES_LITERAL("")};
    struct group_event event = {.kind = GROUP_LEAVE};
    event.leavers = &leaver;
    event.leaver_count = 1;
    group_step(w.group, &event, &w.actions);
    EXPECT_INT(leaver.error, KAFKA_UNKNOWN_MEMBER_ID);
    EXPECT_INT(w.group->member_count, 2);
    group_actions_clear(&w.actions);
    group_world_end(&w);
}

TEST(a_member_that_leaves_while_it_waits_gets_an_answer)
{
    struct group_world w;
    group_world_of_two(&w);
    joins(&w, "c");
    buffer_clear(&w.trace);
    leaves(&w, "c");
    expect_trace(&w, "[    0] c leaves, saved\n"
                     "        c joins -> UNKNOWN_MEMBER_ID\n"
                     "        c leaves -> ok\n");
    group_world_end(&w);
}

TEST(an_id_that_was_given_out_can_leave)
{
    struct group_world w;
    group_world_of_two(&w);
    joins(&w, "c", .asks_id = true);
    joins_again(&w, "a");
    joins_again(&w, "b");
    buffer_clear(&w.trace);
    leaves(&w, "c");
    expect_trace(&w, "[    0] c leaves: CompletingRebalance, generation 3, saved\n"
                     "        a joins -> a in generation 3, leader a, range, members a=a b=b\n"
                     "        b joins -> b in generation 3, leader a, range\n"
                     "        c leaves -> ok\n");
    group_world_end(&w);
}

TEST(commits_are_checked_against_the_group)
{
    struct group_world w;
    group_world_of_two(&w);
    commits(&w, "a", NULL, 2);
    commits(&w, "a", NULL, 1);
    commits(&w, "a", NULL, -1);
    commits(&w, "x", NULL, 2);
    commits(&w, "", NULL, -1);
    joins_again(&w, "a");
    buffer_append_string(&w.trace, "--\n");
    commits(&w, "b", NULL, 2);
    joins_again(&w, "b");
    commits(&w, "b", NULL, 3);
    expect_trace(&w, "[    0] a commits\n"
                     "        a commits -> ok\n"
                     "[    0] a commits\n"
                     "        a commits -> ILLEGAL_GENERATION\n"
                     "[    0] a commits\n"
                     "        a commits -> ILLEGAL_GENERATION\n"
                     "[    0] x commits\n"
                     "        x commits -> UNKNOWN_MEMBER_ID\n"
                     "[    0]  commits\n"
                     "         commits -> UNKNOWN_MEMBER_ID\n"
                     "[    0] a joins: PreparingRebalance, generation 2\n"
                     "--\n"
                     "[    0] b commits\n"
                     "        b commits -> ok\n"
                     "[    0] b joins: CompletingRebalance, generation 3, saved\n"
                     "        a joins -> a in generation 3, leader a, range, members a=a b=b\n"
                     "        b joins -> b in generation 3, leader a, range\n"
                     "[    0] b commits\n"
                     "        b commits -> REBALANCE_IN_PROGRESS\n");
    group_world_end(&w);
}

TEST(an_empty_group_takes_commits_without_a_member)
{
    struct group_world w;
    group_world_init(&w);
    commits(&w, "", NULL, -1);
    commits(&w, "a", NULL, 0);
    expect_trace(&w, "[    0]  commits\n"
                     "         commits -> ok\n"
                     "[    0] a commits\n"
                     "        a commits -> UNKNOWN_MEMBER_ID\n");
    group_world_end(&w);
}

TEST(an_unset_deadline_is_never_due)
{
    struct group_world w;
    group_world_init(&w);
    EXPECT_INT(w.group->wake_ms, GROUP_NEVER);
    group_world_end(&w);
}
