#include "base/crc32c.h"

#include <string.h>

enum { POLYNOMIAL_REFLECTED = (int)0x82f63b78u };

static uint32_t table[8][256];

__attribute__((constructor)) static void fill_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? c >> 1 ^ (uint32_t)POLYNOMIAL_REFLECTED : c >> 1;
        table[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int t = 1; t < 8; t++)
            table[t][i] = table[t - 1][i] >> 8 ^ table[0][table[t - 1][i] & 255];
}

/* Eight bytes per step with eight tables ("slicing by 8"). */
static uint32_t portable(uint32_t crc, const uint8_t *p, size_t size)
{
    for (; size >= 8; size -= 8, p += 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        v ^= crc;
        crc = table[7][v & 255] ^ table[6][v >> 8 & 255] ^ table[5][v >> 16 & 255] ^
              table[4][v >> 24 & 255] ^ table[3][v >> 32 & 255] ^ table[2][v >> 40 & 255] ^
              table[1][v >> 48 & 255] ^ table[0][v >> 56];
    }
    for (; size > 0; size--)
        crc = crc >> 8 ^ table[0][(crc ^ *p++) & 255];
    return crc;
}

#ifdef __x86_64__
#include <nmmintrin.h>

/* The instruction has a latency of three cycles and a throughput of one. So three streams run side
 * by side over blocks of LANE bytes. Multiplication with x^(8*LANE) and x^(16*LANE), by byte
 * tables, moves the first two results over the bytes that follow them. */
enum { LANE = 1024 };

static uint32_t shift_one[4][256], shift_two[4][256];

static uint32_t over_zeros(uint32_t crc, size_t count)
{
    for (; count > 0; count--)
        crc = crc >> 8 ^ table[0][crc & 255];
    return crc;
}

__attribute__((constructor(200))) static void prepare(void)
{
    fill_table();
    uint32_t one[32], two[32];
    for (int bit = 0; bit < 32; bit++) {
        one[bit] = over_zeros(1u << bit, LANE);
        two[bit] = over_zeros(one[bit], LANE);
    }
    for (int byte = 0; byte < 4; byte++) {
        for (uint32_t v = 0; v < 256; v++) {
            uint32_t a = 0, b = 0;
            for (int bit = 0; bit < 8; bit++) {
                if (v >> bit & 1) {
                    a ^= one[byte * 8 + bit];
                    b ^= two[byte * 8 + bit];
                }
            }
            shift_one[byte][v] = a;
            shift_two[byte][v] = b;
        }
    }
}

static uint32_t shifted(uint32_t (*by)[256], uint32_t crc)
{
    return by[0][crc & 255] ^ by[1][crc >> 8 & 255] ^ by[2][crc >> 16 & 255] ^ by[3][crc >> 24];
}

static uint64_t word(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

__attribute__((target("sse4.2"))) static uint32_t hardware(uint32_t crc, const uint8_t *p,
                                                           size_t size)
{
    for (; size >= 3 * LANE; size -= 3 * LANE, p += 3 * LANE) {
        uint64_t a = crc, b = 0, c = 0;
        for (size_t i = 0; i < LANE; i += 8) {
            a = _mm_crc32_u64(a, word(p + i));
            b = _mm_crc32_u64(b, word(p + LANE + i));
            c = _mm_crc32_u64(c, word(p + 2 * LANE + i));
        }
        crc = shifted(shift_two, (uint32_t)a) ^ shifted(shift_one, (uint32_t)b) ^ (uint32_t)c;
    }
    uint64_t state = crc;
    for (; size >= 8; size -= 8, p += 8)
        state = _mm_crc32_u64(state, word(p));
    for (; size > 0; size--)
        state = _mm_crc32_u8((uint32_t)state, *p++);
    return (uint32_t)state;
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
    crc = ~crc;
#ifdef __x86_64__
    if (__builtin_cpu_supports("sse4.2"))
        return ~hardware(crc, data, size);
#endif
    return ~portable(crc, data, size);
}
