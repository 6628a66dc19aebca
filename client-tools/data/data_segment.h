/* A segment of a stopped data directory: the part of it that a start keeps, its batches, and the
 * ranges that are damaged. */
#ifndef CLIENT_TOOLS_DATA_DATA_SEGMENT_H
#define CLIENT_TOOLS_DATA_DATA_SEGMENT_H

#include "client-tools/data/data_image.h"
#include "storage/segment.h"

struct data_segment {
    const char *path;      /* of the .log, below the data directory */
    const char *directory; /* of the partition */
    struct uuid topic_id;
    int32_t partition;
    struct image_log *log; /* NULL: no row is known */
    int64_t base_offset;
    int64_t next_offset; /* the offset that follows it; -1: unknown */
    int64_t size;        /* bytes that a start keeps; the file may be longer, or shorter */
    int64_t file_size;   /* -1: there is no .log */
    bool is_active;      /* a start appends to it; also if that is unknown */
    bool is_beyond;      /* a start removes it and writes it again from the journal */
};

/* False: the file is not one of a segment (.log, .index, .timeindex). */
bool data_segment_find(const struct data_image *image, size_t file, struct data_segment *out,
                       enum segment_part *part);

/* A range without a sound batch. */
struct damaged_range {
    int64_t from, to;                  /* bytes */
    int64_t first_offset, next_offset; /* offsets that are lost; next -1: unknown */
    const char *what;
};

/* Calls `good` for each sound batch (its checksum is right) and `bad` for each range between them,
 * in order. Either may be NULL. ERR_IO and the like: the file cannot be read. */
struct segment_walk {
    void (*good)(struct segment_walk *walk, struct segment_scan *scan);
    void (*bad)(struct segment_walk *walk, const struct damaged_range *range);
};
MUST_USE enum error data_segment_walk(const struct data_image *image,
                                      const struct data_segment *segment,
                                      struct segment_walk *walk);

#endif
