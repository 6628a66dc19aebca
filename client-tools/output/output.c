#include "client-tools/output/output.h"

#include "protocol/kafka_error.h"

static const char *const format_names[OUTPUT_FORMAT_COUNT] = {
    [OUTPUT_TEXT] = "text",
    [OUTPUT_WIDE] = "wide",
    [OUTPUT_JSON] = "json",
    [OUTPUT_TSV] = "tsv",
    [OUTPUT_TSV_HEADER] = "tsv-header",
};

int output_format_parse(struct bytes name)
{
    for (int i = 0; i < OUTPUT_FORMAT_COUNT; i++) {
        if (bytes_equal_string(name, format_names[i]))
            return i;
    }
    return -1;
}

void document_init(struct document *d, const char *command, struct arena *arena)
{
    *d = (struct document){.command = command, .arena = arena};
}

struct table *document_table(struct document *d, const char *name, const struct column *columns)
{
    size_t count = 0;
    while (columns[count].name)
        count++;
    ASSERT(d->table_count < MAX_TABLES);
    struct table *t = &d->tables[d->table_count++];
    *t = (struct table){.name = name, .columns = columns, .column_count = count, .arena = d->arena};
    return t;
}

static struct document_field *add_field(struct document *d, const char *name, enum cell_type type)
{
    ASSERT(d->field_count < MAX_FIELDS);
    struct document_field *f = &d->fields[d->field_count++];
    *f = (struct document_field){.column = {name, type, false}};
    return f;
}

void document_text(struct document *d, const char *name, struct bytes text)
{
    struct document_field *f = add_field(d, name, CELL_TEXT);
    f->cell.text = arena_copy(d->arena, text);
    f->cell.null = bytes_is_null(f->cell.text);
}

void document_int(struct document *d, const char *name, enum cell_type type, int64_t value)
{
    add_field(d, name, type)->cell.integer = value;
}

size_t document_errors(const struct document *d)
{
    size_t errors = 0;
    for (size_t i = 0; i < d->table_count; i++)
        errors += d->tables[i].errors;
    return errors;
}

void table_row(struct table *t)
{
    if (t->row_count == t->capacity) {
        size_t capacity = t->capacity ? t->capacity * 2 : 16;
        struct cell *cells = arena_array(t->arena, capacity * t->column_count, sizeof *cells);
        ASSERT(cells != NULL);
        if (t->row_count > 0)
            memcpy(cells, t->cells, t->row_count * t->column_count * sizeof *cells);
        t->cells = cells;
        t->capacity = capacity;
    }
    struct cell *row = t->cells + t->row_count++ * t->column_count;
    for (size_t i = 0; i < t->column_count; i++)
        row[i] = (struct cell){.null = true};
    t->filled = 0;
}

static struct cell *next_cell(struct table *t)
{
    ASSERT(t->row_count > 0 && t->filled < t->column_count);
    return &t->cells[(t->row_count - 1) * t->column_count + t->filled++];
}

void table_text(struct table *t, struct bytes text)
{
    struct cell *c = next_cell(t);
    c->text = arena_copy(t->arena, text);
    c->null = bytes_is_null(c->text);
}

void table_int(struct table *t, int64_t value)
{
    *next_cell(t) = (struct cell){.integer = value};
}

void table_null(struct table *t)
{
    next_cell(t);
}

void table_error_named(struct table *t, const char *name, struct bytes message)
{
    while (t->columns[t->filled].type != CELL_ERROR)
        next_cell(t);
    t->errors += name != NULL;
    table_text(t, bytes_string(name));
    table_text(t, name ? message : BYTES_NULL);
}

void table_error(struct table *t, int code, struct bytes message)
{
    if (code != 0 && message.size == 0)
        message = bytes_string(kafka_error_text(code));
    table_error_named(t, code != 0 ? kafka_error_name(code) : NULL, message);
}
