#include "storage/time_index.h"

#include "storage/index_file.h"

void time_index_append(struct buffer *out, int64_t base_offset, struct time_index_entry entry)
{
    ASSERT(entry.offset >= base_offset && entry.offset - base_offset <= INT32_MAX);
    buffer_append_be64(out, (uint64_t)entry.timestamp);
    buffer_append_be32(out, (uint32_t)(entry.offset - base_offset));
}

struct time_index_entry time_index_decode(const uint8_t *entry, int64_t base_offset)
{
    return (struct time_index_entry){
        .timestamp = (int64_t)load_be64(entry),
        .offset = base_offset + (int32_t)load_be32(entry + 8),
    };
}

static int64_t timestamp_of(const uint8_t *entry)
{
    return (int64_t)load_be64(entry);
}

enum error time_index_floor(const struct segment_view *view, int64_t timestamp,
                            struct time_index_entry *out, bool *found)
{
    struct index_file index;
    enum error error = index_file_open(view, SEGMENT_TIME_INDEX, TIME_INDEX_ENTRY, &index);
    if (error != ERR_OK)
        return error;
    uint8_t entry[TIME_INDEX_ENTRY];
    int64_t at;
    error = index_file_floor(&index, timestamp, timestamp_of, entry, &at);
    *found = error == ERR_OK && at >= 0;
    if (*found)
        *out = time_index_decode(entry, view->base_offset);
    index_file_close(&index);
    return error;
}

bool time_index_is_sound(struct bytes entries, int64_t base_offset, int64_t next_offset)
{
    if (entries.size % TIME_INDEX_ENTRY != 0)
        return false;
    struct time_index_entry last = {-1, base_offset - 1};
    for (size_t at = 0; at < entries.size; at += TIME_INDEX_ENTRY) {
        struct time_index_entry entry = time_index_decode(entries.data + at, base_offset);
        if (entry.timestamp <= last.timestamp || entry.offset <= last.offset)
            return false;
        last = entry;
    }
    return last.offset < next_offset;
}
