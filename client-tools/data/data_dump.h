/* Shows the files of a stopped data directory in readable lines: meta, rows, journals, logs,
 * segments and indexes. Shows also what is damaged, and goes on after it. */
#ifndef CLIENT_TOOLS_DATA_DATA_DUMP_H
#define CLIENT_TOOLS_DATA_DATA_DUMP_H

#include "client-tools/data/data_image.h"
#include "client-tools/data/data_lines.h"

/* An overview: meta, topics, logs, journals, and a line for each file. */
void data_dump_overview(struct data_image *image, struct data_lines *out);
/* All rows, with the changes of the journals. */
void data_dump_rows(const struct data_image *image, struct data_lines *out);
/* One file: the batches of a segment, the entries of an index, the units and parts of a journal
 * file. False: the failure is set. */
bool data_dump_file(const struct data_image *image, const char *path, struct data_lines *out,
                    struct failure *f);

#endif
