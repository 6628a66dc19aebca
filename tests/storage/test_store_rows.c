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

TEST(the_row_of_a_log_keeps_the_offsets_of_the_cleaner_and_the_first_version_is_still_read)
{
    struct log_state state = {.log_start_offset = 3,
                              .next_offset = 900,
                              .active_base = 700,
                              .active_size = 12345,
                              .first_dirty_offset = 600,
                              .cleaned_offset = 550};
    struct log_state read;
    uint8_t row[LOG_STATE_SIZE];
    struct bytes value = log_state_encode(&state, row);
    EXPECT_INT(log_state_decode(value, &read), ERR_OK);
    EXPECT_BYTES(bytes_of(&read, sizeof read), bytes_of(&state, sizeof state));
    row[0] = 1;
    EXPECT_INT(log_state_decode(bytes_of(row, 33), &read), ERR_OK);
    EXPECT_INT(read.active_size, 12345);
    EXPECT_INT(read.first_dirty_offset, 0);
    EXPECT_INT(read.cleaned_offset, 0);
    EXPECT_INT(log_state_decode(bytes_of(row, 49), &read), ERR_CORRUPT);
    row[0] = 3;
    EXPECT_INT(log_state_decode(value, &read), ERR_CORRUPT);
    state.first_dirty_offset = 701; /* the active segment has no holes */
    EXPECT_INT(log_state_decode(log_state_encode(&state, row), &read), ERR_CORRUPT);
    state.first_dirty_offset = 549;
    EXPECT_INT(log_state_decode(log_state_encode(&state, row), &read), ERR_CORRUPT);
}
