#include "base/properties.h"
#include "base/settings.h"
#include "tests/harness/harness.h"

#include <stdlib.h>

struct sample {
    int64_t size, age_ms, age_hours, kind;
    bool on;
    double ratio;
    char *name, *policies;
};

static const char *const kinds[] = {"plain", "fancy", NULL};
static const char *const policies[] = {"delete", "compact", NULL};

static const struct setting table[] = {
    {"size.bytes", SETTING_SIZE, offsetof(struct sample, size), 1, 1 << 20, "1024",
     .sentence = "s"},
    {"age.ms", SETTING_DURATION, offsetof(struct sample, age_ms), -1, INT64_MAX, "1000",
     .sentence = "s"},
    {"age.hours", SETTING_DURATION, offsetof(struct sample, age_hours), 0, 1000, "1",
     .sentence = "s"},
    {"kind", SETTING_ENUM, offsetof(struct sample, kind), 0, 0, "plain", kinds, .sentence = "s"},
    {"on", SETTING_BOOL, offsetof(struct sample, on), 0, 0, "true", .sentence = "s"},
    {"ratio", SETTING_DOUBLE, offsetof(struct sample, ratio), 0, 1, "0.5", .sentence = "s"},
    {"name", SETTING_STRING, offsetof(struct sample, name), 0, 0, "", .sentence = "s"},
    {"policies", SETTING_LIST, offsetof(struct sample, policies), 0, 0, "delete", policies,
     .sentence = "s"},
    {0},
};

static struct message message;

static enum error set(struct sample *s, const char *key, const char *value)
{
    message.text[0] = '\0';
    return setting_set(setting_find(table, bytes_string(key)), s, bytes_string(value), &message);
}

TEST(settings_take_plain_numbers_and_units_and_report_base_units)
{
    struct sample s = {0};
    settings_defaults(table, &s);
    EXPECT_INT(s.size, 1024);
    EXPECT(set(&s, "size.bytes", "64KiB") == ERR_OK);
    EXPECT_INT(s.size, 65536);
    EXPECT(set(&s, "age.ms", "7d") == ERR_OK);
    EXPECT_INT(s.age_ms, 604800000);
    EXPECT(set(&s, "age.hours", "7d") == ERR_OK);
    EXPECT_INT(s.age_hours, 168);
    EXPECT(set(&s, "policies", "compact, delete") == ERR_OK);
    struct buffer out;
    buffer_init(&out, 100);
    setting_format(setting_find(table, BYTES_LITERAL("age.ms")), &s, &out);
    EXPECT_STRING(buffer_c_string(&out), "604800000");
    buffer_free(&out);
    settings_free(table, &s);
}

TEST(settings_refuse_bad_values_with_key_value_and_what_is_allowed)
{
    static const struct {
        const char *key, *value, *says;
    } cases[] = {
        {"size.bytes", "0",
         "Invalid value 0 for configuration size.bytes: Value must be at least 1"},
        {"size.bytes", "2MiB",
         "Invalid value 2MiB for configuration size.bytes: Value must be no more than 1048576"},
        {"size.bytes", "much",
         "Invalid value much for configuration size.bytes: Not a size (1048576, 64KiB, 1GiB)"},
        {"kind", "odd",
         "Invalid value odd for configuration kind: String must be one of: plain, fancy"},
        {"on", "yes",
         "Invalid value yes for configuration on: Expected value to be either true or false"},
        {"ratio", "1.5", "Invalid value 1.5 for configuration ratio: Must be a number from 0 to 1"},
        {"policies", "delete,shred",
         "Invalid value delete,shred for configuration policies: String must be one of: delete, "
         "compact"},
    };
    struct sample s = {0};
    settings_defaults(table, &s);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        EXPECT(set(&s, cases[i].key, cases[i].value) == ERR_INVALID);
        EXPECT_STRING(message.text, cases[i].says);
    }
    EXPECT_INT(s.size, 1024);
    settings_free(table, &s);
}

TEST(a_number_without_an_upper_limit_may_be_as_large_as_a_double)
{
    double value = 0;
    static const struct setting row = {"rate", SETTING_DOUBLE, 0, 1, INT64_MAX,
                                       "1",    .sentence = "s"};
    EXPECT_INT(setting_set(&row, &value, BYTES_LITERAL("1.7976931348623157E308"), &message),
               ERR_OK);
    EXPECT(value > 1e308);
    EXPECT_INT(setting_set(&row, &value, BYTES_LITERAL("inf"), &message), ERR_INVALID);
    EXPECT_INT(setting_set(&row, &value, BYTES_LITERAL("0.5"), &message), ERR_INVALID);
    EXPECT_STRING(message.text,
                  "Invalid value 0.5 for configuration rate: Must be a number from 1");
}

TEST(an_unknown_key_gets_the_nearest_known_one)
{
    EXPECT_STRING(setting_suggest(table, BYTES_LITERAL("size.byte")), "size.bytes");
    EXPECT(setting_suggest(table, BYTES_LITERAL("something.else")) == NULL);
}

TEST(properties_join_continued_lines_and_keep_values_raw)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct bytes text = BYTES_LITERAL("# comment\n"
                                      "a = 1\n"
                                      "\n"
                                      "[orders/check]\n"
                                      "where = value.x == 'a = b' && \\\n"
                                      "    matches(value.y, '\\d+') # kept\n"
                                      "b=caf\\u00e9 \\\\ end\r\n");
    static const struct {
        const char *section, *key, *value;
        int line;
    } expected[] = {
        {NULL, "a", "1", 2},
        {"orders/check", "where", "value.x == 'a = b' && matches(value.y, '\\d+') # kept", 5},
        {"orders/check", "b", "caf\xc3\xa9 \\ end", 7},
    };
    struct properties_reader r = properties_reader_of(text, true);
    struct property p;
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        EXPECT(properties_next(&r, &arena, &p, &message));
        EXPECT_BYTES(p.section, bytes_string(expected[i].section));
        EXPECT_BYTES(p.key, bytes_string(expected[i].key));
        EXPECT_BYTES(p.value, bytes_string(expected[i].value));
        EXPECT_INT(p.line, expected[i].line);
    }
    EXPECT(!properties_next(&r, &arena, &p, &message));
    EXPECT_STRING(message.text, "");
    arena_free(&arena);
}

TEST(properties_name_the_line_that_is_wrong)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct properties_reader r = properties_reader_of(BYTES_LITERAL("a=1\nnonsense\n"), false);
    struct property p;
    EXPECT(properties_next(&r, &arena, &p, &message));
    EXPECT(!properties_next(&r, &arena, &p, &message));
    EXPECT_STRING(message.text, "line 2: expected key = value: nonsense");
    arena_free(&arena);
}
