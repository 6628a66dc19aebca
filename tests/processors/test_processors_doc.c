/* Runs the examples of docs/processors.md: a block of configuration, one of input records and one
 * of all output records, whose shown fields must agree. */
#include "processors/json/json.h"
#include "processors/time/civil_time.h"
#include "processors/topology/parameters.h"
#include "tests/harness/harness.h"
#include "tests/processors/support_task.h"

#include <stdio.h>
#include <stdlib.h>

static char *read_document(void)
{
    FILE *file = fopen(test_source_path("docs/processors.md"), "r");
    EXPECT(file != NULL);
    char *text = xcalloc(1, 1 << 20);
    EXPECT(fread(text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    return text;
}

/* The next fenced block in this language; NULL at the end. */
static char *next_block(const char **at, const char *language)
{
    char opening[32];
    snprintf(opening, sizeof opening, "```%s\n", language);
    size_t size = strlen(opening);
    if (strncmp(*at, opening, size) != 0)
        return NULL;
    const char *start = *at + size, *end = strstr(start, "```\n");
    EXPECT(end != NULL);
    *at = end + strlen("```\n");
    return xstrndup(start, (size_t)(end - start));
}

static struct bytes field(struct bytes object, const char *name)
{
    struct bytes value;
    return json_field(object, bytes_string(name), &value) ? value : BYTES_NULL;
}

static void append_canonical(struct buffer *out, struct bytes json, struct arena *arena)
{
    struct value v = json_value(json, arena);
    json_append_value(out, &v, arena);
}

/* The bytes of JSON text in a record: null, the text of a string, or the JSON itself. */
static char *plain(struct bytes json, struct arena *arena)
{
    struct value v = json_value(json, arena);
    if (v.type == VALUE_NULL)
        return NULL;
    return bytes_to_string(v.type == VALUE_STRING ? v.bytes : json);
}

static int64_t time_of(struct bytes json, struct arena *arena)
{
    struct value v = json_value(json, arena);
    int64_t ms;
    EXPECT(v.type == VALUE_STRING && rfc3339_parse(v.bytes, &ms));
    return ms;
}

static bool next_line(const char **at, struct bytes *line)
{
    size_t size = strcspn(*at, "\n"), position;
    if (size == 0)
        return false;
    *line = bytes_of(*at, size);
    *at += size + 1;
    if (json_check(*line, &position))
        test_fail(__FILE__, __LINE__, "not JSON: %.*s", BYTES_PRINTF(*line));
    return true;
}

static void put_line(struct world *w, struct bytes line, struct arena *arena)
{
    struct bytes key_json = field(line, "key");
    char *key = bytes_is_null(key_json) ? NULL : plain(key_json, arena);
    char *value = plain(field(line, "value"), arena);
    world_put(w, time_of(field(line, "timestamp"), arena), key, value);
    free(key);
    free(value);
}

/* Keys and values agree as JSON, or as text. */
static void expect_part(struct bytes line, const char *name, struct bytes actual,
                        struct arena *arena)
{
    struct bytes json = field(line, name);
    if (bytes_is_null(json))
        return;
    struct buffer expected, found;
    buffer_init(&expected, 1 << 20);
    buffer_init(&found, 1 << 20);
    struct value v = json_value(json, arena);
    size_t position;
    if (v.type == VALUE_NULL) {
        EXPECT(bytes_is_null(actual));
    } else if (v.type == VALUE_STRING) {
        EXPECT_BYTES(actual, v.bytes);
    } else {
        EXPECT(json_check(actual, &position) == NULL);
        append_canonical(&expected, json, arena);
        append_canonical(&found, actual, arena);
        EXPECT_BYTES(buffer_view(&found), buffer_view(&expected));
    }
    buffer_free(&expected);
    buffer_free(&found);
}

static void expect_headers(struct bytes line, const struct record *record, struct arena *arena)
{
    struct bytes headers = field(line, "headers"), name, value;
    for (size_t at = 0; !bytes_is_null(headers) && json_next(headers, &at, &name, &value);) {
        struct record_header header;
        if (!record_header_find(record, name, &header))
            test_fail(__FILE__, __LINE__, "no header %.*s", BYTES_PRINTF(name));
        EXPECT_BYTES(header.value, json_value(value, arena).bytes);
    }
}

/* The topic's next record that was not taken yet. */
static const struct record *take_output(struct world *w, bool *taken, struct bytes topic)
{
    for (size_t i = 0; i < w->output_count; i++) {
        if (!taken[i] && bytes_equal_string(topic, w->outputs[i].topic)) {
            taken[i] = true;
            return &w->outputs[i].record;
        }
    }
    return NULL;
}

static void expect_outputs(struct world *w, const char *lines, struct arena *arena)
{
    bool taken[WORLD_MAX_RECORDS] = {false};
    struct bytes line;
    size_t count = 0;
    for (; next_line(&lines, &line); count++) {
        struct bytes topic = json_value(field(line, "topic"), arena).bytes;
        const struct record *record = take_output(w, taken, topic);
        if (record == NULL)
            test_fail(__FILE__, __LINE__, "missing: %.*s", BYTES_PRINTF(line));
        if (!bytes_is_null(field(line, "timestamp")))
            EXPECT_INT(record->timestamp, time_of(field(line, "timestamp"), arena));
        expect_part(line, "key", record->key, arena);
        expect_part(line, "value", record->value, arena);
        expect_headers(line, record, arena);
    }
    if (count != w->output_count)
        test_fail(__FILE__, __LINE__, "more comes out:\n%s", world_dump(w));
}

static void run_example(const char *config, const char *input, const char *output)
{
    struct world w;
    struct arena arena;
    struct bytes line;
    arena_init(&arena, 1 << 20);
    world_init(&w, 1, config);
    w.wall_ms = INT64_C(1795179600000); /* 2026-11-20T13:00:00Z */
    while (next_line(&input, &line))
        put_line(&w, line, &arena);
    world_run(&w);
    expect_outputs(&w, output, &arena);
    world_free(&w);
    arena_free(&arena);
}

TEST(the_examples_of_the_documentation_give_the_shown_records)
{
    char *document = read_document();
    int examples = 0;
    for (const char *at = document; (at = strstr(at, "```ini\n")); examples++) {
        char *config = next_block(&at, "ini");
        char *input = next_block(&at, "jsonl"), *output = next_block(&at, "jsonl");
        EXPECT(config && input && output);
        run_example(config, input, output);
        free(config);
        free(input);
        free(output);
    }
    EXPECT(examples >= 7);
    free(document);
}

TEST(every_type_has_a_section_and_is_a_value_of_type)
{
    char *document = read_document();
    const char *row = strstr(document, "\n| `type` |");
    EXPECT(row != NULL);
    size_t row_size = strcspn(row + 1, "\n") + 1;
    for (size_t i = 0; processor_type_at(i); i++) {
        const char *type = processor_type_at(i)->name;
        char heading[64], name[64];
        snprintf(heading, sizeof heading, "\n## %s\n", type);
        snprintf(name, sizeof name, "`%s`", type);
        if (strstr(document, heading) == NULL || !memmem(row, row_size, name, strlen(name)))
            test_fail(__FILE__, __LINE__, "type %s is not in docs/processors.md", type);
    }
    free(document);
}

TEST(every_parameter_is_documented)
{
    char *document = read_document();
    for (size_t i = 0; parameter_at(i); i++) {
        char name[64];
        snprintf(name, sizeof name, "`%s`", parameter_name(parameter_at(i)));
        if (strstr(document, name) == NULL)
            test_fail(__FILE__, __LINE__, "%s is not in docs/processors.md", name);
    }
    for (size_t i = 0; i < DEAD_LETTER_CODE_COUNT; i++)
        EXPECT(strstr(document, dead_letter_code_name((enum dead_letter_code)i)) != NULL);
    free(document);
}
