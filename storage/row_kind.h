/* The kinds of rows in the key-value store: the first letter of a key, so that keys of different
 * owners do not collide. */
#ifndef STORAGE_ROW_KIND_H
#define STORAGE_ROW_KIND_H

enum row_kind {
    ROW_TOPIC = 'T',    /* catalog.h */
    ROW_BROKER = 'B',   /* cluster id, dynamic broker configs, producer id blocks */
    ROW_GROUP = 'G',    /* group metadata */
    ROW_OFFSET = 'O',   /* committed offsets */
    ROW_LOG = 'L',      /* log_state; written by the store */
    ROW_PRODUCER = 'P', /* producer_state; written by the store */
    ROW_TASK = 'S',     /* processor state */
    ROW_OUTBOX = 'X',   /* parcels: outputs for another shard */
    ROW_JOURNAL = 'J',  /* checkpoint positions; written by the store */
    ROW_COMMIT = 'C',   /* the number of the last write; written by the row store */
    ROW_DELETED = 'D',  /* deleted topics whose files may exist; written by the store */
};

#endif
