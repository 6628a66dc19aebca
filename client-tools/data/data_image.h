/* A stopped data directory as the next start would find it: its rows with the changes of the
 * journals, its logs, its journals and its files.
 *
 * Reading changes nothing. Each fault becomes a finding, and reading goes on with what is whole. */
#ifndef CLIENT_TOOLS_DATA_DATA_IMAGE_H
#define CLIENT_TOOLS_DATA_DATA_IMAGE_H

#include "client-tools/data/data_rows.h"
#include "client-tools/failure.h"
#include "storage/catalog.h"
#include "storage/data_meta.h"
#include "storage/journal_reader.h"
#include "storage/store_rows.h"

struct image_file {
    const char *path; /* below the directory, in rising order */
    int64_t size;
};

struct image_log {
    struct row_key key;
    struct uuid topic_id;
    int32_t partition;
    struct log_state state; /* of the last checkpoint */
    int64_t start, next;    /* with the journals */
    bool has_row, removed;
    int64_t swap_from, swap_end; /* offsets whose segments the next start swaps; equal: none */
    int64_t first_base;          /* of its first segment; -1: none. data_check_run finds it */
};

struct image_journal {
    int shard;
    struct journal_mark mark; /* of the last checkpoint */
    enum journal_end end;
    struct journal_mark at; /* where it ends */
    int64_t units, entries, batches;
};

struct data_image {
    const char *directory;
    struct env *env;
    struct arena *arena;
    struct data_findings findings;
    int lock; /* a descriptor; -1: the directory has no lock */
    struct data_meta meta;
    enum finding_kind meta_fault; /* FINDING_NOTE: none */
    uint64_t known_starts;        /* that the rows know */
    bool rows_are_whole;          /* a copy of them is sound */
    bool has_all_rows;            /* else only those of topics, logs and journals */
    struct data_rows rows;
    struct map logs; /* struct image_log by key */
    struct image_journal *journals;
    int journal_count;
    struct image_file *files;
    size_t file_count;
};

/* False: not a data directory, in use, or not readable. The caller closes it in any case. */
bool data_image_open(struct data_image *image, const char *directory, bool all_rows,
                     struct arena *arena,
                     void (*found)(void *context, const struct finding *finding), void *context,
                     struct failure *f);
void data_image_close(struct data_image *image);

/* The log of a partition, or NULL. */
struct image_log *data_image_log(const struct data_image *image, struct uuid topic_id,
                                 int32_t partition);
/* Whether a deletion of the topic is stored. */
bool data_image_topic_is_deleted(const struct data_image *image, struct uuid topic_id);
/* The topic with this name or id; NULL: there is no row. The caller unrefs it. */
struct topic *data_image_topic(const struct data_image *image, struct bytes name_or_id);
/* Calls `each` for every batch of the journals that the checkpoint does not have, in the order of
 * each journal. `batch` is whole and valid during the call. */
bool data_image_batches(struct data_image *image,
                        void (*each)(void *context, struct uuid topic_id, int32_t partition,
                                     struct bytes batch),
                        void *context, struct failure *f);
void data_image_tell(const struct data_image *image, enum finding_kind kind, const char *class,
                     const char *file, int64_t at, const char *message, const char *next_step);

#endif
