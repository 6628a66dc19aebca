/* The result of a command: a document of fields and tables. It is shown as text for people, or as
 * JSON or TSV, which are contracts (exact numbers, base units, columns only added at the end).
 *
 * A command fills the tables and never formats. The document's arena gets copies of the cells. */
#ifndef CLIENT_TOOLS_OUTPUT_OUTPUT_H
#define CLIENT_TOOLS_OUTPUT_OUTPUT_H

#include "base/arena.h"
#include "base/buffer.h"

enum output_format {
    OUTPUT_TEXT,
    OUTPUT_WIDE,
    OUTPUT_JSON,
    OUTPUT_TSV,
    OUTPUT_TSV_HEADER,
    OUTPUT_FORMAT_COUNT
};

/* -1 when there is no such format. */
int output_format_parse(struct bytes name);

enum cell_type {
    CELL_TEXT,
    CELL_LONG, /* text; for people it is cut so that the line fits, if possible */
    CELL_INT,
    CELL_COUNT,    /* text: 18.2M */
    CELL_SIZE,     /* bytes; text: 9.1GiB */
    CELL_DURATION, /* milliseconds; text: 10s */
    CELL_TIME,     /* milliseconds since 1970; shown as RFC 3339 everywhere */
    CELL_BOOL,
    CELL_INTS,  /* text such as "1,2,3"; JSON: an array */
    CELL_ERROR, /* Kafka's name; text: OK when there is none */
};

struct column {
    const char *name; /* snake_case with its unit, as JSON has it */
    enum cell_type type;
    bool wide; /* only shown in wide text */
};

struct cell {
    bool null;
    int64_t integer;
    struct bytes text;
};

struct table {
    const char *name; /* the key of the array in JSON */
    const struct column *columns;
    size_t column_count;
    struct cell *cells; /* row by row */
    size_t row_count, capacity, filled;
    size_t errors; /* rows whose CELL_ERROR is set */
    bool planned;  /* nothing was done yet: text shows no status */
    struct arena *arena;
};

enum { MAX_TABLES = 4, MAX_FIELDS = 16 };

struct document_field {
    struct column column;
    struct cell cell;
};

struct document {
    const char *command; /* "topic list" */
    struct table tables[MAX_TABLES];
    size_t table_count;
    size_t main_table; /* the one that TSV prints */
    struct document_field fields[MAX_FIELDS];
    size_t field_count;
    struct arena *arena;
};

void document_init(struct document *d, const char *command, struct arena *arena);
/* `columns` end with END_OF_COLUMNS and must live as long as the document. */
struct table *document_table(struct document *d, const char *name, const struct column *columns);
#define END_OF_COLUMNS         \
    {                          \
        NULL, CELL_TEXT, false \
    }
void document_text(struct document *d, const char *name, struct bytes text);
void document_int(struct document *d, const char *name, enum cell_type type, int64_t value);
/* Rows with an error, over all tables. */
size_t document_errors(const struct document *d);

/* Begins a row. Its cells follow in the order of the columns; missing cells are null. */
void table_row(struct table *t);
void table_text(struct table *t, struct bytes text); /* null allowed */
void table_int(struct table *t, int64_t value);
void table_null(struct table *t);
/* The cells `error` and `message` of a row about one item. They are the last two, except for
 * columns that were added later: the order of columns never changes. Code 0: no error. A null
 * message gives the code's own sentence. */
void table_error(struct table *t, int code, struct bytes message);
/* The same with a name of our own; NULL: no error. */
void table_error_named(struct table *t, const char *name, struct bytes message);

struct failure;
/* Renders the document; `failure` may be NULL. `color` only touches text. */
void document_render(const struct document *d, const struct failure *failure,
                     enum output_format format, bool color, struct buffer *out);

#endif
