/* Each decoder appends to a heap buffer that grows with the output. The buffer may hold one byte
 * more than the maximum: this byte distinguishes a bomb from a batch of exactly the maximum. The
 * finished output is then copied to the caller's arena in one piece. */
#include "protocol/compression.h"

#include <lz4frame.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

enum {
    FIRST_ROOM = 16 << 10,
    /* zstd's highest window for its strongest levels. Output uses only as much of the window's
     * memory as it fills. */
    ZSTD_WINDOW_LOG_MAX = 27,
    /* A snappy copy element makes at most 64 bytes of 3. */
    SNAPPY_BEST_RATIO = 22,
    XERIAL_HEADER_SIZE = 16,
    XERIAL_BLOCK_SIZE = 32 << 10,
    WORST_CASE_EXTRA = 256 << 10,
};

static const uint8_t xerial_magic[8] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};

static const char *const codec_names[CODEC_COUNT] = {
    [CODEC_NONE] = "none", [CODEC_GZIP] = "gzip", [CODEC_SNAPPY] = "snappy",
    [CODEC_LZ4] = "lz4",   [CODEC_ZSTD] = "zstd",
};

const char *codec_name(enum codec codec)
{
    return (unsigned)codec < CODEC_COUNT ? codec_names[codec] : "unknown";
}

int codec_parse(struct bytes name)
{
    for (int i = 0; i < CODEC_COUNT; i++) {
        if (bytes_equal_string(name, codec_names[i]))
            return i;
    }
    return -1;
}

/* Free space after the buffer's content for the next piece of output; NULL at the maximum. */
static uint8_t *next_room(struct buffer *out, size_t *room)
{
    size_t left = out->max - out->size;
    if (left == 0)
        return NULL;
    size_t spare = out->capacity - out->size;
    *room = MIN(left, spare > 0 ? spare : MAX(out->size / 2, (size_t)FIRST_ROOM));
    return buffer_reserve(out, *room);
}

static enum error gunzip_all(z_stream *z, struct buffer *out)
{
    for (;;) {
        size_t room;
        uint8_t *at = next_room(out, &room);
        if (at == NULL)
            return ERR_TOO_LARGE;
        z->next_out = at;
        z->avail_out = (uInt)room;
        int result = inflate(z, Z_NO_FLUSH);
        size_t made = room - z->avail_out;
        out->size += made;
        if (result == Z_STREAM_END && z->avail_in == 0)
            return ERR_OK;
        if (result == Z_STREAM_END)
            result = inflateReset(z); /* the next member follows */
        if (result != Z_OK || (z->avail_in == 0 && z->avail_out > 0))
            return ERR_CORRUPT;
    }
}

static enum error gunzip(struct bytes in, struct buffer *out)
{
    enum { GZIP_ONLY = 16 };
    z_stream z = {.next_in = (Bytef *)(uintptr_t)in.data, .avail_in = (uInt)in.size};
    if (inflateInit2(&z, MAX_WBITS + GZIP_ONLY) != Z_OK)
        return ERR_NO_MEMORY;
    enum error e = gunzip_all(&z, out);
    inflateEnd(&z);
    return e;
}

static enum error unsnappy_block(struct bytes in, struct buffer *out)
{
    size_t size;
    if (snappy_uncompressed_length((const char *)in.data, in.size, &size) != SNAPPY_OK ||
        size / SNAPPY_BEST_RATIO > in.size)
        return ERR_CORRUPT;
    uint8_t *at = buffer_reserve(out, size);
    if (at == NULL)
        return ERR_TOO_LARGE;
    if (snappy_uncompress((const char *)in.data, in.size, (char *)at, &size) != SNAPPY_OK)
        return ERR_CORRUPT;
    out->size += size;
    return ERR_OK;
}

static bool is_xerial(struct bytes in)
{
    return in.size >= XERIAL_HEADER_SIZE && memcmp(in.data, xerial_magic, 8) == 0;
}

static enum error unsnappy(struct bytes in, struct buffer *out)
{
    if (!is_xerial(in))
        return unsnappy_block(in, out);
    while (in.size > 0) {
        if (is_xerial(in)) { /* also between blocks, where streams were joined */
            in = bytes_from(in, XERIAL_HEADER_SIZE);
            continue;
        }
        if (in.size < 4)
            return ERR_CORRUPT;
        size_t size = load_be32(in.data);
        in = bytes_from(in, 4);
        if (size > in.size)
            return ERR_CORRUPT;
        enum error e = unsnappy_block(bytes_of(in.data, size), out);
        if (e != ERR_OK)
            return e;
        in = bytes_from(in, size);
    }
    return ERR_OK;
}

static enum error unlz4_all(LZ4F_dctx *context, struct bytes in, struct buffer *out)
{
    for (;;) {
        size_t room, used = in.size;
        uint8_t *at = next_room(out, &room);
        if (at == NULL)
            return ERR_TOO_LARGE;
        size_t made = room;
        size_t wanted = LZ4F_decompress(context, at, &made, in.data, &used, NULL);
        if (LZ4F_isError(wanted))
            return ERR_CORRUPT;
        out->size += made;
        in = bytes_from(in, used);
        if (wanted == 0 && in.size == 0)
            return ERR_OK; /* the end of a frame is the end of the input */
        if (used == 0 && made == 0)
            return ERR_CORRUPT;
    }
}

static enum error unlz4(struct bytes in, struct buffer *out)
{
    LZ4F_dctx *context;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)))
        return ERR_NO_MEMORY;
    enum error e = unlz4_all(context, in, out);
    LZ4F_freeDecompressionContext(context);
    return e;
}

static enum error unzstd_all(ZSTD_DCtx *context, struct bytes bytes, struct buffer *out)
{
    ZSTD_inBuffer in = {bytes.data, bytes.size, 0};
    for (;;) {
        size_t room, before = in.pos;
        uint8_t *at = next_room(out, &room);
        if (at == NULL)
            return ERR_TOO_LARGE;
        ZSTD_outBuffer piece = {at, room, 0};
        size_t wanted = ZSTD_decompressStream(context, &piece, &in);
        if (ZSTD_isError(wanted))
            return ERR_CORRUPT;
        out->size += piece.pos;
        if (wanted == 0 && in.pos == in.size)
            return ERR_OK;
        if (in.pos == before && piece.pos == 0)
            return ERR_CORRUPT;
    }
}

static enum error unzstd(struct bytes in, struct buffer *out)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (context == NULL)
        return ERR_NO_MEMORY;
    enum error e = ERR_NO_MEMORY;
    if (!ZSTD_isError(ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX)))
        e = unzstd_all(context, in, out);
    ZSTD_freeDCtx(context);
    return e;
}

static enum error copy_in(struct bytes in, struct buffer *out)
{
    buffer_append_bytes(out, in);
    return out->overflowed ? ERR_TOO_LARGE : ERR_OK;
}

enum error codec_decompress(enum codec codec, struct bytes in, size_t max, struct arena *arena,
                            struct bytes *out)
{
    static enum error (*const decoders[CODEC_COUNT])(struct bytes, struct buffer *) = {
        [CODEC_NONE] = copy_in, [CODEC_GZIP] = gunzip, [CODEC_SNAPPY] = unsnappy,
        [CODEC_LZ4] = unlz4,    [CODEC_ZSTD] = unzstd,
    };
    *out = BYTES_NULL;
    if ((unsigned)codec >= CODEC_COUNT)
        return ERR_UNSUPPORTED;
    if (in.size == 0)
        return ERR_CORRUPT;
    struct buffer made;
    buffer_init(&made, MIN(max, (size_t)INT32_MAX) + 1);
    enum error e = decoders[codec](in, &made);
    if (e == ERR_OK && made.size > max)
        e = ERR_TOO_LARGE;
    if (e == ERR_OK) {
        *out = arena_copy(arena, buffer_view(&made));
        if (out->data == NULL)
            e = ERR_NO_MEMORY;
    }
    buffer_free(&made);
    return e;
}

static enum error gzip(int level, struct bytes in, struct buffer *out)
{
    enum { GZIP_FORMAT = 16, MEMORY_LEVEL = 8 };
    z_stream z = {.next_in = (Bytef *)(uintptr_t)in.data, .avail_in = (uInt)in.size};
    if (deflateInit2(&z, level < 0 ? Z_DEFAULT_COMPRESSION : MIN(level, 9), Z_DEFLATED,
                     MAX_WBITS + GZIP_FORMAT, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
        return ERR_NO_MEMORY;
    int result;
    do {
        size_t room;
        z.next_out = next_room(out, &room);
        if (z.next_out == NULL)
            break;
        z.avail_out = (uInt)room;
        result = deflate(&z, Z_FINISH);
        out->size += room - z.avail_out;
    } while (result == Z_OK || result == Z_BUF_ERROR);
    bool full = z.next_out == NULL;
    deflateEnd(&z);
    return full ? ERR_TOO_LARGE : ERR_OK;
}

static enum error snappy(int level, struct bytes in, struct buffer *out)
{
    (void)level;
    buffer_append(out, xerial_magic, sizeof xerial_magic);
    buffer_append_be32(out, 1); /* version, and the oldest one that can read it */
    buffer_append_be32(out, 1);
    while (in.size > 0) {
        size_t block = MIN(in.size, (size_t)XERIAL_BLOCK_SIZE);
        size_t size = snappy_max_compressed_length(block);
        uint8_t *at = buffer_reserve(out, 4 + size);
        if (at == NULL)
            return ERR_TOO_LARGE;
        if (snappy_compress((const char *)in.data, block, (char *)at + 4, &size) != SNAPPY_OK)
            return ERR_INVALID;
        store_be32(at, (uint32_t)size);
        out->size += 4 + size;
        in = bytes_from(in, block);
    }
    return out->overflowed ? ERR_TOO_LARGE : ERR_OK;
}

static enum error lz4(int level, struct bytes in, struct buffer *out)
{
    /* The Java client reads independent blocks only. */
    LZ4F_preferences_t preferences = {
        .frameInfo = {.blockMode = LZ4F_blockIndependent, .blockSizeID = LZ4F_max64KB},
        .compressionLevel = MAX(level, 0),
    };
    size_t room = LZ4F_compressFrameBound(in.size, &preferences);
    uint8_t *at = buffer_reserve(out, room);
    if (at == NULL)
        return ERR_TOO_LARGE;
    size_t size = LZ4F_compressFrame(at, room, in.data, in.size, &preferences);
    if (LZ4F_isError(size))
        return ERR_INVALID;
    out->size += size;
    return ERR_OK;
}

static enum error zstd(int level, struct bytes in, struct buffer *out)
{
    size_t room = ZSTD_compressBound(in.size);
    uint8_t *at = buffer_reserve(out, room);
    if (at == NULL)
        return ERR_TOO_LARGE;
    size_t size =
        ZSTD_compress(at, room, in.data, in.size, level < 0 ? ZSTD_CLEVEL_DEFAULT : level);
    if (ZSTD_isError(size))
        return ERR_INVALID;
    out->size += size;
    return ERR_OK;
}

static enum error copy_out(int level, struct bytes in, struct buffer *out)
{
    (void)level;
    return copy_in(in, out);
}

enum error codec_compress(enum codec codec, int level, struct bytes in, struct buffer *out)
{
    static enum error (*const encoders[CODEC_COUNT])(int, struct bytes, struct buffer *) = {
        [CODEC_NONE] = copy_out, [CODEC_GZIP] = gzip, [CODEC_SNAPPY] = snappy,
        [CODEC_LZ4] = lz4,       [CODEC_ZSTD] = zstd,
    };
    if ((unsigned)codec >= CODEC_COUNT)
        return ERR_UNSUPPORTED;
    if (out->overflowed)
        return ERR_TOO_LARGE;
    size_t worst = in.size + in.size / 4 + WORST_CASE_EXTRA;
    if (out->max - out->size >= worst)
        return encoders[codec](level, in, out);
    /* The encoders need room for the worst case, but the output may still fit. */
    struct buffer made;
    buffer_init(&made, worst);
    enum error e = encoders[codec](level, in, &made);
    if (e == ERR_OK)
        e = copy_in(buffer_view(&made), out);
    buffer_free(&made);
    return e;
}
