#include "processors/json/json_schema.h"

#include "processors/json/json.h"
#include "tests/harness/harness.h"

#include <stdio.h>

/* Expected: NULL when the document fits, else "path: reason". */
struct schema_case {
    const char *schema, *document, *expected;
};

static const struct schema_case cases[] = {
    {"{}", "1", NULL},
    {"true", "{}", NULL},
    {"false", "{}", ": no value is allowed here"},
    {"{\"type\":\"string\"}", "\"a\"", NULL},
    {"{\"type\":\"string\"}", "1", ": expected string, found integer"},
    {"{\"type\":\"integer\"}", "1", NULL},
    {"{\"type\":\"integer\"}", "1.0", NULL},
    {"{\"type\":\"integer\"}", "12345678901234567890", NULL},
    {"{\"type\":\"integer\"}", "1.5", ": expected integer, found number"},
    {"{\"type\":\"number\"}", "1", NULL},
    {"{\"type\":\"number\"}", "1.5", NULL},
    {"{\"type\":[\"integer\",\"null\"]}", "null", NULL},
    {"{\"type\":[\"integer\",\"null\"]}", "\"x\"", ": expected null or integer, found string"},
    {"{\"type\":\"boolean\"}", "false", NULL},
    {"{\"type\":\"object\"}", "[]", ": expected object, found array"},
    {"{\"enum\":[1,\"a\",null,{\"b\":1,\"a\":2}]}", "1.0", NULL},
    {"{\"enum\":[1,\"a\",null,{\"b\":1,\"a\":2}]}", "\"\\u0061\"", NULL},
    {"{\"enum\":[1,\"a\",null,{\"b\":1,\"a\":2}]}", "{\"a\":2,\"b\":1}", NULL},
    {"{\"enum\":[1,\"a\",null]}", "\"1\"", ": is none of the allowed values"},
    {"{\"enum\":[]}", "1", ": is none of the allowed values"},
    {"{\"const\":\"x\"}", "\"x\"", NULL},
    {"{\"const\":null}", "null", NULL},
    {"{\"const\":\"x\"}", "\"y\"", ": is not the expected constant"},
    {"{\"minimum\":0}", "0", NULL},
    {"{\"minimum\":0}", "-0.5", ": must be at least 0"},
    {"{\"maximum\":9007199254740992}", "9007199254740993", ": must be at most 9007199254740992"},
    {"{\"maximum\":1.5}", "1.5", NULL},
    {"{\"exclusiveMinimum\":0}", "0", ": must be above 0"},
    {"{\"exclusiveMaximum\":10}", "10.0", ": must be below 10"},
    {"{\"exclusiveMaximum\":10}", "9.99", NULL},
    {"{\"minimum\":5}", "\"text\"", NULL},
    {"{\"multipleOf\":0.01}", "19.99", NULL},
    {"{\"multipleOf\":0.01}", "19.995", ": must be a multiple of 0.01"},
    {"{\"multipleOf\":5}", "-15", NULL},
    {"{\"multipleOf\":5}", "12", ": must be a multiple of 5"},
    {"{\"minLength\":2}", "\"\xc3\xa9\xc3\xa9\"", NULL},
    {"{\"minLength\":3}", "\"\xc3\xa9\\u00e9\"", ": has 2 characters, at least 3 are required"},
    {"{\"maxLength\":1}", "\"\\ud83d\\ude00\"", NULL},
    {"{\"maxLength\":1}", "\"ab\"", ": has 2 characters, at most 1 are allowed"},
    {"{\"maxLength\":2.0}", "\"ab\"", NULL},
    {"{\"pattern\":\"^[A-Z]{2}$\"}", "\"FR\"", NULL},
    {"{\"pattern\":\"^[A-Z]{2}$\"}", "\"fr\"", ": does not match the pattern ^[A-Z]{2}$"},
    {"{\"pattern\":\"\\\\d\"}", "\"a1b\"", NULL},
    {"{\"items\":{\"type\":\"integer\"}}", "[1,2]", NULL},
    {"{\"items\":{\"type\":\"integer\"}}", "[1,\"a\"]", "/1: expected integer, found string"},
    {"{\"items\":false}", "[]", NULL},
    {"{\"minItems\":1}", "[]", ": has 0 elements, at least 1 are required"},
    {"{\"maxItems\":1}", "[1,2]", ": has 2 elements, at most 1 are allowed"},
    {"{\"minItems\":1}", "{}", NULL},
    {"{\"properties\":{\"a\":{\"type\":\"string\"}}}", "{\"b\":1}", NULL},
    {"{\"properties\":{\"a\":{\"type\":\"string\"}}}", "{\"\\u0061\":1}",
     "/a: expected string, found integer"},
    {"{\"required\":[\"a\",\"b\"]}", "{\"b\":1,\"b\":2}", ": the required field 'a' is missing"},
    {"{\"required\":[\"a\",\"b\"]}", "{\"b\":1,\"a\":null}", NULL},
    {"{\"required\":[\"a\"]}", "[]", NULL},
    {"{\"properties\":{\"a\":true},\"additionalProperties\":false}", "{\"a\":1}", NULL},
    {"{\"properties\":{\"a\":true},\"additionalProperties\":false}", "{\"a\":1,\"x/y\":2}",
     "/x~1y: this field is not allowed"},
    {"{\"required\":[\"r\"],\"additionalProperties\":{\"type\":\"integer\"}}", "{\"r\":\"s\"}",
     "/r: expected integer, found string"},
    {"{\"properties\":{\"u\":{\"properties\":{\"t\":{\"items\":{\"minimum\":1}}}}}}",
     "{\"u\":{\"t\":[1,2,0]}}", "/u/t/2: must be at least 1"},
    {"{\"allOf\":[{\"minimum\":1},{\"maximum\":3}]}", "2", NULL},
    {"{\"allOf\":[{\"minimum\":1},{\"maximum\":3}]}", "4", ": must be at most 3"},
    {"{\"anyOf\":[{\"type\":\"string\"},{\"minimum\":5}]}", "7", NULL},
    {"{\"anyOf\":[{\"type\":\"string\"},{\"minimum\":5}]}", "3", ": matches none of anyOf"},
    {"{\"oneOf\":[{\"minimum\":1},{\"minimum\":5}]}", "3", NULL},
    {"{\"oneOf\":[{\"minimum\":1},{\"minimum\":5}]}", "7", ": matches more than one of oneOf"},
    {"{\"oneOf\":[{\"minimum\":1},{\"minimum\":5}]}", "0", ": matches none of oneOf"},
    {"{\"not\":{\"type\":\"string\"}}", "1", NULL},
    {"{\"not\":{\"type\":\"string\"}}", "\"a\"", ": matches the schema of not"},
    {"{\"$defs\":{\"id\":{\"type\":\"integer\"}},\"properties\":{\"a\":{\"$ref\":\"#/$defs/id\"}}}",
     "{\"a\":1}", NULL},
    {"{\"$defs\":{\"id\":{\"type\":\"integer\"}},\"properties\":{\"a\":{\"$ref\":\"#/$defs/id\"}}}",
     "{\"a\":\"1\"}", "/a: expected integer, found string"},
    {"{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"$ref\":\"#/$defs/b~1c\"},\"b/c\":{\"const\":1}}}",
     "2", ": is not the expected constant"},
    {"{\"type\":\"object\",\"properties\":{\"next\":{\"$ref\":\"#\"}},\"required\":[\"v\"]}",
     "{\"v\":1,\"next\":{\"v\":2,\"next\":{\"v\":3}}}", NULL},
    {"{\"type\":\"object\",\"properties\":{\"next\":{\"$ref\":\"#\"}},\"required\":[\"v\"]}",
     "{\"v\":1,\"next\":{\"v\":2,\"next\":{}}}", "/next/next: the required field 'v' is missing"},
    {"{\"$ref\":\"#\"}", "1", ": needs too much work or recursion to check"},
    {"{\"not\":{\"$ref\":\"#\"}}", "1", ": needs too much work or recursion to check"},
    {"{\"anyOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#\"}]}", "1",
     ": needs too much work or recursion to check"},
    {"{\"title\":\"t\",\"description\":\"d\",\"$schema\":\"s\",\"$id\":\"i\",\"default\":1,"
     "\"examples\":[],\"format\":\"date\",\"$comment\":\"c\"}",
     "1", NULL},
    {" {\"type\" : \"integer\"} ", " 1 ", NULL},
};

static void check_case(const struct schema_case *c)
{
    struct json_schema *schema;
    struct message message;
    struct schema_failure failure;
    struct arena scratch;
    char result[600];
    size_t at;
    EXPECT(json_check(bytes_string(c->document), &at) == NULL);
    if (json_schema_compile(bytes_string(c->schema), &schema, &message) != ERR_OK)
        test_fail(__FILE__, __LINE__, "%s: %s", c->schema, message.text);
    arena_init(&scratch, 1 << 20);
    bool accepts = json_schema_accepts(schema, bytes_string(c->document), &scratch, &failure);
    snprintf(result, sizeof result, "%s: %s", failure.path, failure.reason);
    if (accepts != (c->expected == NULL) || (!accepts && strcmp(result, c->expected) != 0))
        test_fail(__FILE__, __LINE__, "%s of %s: %s, expected %s", c->schema, c->document,
                  accepts ? "accepted" : result, c->expected ? c->expected : "accepted");
    arena_free(&scratch);
    json_schema_free(schema);
}

TEST(documents_fit_or_the_failure_names_the_first_place)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_case(&cases[i]);
}

static void expect_refused(const char *text, const char *expected)
{
    struct json_schema *schema;
    struct message message;
    EXPECT_INT(json_schema_compile(bytes_string(text), &schema, &message), ERR_INVALID);
    EXPECT_STRING(message.text, expected);
    EXPECT(schema == NULL);
}

TEST(unsupported_keywords_are_refused_by_name)
{
    expect_refused("{\"patternProperties\":{}}",
                   "schema at #: keyword 'patternProperties' is not supported");
    expect_refused("{\"properties\":{\"a\":{\"uniqueItems\":true}}}",
                   "schema at #/properties/a: keyword 'uniqueItems' is not supported");
    expect_refused("{\"requierd\":[\"a\"]}", "schema at #: keyword 'requierd' is not supported; "
                                             "did you mean 'required'?");
    expect_refused("{\"$defs\":{\"a\":{\"contains\":true}}}",
                   "schema at #/$defs/a: keyword 'contains' is not supported");
    expect_refused("{\"$ref\":\"other.json\"}",
                   "schema at #: $ref must point into this schema, such as #/$defs/name");
    expect_refused("{\"$ref\":\"#/$defs/x\"}", "schema at #: $ref '#/$defs/x' does not exist");
}

TEST(wrong_schemas_say_where_and_why)
{
    expect_refused("{\"type\":\"int\"}",
                   "schema at #: type must be null, boolean, integer, number, string, array or "
                   "object, or a list of these");
    expect_refused("{\"items\":[]}",
                   "schema at #/items: a schema must be an object, true or false");
    expect_refused("{\"items\":{\"minimum\":\"1\"}}",
                   "schema at #/items: minimum must be a number");
    expect_refused("{\"anyOf\":[true,{\"minLength\":-1}]}",
                   "schema at #/anyOf/1: minLength must be an integer from 0");
    expect_refused("{\"pattern\":\"(\"}", "schema at #: pattern, character 2: ')' is missing");
    expect_refused("{\"multipleOf\":0}", "schema at #: multipleOf must be a number above zero");
    expect_refused("{\"required\":\"a\"}", "schema at #: required must be a list of names");
    expect_refused("{\"allOf\":[]}", "schema at #: allOf must be a list of schemas");
    expect_refused("{\"type\":\"string\",\"type\":\"null\"}", "schema at #: type occurs twice");
    expect_refused("{\"type\":}", "the schema is not valid JSON: at byte 9: a value is expected");
    expect_refused("", "the schema is not valid JSON: at byte 1: empty");
    expect_refused("[]", "schema at #: a schema must be an object, true or false");
}

TEST(each_of_many_required_fields_counts_once)
{
    char text[8000], document[8000];
    int size = snprintf(text, sizeof text, "{\"required\":[\"f0\"");
    int length = snprintf(document, sizeof document, "{\"f0\":0");
    for (int i = 1; i < 256; i++) {
        size += snprintf(text + size, sizeof text - (size_t)size, ",\"f%d\"", i);
        length += snprintf(document + length, sizeof document - (size_t)length, ",\"f%d\":0", i);
    }
    strcpy(text + size, "]}");
    strcpy(document + length, "}");
    check_case(&(struct schema_case){text, document, NULL});
    strcpy(strstr(document, "\"f77\"") + 1, "x77\":0}");
    check_case(&(struct schema_case){text, document, ": the required field 'f100' is missing"});
    strcpy(text + size, ",\"one\"]}");
    expect_refused(text, "schema at #: more than 256 required fields");
}
