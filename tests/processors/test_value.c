#include "processors/values/value.h"

#include "processors/json/json.h"
#include "processors/values/number.h"
#include "tests/harness/harness.h"

#include <float.h>

static void expect_double(double v, const char *expected)
{
    struct buffer out;
    buffer_init(&out, 100);
    number_append_double(&out, v);
    EXPECT_STRING(buffer_c_string(&out), expected);
    EXPECT(number_to_double(buffer_view(&out)) == v);
    buffer_free(&out);
}

TEST(doubles_print_in_their_shortest_form)
{
    expect_double(0, "0");
    expect_double(-0.0, "0");
    expect_double(1, "1");
    expect_double(-1.5, "-1.5");
    expect_double(0.1, "0.1");
    expect_double(0.1 + 0.2, "0.30000000000000004");
    expect_double(1.0 / 3, "0.3333333333333333");
    expect_double(12.34, "12.34");
    expect_double(1e20, "100000000000000000000");
    expect_double(123456789012345680000.0, "123456789012345680000");
    expect_double(1e21, "1e+21");
    expect_double(1.5e300, "1.5e+300");
    expect_double(1e-6, "0.000001");
    expect_double(1.25e-6, "0.00000125");
    expect_double(1e-7, "1e-7");
    expect_double(-1.25e-7, "-1.25e-7");
    expect_double(DBL_MAX, "1.7976931348623157e+308");
    expect_double(DBL_MIN, "2.2250738585072014e-308");
    expect_double(5e-324, "5e-324");
    expect_double(9007199254740993.0, "9007199254740992");
    expect_double(1700000000.123, "1700000000.123");
    expect_double(4.35, "4.35");
    expect_double(0.000123456, "0.000123456");
}

TEST(random_doubles_read_back_the_same)
{
    uint64_t state = test_seed() * 0x9e3779b97f4a7c15u + 1;
    for (int i = 0; i < 20000; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        double v;
        memcpy(&v, &state, sizeof v);
        if (!(v > -DBL_MAX && v < DBL_MAX))
            continue;
        struct buffer out;
        buffer_init(&out, 100);
        number_append_double(&out, v);
        EXPECT(number_to_double(buffer_view(&out)) == v);
        buffer_free(&out);
    }
}

static void expect_decimal(const char *text, const char *unscaled, int expected_scale)
{
    int128 v;
    int scale;
    EXPECT(decimal_parse(bytes_string(text), &v, &scale));
    struct buffer out;
    buffer_init(&out, 100);
    number_append_int128(&out, v, 0);
    EXPECT_STRING(buffer_c_string(&out), unscaled);
    EXPECT_INT(scale, expected_scale);
    buffer_free(&out);
}

TEST(decimals_are_read_exactly)
{
    expect_decimal("0", "0", 0);
    expect_decimal("-0.00", "0", 0);
    expect_decimal("12.34", "1234", 2);
    expect_decimal("-12.3400", "-1234", 2);
    expect_decimal("0.05", "5", 2);
    expect_decimal("100", "100", 0);
    expect_decimal("1.5e3", "1500", 0);
    expect_decimal("15e-1", "15", 1);
    expect_decimal("1e-40", "1", 40);
    expect_decimal("007", "7", 0);
    expect_decimal("99999999999999999999999999999999999999",
                   "99999999999999999999999999999999999999", 0);
    expect_decimal("1.00000000000000000000000000000000000000000000000000000", "1", 0);
    static const char *const wrong[] = {
        "",   "-",   ".5",  "5.",  "1e",   "1e+",
        "+1", "1x",  " 1",  "1 ",  "0x1",  "1.2.3",
        "e5", "nan", "1,5", "--1", "1e39", "123456789012345678901234567890123456789"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        int128 v;
        int scale;
        if (decimal_parse(bytes_string(wrong[i]), &v, &scale))
            test_fail(__FILE__, __LINE__, "'%s' was read", wrong[i]);
    }
}

TEST(rescaling_rounds_half_away_from_zero_or_down)
{
    int128 out;
    EXPECT(decimal_round(1235, 3, 2, &out) && out == 124);
    EXPECT(decimal_round(-1235, 3, 2, &out) && out == -124);
    EXPECT(decimal_round(1234, 3, 2, &out) && out == 123);
    EXPECT(decimal_round(5, 0, 2, &out) && out == 500);
    EXPECT(decimal_round(9, 60, 2, &out) && out == 0);
    EXPECT(!decimal_round(5, 0, 38, &out));
    EXPECT(!decimal_round(5, 0, 80, &out));
    EXPECT(decimal_round(0, 0, 80, &out) && out == 0);
    EXPECT(decimal_floor(1239, 3, 2, &out) && out == 123);
    EXPECT(decimal_floor(-1231, 3, 2, &out) && out == -124);
    EXPECT(decimal_floor(-1, 60, 2, &out) && out == -1);
    EXPECT(decimal_floor(-1230, 3, 2, &out) && out == -123);
}

TEST(products_over_38_digits_are_refused)
{
    int128 out;
    EXPECT(decimal_multiply(power_of_ten(18), -power_of_ten(19), &out) && out == -power_of_ten(37));
    EXPECT(!decimal_multiply(power_of_ten(19), power_of_ten(19), &out));
    EXPECT(decimal_multiply(0, power_of_ten(37), &out) && out == 0);
}

TEST(int128_prints_with_decimals)
{
    struct buffer out;
    buffer_init(&out, 200);
    number_append_int128(&out, 0, 0);
    buffer_append_u8(&out, ' ');
    number_append_int128(&out, -5, 2);
    buffer_append_u8(&out, ' ');
    number_append_int128(&out, 1200, 2);
    buffer_append_u8(&out, ' ');
    number_append_int128(&out, ((int128)1 << 126) * -2, 0);
    EXPECT_STRING(buffer_c_string(&out), "0 -0.05 12.00 -170141183460469231731687303715884105728");
    buffer_free(&out);
}

static void expect_canonical(const char *text, const char *expected)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct buffer out;
    buffer_init(&out, 1000);
    struct value v = json_value(bytes_string(text), &arena);
    json_append_value(&out, &v, &arena);
    EXPECT_STRING(buffer_c_string(&out), expected);
    buffer_free(&out);
    arena_free(&arena);
}

TEST(json_text_becomes_canonical)
{
    expect_canonical("{ \"b\" : 1.0, \"a\":[ 1 , {\"y\":2,\"x\":\"\\u00e9\\/\"} ] }",
                     "{\"a\":[1,{\"x\":\"\xc3\xa9/\",\"y\":2}],\"b\":1}");
    expect_canonical("{\"a\":1,\"B\":2,\"a\":3,\"\\u0061a\":4}", "{\"B\":2,\"a\":1,\"aa\":4}");
    expect_canonical("1e2", "100");
    expect_canonical("1.50", "1.5");
    expect_canonical("12345678901234567890", "12345678901234567890");
    expect_canonical("\"\\u0001\\n\"", "\"\\u0001\\n\"");
    expect_canonical("[]", "[]");
    expect_canonical("{}", "{}");
}

TEST(built_values_become_canonical)
{
    struct arena arena;
    arena_init(&arena, 1 << 16);
    struct value items[] = {
        {.type = VALUE_DECIMAL, .decimal = {.unscaled = 1250, .scale = 2}},
        {.type = VALUE_BYTES, .bytes = BYTES_LITERAL("\xff\x00\x01\x02")},
        {.type = VALUE_TIMESTAMP, .integer = -1},
        {.type = VALUE_BOOL, .boolean = true},
        {.type = VALUE_NULL},
    };
    struct value list = {.type = VALUE_LIST, .list = {items, COUNT_OF(items)}};
    struct value_entry entries[] = {
        {BYTES_LITERAL("z"), list},
        {BYTES_LITERAL("a"), {.type = VALUE_INT, .integer = INT64_MIN}}};
    struct value map = {.type = VALUE_MAP, .map = {entries, 2}};
    struct buffer out;
    buffer_init(&out, 1000);
    json_append_value(&out, &map, &arena);
    EXPECT_STRING(buffer_c_string(&out),
                  "{\"a\":-9223372036854775808,\"z\":[12.5,\"/wABAg==\",-1,true,null]}");
    buffer_free(&out);
    arena_free(&arena);
}

static bool identical(const char *a, const char *b)
{
    struct arena arena;
    arena_init(&arena, 1 << 16);
    struct value x = json_value(bytes_string(a), &arena), y = json_value(bytes_string(b), &arena);
    bool result = json_identical(&x, &y, &arena);
    arena_free(&arena);
    return result;
}

TEST(identity_is_equality_of_canonical_text)
{
    EXPECT(identical("1", "1.0"));
    EXPECT(!identical("1", "\"1\""));
    EXPECT(!identical("1", "2"));
    EXPECT(identical("\"a\"", "\"\\u0061\""));
    EXPECT(identical("{\"a\":1,\"b\":2}", "{\"b\":2.0,\"a\":1}"));
    EXPECT(!identical("[1,2]", "[2,1]"));
    EXPECT(identical("null", "null"));
    EXPECT(!identical("null", "false"));
}

TEST(an_exhausted_scratch_arena_sets_overflowed)
{
    struct arena arena;
    arena_init(&arena, 32);
    struct buffer out;
    buffer_init(&out, 1000);
    struct value v = {.type = VALUE_JSON, .bytes = BYTES_LITERAL("{\"a\":1,\"b\":2}")};
    json_append_value(&out, &v, &arena);
    EXPECT(out.overflowed);
    buffer_free(&out);
    arena_free(&arena);
}
