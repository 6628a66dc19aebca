/* Golden bytes: the files in golden/ have the Java client's bytes for every version of every API,
 * with the values of the fields (capture.py makes them). Each test decodes a message, compares its
 * fields by a walk of our tables, encodes it again and compares the bytes. */
#include "protocol/messages.h"
#include "protocol/schema_table.h"
#include "tests/harness/harness.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_LINES = 1 << 12, MAX_TEXT = 1 << 20, MAX_MEMORY = 16 << 20 };

struct lines {
    const char *at[MAX_LINES];
    size_t count;
};

struct golden {
    const struct api_messages *api;
    int version;
    bool is_request;
    char variant[8];
    struct bytes wire;   /* in the arena */
    struct lines fields; /* "path=value" */
};

static FILE *open_golden(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "tests/protocol/golden/%s", name);
    FILE *file = fopen(test_source_path(path), "r");
    if (file == NULL)
        test_fail(__FILE__, __LINE__, "cannot open %s", path);
    return file;
}

static const struct api_messages *api_by_name(const char *name)
{
    for (size_t i = 0; i < api_messages_count(); i++)
        if (strcmp(api_messages_at(i)->name, name) == 0)
            return api_messages_at(i);
    test_fail(__FILE__, __LINE__, "golden bytes of an API that is not described: %s", name);
}

static struct bytes parse_hex(const char *hex, struct arena *arena)
{
    size_t size = strspn(hex, "0123456789abcdef") / 2;
    uint8_t *data = arena_alloc(arena, size);
    for (size_t i = 0; i < size; i++) {
        const char pair[] = {hex[2 * i], hex[2 * i + 1], 0};
        data[i] = (uint8_t)strtol(pair, NULL, 16);
    }
    return bytes_of(data, size);
}

/* "== NAME VERSION request|response full|empty HEX", or "-" for no bytes */
static void parse_head(const char *line, struct golden *g, struct arena *arena)
{
    char name[64], direction[16];
    int hex_at = 0;
    int fields =
        sscanf(line, "== %63s %d %15s %7s %n", name, &g->version, direction, g->variant, &hex_at);
    EXPECT_INT(fields, 4);
    g->api = api_by_name(name);
    g->is_request = strcmp(direction, "request") == 0;
    g->wire = parse_hex(line + hex_at, arena);
    g->fields.count = 0;
}

/* The walk: it prints a line for every field of the version. */

struct printer {
    int version;
    struct arena *arena;
    struct lines *lines;
};

static void print_struct(struct printer *p, const struct schema *schema, const uint8_t *in,
                         const char *path);

static void print_line(struct printer *p, const char *path, const char *value)
{
    EXPECT(p->lines->count < MAX_LINES);
    p->lines->at[p->lines->count++] = arena_printf(p->arena, "%s=%s", path, value);
}

static const char *hex(struct printer *p, struct bytes b)
{
    if (bytes_is_null(b))
        return "null";
    char *text = arena_alloc(p->arena, b.size * 2 + 1);
    for (size_t i = 0; i < b.size; i++)
        snprintf(text + 2 * i, 3, "%02x", b.data[i]);
    return text;
}

static const char *number(struct printer *p, int64_t v)
{
    return arena_printf(p->arena, "%" PRId64, v);
}

static const char *scalar(struct printer *p, const struct schema_field *f, const void *at)
{
    const struct bytes *b = at;
    switch ((enum field_type)f->type) {
    case FIELD_BOOL:
        return *(const bool *)at ? "true" : "false";
    case FIELD_INT8:
        return number(p, *(const int8_t *)at);
    case FIELD_INT16:
        return number(p, *(const int16_t *)at);
    case FIELD_INT32:
        return number(p, *(const int32_t *)at);
    case FIELD_INT64:
        return number(p, *(const int64_t *)at);
    case FIELD_UUID:
        return hex(p, bytes_of(at, sizeof(struct uuid)));
    case FIELD_STRING:
        return bytes_is_null(*b) ? "null" : arena_printf(p->arena, "%.*s", BYTES_PRINTF(*b));
    case FIELD_BYTES:
        return hex(p, *b);
    case FIELD_RECORDS:
        return hex(p, ((const struct records *)at)->bytes);
    case FIELD_FLOAT64: /* a number of quarters */
        return arena_printf(p->arena, "%.2f", *(const double *)at);
    case FIELD_STRUCT:
        break;
    }
    test_fail(__FILE__, __LINE__, "no text for the type of %s", f->name);
}

static void print_value(struct printer *p, const struct schema_field *f, const uint8_t *at,
                        const char *path)
{
    if (f->type == FIELD_STRUCT)
        print_struct(p, f->element, at, arena_printf(p->arena, "%s.", path));
    else
        print_line(p, path, scalar(p, f, at));
}

static void print_array(struct printer *p, const struct schema_field *f, const uint8_t *in,
                        const char *path)
{
    int32_t count = *(const int32_t *)(const void *)(in + f->count_offset);
    const uint8_t *elements = *(uint8_t *const *)(const void *)(in + f->offset);
    print_line(p, path, count < 0 ? "null" : arena_printf(p->arena, "[%d]", count));
    for (int32_t i = 0; i < count; i++)
        print_value(p, f, elements + (size_t)i * schema_type_size(f),
                    arena_printf(p->arena, "%s[%d]", path, i));
}

static void print_struct(struct printer *p, const struct schema *schema, const uint8_t *in,
                         const char *path)
{
    for (unsigned i = 0; i < (unsigned)schema->plain_count + schema->tagged_count; i++) {
        const struct schema_field *f = &schema->fields[i];
        if (p->version < f->first_version || p->version > f->last_version)
            continue;
        if (f->tag >= 0 && schema_field_is_default(f, in))
            continue; /* not on the wire */
        const char *name = arena_printf(p->arena, "%s%s", path, f->name);
        if (f->is_array)
            print_array(p, f, in, name);
        else
            print_value(p, f, in + f->offset, name);
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void expect_same_lines(const char *what, struct lines *actual, struct lines *expected)
{
    qsort(actual->at, actual->count, sizeof *actual->at, by_text);
    qsort(expected->at, expected->count, sizeof *expected->at, by_text);
    for (size_t i = 0; i < MIN(actual->count, expected->count); i++)
        if (strcmp(actual->at[i], expected->at[i]) != 0)
            test_fail(__FILE__, __LINE__, "%s: got %s, expected %s", what, actual->at[i],
                      expected->at[i]);
    if (actual->count != expected->count)
        test_fail(__FILE__, __LINE__, "%s: %zu fields, expected %zu", what, actual->count,
                  expected->count);
}

static void check(struct golden *g, struct arena *arena)
{
    const struct schema *schema = g->is_request ? g->api->request : g->api->response;
    const char *what =
        arena_printf(arena, "%s version %d %s", schema->name, g->version, g->variant);
    void *message = arena_alloc(arena, schema_size(schema));
    struct reader r = reader_of(g->wire);
    if (schema_decode(schema, g->version, &r, arena, message) != ERR_OK || reader_left(&r) != 0)
        test_fail(__FILE__, __LINE__, "%s: not decoded, %zu bytes left", what, reader_left(&r));

    static struct lines lines;
    lines.count = 0;
    print_struct(&(struct printer){g->version, arena, &lines}, schema, message, "");
    expect_same_lines(what, &lines, &g->fields);

    struct buffer out;
    buffer_init(&out, MAX_TEXT);
    struct writer w;
    writer_init(&w, &out);
    EXPECT_INT(schema_encode(schema, g->version, message, &w), ERR_OK);
    test_expect_bytes(__FILE__, __LINE__, what, buffer_view(&out), g->wire);
    buffer_free(&out);
}

/* Marks every (version, direction, variant) that the file has. */
static void check_file(const char *name, uint8_t seen[][2][2])
{
    static char line[MAX_TEXT];
    static struct golden g;
    struct arena arena;
    arena_init(&arena, MAX_MEMORY);
    FILE *file = open_golden(name);
    g.api = NULL;
    bool more;
    do {
        more = fgets(line, sizeof line, file) != NULL;
        if (g.api != NULL && (!more || strncmp(line, "== ", 3) == 0)) {
            check(&g, &arena);
            seen[g.version][g.is_request][g.variant[0] == 'f'] = 1;
            g.api = NULL;
            arena_reset(&arena);
        }
        if (!more)
            break;
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "== ", 3) == 0) {
            parse_head(line, &g, &arena);
        } else {
            EXPECT(g.fields.count < MAX_LINES);
            g.fields.at[g.fields.count++] = arena_printf(&arena, "%s", line);
        }
    } while (more);
    fclose(file);
    arena_free(&arena);
}

/* "OffsetFetch" -> "offset_fetch.txt" */
static void file_name(const char *api, char *out)
{
    for (const char *c = api; *c; c++) {
        if (*c >= 'A' && *c <= 'Z' && c > api)
            *out++ = '_';
        *out++ = (char)(*c | 0x20);
    }
    strcpy(out, ".txt");
}

TEST(every_version_of_every_api_matches_the_java_client)
{
    for (size_t i = 0; i < api_messages_count(); i++) {
        const struct api_messages *api = api_messages_at(i);
        uint8_t seen[INT8_MAX + 1][2][2] = {{{0}}};
        char name[64];
        file_name(api->name, name);
        check_file(name, seen);
        for (int version = api->min_version; version <= api->max_version; version++)
            for (int which = 0; which < 4; which++)
                if (!seen[version][which / 2][which % 2])
                    test_fail(__FILE__, __LINE__, "no golden bytes: %s version %d", api->name,
                              version);
    }
}

static void check_headers(const char *line, struct arena *arena)
{
    char name[64], request[128], response[64];
    int version;
    EXPECT_INT(sscanf(line, "== headers %63s %d %127s %63s", name, &version, request, response), 4);
    const struct api_messages *api = api_by_name(name);
    struct bytes wire = parse_hex(request, arena);
    struct reader r = reader_of(wire);
    struct request_header header = read_request_header(&r);
    EXPECT(!r.failed && reader_left(&r) == 0);
    EXPECT_INT(header.api_key, api->key);
    EXPECT_INT(header.api_version, version);
    EXPECT_INT(header.correlation_id, 77);
    EXPECT_BYTES(header.client_id, BYTES_LITERAL("client-7"));

    struct buffer out;
    buffer_init(&out, MAX_TEXT);
    struct writer w;
    writer_init(&w, &out);
    write_request_header(&w, &header);
    test_expect_bytes(__FILE__, __LINE__, line, buffer_view(&out), wire);
    buffer_clear(&out);
    write_response_header(&w, api->key, (int16_t)version, 77);
    test_expect_bytes(__FILE__, __LINE__, line, buffer_view(&out), parse_hex(response, arena));
    buffer_free(&out);
}

TEST(the_headers_of_every_version_match_the_java_client)
{
    struct arena arena;
    arena_init(&arena, MAX_MEMORY);
    FILE *file = open_golden("headers.txt");
    char line[512];
    size_t count = 0, expected = 0;
    while (fgets(line, sizeof line, file)) {
        check_headers(line, &arena);
        count++;
    }
    fclose(file);
    arena_free(&arena);
    for (size_t i = 0; i < api_messages_count(); i++)
        expected += (size_t)(api_messages_at(i)->max_version - api_messages_at(i)->min_version + 1);
    EXPECT_INT(count, expected);
}
