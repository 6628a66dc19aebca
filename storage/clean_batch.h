/* Cleans one batch: removes the records that later ones have replaced (Kafka's cleaner, KIP-534).
 *
 * A record stays if it is the last one of its key, or if the map does not cover it. A record
 * without a key goes. A tombstone (a null value) that is the last record of its key stays until the
 * delete horizon of its batch. The first cleaning that finds tombstones in a batch sets the
 * horizon. A transaction marker stays until all data of its transaction is gone, and then until a
 * horizon.
 *
 * Base offset, last offset delta, producer id, epoch, sequence, codec and timestamps stay. Pure. */
#ifndef STORAGE_CLEAN_BATCH_H
#define STORAGE_CLEAN_BATCH_H

#include "protocol/record_batch.h"
#include "storage/clean_map.h"

struct clean_batch_rules {
    const struct clean_map *map;
    int64_t map_end; /* the map has the last offsets of all keys of the round below this offset */
    int64_t now_ms, delete_retention_ms;
    size_t max_uncompressed;
    /* Of this batch: */
    bool discard;    /* data of an aborted transaction, or a marker whose transaction has no data */
    bool keep_empty; /* without records its header stays */
};

struct clean_counts {
    uint64_t records, kept; /* kept: of them */
    int64_t bytes, kept_bytes;
};

/* Appends what stays of a batch, whose checksum is right, to `out`: the same bytes, fewer records,
 * only the header, or nothing. ERR_CORRUPT: its records cannot be read. ERR_TOO_LARGE: it is larger
 * than max_uncompressed, or `out` is full. `scratch` is reset. */
MUST_USE enum error clean_batch(struct bytes batch, const struct clean_batch_rules *rules,
                                struct arena *scratch, struct buffer *out,
                                struct clean_counts *counts);

/* Puts the keys from `start` on into the map. *full: the map had no room for a key; then *end is
 * the offset of its record, else the offset after the batch. Errors as above. */
MUST_USE enum error clean_batch_map(struct bytes batch, int64_t start, size_t max_uncompressed,
                                    struct arena *scratch, struct clean_map *map, bool *full,
                                    int64_t *end);

#endif
