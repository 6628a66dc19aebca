/* Which data and markers of transactions a cleaner may drop. */
#include "storage/clean_transactions.h"

#include "tests/harness/harness.h"

enum { ROOM = 1 << 16 };

static bool next(struct clean_transactions *t, int64_t offset, int64_t producer, int16_t attributes,
                 struct bytes key)
{
    struct buffer out;
    struct batch_builder b;
    buffer_init(&out, ROOM);
    batch_builder_init(&b, &out, CODEC_NONE);
    b.producer_id = producer;
    b.attributes = attributes;
    batch_builder_add(&b, 1000, key, BYTES_LITERAL("\0\0\0\0\0\0"), BYTES_NULL, 0);
    struct bytes batch = batch_builder_finish(&b);
    batch_stamp(out.data, offset, 0);
    bool may_go = clean_transactions_next(t, batch);
    buffer_free(&out);
    return may_go;
}

static bool data(struct clean_transactions *t, int64_t offset, int64_t producer)
{
    return next(t, offset, producer, BATCH_TRANSACTIONAL, BYTES_LITERAL("k"));
}

static bool marker(struct clean_transactions *t, int64_t offset, int64_t producer, bool commit)
{
    return next(t, offset, producer, BATCH_TRANSACTIONAL | BATCH_CONTROL,
                commit ? BYTES_LITERAL("\0\0\0\1") : BYTES_LITERAL("\0\0\0\0"));
}

TEST(a_commit_marker_stays_while_data_of_its_transaction_is_met)
{
    struct clean_transactions *t = clean_transactions_create(NULL, 0);
    EXPECT(!data(t, 0, 7));
    EXPECT(!data(t, 1, 8));
    EXPECT(!marker(t, 2, 7, true));
    EXPECT(marker(t, 3, 7, true)); /* its data is gone */
    EXPECT(!marker(t, 4, 8, true));
    EXPECT(!next(t, 5, 9, 0, BYTES_LITERAL("k"))); /* no transaction */
    EXPECT(marker(t, 6, 9, true));
    clean_transactions_free(t);
}

TEST(data_of_an_aborted_transaction_goes_and_its_marker_waits_for_the_next_cleaning)
{
    static const struct clean_aborted aborted[] = {{7, 10}, {7, 20}};
    struct clean_transactions *t = clean_transactions_create(aborted, COUNT_OF(aborted));
    EXPECT(!data(t, 5, 7)); /* committed */
    EXPECT(!data(t, 6, 8));
    EXPECT(!marker(t, 7, 7, true));
    EXPECT(data(t, 10, 7));
    EXPECT(!data(t, 11, 8));
    EXPECT(data(t, 12, 7));
    EXPECT(!marker(t, 13, 7, false));
    EXPECT(!data(t, 14, 7)); /* another one, committed */
    EXPECT(!marker(t, 15, 7, true));
    EXPECT(marker(t, 21, 7, false)); /* no data is left of the second aborted one */
    EXPECT(!marker(t, 22, 8, true));
    clean_transactions_free(t);
}

TEST(a_marker_of_an_unknown_type_stays)
{
    struct clean_transactions *t = clean_transactions_create(NULL, 0);
    EXPECT(!next(t, 0, 7, BATCH_TRANSACTIONAL | BATCH_CONTROL, BYTES_LITERAL("\0\0\0\5")));
    EXPECT(!next(t, 1, 7, BATCH_TRANSACTIONAL | BATCH_CONTROL, BYTES_LITERAL("?")));
    EXPECT(!next(t, 2, 7, BATCH_TRANSACTIONAL | BATCH_CONTROL, BYTES_NULL));
    clean_transactions_free(t);
}
