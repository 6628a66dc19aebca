/* The result of one window as a record: section 5 of the semantics. */
#ifndef PROCESSORS_STEPS_PANE_H
#define PROCESSORS_STEPS_PANE_H

#include "processors/steps/step.h"
#include "processors/steps/window_table.h"

/* Memory that every pane reuses. */
struct pane_writer {
    struct buffer key, value, headers, text;
    struct arena arena;
};

struct pane {
    struct bytes key; /* the inner grouping key */
    int64_t start, end;
    const uint8_t *row;
    const struct extent *extent;
};

void pane_writer_init(struct pane_writer *w);
void pane_writer_free(struct pane_writer *w);
/* Adds the final pane of a window to the step's outbox. */
void pane_write(struct pane_writer *w, const struct chain_step *s, const struct pane *pane);

#endif
