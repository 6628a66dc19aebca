/* Finds places in a segment with its indexes.
 *
 * An index has no checksum, so an entry is compared with the batch that it points to. After a wrong
 * entry the search starts at the segment's first batch. A damaged entry in the middle can mislead
 * the bisection only to an earlier sound entry. */
#include "storage/segment.h"

#include "storage/index_file.h"
#include "storage/offset_index.h"
#include "storage/time_index.h"

/* Whether the batch that an offset index entry points to ends with the entry's offset. */
static bool entry_is_right(const struct segment_view *view, struct offset_index_entry entry,
                           struct segment_place *out)
{
    uint8_t data[BATCH_HEADER_SIZE];
    struct batch_header header;
    if (entry.position <= 0 || entry.position > view->size - BATCH_HEADER_SIZE ||
        segment_file_read(view->file->io, view->file, data, sizeof data, entry.position) != ERR_OK)
        return false;
    if (!batch_header_read(bytes_of(data, sizeof data), &header) || header.magic != BATCH_MAGIC ||
        header.base_offset < view->base_offset || header.base_offset > entry.offset ||
        entry.offset - header.base_offset != header.last_offset_delta)
        return false;
    *out = (struct segment_place){entry.position, header.base_offset};
    return true;
}

enum error segment_locate(const struct segment_view *view, int64_t offset,
                          struct segment_place *out)
{
    struct offset_index_entry entry;
    bool found;
    enum error error = offset_index_floor(view, offset, &entry, &found);
    if (error == ERR_IO || error == ERR_NO_FILES)
        return error;
    if (error != ERR_OK || !found || !entry_is_right(view, entry, out))
        *out = segment_start(view);
    return ERR_OK;
}

/* Finds the batch of a time index entry. *right: it ends with the entry's offset and has its
 * timestamp. */
static enum error locate_entry(const struct segment_view *view, struct time_index_entry entry,
                               bool *right, struct segment_place *out)
{
    *right = false;
    if (entry.offset < view->base_offset || entry.offset >= view->next_offset)
        return ERR_OK;
    struct segment_place place;
    enum error error = segment_locate(view, entry.offset, &place);
    if (error != ERR_OK)
        return error;
    struct segment_scan scan;
    segment_scan_init(&scan, view, place);
    while (segment_scan_next(&scan) && scan.next_offset <= entry.offset)
        continue;
    if (scan.error == ERR_OK && batch_last_offset(&scan.header) == entry.offset &&
        scan.header.max_timestamp == entry.timestamp) {
        *right = true;
        *out = (struct segment_place){scan.batch_position, scan.header.base_offset};
    }
    error = scan.error == ERR_CORRUPT ? ERR_OK : scan.error;
    segment_scan_free(&scan);
    return error;
}

enum error segment_locate_time(const struct segment_view *view, int64_t timestamp,
                               struct segment_place *out)
{
    *out = segment_start(view);
    struct time_index_entry entry;
    bool found, right;
    enum error error = time_index_floor(view, timestamp, &entry, &found);
    if (error == ERR_IO || error == ERR_NO_FILES)
        return error;
    if (error != ERR_OK || !found)
        return ERR_OK;
    return locate_entry(view, entry, &right, out);
}

/* --- the summary --- */

/* A power cut may leave entries whose batches it took, or zeros: the next flush cuts them off. */
static bool is_torn_offset(const struct segment_view *view, const uint8_t *entry, bool is_first)
{
    (void)is_first;
    int64_t position = offset_index_decode(entry, view->base_offset).position;
    return position == 0 || position >= view->size;
}

/* Only the first entry may be zeros: of a first batch with the timestamp 0. */
static bool is_torn_time(const struct segment_view *view, const uint8_t *entry, bool is_first)
{
    struct time_index_entry e = time_index_decode(entry, view->base_offset);
    bool is_zero = e.timestamp == 0 && e.offset == view->base_offset;
    return (is_zero && !is_first) || e.offset >= view->next_offset;
}

/* Leaves out the torn entries at the end. Reads the last one that is left, if any. */
static enum error last_whole_entry(const struct segment_view *view, struct index_file *index,
                                   bool (*is_torn)(const struct segment_view *, const uint8_t *,
                                                   bool),
                                   uint8_t *entry)
{
    for (; index->count > 0; index->count--) {
        enum error error = index_file_entry(index, index->count - 1, entry);
        if (error != ERR_OK || !is_torn(view, entry, index->count == 1))
            return error;
    }
    return ERR_OK;
}

/* Compares the last entry of the offset index with its batch, and sets index_bytes. */
static enum error last_indexed_place(const struct segment_view *view, struct segment_summary *out,
                                     struct segment_place *place, bool *sound)
{
    struct index_file index;
    enum error error = index_file_open(view, SEGMENT_INDEX, OFFSET_INDEX_ENTRY, &index);
    if (error != ERR_OK)
        return error;
    uint8_t entry[OFFSET_INDEX_ENTRY];
    *place = segment_start(view);
    *sound = true;
    error = last_whole_entry(view, &index, is_torn_offset, entry);
    if (error == ERR_OK && index.count > 0)
        *sound = entry_is_right(view, offset_index_decode(entry, view->base_offset), place);
    out->index_bytes = index.count * OFFSET_INDEX_ENTRY;
    index_file_close(&index);
    return error;
}

/* Moves the place back if entries are left out: the last one may not cover all batches before it.
 */
static enum error last_time_entry(const struct segment_view *view, struct segment_summary *out,
                                  struct segment_place *place, bool *sound)
{
    struct index_file index;
    enum error error = index_file_open(view, SEGMENT_TIME_INDEX, TIME_INDEX_ENTRY, &index);
    if (error != ERR_OK)
        return error;
    uint8_t bytes[TIME_INDEX_ENTRY];
    int64_t found = index.count;
    struct segment_place covered = segment_start(view);
    *sound = true;
    error = last_whole_entry(view, &index, is_torn_time, bytes);
    if (error == ERR_OK && index.count > 0) {
        struct time_index_entry entry = time_index_decode(bytes, view->base_offset);
        error = locate_entry(view, entry, sound, &covered);
        out->max_timestamp = out->time_index_last = entry.timestamp;
        out->max_timestamp_offset = entry.offset;
    }
    if (index.count < found && covered.position < place->position)
        *place = covered;
    out->time_index_bytes = index.count * TIME_INDEX_ENTRY;
    index_file_close(&index);
    return error;
}

static enum error read_first_timestamp(const struct segment_view *view, int64_t *out)
{
    struct segment_scan scan;
    segment_scan_init(&scan, view, segment_start(view));
    if (segment_scan_next(&scan))
        *out = scan.header.max_timestamp;
    enum error error = scan.error;
    segment_scan_free(&scan);
    return error;
}

/* Both indexes were extended together. So the last time entry covers all batches up to the last one
 * with an index entry, and only the batches after it have to be read. */
enum error segment_summarize(const struct segment_view *view, struct segment_summary *out)
{
    segment_summary_init(out);
    if (view->size == 0)
        return ERR_OK;
    struct segment_place place;
    bool index_sound = false, time_sound = false;
    enum error error = last_indexed_place(view, out, &place, &index_sound);
    if (error == ERR_OK)
        error = last_time_entry(view, out, &place, &time_sound);
    if (error != ERR_OK && error != ERR_CORRUPT)
        return error;
    if (error != ERR_OK || !index_sound || !time_sound) {
        segment_summary_init(out);
        place = segment_start(view);
    }
    error = read_first_timestamp(view, &out->first_timestamp);
    if (error != ERR_OK)
        return error;
    struct segment_scan scan;
    segment_scan_init(&scan, view, place);
    while (segment_scan_next(&scan))
        segment_summary_add(out, scan.header.max_timestamp, batch_last_offset(&scan.header));
    error = scan.error;
    if (error == ERR_OK && !view->sparse && scan.next_offset != view->next_offset)
        error = ERR_CORRUPT;
    segment_scan_free(&scan);
    return error;
}
