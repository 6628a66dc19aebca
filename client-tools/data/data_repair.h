/* Repairs the files of a stopped data directory.
 *
 * A damaged segment is replaced by one with all its sound batches. An empty batch takes the place
 * of the lost offsets, as Kafka's cleaner leaves them, so that no offset changes. What is replaced
 * stays under a name with .damaged. */
#ifndef CLIENT_TOOLS_DATA_DATA_REPAIR_H
#define CLIENT_TOOLS_DATA_DATA_REPAIR_H

#include "client-tools/data/data_segment.h"

/* Replaces a segment. The row of the log has the size of the segment that a start appends to, so
 * that one needs sound rows: its row is changed, too. If the repair is cut off before, the next
 * start finds the segment too short, keeps its batches, and goes on in a new one. */
bool data_repair_segment(const struct data_image *image, const struct data_segment *segment,
                         struct failure *f);
/* Makes both indexes of a closed segment again from its batches. */
bool data_repair_indexes(const struct data_image *image, const struct data_segment *segment,
                         struct failure *f);
/* Writes the damaged copy of the rows again from the sound one. */
bool data_repair_rows(const struct data_image *image, struct failure *f);
/* Writes tidemill.meta again. The rows know the number of starts. */
bool data_repair_meta(const struct data_image *image, struct failure *f);
/* Sets aside a file that the broker does not need: a journal's witness, or leader epochs. */
bool data_repair_file(const struct data_image *image, const char *file, struct failure *f);

#endif
