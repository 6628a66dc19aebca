#include "base/settings.h"

#include "base/suggest.h"
#include "base/units.h"

#include <float.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

const struct setting *setting_find(const struct setting *table, struct bytes key)
{
    for (; table->key; table++) {
        if (bytes_equal_string(key, table->key))
            return table;
    }
    return NULL;
}

const char *setting_suggest(const struct setting *table, struct bytes key)
{
    size_t best = 3;
    const char *nearest = NULL;
    for (; table->key; table++) {
        size_t distance = edit_distance(key, bytes_string(table->key), 2);
        if (distance < best) {
            best = distance;
            nearest = table->key;
        }
    }
    return nearest;
}

static bool ends_with(const char *key, const char *end)
{
    size_t a = strlen(key), b = strlen(end);
    return a >= b && strcmp(key + a - b, end) == 0;
}

/* Milliseconds in one unit of a duration key: log.retention.hours counts hours. */
static int64_t duration_unit_ms(const struct setting *row)
{
    if (ends_with(row->key, ".hours"))
        return 3600000;
    if (ends_with(row->key, ".minutes"))
        return 60000;
    if (ends_with(row->key, ".seconds"))
        return 1000;
    return 1;
}

static bool parse_duration_in_unit(const struct setting *row, struct bytes text, int64_t *out)
{
    if (parse_i64(text, out))
        return true;
    if (!parse_duration_ms(text, out))
        return false;
    *out /= duration_unit_ms(row);
    return true;
}

static bool parse_number(const struct setting *row, struct bytes text, int64_t *out)
{
    switch (row->type) {
    case SETTING_SIZE:
        return parse_size_bytes(text, out);
    case SETTING_DURATION:
        return parse_duration_in_unit(row, text, out);
    default:
        return parse_i64(text, out);
    }
}

static enum error refuse(struct message *message, const char *allowed)
{
    message_set(message, "%s", allowed);
    return ERR_INVALID;
}

static enum error set_number(const struct setting *row, void *values, struct bytes text,
                             struct message *message)
{
    static const char *const kinds[] = {[SETTING_INT] = "Not a number",
                                        [SETTING_SIZE] = "Not a size (1048576, 64KiB, 1GiB)",
                                        [SETTING_DURATION] = "Not a duration (60000, 10s, 7d)"};
    int64_t v;
    if (!parse_number(row, text, &v))
        return refuse(message, kinds[row->type]);
    if (v < row->minimum || v > row->maximum) {
        char allowed[96];
        if (v < row->minimum)
            snprintf(allowed, sizeof allowed, "Value must be at least %" PRId64, row->minimum);
        else
            snprintf(allowed, sizeof allowed, "Value must be no more than %" PRId64, row->maximum);
        return refuse(message, allowed);
    }
    if (values)
        memcpy((char *)values + row->field, &v, sizeof v);
    return ERR_OK;
}

static enum error set_double(const struct setting *row, void *values, struct bytes text,
                             struct message *message)
{
    char copy[64], *end;
    if (text.size == 0 || text.size >= sizeof copy)
        return refuse(message, "Not a number");
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    double v = strtod(copy, &end);
    bool unlimited = row->maximum == INT64_MAX;
    double most = unlimited ? DBL_MAX : (double)row->maximum;
    if (*end != '\0' || !(v >= (double)row->minimum && v <= most)) {
        char allowed[96];
        snprintf(allowed, sizeof allowed, "Must be a number from %" PRId64, row->minimum);
        if (!unlimited)
            snprintf(allowed + strlen(allowed), sizeof allowed - strlen(allowed), " to %" PRId64,
                     row->maximum);
        return refuse(message, allowed);
    }
    if (values)
        memcpy((char *)values + row->field, &v, sizeof v);
    return ERR_OK;
}

static enum error refuse_choice(const struct setting *row, struct message *message)
{
    struct buffer allowed;
    buffer_init(&allowed, 512);
    buffer_append_string(&allowed, "String must be one of: ");
    for (const char *const *c = row->choices; *c; c++)
        buffer_printf(&allowed, "%s%s", c == row->choices ? "" : ", ", *c);
    enum error error = refuse(message, buffer_c_string(&allowed));
    buffer_free(&allowed);
    return error;
}

static int choice_index(const struct setting *row, struct bytes text)
{
    for (int i = 0; row->choices[i]; i++) {
        if (bytes_equal_string(text, row->choices[i]))
            return i;
    }
    return -1;
}

static enum error set_enum(const struct setting *row, void *values, struct bytes text,
                           struct message *message)
{
    int64_t v = choice_index(row, text);
    if (v < 0)
        return refuse_choice(row, message);
    if (values)
        memcpy((char *)values + row->field, &v, sizeof v);
    return ERR_OK;
}

static enum error set_bool(const struct setting *row, void *values, struct bytes text,
                           struct message *message)
{
    bool v = text.size == 4 && strncasecmp((const char *)text.data, "true", 4) == 0;
    if (!v && !(text.size == 5 && strncasecmp((const char *)text.data, "false", 5) == 0))
        return refuse(message, "Expected value to be either true or false");
    if (values)
        memcpy((char *)values + row->field, &v, sizeof v);
    return ERR_OK;
}

struct bytes setting_list_next(struct bytes list, size_t *at)
{
    while (*at < list.size && (list.data[*at] == ',' || list.data[*at] == ' '))
        ++*at;
    size_t start = *at;
    while (*at < list.size && list.data[*at] != ',')
        ++*at;
    size_t end = *at;
    while (end > start && list.data[end - 1] == ' ')
        end--;
    return end > start ? bytes_of(list.data + start, end - start) : BYTES_NULL;
}

static enum error set_text(const struct setting *row, void *values, struct bytes text,
                           struct message *message)
{
    if (row->type == SETTING_LIST && row->choices) {
        size_t at = 0;
        for (struct bytes item; !bytes_is_null(item = setting_list_next(text, &at));) {
            if (choice_index(row, item) < 0)
                return refuse_choice(row, message);
        }
    }
    if (memchr(text.size ? text.data : (const uint8_t *)"", 0, text.size))
        return refuse(message, "may not contain a zero byte");
    if ((int64_t)text.size < row->minimum)
        return refuse(message, "may not be empty");
    if (values) {
        char **field = (char **)(void *)((char *)values + row->field);
        free(*field);
        *field = xstrndup(text.size ? (const char *)text.data : "", text.size);
    }
    return ERR_OK;
}

enum error setting_parse(const struct setting *row, void *values, struct bytes text,
                         struct message *message)
{
    switch (row->type) {
    case SETTING_INT:
    case SETTING_SIZE:
    case SETTING_DURATION:
        return set_number(row, values, text, message);
    case SETTING_DOUBLE:
        return set_double(row, values, text, message);
    case SETTING_ENUM:
        return set_enum(row, values, text, message);
    case SETTING_BOOL:
        return set_bool(row, values, text, message);
    case SETTING_STRING:
    case SETTING_LIST:
        return set_text(row, values, text, message);
    case SETTING_IGNORED:
        break;
    }
    return ERR_OK;
}

enum error setting_set(const struct setting *row, void *values, struct bytes text,
                       struct message *message)
{
    struct message allowed = {""};
    enum error error = setting_parse(row, values, text, &allowed);
    if (error)
        message_set(message, "Invalid value %.*s for configuration %s: %s", BYTES_PRINTF(text),
                    row->key, allowed.text);
    return error;
}

void settings_defaults(const struct setting *table, void *values)
{
    for (; table->key; table++) {
        struct message message = {""};
        enum error error = setting_set(table, values, bytes_string(table->initial), &message);
        ASSERT(error == ERR_OK); /* the table's own defaults are within its own ranges */
    }
}

/* The field of a row that has text; NULL for other rows. */
static char **text_field(const struct setting *row, void *values)
{
    if (row->type != SETTING_STRING && row->type != SETTING_LIST)
        return NULL;
    return (char **)(void *)((char *)values + row->field);
}

void settings_free(const struct setting *table, void *values)
{
    for (; table->key; table++) {
        char **field = text_field(table, values);
        if (field == NULL)
            continue;
        free(*field);
        *field = NULL;
    }
}

void settings_copy_text(const struct setting *table, void *values)
{
    for (; table->key; table++) {
        char **field = text_field(table, values);
        if (field)
            *field = xstrdup(*field);
    }
}

void setting_format(const struct setting *row, const void *values, struct buffer *out)
{
    const char *field = (const char *)values + row->field;
    if (row->secret) {
        buffer_append_string(out, "***");
        return;
    }
    switch (row->type) {
    case SETTING_INT:
    case SETTING_SIZE:
    case SETTING_DURATION:
        buffer_printf(out, "%" PRId64, *(const int64_t *)(const void *)field);
        break;
    case SETTING_DOUBLE:
        buffer_printf(out, "%g", *(const double *)(const void *)field);
        break;
    case SETTING_ENUM:
        buffer_append_string(out, row->choices[*(const int64_t *)(const void *)field]);
        break;
    case SETTING_BOOL:
        buffer_append_string(out, *(const bool *)field ? "true" : "false");
        break;
    case SETTING_STRING:
    case SETTING_LIST:
        buffer_append_string(out, *(char *const *)(const void *)field);
        break;
    case SETTING_IGNORED:
        break;
    }
}
