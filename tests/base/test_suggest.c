#include "base/suggest.h"

#include "tests/harness/harness.h"

static size_t distance(const char *a, const char *b)
{
    return edit_distance(bytes_string(a), bytes_string(b), 9);
}

TEST(each_kind_of_edit_counts_one)
{
    EXPECT_INT(distance("topic", "topic"), 0);
    EXPECT_INT(distance("topc", "topic"), 1);
    EXPECT_INT(distance("toopic", "topic"), 1);
    EXPECT_INT(distance("tobic", "topic"), 1);
    EXPECT_INT(distance("tpoic", "topic"), 1);
    EXPECT_INT(distance("", "topic"), 5);
    EXPECT_INT(distance("kitten", "sitting"), 3);
}

TEST(a_distance_above_the_limit_is_the_limit_plus_one)
{
    EXPECT_INT(edit_distance(BYTES_LITERAL("abcdef"), BYTES_LITERAL("ghijkl"), 2), 3);
    EXPECT_INT(edit_distance(BYTES_LITERAL("a"), BYTES_LITERAL("abcdefgh"), 2), 3);
}

TEST(the_nearest_name_is_suggested)
{
    static const char *const names[] = {"create", "list", "describe", "delete", NULL};
    EXPECT_STRING(suggest(BYTES_LITERAL("lsit"), names), "list");
    EXPECT_STRING(suggest(BYTES_LITERAL("descrbe"), names), "describe");
    EXPECT(suggest(BYTES_LITERAL("frobnicate"), names) == NULL);
}

TEST(a_short_name_is_not_suggested_for_every_short_word)
{
    static const char *const names[] = {"ls", "rm", NULL};
    EXPECT(suggest(BYTES_LITERAL("xy"), names) == NULL);
    EXPECT_STRING(suggest(BYTES_LITERAL("l"), names), "ls");
}
