/* Splits a request's items over the shards that own them and gathers the results.
 *
 * The caller numbers the items and prepares them on the request's home shard, in memory of the
 * request. A part is the items of one shard. A part's work may read everything, but writes only its
 * own items and its own arena, so parts run at the same time without locks. The mail makes their
 * writes visible at home. If all items belong to the home shard, nothing is mailed: the work runs
 * at once, and `gathered` may be called before scatter_run returns.
 *
 *   scatter_init -> scatter_run -> work() on each shard -> scatter_part_done -> gathered() at home
 *
 * A caller that needs more data per part has a structure of its own, which begins with struct
 * scatter_part:
 *
 *   struct my_part {
 *       struct scatter_part part;
 *       ...
 *   };
 *
 * It gives the size to scatter_init, and finds its part with CONTAINER_OF(part, struct my_part,
 * part). Parts are in the arena, zeroed, and live as long as the scatter.
 *
 * A gathered scatter may run again (another round), or scatter_end ends it. */
#ifndef BROKER_REQUEST_SCATTER_H
#define BROKER_REQUEST_SCATTER_H

#include "broker/shard.h"
#include "protocol/kafka_error.h"

struct scatter;

struct scatter_part {
    struct mail mail;
    struct scatter *scatter;
    struct shard *shard; /* the owner of the items */
    uint32_t *items;
    uint32_t count;
    bool away; /* between its way out and its return; only the home shard reads this */
    void (*work)(struct scatter_part *part);
    struct arena arena; /* for data of the results; lives as long as the scatter */
};

struct scatter {
    struct shard *home;
    uint64_t catalog_version;    /* known at home when the items were made */
    struct scatter_part **parts; /* one per shard that owns items */
    int part_count;
    int away; /* parts, and holds (scatter_hold) */
    /* At home, when a part is back; may send it again. May be NULL. */
    void (*part_back)(struct scatter *scatter, struct scatter_part *part);
    /* At home, when all are back. May free the scatter. */
    void (*gathered)(struct scatter *scatter);
};

enum { SCATTER_NOBODY = -1 };

/* owners[i] is the id of the shard that owns item i, or SCATTER_NOBODY for an item in no part.
 * Arrays and parts go to the arena, whose limit the caller has lifted (request_alloc does so).
 * `part_size` is the size of the caller's part, or of struct scatter_part. */
void scatter_init(struct scatter *s, struct shard *home, struct arena *arena, const int *owners,
                  size_t count, size_t part_size);
/* For the part's work: the error for a partition that home knew and this shard does not have. The
 * partition was deleted. Or home knew a newer catalog, and the partition is not open yet: then the
 * error makes clients refresh metadata and retry, as in Kafka. */
enum kafka_error scatter_error_of_absent(const struct scatter_part *part);
/* Sends every part. */
void scatter_run(struct scatter *s, void (*work)(struct scatter_part *part));
/* Sends one part again, from part_back. */
void scatter_send(struct scatter_part *part);
/* Ends the part's work. Called on the part's shard, in the work or later. The shard must not use
 * the part afterwards. */
void scatter_part_done(struct scatter_part *part);
/* Delays `gathered` until the release. Called at home. */
void scatter_hold(struct scatter *s);
void scatter_release(struct scatter *s);
/* Ends it: moves the memory of the parts' arenas to `arena`, usually the request's, so that it
 * lives until the reply is made. No part may be away. */
void scatter_end(struct scatter *s, struct arena *arena);

#endif
