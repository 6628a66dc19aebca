/* Cleaning single batches. golden/cleaned was written by Kafka's own cleaner from the batches that
 * CleanedLog.java appends: the same batches are cleaned here and compared with it. */
#include "storage/clean_batch.h"

#include "storage/io.h"
#include "tests/harness/harness.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { HOUR = 3600000, NOW = 1700000, ROOM = 1 << 20 };

/* Batches, the map of their keys, and what is left of them. */
struct fixture {
    struct random_seeded random;
    struct clean_map *map;
    struct arena scratch;
    struct buffer in, out;
    struct clean_batch_rules rules;
    struct clean_counts counts;
    int64_t next_offset;
};

static void begin(struct fixture *f)
{
    *f = (struct fixture){.next_offset = 0};
    random_seeded_init(&f->random, test_seed());
    f->map = clean_map_create(&f->random.random, ROOM, 1000, 0.9);
    arena_init(&f->scratch, 16 << 20);
    buffer_init(&f->in, ROOM);
    buffer_init(&f->out, ROOM);
    f->rules = (struct clean_batch_rules){
        .map = f->map, .now_ms = NOW, .delete_retention_ms = HOUR, .max_uncompressed = ROOM};
}

static void end(struct fixture *f)
{
    clean_map_free(f->map);
    arena_free(&f->scratch);
    buffer_free(&f->in);
    buffer_free(&f->out);
}

/* Appends a batch with one record for each letter, one millisecond apart. A capital letter is a
 * tombstone of the small one, a '-' a record without a key. */
static struct bytes add(struct fixture *f, enum codec codec, int64_t producer, int32_t sequence,
                        int16_t attributes, int64_t timestamp, const char *letters)
{
    struct batch_builder b;
    size_t start = f->in.size;
    batch_builder_init(&b, &f->in, codec);
    b.attributes = attributes;
    b.producer_id = producer;
    b.producer_epoch = producer < 0 ? -1 : 3;
    b.base_sequence = producer < 0 ? -1 : sequence;
    for (const char *at = letters; *at; at++) {
        char key = (char)(*at | 0x20), value[32];
        snprintf(value, sizeof value, "value of %c", key);
        bool tombstone = *at >= 'A' && *at <= 'Z';
        batch_builder_add(&b, timestamp++, *at == '-' ? BYTES_NULL : bytes_of(&key, 1),
                          tombstone ? BYTES_NULL : bytes_string(value), BYTES_NULL, 0);
    }
    EXPECT(batch_builder_finish(&b).size > 0);
    uint8_t *batch = f->in.data + start;
    batch_stamp(batch, f->next_offset, 0);
    f->next_offset += (int64_t)strlen(letters);
    return bytes_of(batch, f->in.size - start);
}

static void map(struct fixture *f, struct bytes batch)
{
    bool full;
    EXPECT_INT(clean_batch_map(batch, 0, ROOM, &f->scratch, f->map, &full, &f->rules.map_end),
               ERR_OK);
    EXPECT(!full);
}

static struct bytes clean(struct fixture *f, struct bytes batch)
{
    buffer_clear(&f->out);
    EXPECT_INT(clean_batch(batch, &f->rules, &f->scratch, &f->out, &f->counts), ERR_OK);
    struct bytes left = buffer_view(&f->out);
    EXPECT(left.size == 0 || (batch_size(left) == left.size && batch_crc_is_right(left)));
    return left;
}

/* The letters and offsets of a batch: "a0 b1". */
static struct bytes describe(struct bytes batch, struct buffer *text)
{
    struct record_iterator i;
    struct record r;
    struct arena arena;
    arena_init(&arena, ROOM);
    buffer_init(text, ROOM);
    if (batch.size > 0) {
        EXPECT_INT(records_open(batch, &arena, ROOM, &i), ERR_OK);
        while (records_next(&i, &r))
            buffer_printf(text, "%s%c%d", text->size ? " " : "",
                          bytes_is_null(r.key)     ? '-'
                          : bytes_is_null(r.value) ? r.key.data[0] & ~0x20
                                                   : r.key.data[0],
                          (int)r.offset);
        EXPECT(!i.failed && i.at == i.end);
    }
    arena_free(&arena);
    return buffer_view(text);
}

static void expect_left(struct fixture *f, struct bytes batch, const char *expected)
{
    struct buffer text;
    EXPECT_BYTES(describe(clean(f, batch), &text), bytes_string(expected));
    buffer_free(&text);
}

static struct batch_header header_of(struct bytes batch)
{
    struct batch_header h;
    EXPECT(batch_header_read(batch, &h));
    return h;
}

/* --- Kafka's own cleaner --- */

static void read_golden(int64_t base, struct buffer *out)
{
    char name[128];
    snprintf(name, sizeof name, "tests/storage/golden/cleaned/%020d.log", (int)base);
    buffer_init(out, ROOM);
    EXPECT_INT(io_read_file(io_posix(), test_source_path(name), out), ERR_OK);
}

/* Another gzip library gives other bytes, so compressed batches are compared without compression.
 */
static void expect_same_batch(struct bytes ours, struct bytes kafkas)
{
    struct batch_header a = header_of(ours), b = header_of(kafkas);
    if ((a.attributes & BATCH_CODEC_MASK) == CODEC_NONE) {
        EXPECT_BYTES(ours, kafkas);
        return;
    }
    EXPECT_BYTES(bytes_of(ours.data, 8), bytes_of(kafkas.data, 8));
    EXPECT_BYTES(bytes_of(ours.data + 12, 5), bytes_of(kafkas.data + 12, 5));
    EXPECT_BYTES(bytes_of(ours.data + 21, 40), bytes_of(kafkas.data + 21, 40));
    struct arena arena;
    struct record_iterator i, k;
    arena_init(&arena, ROOM);
    EXPECT_INT(records_open(ours, &arena, ROOM, &i), ERR_OK);
    EXPECT_INT(records_open(kafkas, &arena, ROOM, &k), ERR_OK);
    EXPECT_BYTES(bytes_of(i.at, (size_t)(i.end - i.at)), bytes_of(k.at, (size_t)(k.end - k.at)));
    EXPECT_INT(b.record_count, a.record_count);
    arena_free(&arena);
}

struct source {
    enum codec codec;
    int producer, sequence, timestamp, segment; /* segment: the base of the one that it goes to */
    const char *letters;
};

/* As CleanedLog.java. */
static const struct source sources[] = {
    {CODEC_NONE, -1, 0, 1000, 0, "abcde"}, {CODEC_NONE, 7, 0, 1010, 0, "ac"},
    {CODEC_NONE, -1, 0, 1020, 0, "ace"},   {CODEC_GZIP, -1, 0, 1100, 0, "fagc"},
    {CODEC_NONE, 8, 0, 1110, 0, "a"},      {CODEC_NONE, 8, 1, 1120, 0, "ah"},
    {CODEC_NONE, -1, 0, 1200, 17, "ace"},  {CODEC_NONE, -1, 0, 1190, 17, "i"},
    {CODEC_NONE, -1, 0, 1210, 17, "ac"},   {CODEC_NONE, -1, 0, 1300, 23, "ac"},
    {CODEC_NONE, 9, 0, 1400, 25, "ace"},   {CODEC_GZIP, -1, 0, 1350, 28, "ajcke"},
};

/* The last sequences of the producers 7, 8 and 9 are in batches 1, 5 and 10. */
static bool is_last_of_producer(size_t source)
{
    return source == 1 || source == 5 || source == 10;
}

TEST(a_log_is_cleaned_to_the_bytes_that_kafkas_cleaner_writes)
{
    struct fixture f;
    struct bytes batches[COUNT_OF(sources)];
    begin(&f);
    EXPECT(buffer_reserve(&f.in, ROOM) != NULL); /* views stay valid */
    for (size_t i = 0; i < COUNT_OF(sources); i++) {
        const struct source *s = &sources[i];
        batches[i] = add(&f, s->codec, s->producer, s->sequence, 0, s->timestamp, s->letters);
        map(&f, batches[i]);
    }
    struct buffer golden;
    size_t at = 0, compared = 0;
    int64_t segment = -1;
    for (size_t i = 0; i < COUNT_OF(sources); i++) {
        if (sources[i].segment != segment) {
            EXPECT(segment < 0 || at == golden.size);
            if (segment >= 0)
                buffer_free(&golden);
            segment = sources[i].segment;
            read_golden(segment, &golden);
            at = 0;
        }
        f.rules.keep_empty = is_last_of_producer(i);
        struct bytes left = clean(&f, batches[i]);
        if (left.size == 0)
            continue;
        struct bytes kafkas = bytes_of(golden.data + at, golden.size - at);
        size_t size = batch_size(kafkas);
        EXPECT(size > 0 && size <= kafkas.size);
        expect_same_batch(left, bytes_of(kafkas.data, size));
        at += size;
        compared++;
    }
    EXPECT_INT(at, golden.size);
    EXPECT_INT(compared, 7);
    buffer_free(&golden);
    end(&f);
}

/* --- rules --- */

TEST(only_the_last_record_of_a_key_stays_at_its_offset_and_with_its_timestamp)
{
    for (int codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
        struct fixture f;
        begin(&f);
        struct bytes batch = add(&f, (enum codec)codec, 77, 5, 0, 1000, "abacab");
        map(&f, batch);
        struct batch_header before = header_of(batch), after = header_of(clean(&f, batch));
        expect_left(&f, batch, "c3 a4 b5");
        EXPECT_INT(after.attributes, codec);
        EXPECT_INT(after.record_count, 3);
        EXPECT_INT(after.last_offset_delta, before.last_offset_delta);
        EXPECT_INT(after.producer_id, 77);
        EXPECT_INT(after.producer_epoch, 3);
        EXPECT_INT(after.base_sequence, 5);
        EXPECT_INT(after.base_timestamp, 1003); /* of the first record that stays */
        EXPECT_INT(after.max_timestamp, 1005);
        EXPECT_INT(f.counts.records, 12);
        EXPECT_INT(f.counts.kept, 6);
        end(&f);
    }
}

TEST(a_batch_that_loses_nothing_keeps_its_bytes)
{
    struct fixture f;
    begin(&f);
    struct bytes batch = add(&f, CODEC_LZ4, -1, 0, 0, 1000, "abc");
    map(&f, batch);
    EXPECT_BYTES(clean(&f, batch), batch);
    end(&f);
}

TEST(records_that_the_map_does_not_cover_stay)
{
    struct fixture f;
    begin(&f);
    struct bytes batch = add(&f, CODEC_NONE, -1, 0, 0, 1000, "aaA-a");
    map(&f, batch);
    f.rules.map_end = 2;
    expect_left(&f, batch, "A2 -3 a4");
    f.rules.map_end = 0;
    buffer_clear(&f.in);
    batch = add(&f, CODEC_NONE, -1, 0, 0, 1000, "-aa");
    EXPECT_BYTES(clean(&f, batch), batch);
    end(&f);
}

TEST(records_without_a_key_go)
{
    struct fixture f;
    begin(&f);
    struct bytes batch = add(&f, CODEC_NONE, -1, 0, 0, 1000, "-a-");
    map(&f, batch);
    expect_left(&f, batch, "a1");
    end(&f);
}

TEST(a_tombstone_stays_until_the_horizon_that_its_first_cleaning_sets)
{
    for (int codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
        struct fixture f;
        begin(&f);
        struct bytes batch = add(&f, (enum codec)codec, -1, 0, 0, 1000, "aAb");
        map(&f, batch);
        struct buffer first;
        buffer_init(&first, ROOM);
        buffer_append_bytes(&first, clean(&f, batch));
        expect_left(&f, batch, "A1 b2");
        struct batch_header h = header_of(buffer_view(&first));
        EXPECT_INT(h.attributes, BATCH_DELETE_HORIZON | codec);
        EXPECT_INT(h.base_timestamp, NOW + HOUR);
        EXPECT_INT(h.max_timestamp, 1002);
        struct record_iterator i;
        struct record r;
        EXPECT_INT(records_open(buffer_view(&first), &f.scratch, ROOM, &i), ERR_OK);
        EXPECT(records_next(&i, &r) && r.timestamp == 1001);
        EXPECT(records_next(&i, &r) && r.timestamp == 1002);
        f.rules.now_ms = NOW + HOUR - 1;
        EXPECT_BYTES(clean(&f, buffer_view(&first)), buffer_view(&first));
        f.rules.now_ms = NOW + HOUR;
        expect_left(&f, buffer_view(&first), "b2");
        h = header_of(clean(&f, buffer_view(&first)));
        EXPECT_INT(h.attributes & BATCH_DELETE_HORIZON, BATCH_DELETE_HORIZON); /* as Kafka */
        EXPECT_INT(h.base_timestamp, NOW + HOUR);
        buffer_free(&first);
        end(&f);
    }
}

TEST(a_replaced_tombstone_goes_at_once)
{
    struct fixture f;
    begin(&f);
    struct bytes batch = add(&f, CODEC_NONE, -1, 0, 0, 1000, "Aa");
    map(&f, batch);
    expect_left(&f, batch, "a1");
    EXPECT_INT(header_of(clean(&f, batch)).attributes, 0);
    end(&f);
}

TEST(a_huge_delete_retention_does_not_overflow)
{
    struct fixture f;
    begin(&f);
    f.rules.delete_retention_ms = INT64_MAX;
    struct bytes batch = add(&f, CODEC_NONE, -1, 0, 0, 1000, "A");
    map(&f, batch);
    EXPECT_INT(header_of(clean(&f, batch)).base_timestamp, INT64_MAX);
    end(&f);
}

TEST(a_batch_without_records_stays_only_as_the_header_that_carries_a_sequence)
{
    struct fixture f;
    begin(&f);
    struct bytes batch = add(&f, CODEC_ZSTD, 7, 5, BATCH_TRANSACTIONAL, 1000, "ab");
    map(&f, batch);
    map(&f, add(&f, CODEC_NONE, -1, 0, 0, 1000, "ab"));
    batch = bytes_of(f.in.data, batch.size);
    EXPECT_INT(clean(&f, batch).size, 0);
    f.rules.keep_empty = true;
    struct bytes left = clean(&f, batch);
    EXPECT_INT(left.size, BATCH_HEADER_SIZE);
    struct batch_header h = header_of(left);
    EXPECT_INT(h.attributes, BATCH_TRANSACTIONAL);
    EXPECT_INT(h.last_offset_delta, 1);
    EXPECT_INT(h.record_count, 0);
    EXPECT_INT(h.base_sequence, 5);
    EXPECT_INT(h.base_timestamp, -1);
    EXPECT_INT(h.max_timestamp, 1001);
    struct buffer copy;
    buffer_init(&copy, ROOM);
    buffer_append_bytes(&copy, left);
    EXPECT_BYTES(clean(&f, buffer_view(&copy)), buffer_view(&copy));
    f.rules.keep_empty = false; /* a later batch carries the sequence now */
    EXPECT_INT(clean(&f, buffer_view(&copy)).size, 0);
    buffer_free(&copy);
    end(&f);
}

TEST(records_of_an_aborted_transaction_go_and_those_of_a_batch_with_append_time_keep_it)
{
    struct fixture f;
    begin(&f);
    struct bytes batch = add(&f, CODEC_NONE, 7, 0, BATCH_TRANSACTIONAL, 1000, "ab");
    f.rules.discard = true;
    EXPECT_INT(clean(&f, batch).size, 0);
    f.rules.discard = false;
    buffer_clear(&f.in);
    batch = add(&f, CODEC_NONE, -1, 0, BATCH_LOG_APPEND_TIME, 1000, "aa");
    map(&f, batch);
    struct batch_header h = header_of(clean(&f, batch));
    EXPECT_INT(h.attributes, BATCH_LOG_APPEND_TIME);
    EXPECT_INT(h.max_timestamp, 1001);
    EXPECT_INT(h.base_timestamp, 1001);
    end(&f);
}

TEST(a_marker_stays_until_its_data_is_gone_and_then_until_a_horizon)
{
    struct fixture f;
    begin(&f);
    struct bytes marker = add(&f, CODEC_NONE, 7, 0, BATCH_TRANSACTIONAL | BATCH_CONTROL, 1000, "-");
    f.rules.map_end = 10;
    EXPECT_BYTES(clean(&f, marker), marker);
    f.rules.discard = true;
    struct buffer waiting;
    buffer_init(&waiting, ROOM);
    buffer_append_bytes(&waiting, clean(&f, marker));
    struct batch_header h = header_of(buffer_view(&waiting));
    EXPECT_INT(h.base_timestamp, NOW + HOUR);
    EXPECT_INT(h.max_timestamp, 1000);
    EXPECT_INT(h.record_count, 1);
    EXPECT_INT(h.attributes, BATCH_TRANSACTIONAL | BATCH_CONTROL | BATCH_DELETE_HORIZON);
    EXPECT_BYTES(clean(&f, buffer_view(&waiting)), buffer_view(&waiting));
    f.rules.now_ms += HOUR;
    EXPECT_INT(clean(&f, buffer_view(&waiting)).size, 0);
    f.rules.keep_empty = true;
    EXPECT_INT(header_of(clean(&f, buffer_view(&waiting))).attributes,
               BATCH_TRANSACTIONAL | BATCH_CONTROL);
    buffer_free(&waiting);
    end(&f);
}

/* --- damage --- */

static void expect_unreadable(struct fixture *f, struct bytes batch, enum error expected)
{
    bool full;
    int64_t until;
    struct clean_counts none = {0};
    buffer_clear(&f->out);
    EXPECT_INT(clean_batch(batch, &f->rules, &f->scratch, &f->out, &none), expected);
    EXPECT_INT(f->out.size, 0);
    EXPECT_INT(none.records, 0);
    EXPECT_INT(
        clean_batch_map(batch, 0, f->rules.max_uncompressed, &f->scratch, f->map, &full, &until),
        expected);
}

TEST(a_batch_whose_records_do_not_add_up_is_an_error_and_never_a_smaller_batch)
{
    struct fixture f;
    begin(&f);
    EXPECT(buffer_reserve(&f.in, ROOM) != NULL);
    struct bytes batch = add(&f, CODEC_NONE, -1, 0, 0, 1000, "abc");
    f.rules.map_end = 0;
    uint8_t *at = f.in.data;
    store_be32(at + 57, 2); /* fewer records than there are */
    expect_unreadable(&f, batch, ERR_CORRUPT);
    store_be32(at + 57, 4);
    expect_unreadable(&f, batch, ERR_CORRUPT);
    store_be32(at + 57, 3);
    at[61] ^= 0x40; /* the length of the first record */
    expect_unreadable(&f, batch, ERR_CORRUPT);
    at[61] ^= 0x40;
    at[64] = 4; /* its offset delta is 2: the next one does not rise */
    expect_unreadable(&f, batch, ERR_CORRUPT);
    at[64] = 0;
    at[22] = 5; /* there is no such codec */
    expect_unreadable(&f, batch, ERR_CORRUPT);
    at[22] = 1; /* the records are not compressed */
    expect_unreadable(&f, batch, ERR_CORRUPT);
    at[22] = 0;
    EXPECT_BYTES(clean(&f, batch), batch);
    end(&f);
}

TEST(a_batch_that_decompresses_to_too_much_is_an_error)
{
    struct fixture f;
    begin(&f);
    struct bytes batch = add(&f, CODEC_ZSTD, -1, 0, 0, 1000, "abcabcabc");
    f.rules.max_uncompressed = 100;
    expect_unreadable(&f, batch, ERR_TOO_LARGE);
    end(&f);
}

/* --- the map --- */

TEST(a_map_has_the_last_offset_of_each_key_until_it_is_full)
{
    struct random_seeded random;
    random_seeded_init(&random, test_seed());
    for (int round = 0; round < 50; round++) {
        enum { KEYS = 300 };
        int64_t last[KEYS];
        memset(last, 0xff, sizeof last);
        size_t bytes = CLEAN_MAP_SLOT * random_below(&random.random, 200), count = 0;
        struct clean_map *m = clean_map_create(&random.random, bytes, KEYS, 0.9);
        for (int64_t offset = 0; offset < 1000; offset++) {
            size_t key = random_below(&random.random, KEYS);
            bool is_new = last[key] < 0, put = clean_map_put(m, bytes_of(&key, sizeof key), offset);
            EXPECT(put || is_new);
            if (!put)
                break;
            last[key] = offset;
            count += is_new;
        }
        EXPECT(count > 0 && clean_map_count(m) == count);
        EXPECT(count == KEYS || count <= MAX(bytes / CLEAN_MAP_SLOT * 9 / 10, (size_t)1) ||
               bytes == 0);
        for (size_t key = 0; key < KEYS; key++)
            EXPECT_INT(clean_map_get(m, bytes_of(&key, sizeof key)), last[key]);
        clean_map_free(m);
    }
}

TEST(the_keys_of_a_batch_are_mapped_up_to_the_one_that_does_not_fit)
{
    struct fixture f;
    bool full;
    int64_t until;
    begin(&f);
    clean_map_free(f.map);
    f.map = clean_map_create(&f.random.random, 3 * CLEAN_MAP_SLOT, 100, 0.9); /* two keys */
    struct bytes batch = add(&f, CODEC_GZIP, -1, 0, 0, 1000, "zabaaca");
    EXPECT_INT(clean_batch_map(batch, 1, ROOM, &f.scratch, f.map, &full, &until), ERR_OK);
    EXPECT(full);
    EXPECT_INT(until, 5); /* c */
    EXPECT_INT(clean_map_get(f.map, BYTES_LITERAL("a")), 4);
    EXPECT_INT(clean_map_get(f.map, BYTES_LITERAL("b")), 2);
    EXPECT_INT(clean_map_get(f.map, BYTES_LITERAL("z")), -1);
    f.rules.map = f.map;
    f.rules.map_end = until;
    expect_left(&f, batch, "z0 b2 a4 c5 a6");
    end(&f);
}
