/* One segment of a log on disk: iterates over its batches and finds places in it.
 *
 * A segment has batches in offset order, at offsets [base, next). Only a log's last segment grows,
 * and readers read only bytes that a flush has written. The .log of an earlier segment never
 * changes; a cleaner replaces the whole segment (log_replace.h). So everything here may run on any
 * thread. Format: docs/on-disk-format.md.
 *
 * Appended batches fill a segment without gaps: anything else is damage. A cleaner (compaction)
 * leaves holes: the segment is sparse. Then a batch may start at any offset after the previous
 * batch. It may have fewer records than offsets, or none (it is kept for its producer's sequence).
 * There may be no batch at all. The files do not show that a cleaner wrote them: the log knows it
 * (log_state.first_dirty_offset). Damage of a sparse segment is detected by checksums, by lengths,
 * and by offsets that do not rise or are outside the segment. The loss of whole batches or of a
 * whole sparse segment is not detected. */
#ifndef STORAGE_SEGMENT_H
#define STORAGE_SEGMENT_H

#include "protocol/record_batch.h"
#include "storage/segment_file.h"

/* Of every batch, since there are no elections. The checksum does not cover it, so any other value
 * is damage. */
enum { SEGMENT_LEADER_EPOCH = 0 };

/* Where to start a scan: the position of a batch, and its base offset. In a sparse segment the
 * batch may have a larger base offset. */
struct segment_place {
    int64_t position, offset;
};
static inline struct segment_place segment_start(const struct segment_view *view)
{
    return (struct segment_place){0, view->base_offset};
}

/* Iterates over a segment's batches from a place on. `next_offset` is the base offset that the next
 * batch must have; in a sparse segment it is the smallest that it may have. The view's file must
 * stay open until the end.
 *
 *   segment_scan_init(&scan, &view, place);
 *   while (segment_scan_next(&scan))
 *       ... scan.header, scan.batch_position, scan.batch_size ...
 *   error = scan.error;
 *   segment_scan_free(&scan); */
struct segment_scan {
    struct segment_file *file;
    int64_t position, end, next_offset;
    int64_t limit; /* all offsets of the segment are below it */
    bool sparse;
    struct batch_header header; /* of the present batch */
    int64_t batch_position;
    size_t batch_size;
    enum error error; /* ERR_CORRUPT: header or length do not fit the expected batch */
    const uint8_t *chunk;
    int64_t chunk_position;
    size_t chunk_size;
    uint8_t *own; /* the memory of the chunk; NULL: it is the caller's, and nothing is read */
    struct io_file *direct; /* the same file, past the page cache, or NULL */
};
void segment_scan_init(struct segment_scan *scan, const struct segment_view *view,
                       struct segment_place from);
/* The same past the page cache, as far as the system allows it. */
void segment_scan_init_direct(struct segment_scan *scan, const struct segment_view *view,
                              struct segment_place from);
/* The same without reading: `bytes` are those of the file from the place on. The scan ends, without
 * an error, before a batch that is not wholly in them. The bytes stay the caller's. */
void segment_scan_init_over(struct segment_scan *scan, const struct segment_view *view,
                            struct segment_place from, struct bytes bytes);
/* False at the end or on an error. */
bool segment_scan_next(struct segment_scan *scan);
/* Reads the present batch and compares its checksum: ERR_CORRUPT. */
MUST_USE enum error segment_scan_check(struct segment_scan *scan);
/* Appends the present batch to `out`, checked: ERR_CORRUPT, ERR_TOO_LARGE (the buffer's maximum).
 */
MUST_USE enum error segment_scan_read(struct segment_scan *scan, struct buffer *out);
void segment_scan_free(struct segment_scan *scan);

/* A place at or before the first batch whose last offset is at or after `offset`. The offset index
 * makes it a near one. If the index is missing, or its entry does not fit the batch that it points
 * to, the place is the segment's start. */
MUST_USE enum error segment_locate(const struct segment_view *view, int64_t offset,
                                   struct segment_place *out);
/* A place that has only smaller timestamps than `timestamp` before it, by the time index. Without a
 * sound index it is the segment's start. */
MUST_USE enum error segment_locate_time(const struct segment_view *view, int64_t timestamp,
                                        struct segment_place *out);

/* An index has lost its end if more bytes than this follow the batch of its last entry. */
enum { SEGMENT_INDEX_GAP_MAX = 4 << 20 };

/* A segment's timestamps and indexes in short. */
struct segment_summary {
    int64_t first_timestamp; /* the first batch's largest one; SEGMENT_NO_TIMESTAMP: empty */
    int64_t max_timestamp;
    int64_t max_timestamp_offset;          /* last offset of the first batch that has it */
    int64_t index_bytes, time_index_bytes; /* sound bytes of the index files */
    int64_t time_index_last;               /* timestamp of the last entry, -1: none */
};
#define SEGMENT_NO_TIMESTAMP INT64_MIN
/* No batch yet, no index entry. */
void segment_summary_init(struct segment_summary *s);
/* Adds a batch that follows all others. */
void segment_summary_add(struct segment_summary *s, int64_t max_timestamp, int64_t last_offset);
/* Reads the summary from the ends of both indexes and the batches after them. If an index is not
 * sound, reads all batch headers, and the index bytes are 0. ERR_CORRUPT: the batches do not fill
 * the segment, or do not fit it if it is sparse; *out covers the batches before the damage. */
MUST_USE enum error segment_summarize(const struct segment_view *view, struct segment_summary *out);

/* Rebuilds both index files from the batch headers. Each replaces the old file atomically, so
 * readers see the old or the new one. Not for a segment that a flush may extend. */
MUST_USE enum error segment_rebuild_indexes(const struct segment_view *view, struct trace *trace);
/* The same, but only if an index is missing, or its entries do not rise or do not fit the batches.
 */
MUST_USE enum error segment_check_indexes(const struct segment_view *view, struct trace *trace);

#endif
