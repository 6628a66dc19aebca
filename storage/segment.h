/* One segment of a log as it lies on disk: the walk over its batches, and finding places in it.
 *
 * A segment holds batches in offset order, at offsets [base, next). Only a log's last segment
 * grows; earlier ones never change, and of the last one only bytes that a flush has written are
 * ever read. So everything here may run on any thread. Format: docs/on-disk-format.md.
 *
 * Where no cleaner has been, the batches fill the segment without gaps: anything else is damage. A
 * cleaner (compaction) leaves holes: the segment is sparse. Then a batch may start at any offset
 * behind the one before, have fewer records than offsets, or none (it is kept for its producer's
 * sequence); there may be no batch at all. Nothing in the files says that a cleaner wrote them: the
 * log says it (log_state.first_dirty_offset). Damage of a sparse segment is told by checksums,
 * lengths, and offsets that do not rise or lie outside the segment. The loss of whole batches, or
 * of a whole sparse segment, leaves no trace in the files. */
#ifndef STORAGE_SEGMENT_H
#define STORAGE_SEGMENT_H

#include "protocol/record_batch.h"
#include "storage/segment_file.h"

/* Where to start a walk: a batch boundary, and the offset that starts there. In a sparse segment no
 * batch from there on starts below the offset. */
struct segment_place {
    int64_t position, offset;
};
static inline struct segment_place segment_start(const struct segment_view *view)
{
    return (struct segment_place){0, view->base_offset};
}

/* A walk over a segment's batches from a place on. `next_offset` is the offset that the next batch
 * must start with, or in a sparse segment the smallest that it may start with. The view's file must
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
    int64_t limit; /* no batch of the segment reaches it */
    bool sparse;
    struct batch_header header; /* of the present batch */
    int64_t batch_position;
    size_t batch_size;
    enum error
        error; /* ERR_CORRUPT: header or length are not those of the batch that must be here */
    uint8_t *chunk;
    int64_t chunk_position;
    size_t chunk_size;
};
void segment_scan_init(struct segment_scan *scan, const struct segment_view *view,
                       struct segment_place from);
/* False at the end or on an error. */
bool segment_scan_next(struct segment_scan *scan);
/* Reads the present batch and compares its checksum: ERR_CORRUPT. */
MUST_USE enum error segment_scan_check(struct segment_scan *scan);
/* Appends the present batch to `out`, checked: ERR_CORRUPT, ERR_TOO_LARGE (the buffer's maximum).
 */
MUST_USE enum error segment_scan_read(struct segment_scan *scan, struct buffer *out);
void segment_scan_free(struct segment_scan *scan);

/* A place at or before the first batch that ends at or behind `offset`, near it by the offset
 * index. An index that is missing or wrong (what it points to is compared) costs time only: the
 * segment's start. */
MUST_USE enum error segment_locate(const struct segment_view *view, int64_t offset,
                                   struct segment_place *out);
/* A place before which every record's timestamp is below `timestamp`, by the time index; else the
 * segment's start. */
MUST_USE enum error segment_locate_time(const struct segment_view *view, int64_t timestamp,
                                        struct segment_place *out);

/* More bytes than this behind the last entry: the index lost its end. */
enum { SEGMENT_INDEX_GAP_MAX = 4 << 20 };

/* What a log knows of a segment's timestamps and indexes. */
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
/* Takes note of a batch behind all others. */
void segment_summary_add(struct segment_summary *s, int64_t max_timestamp, int64_t last_offset);
/* Reads it from the files: the ends of both indexes and the batches behind them, or all batch
 * headers when an index is not sound (then index bytes are 0). ERR_CORRUPT: the batches do not fill
 * the segment (or, when it is sparse, do not fit it); *out says what could be read. */
MUST_USE enum error segment_summarize(const struct segment_view *view, struct segment_summary *out);

/* Makes both index files anew from the batch headers; each replaces the old file at once, so
 * readers see one or the other. Not for a segment that a flush may extend. */
MUST_USE enum error segment_rebuild_indexes(const struct segment_view *view, struct trace *trace);
/* The same if one is missing, or its entries are not in order or do not fit the batches. */
MUST_USE enum error segment_check_indexes(const struct segment_view *view, struct trace *trace);

#endif
