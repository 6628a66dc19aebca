#include "protocol/compression.h"

#include "tests/harness/harness.h"

#include <stdlib.h>

enum { MAX = 4 << 20 };

/* Half words, half noise. The text is compressible and longer than any codec's block. */
static struct bytes make_text(size_t size)
{
    uint8_t *text = xmalloc(size + 1);
    uint64_t state = test_seed() * 2654435761u + 1;
    for (size_t i = 0; i < size; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        text[i] = i / 512 % 2 ? (uint8_t)(state >> 56) : (uint8_t)("records "[i % 8]);
    }
    return bytes_of(text, size);
}

static enum error unpack(enum codec codec, struct bytes in, size_t max, struct arena *arena,
                         struct bytes *out)
{
    arena_init(arena, 64 << 20);
    return codec_decompress(codec, in, max, arena, out);
}

TEST(every_codec_returns_its_input)
{
    static const size_t sizes[] = {1, 61, 512, 32 << 10, (32 << 10) + 1, 1 << 20};
    for (int codec = 0; codec < CODEC_COUNT; codec++) {
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            struct bytes text = make_text(sizes[i]), again;
            struct buffer packed;
            struct arena arena;
            buffer_init(&packed, MAX);
            EXPECT_INT(codec_compress((enum codec)codec, -1, text, &packed), ERR_OK);
            EXPECT_INT(unpack((enum codec)codec, buffer_view(&packed), sizes[i], &arena, &again),
                       ERR_OK);
            EXPECT(bytes_equal(again, text));
            arena_free(&arena);
            EXPECT_INT(
                unpack((enum codec)codec, buffer_view(&packed), sizes[i] - 1, &arena, &again),
                ERR_TOO_LARGE);
            arena_free(&arena);
            buffer_free(&packed);
            free((void *)(uintptr_t)text.data);
        }
    }
}

TEST(truncated_input_is_corrupt)
{
    struct bytes text = make_text(2000), again;
    for (int codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
        struct buffer packed;
        buffer_init(&packed, MAX);
        EXPECT_INT(codec_compress((enum codec)codec, -1, text, &packed), ERR_OK);
        for (size_t size = 0; size < packed.size; size++) {
            if (codec == CODEC_SNAPPY && size == 16)
                continue; /* only the framing's header is an empty stream */
            struct arena arena;
            EXPECT_INT(unpack((enum codec)codec, bytes_of(packed.data, size), MAX, &arena, &again),
                       ERR_CORRUPT);
            arena_free(&arena);
        }
        buffer_append_u8(&packed, 0x55);
        struct arena arena;
        EXPECT_INT(unpack((enum codec)codec, buffer_view(&packed), MAX, &arena, &again),
                   ERR_CORRUPT);
        arena_free(&arena);
        buffer_free(&packed);
    }
    free((void *)(uintptr_t)text.data);
}

TEST(streams_one_after_the_other_are_one_text)
{
    for (int codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
        struct buffer packed;
        struct arena arena;
        struct bytes again;
        buffer_init(&packed, MAX);
        EXPECT_INT(codec_compress((enum codec)codec, -1, BYTES_LITERAL("first, "), &packed),
                   ERR_OK);
        EXPECT_INT(codec_compress((enum codec)codec, -1, BYTES_LITERAL("second"), &packed), ERR_OK);
        EXPECT_INT(unpack((enum codec)codec, buffer_view(&packed), 13, &arena, &again), ERR_OK);
        EXPECT_BYTES(again, BYTES_LITERAL("first, second"));
        arena_free(&arena);
        buffer_free(&packed);
    }
}

TEST(a_raw_snappy_block_is_read)
{
    struct arena arena;
    struct bytes again;
    /* 15 bytes: the literal "abc", then 12 bytes copied from three back. */
    EXPECT_INT(unpack(CODEC_SNAPPY,
                      BYTES_LITERAL("\x0f\x08"
                                    "abc\x2e\x03\x00"),
                      100, &arena, &again),
               ERR_OK);
    EXPECT_BYTES(again, BYTES_LITERAL("abcabcabcabcabc"));
    arena_free(&arena);
}

TEST(a_declared_length_that_snappy_cannot_reach_is_corrupt)
{
    struct arena arena;
    struct bytes again;
    /* A declared length of 4 GiB - 1 before three bytes. */
    EXPECT_INT(unpack(CODEC_SNAPPY,
                      BYTES_LITERAL("\xff\xff\xff\xff\x0f\x08"
                                    "abc"),
                      SIZE_MAX, &arena, &again),
               ERR_CORRUPT);
    arena_free(&arena);
}

TEST(a_zstd_window_beyond_the_limit_is_corrupt)
{
    struct arena arena;
    struct bytes again;
    /* Window descriptor 0xa0: 2^30 bytes; then one raw block of one byte. */
    EXPECT_INT(unpack(CODEC_ZSTD, BYTES_LITERAL("\x28\xb5\x2f\xfd\x00\xa0\x09\x00\x00x"), MAX,
                      &arena, &again),
               ERR_CORRUPT);
    arena_free(&arena);
    EXPECT_INT(unpack(CODEC_ZSTD, BYTES_LITERAL("\x28\xb5\x2f\xfd\x00\x70\x09\x00\x00x"), MAX,
                      &arena, &again),
               ERR_OK);
    EXPECT_BYTES(again, BYTES_LITERAL("x"));
    arena_free(&arena);
}

TEST(a_full_arena_is_reported_as_memory_and_not_as_damage)
{
    struct arena arena;
    struct bytes again;
    arena_init(&arena, 8);
    EXPECT_INT(codec_decompress(CODEC_NONE, BYTES_LITERAL("more than eight"), 100, &arena, &again),
               ERR_NO_MEMORY);
    arena_free(&arena);
}

TEST(output_that_does_not_fit_is_too_large)
{
    struct bytes text = make_text(100000);
    for (int codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
        struct buffer packed;
        buffer_init(&packed, 200);
        EXPECT_INT(codec_compress((enum codec)codec, -1, text, &packed), ERR_TOO_LARGE);
        buffer_free(&packed);
    }
    free((void *)(uintptr_t)text.data);
}

TEST(levels_change_the_size_but_not_the_text)
{
    struct bytes text = make_text(1 << 18), again;
    static const enum codec codecs[] = {CODEC_GZIP, CODEC_LZ4, CODEC_ZSTD};
    for (size_t i = 0; i < COUNT_OF(codecs); i++) {
        struct buffer fast, small;
        struct arena arena;
        buffer_init(&fast, MAX);
        buffer_init(&small, MAX);
        EXPECT_INT(codec_compress(codecs[i], 1, text, &fast), ERR_OK);
        EXPECT_INT(codec_compress(codecs[i], 9, text, &small), ERR_OK);
        EXPECT(small.size != fast.size);
        EXPECT_INT(unpack(codecs[i], buffer_view(&small), MAX, &arena, &again), ERR_OK);
        EXPECT(bytes_equal(again, text));
        arena_free(&arena);
        buffer_free(&fast);
        buffer_free(&small);
    }
    free((void *)(uintptr_t)text.data);
}

TEST(codecs_have_kafkas_names)
{
    EXPECT_INT(codec_parse(BYTES_LITERAL("zstd")), CODEC_ZSTD);
    EXPECT_INT(codec_parse(BYTES_LITERAL("none")), CODEC_NONE);
    EXPECT_INT(codec_parse(BYTES_LITERAL("brotli")), -1);
    EXPECT_STRING(codec_name(CODEC_SNAPPY), "snappy");
}
