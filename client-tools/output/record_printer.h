/* Prints records to standard output as they arrive: as JSON lines, or in the % language. */
#ifndef CLIENT_TOOLS_OUTPUT_RECORD_PRINTER_H
#define CLIENT_TOOLS_OUTPUT_RECORD_PRINTER_H

#include "client-tools/output/record_format.h"

struct record_printer {
    struct bytes format; /* null: JSON lines */
    struct buffer out;
    int64_t count;
    bool reader_gone; /* nobody reads the output any more, or it cannot be written */
    int write_error;  /* errno of a failed write; 0: none */
};

/* `format` null: JSON lines. EXIT_USAGE when it is not valid. */
bool record_printer_init(struct record_printer *p, struct bytes format, struct failure *f);
void record_printer_free(struct record_printer *p);
void record_printer_add(struct record_printer *p, const struct record_place *place,
                        const struct record *record);
/* Writes the buffered records; false when the reader is gone. */
bool record_printer_flush(struct record_printer *p);

/* Called after the last flush. False when a record could not be written. */
bool record_printer_end(const struct record_printer *p, struct failure *f);

#endif
