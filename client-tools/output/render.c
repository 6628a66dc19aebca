/* The three ways to show a document. Text is aligned and short and may change; JSON and TSV carry
 * every column, exact. */
#include "base/trace.h"
#include "base/units.h"
#include "client-tools/failure.h"
#include "client-tools/output/json_text.h"
#include "client-tools/output/output.h"

#include <ctype.h>
#include <inttypes.h>

static void append_exact(struct buffer *out, const struct column *c, const struct cell *cell)
{
    char time[40];
    switch (c->type) {
    case CELL_TEXT:
    case CELL_LONG:
    case CELL_INTS:
    case CELL_ERROR:
        buffer_append_bytes(out, cell->text);
        break;
    case CELL_TIME:
        format_rfc3339(cell->integer, time);
        buffer_append_string(out, time);
        break;
    case CELL_BOOL:
        buffer_append_string(out, cell->integer ? "true" : "false");
        break;
    case CELL_INT:
    case CELL_COUNT:
    case CELL_SIZE:
    case CELL_DURATION:
        buffer_printf(out, "%" PRId64, cell->integer);
        break;
    }
}

static void append_json_cell(struct buffer *out, const struct column *c, const struct cell *cell)
{
    bool quoted = c->type == CELL_TEXT || c->type == CELL_LONG || c->type == CELL_ERROR;
    if (cell->null) {
        buffer_append_string(out, "null");
    } else if (quoted) {
        append_json_text(out, cell->text);
    } else {
        const char *open = c->type == CELL_INTS ? "[" : c->type == CELL_TIME ? "\"" : "";
        const char *close = c->type == CELL_INTS ? "]" : c->type == CELL_TIME ? "\"" : "";
        buffer_append_string(out, open);
        append_exact(out, c, cell);
        buffer_append_string(out, close);
    }
}

static void append_json_table(struct buffer *out, const struct table *t)
{
    buffer_printf(out, ",\"%s\":[", t->name);
    for (size_t r = 0; r < t->row_count; r++) {
        buffer_append_string(out, r ? ",{" : "{");
        for (size_t i = 0; i < t->column_count; i++) {
            buffer_printf(out, "%s\"%s\":", i ? "," : "", t->columns[i].name);
            append_json_cell(out, &t->columns[i], &t->cells[r * t->column_count + i]);
        }
        buffer_append_u8(out, '}');
    }
    buffer_append_u8(out, ']');
}

static void append_json_message(struct buffer *out, const char *name, const char *text)
{
    if (text[0] == '\0')
        return;
    buffer_printf(out, ",\"%s\":", name);
    append_json_text(out, bytes_string(text));
}

static void render_json(const struct document *d, const struct failure *failure, struct buffer *out)
{
    buffer_printf(out, "{\"command\":\"%s\",\"version\":1", d->command);
    for (size_t i = 0; i < d->field_count; i++) {
        buffer_printf(out, ",\"%s\":", d->fields[i].column.name);
        append_json_cell(out, &d->fields[i].column, &d->fields[i].cell);
    }
    for (size_t i = 0; i < d->table_count; i++)
        append_json_table(out, &d->tables[i]);
    if (failure) {
        append_json_message(out, "error", failure->name);
        append_json_message(out, "message", failure->message.text);
        append_json_message(out, "from", failure->from.text);
        append_json_message(out, "hint", failure->hint.text);
    }
    buffer_append_string(out, "}\n");
}

/* Replaces tabs and line ends inside a cell, which would break the row. */
static void clean_from(struct buffer *out, size_t start)
{
    for (size_t i = start; i < out->size; i++) {
        if (out->data[i] < ' ' || out->data[i] == 0x7f)
            out->data[i] = ' ';
    }
}

static bool is_empty(const struct column *c, const struct cell *cell)
{
    return cell->null || (cell->text.size == 0 &&
                          (c->type == CELL_TEXT || c->type == CELL_LONG || c->type == CELL_INTS));
}

static void render_tsv(const struct document *d, struct buffer *out)
{
    if (d->table_count == 0) { /* a document of fields only: one row of them */
        for (size_t i = 0; i < d->field_count; i++) {
            size_t start = out->size;
            if (is_empty(&d->fields[i].column, &d->fields[i].cell))
                buffer_append_u8(out, '-');
            append_exact(out, &d->fields[i].column, &d->fields[i].cell);
            clean_from(out, start);
            buffer_append_u8(out, i + 1 < d->field_count ? '\t' : '\n');
        }
        return;
    }
    const struct table *t = &d->tables[d->main_table];
    for (size_t r = 0; r < t->row_count; r++) {
        for (size_t i = 0; i < t->column_count; i++) {
            const struct cell *cell = &t->cells[r * t->column_count + i];
            size_t start = out->size;
            if (is_empty(&t->columns[i], cell))
                buffer_append_u8(out, '-');
            else
                append_exact(out, &t->columns[i], cell);
            clean_from(out, start);
            buffer_append_u8(out, i + 1 < t->column_count ? '\t' : '\n');
        }
    }
}

static void render_tsv_header(const struct document *d, struct buffer *out)
{
    if (d->table_count == 0) {
        for (size_t i = 0; i < d->field_count; i++)
            buffer_printf(out, "%s%s", i ? "\t" : "", d->fields[i].column.name);
    } else {
        const struct table *t = &d->tables[d->main_table];
        for (size_t i = 0; i < t->column_count; i++)
            buffer_printf(out, "%s%s", i ? "\t" : "", t->columns[i].name);
    }
    buffer_append_u8(out, '\n');
}

static bool ends_with(const char *text, size_t size, const char *end)
{
    size_t length = strlen(end);
    return size > length && memcmp(text + size - length, end, length) == 0;
}

/* "committed_offset" becomes "COMMITTED-OFFSET", without a unit that the cells show. */
static void append_title(struct buffer *out, const struct column *c)
{
    if (c->type == CELL_ERROR) {
        buffer_append_string(out, "STATUS");
        return;
    }
    size_t size = strlen(c->name);
    if (c->type == CELL_SIZE && ends_with(c->name, size, "_bytes"))
        size -= strlen("_bytes");
    if (c->type == CELL_DURATION && ends_with(c->name, size, "_ms"))
        size -= strlen("_ms");
    for (size_t i = 0; i < size; i++)
        buffer_append_u8(out, c->name[i] == '_' ? '-' : (uint8_t)toupper(c->name[i]));
}

static void append_text_cell(struct buffer *out, const struct column *c, const struct cell *cell,
                             bool wide)
{
    char text[UNITS_TEXT_SIZE];
    if (cell->null)
        buffer_append_string(out, c->type == CELL_ERROR ? "OK" : "-");
    else if (is_empty(c, cell))
        buffer_append_u8(out, '-');
    else if (c->type == CELL_COUNT && !wide)
        buffer_append_string(out, format_count_short(cell->integer, text));
    else if (c->type == CELL_SIZE && !wide)
        buffer_append_string(out, format_size_short(cell->integer, text));
    else if (c->type == CELL_DURATION)
        buffer_append_string(out, format_duration(cell->integer, text));
    else
        append_exact(out, c, cell);
}

static size_t display_width(const struct buffer *out, size_t start)
{
    size_t width = 0;
    for (size_t i = start; i < out->size; i++)
        width += (out->data[i] & 0xc0) != 0x80;
    return width;
}

static bool is_number(enum cell_type type)
{
    return type == CELL_INT || type == CELL_COUNT || type == CELL_SIZE || type == CELL_DURATION;
}

/* Leaves out a message column without any message, but never an error. */
static bool is_shown(const struct table *t, size_t column, bool wide)
{
    bool of_error = t->columns[column].type == CELL_ERROR ||
                    (column > 0 && t->columns[column - 1].type == CELL_ERROR);
    if (t->columns[column].wide && !wide && !(of_error && t->errors > 0))
        return false;
    if (t->columns[column].type == CELL_ERROR && t->planned && t->errors == 0)
        return false;
    if (strcmp(t->columns[column].name, "message") != 0)
        return true;
    for (size_t r = 0; r < t->row_count; r++) {
        if (!t->cells[r * t->column_count + column].null)
            return true;
    }
    return false;
}

static void append_padded(struct buffer *out, size_t start, size_t width, bool right, bool last)
{
    clean_from(out, start);
    size_t own = display_width(out, start), missing = width > own ? width - own : 0;
    if (right && missing > 0) {
        size_t size = out->size - start;
        if (buffer_extend(out, missing) == NULL)
            return;
        memmove(out->data + start + missing, out->data + start, size);
        memset(out->data + start, ' ', missing);
    } else if (!last) {
        for (; missing > 0; missing--)
            buffer_append_u8(out, ' ');
    }
}

/* Cuts the cell that begins at `start` to the width; dots mark the cut. */
static void cut(struct buffer *out, size_t start, size_t width)
{
    static const char dots[] = "...";
    if (display_width(out, start) <= width)
        return;
    size_t end = start;
    for (size_t left = width - strlen(dots); left > 0; left--) {
        end++;
        while (end < out->size && (out->data[end] & 0xc0) == 0x80)
            end++;
    }
    out->size = end;
    buffer_append_string(out, dots);
}

/* One line of a table; row SIZE_MAX is the titles. */
static void append_text_row(struct buffer *out, const struct table *t, size_t row,
                            const size_t *widths, size_t last, bool wide)
{
    for (size_t i = 0; i <= last; i++) {
        if (widths[i] == 0)
            continue;
        size_t start = out->size;
        if (row == SIZE_MAX)
            append_title(out, &t->columns[i]);
        else
            append_text_cell(out, &t->columns[i], &t->cells[row * t->column_count + i], wide);
        if (t->columns[i].type == CELL_LONG)
            cut(out, start, widths[i]);
        append_padded(out, start, widths[i], is_number(t->columns[i].type), i == last);
        buffer_append_string(out, i == last ? "\n" : "  ");
    }
}

/* Narrows a column of long text until the line fits, but keeps it readable. */
static void fit(const struct table *t, size_t *widths)
{
    enum { LINE = 80, GAP = 2, NARROWEST = 20 };
    size_t line = 0, longest = SIZE_MAX;
    for (size_t i = 0; i < t->column_count; i++) {
        line += widths[i] ? widths[i] + (line ? GAP : 0) : 0;
        if (t->columns[i].type == CELL_LONG)
            longest = i;
    }
    if (line <= LINE || longest == SIZE_MAX || widths[longest] <= NARROWEST)
        return;
    size_t room = widths[longest] - MIN(widths[longest], line - LINE);
    widths[longest] = MAX(room, (size_t)NARROWEST);
}

static void render_text_table(const struct table *t, bool wide, bool color, struct buffer *out)
{
    enum { MAX_COLUMNS = 32 };
    size_t widths[MAX_COLUMNS] = {0}, last = 0;
    ASSERT(t->column_count <= MAX_COLUMNS);
    struct buffer cell;
    buffer_init(&cell, 1 << 20);
    for (size_t i = 0; i < t->column_count; i++) {
        if (!is_shown(t, i, wide))
            continue;
        last = i;
        append_title(&cell, &t->columns[i]);
        widths[i] = cell.size;
        buffer_clear(&cell);
        for (size_t r = 0; r < t->row_count; r++) {
            append_text_cell(&cell, &t->columns[i], &t->cells[r * t->column_count + i], wide);
            widths[i] = MAX(widths[i], display_width(&cell, 0));
            buffer_clear(&cell);
        }
    }
    buffer_free(&cell);
    if (!wide && t->errors == 0) /* the reason of an error is never cut */
        fit(t, widths);
    if (color)
        buffer_append_string(out, "\033[1m");
    append_text_row(out, t, SIZE_MAX, widths, last, wide);
    if (color)
        buffer_append_string(out, "\033[0m");
    for (size_t r = 0; r < t->row_count; r++)
        append_text_row(out, t, r, widths, last, wide);
}

static void render_text(const struct document *d, bool wide, bool color, struct buffer *out)
{
    size_t width = 0;
    for (size_t i = 0; i < d->field_count; i++)
        width = MAX(width, strlen(d->fields[i].column.name));
    for (size_t i = 0; i < d->field_count; i++) {
        size_t start = out->size;
        append_title(out, &d->fields[i].column);
        append_padded(out, start, width + 2, false, false);
        append_text_cell(out, &d->fields[i].column, &d->fields[i].cell, wide);
        buffer_append_u8(out, '\n');
    }
    bool any = d->field_count > 0;
    for (size_t i = 0; i < d->table_count; i++) {
        if (d->tables[i].row_count == 0)
            continue;
        if (any)
            buffer_append_u8(out, '\n');
        render_text_table(&d->tables[i], wide, color, out);
        any = true;
    }
}

void document_render(const struct document *d, const struct failure *failure,
                     enum output_format format, bool color, struct buffer *out)
{
    if (format == OUTPUT_JSON)
        render_json(d, failure, out);
    else if (format == OUTPUT_TSV)
        render_tsv(d, out);
    else if (format == OUTPUT_TSV_HEADER)
        render_tsv_header(d, out);
    else
        render_text(d, format == OUTPUT_WIDE, color, out);
}
