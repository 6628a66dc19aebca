/* The findings of the check of a stopped data directory. */
#ifndef CLIENT_TOOLS_DATA_DATA_FINDING_H
#define CLIENT_TOOLS_DATA_DATA_FINDING_H

#include <stdint.h>

enum finding_kind {
    FINDING_NOTE,    /* no fault: what a start finds after a crash, or a file of somebody else */
    FINDING_DAMAGED, /* bytes that were durable are wrong */
    FINDING_MISSING, /* something that was durable is gone */
    FINDING_NEWER,   /* a newer version of Tidemill wrote it */
};

struct finding {
    enum finding_kind kind;
    const char *class; /* "segment", ... */
    const char *file;  /* below the directory */
    int64_t at;        /* byte; -1: none can be named */
    const char *message, *next_step;
};

/* The receiver of the findings. */
struct data_findings {
    void (*found)(void *context, const struct finding *finding);
    void *context;
};

static inline void data_finding_tell(const struct data_findings *findings, enum finding_kind kind,
                                     const char *class, const char *file, int64_t at,
                                     const char *message, const char *next_step)
{
    struct finding finding = {kind, class, file, at, message, next_step};
    findings->found(findings->context, &finding);
}

#endif
