#include "client-tools/cluster/range_assignor.h"

#include "tests/harness/harness.h"

static const struct bytes both[] = {BYTES_LITERAL("x"), BYTES_LITERAL("y")};

static void expect_share(const struct range_member *members, size_t count, size_t member,
                         const char *topic, int32_t partitions, int32_t first, int32_t expected)
{
    struct range_share share =
        range_assign(members, count, member, bytes_string(topic), partitions);
    EXPECT_INT(share.count, expected);
    if (expected > 0)
        EXPECT_INT(share.first, first);
}

TEST(partitions_go_to_members_in_the_order_of_their_ids)
{
    const struct range_member members[] = {{BYTES_LITERAL("c"), both, 2},
                                           {BYTES_LITERAL("a"), both, 2},
                                           {BYTES_LITERAL("b"), both, 2}};
    expect_share(members, 3, 1, "x", 7, 0, 3);
    expect_share(members, 3, 2, "x", 7, 3, 2);
    expect_share(members, 3, 0, "x", 7, 5, 2);
}

TEST(members_beyond_the_partitions_get_none)
{
    const struct range_member members[] = {{BYTES_LITERAL("a"), both, 2},
                                           {BYTES_LITERAL("b"), both, 2}};
    expect_share(members, 2, 0, "x", 1, 0, 1);
    expect_share(members, 2, 1, "x", 1, 0, 0);
    expect_share(members, 2, 0, "x", 0, 0, 0);
}

TEST(only_subscribers_of_a_topic_share_it)
{
    const struct range_member members[] = {{BYTES_LITERAL("a"), both, 1},
                                           {BYTES_LITERAL("b"), both, 2}};
    expect_share(members, 2, 0, "y", 4, 0, 0);
    expect_share(members, 2, 1, "y", 4, 0, 4);
    expect_share(members, 2, 1, "x", 4, 2, 2);
}
