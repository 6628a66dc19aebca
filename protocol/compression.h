/* The codecs of Kafka's batches. Only this module includes compression libraries. */
#ifndef PROTOCOL_COMPRESSION_H
#define PROTOCOL_COMPRESSION_H

#include "base/arena.h"
#include "base/error.h"

/* The numbers are those of a batch's attributes. */
enum codec { CODEC_NONE, CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4, CODEC_ZSTD, CODEC_COUNT };

const char *codec_name(enum codec codec); /* "none", "gzip", ... */
/* -1 if there is no such name. */
int codec_parse(struct bytes name);

/* Decompresses all of `in`: gzip (several members), snappy (xerial framing as the Java clients
 * write it, or one raw block), lz4 (frame format, several frames), zstd (several frames).
 * ERR_TOO_LARGE: the output would exceed `max` bytes. ERR_CORRUPT: the input is not valid. Memory
 * grows with the real output, never by a declared size. The result is in the arena. */
MUST_USE enum error codec_decompress(enum codec codec, struct bytes in, size_t max,
                                     struct arena *arena, struct bytes *out);

/* Appends the compressed form. level < 0: the codec's default. ERR_TOO_LARGE: the buffer is
 * full. */
MUST_USE enum error codec_compress(enum codec codec, int level, struct bytes in,
                                   struct buffer *out);

#endif
