#include "tests/harness/harness.h"

#include "base/block_pool.h"
#include "base/pages.h"
#include "base/shared_buffer.h"

#include <string.h>

TEST(blocks_of_one_slab_do_not_overlap)
{
    struct block_pool *pool = block_pool_create();
    struct slab *slabs[16];
    uint8_t *blocks[16];
    for (int i = 0; i < 16; i++) {
        blocks[i] = block_take(pool, 130000, &slabs[i]);
        memset(blocks[i], i, 130000);
    }
    EXPECT_INT(block_pool_bytes(pool), LARGE_PAGE);
    for (int i = 0; i < 16; i++) {
        EXPECT_INT(blocks[i][0], i);
        EXPECT_INT(blocks[i][129999], i);
        block_give(slabs[i], blocks[i]);
    }
    block_pool_release(pool);
}

TEST(every_size_gets_a_block_that_is_large_enough)
{
    struct block_pool *pool = block_pool_create();
    for (size_t size = BLOCK_MIN; size <= BLOCK_MAX; size += 9973) {
        struct slab *slab;
        uint8_t *block = block_take(pool, size, &slab);
        memset(block, 1, size);
        block_give(slab, block);
    }
    EXPECT_INT(block_pool_bytes(pool), LARGE_PAGE); /* the same slab, cut again each time */
    block_pool_release(pool);
}

TEST(freed_blocks_are_used_again_and_slabs_that_stay_empty_are_freed)
{
    enum { COUNT = 20 };
    struct block_pool *pool = block_pool_create();
    struct slab *slabs[COUNT];
    void *blocks[COUNT];
    for (int i = 0; i < COUNT; i++)
        blocks[i] = block_take(pool, 1000000, &slabs[i]);
    EXPECT_INT(block_pool_bytes(pool), COUNT / 2 * LARGE_PAGE);
    struct slab *slab;
    block_give(slabs[7], blocks[7]);
    void *again = block_take(pool, 900000, &slab);
    EXPECT(again == blocks[7]);
    for (int i = 0; i < COUNT; i++)
        block_give(slabs[i], blocks[i]);
    block_pool_trim(pool); /* all were in use since the pool began */
    EXPECT_INT(block_pool_bytes(pool), COUNT / 2 * LARGE_PAGE);
    for (int i = 0; i < 3 * 2; i++)
        blocks[i] = block_take(pool, 1000000, &slabs[i]);
    for (int i = 0; i < 3 * 2; i++)
        block_give(slabs[i], blocks[i]);
    block_pool_trim(pool); /* three were in use again */
    EXPECT_INT(block_pool_bytes(pool), 3 * LARGE_PAGE);
    block_pool_trim(pool);
    EXPECT_INT(block_pool_bytes(pool), 0);
    block_pool_release(pool);
}

TEST(a_pool_outlives_its_owner_until_the_last_block)
{
    struct block_pool *pool = block_pool_create();
    struct shared_buffer *large = shared_buffer_create_in(pool, 1000000, BUFFER_ANYWHERE);
    struct shared_buffer *small = shared_buffer_create_in(pool, 100, BUFFER_ANYWHERE);
    EXPECT_INT(large->size, 1000000);
    EXPECT_INT(small->size, 100);
    EXPECT(small->slab == NULL);
    memset(large->data, 1, large->size);
    block_pool_release(pool);
    EXPECT_INT(large->data[999999], 1);
    shared_buffer_unref(large);
    shared_buffer_unref(small);
}

TEST(a_large_buffer_begins_at_the_requested_phase)
{
    struct block_pool *pool = block_pool_create();
    for (int phase = 0; phase < BUFFER_PHASES; phase += 819) {
        struct shared_buffer *b = shared_buffer_create_in(pool, 500000, phase);
        EXPECT_INT((uintptr_t)b->data % BUFFER_PHASES, phase);
        memset(b->data, 1, b->size);
        shared_buffer_unref(b);
    }
    block_pool_release(pool);
}

TEST(large_pages_are_aligned_and_zero)
{
    uint8_t *memory = pages_take(2 * LARGE_PAGE);
    EXPECT_INT((uintptr_t)memory % LARGE_PAGE, 0);
    EXPECT_INT(memory[2 * LARGE_PAGE - 1], 0);
    memory[2 * LARGE_PAGE - 1] = 1;
    pages_give(memory, 2 * LARGE_PAGE);
}

TEST(memory_that_runs_out_gives_null)
{
    EXPECT(pages_take((size_t)1 << 60) == NULL);
}
