#include "storage/offset_index.h"

#include "storage/index_file.h"

void offset_index_append(struct buffer *out, int64_t base_offset, struct offset_index_entry entry)
{
    ASSERT(entry.offset >= base_offset && entry.offset - base_offset <= INT32_MAX);
    ASSERT(entry.position > 0 && entry.position <= INT32_MAX);
    buffer_append_be32(out, (uint32_t)(entry.offset - base_offset));
    buffer_append_be32(out, (uint32_t)entry.position);
}

struct offset_index_entry offset_index_decode(const uint8_t *entry, int64_t base_offset)
{
    return (struct offset_index_entry){
        .offset = base_offset + (int32_t)load_be32(entry),
        .position = (int32_t)load_be32(entry + 4),
    };
}

static int64_t relative_offset(const uint8_t *entry)
{
    return (int32_t)load_be32(entry);
}

enum error offset_index_floor(const struct segment_view *view, int64_t offset,
                              struct offset_index_entry *out, bool *found)
{
    struct index_file index;
    enum error error = index_file_open(view, SEGMENT_INDEX, OFFSET_INDEX_ENTRY, &index);
    if (error != ERR_OK)
        return error;
    uint8_t entry[OFFSET_INDEX_ENTRY];
    int64_t at;
    error = index_file_floor(&index, offset - view->base_offset, relative_offset, entry, &at);
    *found = error == ERR_OK && at >= 0;
    if (*found)
        *out = offset_index_decode(entry, view->base_offset);
    index_file_close(&index);
    return error;
}

bool offset_index_is_sound(struct bytes entries, int64_t base_offset, int64_t next_offset,
                           int64_t size)
{
    if (entries.size % OFFSET_INDEX_ENTRY != 0)
        return false;
    struct offset_index_entry last = {base_offset - 1, 0};
    for (size_t at = 0; at < entries.size; at += OFFSET_INDEX_ENTRY) {
        struct offset_index_entry entry = offset_index_decode(entries.data + at, base_offset);
        if (entry.offset <= last.offset || entry.position <= last.position)
            return false;
        last = entry;
    }
    return last.offset < next_offset && (entries.size == 0 || last.position < size);
}
