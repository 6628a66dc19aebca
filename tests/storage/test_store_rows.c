#include "storage/store_rows.h"
#include "tests/harness/harness.h"

#include <stdlib.h>

TEST(changes_are_listed_in_the_order_of_their_keys)
{
    static const char *const keys[] = {"b", "ab", "c", "a", "abc", "aa", "bb"};
    static const char *const order[] = {"a", "aa", "ab", "abc", "b", "bb", "c"};
    struct row_changes changes = {.bytes = 0};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        row_changes_put(&changes, bytes_string(keys[i]),
                        i % 2 ? BYTES_NULL : bytes_string(keys[i]));
    size_t count;
    struct kv_change *array = row_changes_array(&changes, &count);
    EXPECT_INT(count, COUNT_OF(order));
    for (size_t i = 0; i < count; i++)
        EXPECT_BYTES(array[i].key, bytes_string(order[i]));
    free(array);
    row_changes_free(&changes);
}
