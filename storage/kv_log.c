#include "storage/kv_log.h"

#include "base/buffer.h"
#include "base/crc32c.h"

enum { BLOCK_SIZE = 32 << 10, HEADER_SIZE = 7 };

enum fragment_type { FULL = 1, FIRST, MIDDLE, LAST };

struct fragment {
    enum fragment_type type;
    struct bytes data;
};

static size_t block_end(struct bytes file, size_t at)
{
    return MIN(file.size, at - at % BLOCK_SIZE + BLOCK_SIZE);
}

/* LevelDB masks the checksums that it stores: a checksum over data with checksums would be weak. */
static uint32_t unmask(uint32_t masked)
{
    uint32_t rotated = masked - 0xa282ead8;
    return rotated >> 17 | rotated << 15;
}

/* Whether there is a whole fragment at `at`. */
static bool fragment_at(struct bytes file, size_t at, struct fragment *out)
{
    size_t room = block_end(file, at) - at;
    if (room < HEADER_SIZE)
        return false;
    const uint8_t *p = file.data + at;
    size_t size = (size_t)p[4] | (size_t)p[5] << 8;
    if (p[6] < FULL || p[6] > LAST || size > room - HEADER_SIZE)
        return false;
    uint32_t masked =
        (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    *out = (struct fragment){(enum fragment_type)p[6], bytes_of(p + HEADER_SIZE, size)};
    return unmask(masked) == crc32c(0, p + 6, 1 + size);
}

static bool begins_write(const struct fragment *f)
{
    return f->type == FULL || f->type == FIRST;
}

/* The start of the next block when this one has no room for another fragment. */
static size_t skip_trailer(size_t at)
{
    size_t left = BLOCK_SIZE - at % BLOCK_SIZE;
    return left < HEADER_SIZE ? at + left : at;
}

/* Whether a write begins at any byte in [from, end of the block). After a wrong size the position
 * of the next fragment is not known. */
static bool write_begins_anywhere(struct bytes file, size_t from)
{
    struct fragment f;
    size_t end = block_end(file, from);
    for (size_t at = from; at < end; at++) {
        if (fragment_at(file, at, &f) && begins_write(&f))
            return true;
    }
    return false;
}

/* The same for a whole block: follows the fragments as long as they are whole, then tries every
 * byte. `ended`: the torn write ends before this block, so every fragment is of a later write. */
static bool write_begins_in_block(struct bytes file, size_t start, bool ended)
{
    struct fragment f;
    size_t at = start, end = block_end(file, start);
    while (at < end && fragment_at(file, at, &f)) {
        if (ended || begins_write(&f))
            return true;
        at += HEADER_SIZE + f.data.size;
    }
    return at < end && write_begins_anywhere(file, at);
}

/* Whether the fragment that is not whole is the last one of its write. In a lost page its type is
 * zero. */
static bool is_ending(struct bytes file, size_t bad)
{
    size_t type = bad + HEADER_SIZE - 1;
    return type < file.size && (file.data[type] == FULL || file.data[type] == LAST);
}

static bool later_write_exists(struct bytes file, size_t bad)
{
    bool ended = is_ending(file, bad);
    if (write_begins_anywhere(file, bad + 1))
        return true;
    for (size_t start = bad - bad % BLOCK_SIZE + BLOCK_SIZE; start < file.size; start += BLOCK_SIZE)
        if (write_begins_in_block(file, start, ended))
            return true;
    return false;
}

/* Within a write MIDDLE or LAST follows, else FULL or FIRST. */
static bool may_follow(const struct fragment *f, bool within)
{
    return within != begins_write(f);
}

static enum kv_log_end judge(struct bytes file, size_t at, bool within)
{
    struct fragment f;
    if (at >= file.size)
        return within ? KV_LOG_TORN : KV_LOG_WHOLE;
    if (fragment_at(file, at, &f))
        return KV_LOG_DAMAGED; /* a whole fragment that may not follow the previous one */
    return later_write_exists(file, at) ? KV_LOG_DAMAGED : KV_LOG_TORN;
}

enum kv_log_end kv_log_scan(struct bytes file, void (*each)(void *context, struct bytes record),
                            void *context, int64_t *bad)
{
    struct buffer record;
    struct fragment f;
    bool within = false;
    size_t at = 0;
    buffer_init(&record, SIZE_MAX / 2);
    while (at < file.size && fragment_at(file, at, &f) && may_follow(&f, within)) {
        buffer_append_bytes(&record, f.data);
        within = f.type == FIRST || f.type == MIDDLE;
        if (!within) {
            if (each)
                each(context, buffer_view(&record));
            buffer_clear(&record);
        }
        at = skip_trailer(at + HEADER_SIZE + f.data.size);
    }
    buffer_free(&record);
    *bad = (int64_t)MIN(at, file.size);
    return judge(file, at, within);
}
