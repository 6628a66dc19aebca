/* How the file descriptors of the process are divided. */
#include "broker/descriptors.h"
#include "tests/harness/harness.h"

#include <stdio.h>
#include <string.h>

static const struct descriptor_needs small = {.shards = 1, .listeners = 1, .journal_files = 6};

TEST(every_descriptor_has_one_use)
{
    static const size_t limits[] = {256, 1024, 65536, 1 << 30};
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        struct descriptor_shares shares;
        struct message message;
        EXPECT_INT(descriptors_divide(limits[i], &small, &shares, &message), ERR_OK);
        EXPECT_INT(shares.own + shares.connections + shares.segments, limits[i]);
        EXPECT(shares.connections >= 24 && shares.segments >= 8);
        EXPECT(shares.connections <= limits[i] / 4 * 3);
    }
}

TEST(shards_and_journals_need_descriptors_of_their_own)
{
    struct descriptor_shares one, four;
    struct message message;
    struct descriptor_needs needs = small;
    EXPECT_INT(descriptors_divide(1024, &needs, &one, &message), ERR_OK);
    needs.shards = 4;
    EXPECT_INT(descriptors_divide(1024, &needs, &four, &message), ERR_OK);
    EXPECT(four.own >= one.own + (size_t)(3 * needs.journal_files));
}

TEST(a_limit_that_is_too_small_is_refused_with_the_need)
{
    struct descriptor_shares shares;
    struct message message;
    EXPECT_INT(descriptors_divide(24, &small, &shares, &message), ERR_INVALID);
    EXPECT(strstr(message.text, "may open 24 files") && strstr(message.text, "ulimit -n"));
    size_t least = 24;
    while (descriptors_divide(least, &small, &shares, &message) != ERR_OK)
        least++;
    EXPECT(least <= 256);
    char need[32];
    snprintf(need, sizeof need, "at least %zu:", least);
    EXPECT_INT(descriptors_divide(least - 1, &small, &shares, &message), ERR_INVALID);
    EXPECT(strstr(message.text, need) != NULL);
}
