/* Checks the files of a stopped data directory, one class of files after the other. Tells each
 * fault with file, byte, what it means and what to do, and changes nothing. */
#ifndef CLIENT_TOOLS_DATA_DATA_CHECK_H
#define CLIENT_TOOLS_DATA_DATA_CHECK_H

#include "client-tools/data/data_image.h"

/* The checked parts of one class. */
struct data_check_count {
    const char *class;
    const char *unit; /* of what `checked` counts: "batches" */
    int64_t files, bytes, checked;
};

enum { DATA_CLASSES_MAX = 16 };
struct data_check {
    struct data_check_count counts[DATA_CLASSES_MAX];
    size_t count;
};

/* Checks what opening the image has not: segments, indexes, and that no file is missing. */
bool data_check_run(const struct data_image *image, struct data_check *out, struct failure *f);

#endif
