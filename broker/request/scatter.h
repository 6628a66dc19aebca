/* Splits a request's items over the shards that own them and gathers the results.
 *
 * Items are numbered by the caller and live in memory of the request, prepared on its home shard; a
 * part is the items of one shard. A part's work may read everything, and writes only its own items
 * and its own arena, so parts run at the same time without locks. At home everything is seen again:
 * the mail carries it. Where all items belong to the home shard, nothing is mailed: the work runs
 * at once, and `gathered` may be called before scatter_run returns.
 *
 *   scatter_init -> scatter_run -> work() on each shard -> scatter_part_done -> gathered() at home
 *
 * A caller that keeps something with each part has a part of its own, which begins with struct
 * scatter_part:
 *
 *   struct my_part {
 *       struct scatter_part part;
 *       ...
 *   };
 *
 * It gives the size to scatter_init, and finds its part with CONTAINER_OF(part, struct my_part,
 * part). Parts lie in the arena, zeroed, and live as long as the scatter.
 *
 * A gathered scatter may run again (another round), or be ended by scatter_end. */
#ifndef BROKER_REQUEST_SCATTER_H
#define BROKER_REQUEST_SCATTER_H

#include "broker/shard.h"
#include "protocol/kafka_error.h"

struct scatter;

struct scatter_part {
    struct mail mail;
    struct scatter *scatter;
    struct shard *shard; /* whose items these are */
    uint32_t *items;
    uint32_t count;
    bool away; /* between being sent and being back; looked at on the home shard only */
    void (*work)(struct scatter_part *part);
    struct arena arena; /* for what the results refer to; lives as long as the scatter */
};

struct scatter {
    struct shard *home;
    uint64_t catalog_version;    /* that home knew when the items were made */
    struct scatter_part **parts; /* one per shard that owns items */
    int part_count;
    int away; /* parts, and whatever else is held (scatter_hold) */
    /* At home, when a part is back; may send it again. May be NULL. */
    void (*part_back)(struct scatter *scatter, struct scatter_part *part);
    /* At home, when all are back. May free the scatter. */
    void (*gathered)(struct scatter *scatter);
};

enum { SCATTER_NOBODY = -1 };

/* owners[i] is the id of the shard that owns item i, or SCATTER_NOBODY: the item is in no part.
 * Arrays and parts go to the arena, whose limit the caller has lifted (request_alloc does).
 * `part_size` is that of the caller's part, or of struct scatter_part. */
void scatter_init(struct scatter *s, struct shard *home, struct arena *arena, const int *owners,
                  size_t count, size_t part_size);
/* In the part's work: the error for a partition that home knew and this shard has not. It was
 * deleted, or, when home knew a newer catalog, it is not opened yet: then clients are told to ask
 * for metadata and to come again, as Kafka does. */
enum kafka_error scatter_error_of_absent(const struct scatter_part *part);
/* Sends every part. */
void scatter_run(struct scatter *s, void (*work)(struct scatter_part *part));
/* Sends one part again, from part_back. */
void scatter_send(struct scatter_part *part);
/* The part's work is done: on the part's shard, in its work or later. The part is not touched there
 * afterwards. */
void scatter_part_done(struct scatter_part *part);
/* Keeps `gathered` from being called until the release. At home. */
void scatter_hold(struct scatter *s);
void scatter_release(struct scatter *s);
/* Ends it: what lies in the parts' arenas moves to `arena`, usually the request's, so that it lives
 * until the reply is made. Nothing may be away. */
void scatter_end(struct scatter *s, struct arena *arena);

#endif
