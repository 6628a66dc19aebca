#include "base/bytes.h"

#include "base/compiler.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the loads and stores swap bytes");

int bytes_compare(struct bytes a, struct bytes b)
{
    size_t common = MIN(a.size, b.size);
    int order = common ? memcmp(a.data, b.data, common) : 0;
    if (order != 0)
        return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

char *bytes_to_string(struct bytes b)
{
    return b.data ? xstrndup((const char *)b.data, b.size) : NULL;
}

struct bytes bytes_copy(struct bytes b)
{
    if (b.data == NULL)
        return BYTES_NULL;
    uint8_t *copy = xmalloc(b.size + 1);
    memcpy(copy, b.data, b.size);
    return bytes_of(copy, b.size);
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t load_tail(const uint8_t *p, size_t size)
{
    uint64_t v = 0;
    memcpy(&v, p, size);
    return v;
}

/* Folded 64x64 multiplication, 16 bytes per step. */
uint64_t bytes_hash(struct bytes b, uint64_t seed)
{
    static const uint64_t k0 = 0x9e3779b97f4a7c15u, k1 = 0xd6e8feb86659fd93u;
    uint64_t h = seed ^ mix(b.size ^ k0, k1);
    const uint8_t *p = b.data;
    size_t left = b.size;
    for (; left >= 16; left -= 16, p += 16)
        h = mix(load_tail(p, 8) ^ k0 ^ h, load_tail(p + 8, 8) ^ k1);
    if (left > 8)
        h = mix(load_tail(p, 8) ^ k0 ^ h, load_tail(p + 8, left - 8) ^ k1);
    else if (left > 0)
        h = mix(load_tail(p, left) ^ k0 ^ h, k1);
    return mix(h ^ k1, k0);
}
