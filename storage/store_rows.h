/* Rows on their way to the key-value store: merged changes, and the keys and values of the rows
 * that the store itself writes (log states, producer states, journal marks). */
#ifndef STORAGE_STORE_ROWS_H
#define STORAGE_STORE_ROWS_H

#include "base/map.h"
#include "storage/journal_reader.h"
#include "storage/kv.h"
#include "storage/log.h"

/* The last change of each key. Copies what it is given. */
struct row_changes {
    struct map map;
    size_t bytes; /* keys and values */
};

/* A null value deletes the row. */
void row_changes_put(struct row_changes *r, struct bytes key, struct bytes value);
/* Moves all changes from `newer` to `r`. They replace those in `r`. */
void row_changes_merge(struct row_changes *r, struct row_changes *newer);
/* Moves the changes from `older` to `r`, but drops those of keys that `r` has. */
void row_changes_put_back(struct row_changes *r, struct row_changes *older);
/* Turns all changes of keys with this prefix into deletions. */
void row_changes_delete_prefix(struct row_changes *r, struct bytes prefix);
/* Whether there is a change of this key. A deletion gives null. The view belongs to `r`. */
bool row_changes_get(const struct row_changes *r, struct bytes key, struct bytes *value);
bool row_changes_has(const struct row_changes *r, struct bytes key);
/* An array for kv_driver.write, sorted by key: LevelDB needs a quarter less CPU time for it. The
 * views belong to `r`. The caller frees the array. */
struct kv_change *row_changes_array(const struct row_changes *r, size_t *count);
void row_changes_free(struct row_changes *r);

struct row_key {
    uint8_t data[29];
    uint8_t size;
};
static inline struct bytes row_key_view(const struct row_key *key)
{
    return bytes_of(key->data, key->size);
}

struct row_key row_key_topic(struct uuid topic_id);
struct row_key row_key_deleted_topic(struct uuid topic_id);
struct row_key row_key_log(struct uuid topic_id, int32_t partition);
/* The prefix of the keys of all producers of a log. */
struct row_key row_key_producers(struct uuid topic_id, int32_t partition);
struct row_key row_key_producer(struct uuid topic_id, int32_t partition, int64_t producer_id);
struct row_key row_key_journal(int shard);

/* Keys of ROW_LOG, and of ROW_PRODUCER, which set producer_id. False: the key is neither. */
bool row_key_parse(struct bytes key, struct uuid *topic_id, int32_t *partition,
                   int64_t *producer_id);
bool row_key_parse_journal(struct bytes key, int *shard);
/* Keys of ROW_TOPIC and ROW_DELETED. */
bool row_key_parse_topic(struct bytes key, struct uuid *topic_id);

enum { LOG_STATE_SIZE = 49, JOURNAL_MARK_SIZE = 41, DELETED_TOPIC_SIZE = 1 };
/* Version 2. Version 1 has no offsets of a cleaner, and is still read. */
struct bytes log_state_encode(const struct log_state *state, uint8_t out[LOG_STATE_SIZE]);
MUST_USE enum error log_state_decode(struct bytes value, struct log_state *out);
struct bytes journal_mark_encode(const struct journal_mark *mark, uint8_t out[JOURNAL_MARK_SIZE]);
MUST_USE enum error journal_mark_decode(struct bytes value, struct journal_mark *out);
/* Only the key has a meaning. */
struct bytes deleted_topic_encode(uint8_t out[DELETED_TOPIC_SIZE]);

/* <data>/topics/<topic id in hexadecimal, 8-4-4-4-12>[/<partition>]; the caller frees it. */
char *topic_directory(const char *data_directory, struct uuid topic_id);
char *partition_directory(const char *data_directory, struct uuid topic_id, int32_t partition);
/* False: topic_directory does not write such a name. */
bool topic_directory_parse(const char *name, struct uuid *topic_id);

#endif
