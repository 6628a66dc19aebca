#include "processors/expression/regex.h"

#include "tests/harness/harness.h"

#include <stdio.h>

struct search_case {
    const char *pattern, *text;
    bool matches;
};

static const struct search_case searches[] = {
    {"", "", true},
    {"", "abc", true},
    {"b", "abc", true},
    {"bc", "abc", true},
    {"cb", "abc", false},
    {"aab", "aaab", true},
    {"^b", "abc", false},
    {"^a.c$", "abc", true},
    {"^a.c$", "a\nc", false},
    {"(?s)^a.c$", "a\nc", true},
    {"^a.c$",
     "a\xe2\x82\xac"
     "c",
     true},
    {"^a..c$",
     "a\xe2\x82\xac"
     "c",
     false},
    {"colou?r", "my color", true},
    {"colou?r", "colouur", false},
    {"^(a|bc|d)+$", "abcd", true},
    {"^(a|bc|d)+$", "abd", false},
    {"^(|a)b$", "b", true},
    {"^(a*)*$", "aaab", false},
    {"^(a*)*$", "aaa", true},
    {"^(a*)+b$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", false},
    {"^a{2}$", "aa", true},
    {"^a{2}$", "aaa", false},
    {"^a{2,}$", "aaaa", true},
    {"^a{2,}$", "a", false},
    {"^a{1,3}$", "aaa", true},
    {"^a{1,3}$", "aaaa", false},
    {"^a{0}$", "", true},
    {"^a{0,2}b$", "aab", true},
    {"^(ab){2,3}$", "ababab", true},
    {"^(ab){2,3}$", "abababab", false},
    {"a{,3}", "a{,3}", true},
    {"a{x", "a{x", true},
    {"a+?b", "aab", true},
    {"[abc]", "xcx", true},
    {"[^abc]", "abc", false},
    {"[^abc]", "abcd", true},
    {"[a-c]+[x-z]$", "abcz", true},
    {"[]a]", "]", true},
    {"[^]a]", "]", false},
    {"[a-]", "-", true},
    {"[\\]]", "]", true},
    {"[\\d_]+$", "12_", true},
    {"^[^\\D5]+$", "1234", true},
    {"^[^\\D5]+$", "12534", false},
    {"^[[:alpha:]]+$", "abC", true},
    {"^[[:alpha:]]+$", "abC1", false},
    {"^[\xc3\xa0-\xc3\xbc]$", "\xc3\xa9", true},
    {"^[\xc3\xa0-\xc3\xbc]$", "e", false},
    {"^[^a]$", "\xc3\xa9", true},
    {"^\\d{3}-\\d{4}$", "555-1234", true},
    {"^\\w+@\\w+\\.com$", "me@example.com", true},
    {"^\\w+$", "\xc3\xa9t\xc3\xa9", false},
    {"\\s", "a\tb", true},
    {"\\S", " \t", false},
    {"\\D", "12", false},
    {"\\W", "a_1", false},
    {"\\bcat\\b", "a cat sat", true},
    {"\\bcat\\b", "concat", false},
    {"\\Bcat", "concat", true},
    {"\\Bcat", "cat", false},
    {"(?i)hello", "HeLLo", true},
    {"(?i)[a-c]x", "BX", true},
    {"(?i:a)b", "Ab", true},
    {"(?i:a)b", "AB", false},
    {"(?:ab)+c", "ababc", true},
    {"(?P<year>\\d+)", "2024", true},
    {"(?<year>\\d+)", "x", false},
    {"(?m)^b$", "a\nb\nc", true},
    {"^b$", "a\nb\nc", false},
    {"\\Aab\\z", "ab", true},
    {"\\.", "a.b", true},
    {"\\.", "ab", false},
    {"\\x41\\x{42}\\u0043", "ABC", true},
    {"\\n\\t", "a\n\tb", true},
    {"\\/\\-\\$", "/-$", true},
    {"\xf0\x9f\x98\x80+$", "\xf0\x9f\x98\x80\xf0\x9f\x98\x80", true},
    {"a$b", "a$b", false},
    {"x*", "aaa", true},
    {"a|b|", "zzz", true},
    {"[0-9a-f]{8}-[0-9a-f]{4}", "id: 7f3c9a52-1b0d!", true},
    {"b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xa9 b", true},
    {"\\bb", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", false},
};

TEST(searches_give_what_the_pattern_says)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < COUNT_OF(searches); i++) {
        const struct regex *regex;
        struct message message;
        arena_reset(&arena);
        if (regex_compile(bytes_string(searches[i].pattern), &arena, &regex, &message) != ERR_OK)
            test_fail(__FILE__, __LINE__, "%s: %s", searches[i].pattern, message.text);
        if (regex_search(regex, bytes_string(searches[i].text)) != searches[i].matches)
            test_fail(__FILE__, __LINE__, "/%s/ in '%s': expected %d", searches[i].pattern,
                      searches[i].text, searches[i].matches);
    }
    arena_free(&arena);
}

static void expect_refused(const char *pattern, const char *expected)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct regex *regex;
    struct message message;
    EXPECT(regex_compile(bytes_string(pattern), &arena, &regex, &message) != ERR_OK);
    EXPECT_STRING(message.text, expected);
    arena_free(&arena);
}

TEST(refusals_say_where_and_why)
{
    expect_refused("a(b", "pattern, character 4: ')' is missing");
    expect_refused("ab)", "pattern, character 3: ')' without '('");
    expect_refused("[a", "pattern, character 3: ']' is missing");
    expect_refused("[]", "pattern, character 3: ']' is missing");
    expect_refused("[z-a]", "pattern, character 5: a range with its end before its start");
    expect_refused("*a", "pattern, character 1: nothing to repeat");
    expect_refused("a|+", "pattern, character 3: nothing to repeat");
    expect_refused("a**", "pattern, character 3: a repetition of a repetition");
    expect_refused("a{3,2}",
                   "pattern, character 7: a repetition with its maximum below its minimum");
    expect_refused("a{2000}", "pattern, character 8: more than 1000 repetitions");
    expect_refused("a\\", "pattern, character 3: a backslash at the end");
    expect_refused("(a)\\1", "pattern, character 5: back references are not supported");
    expect_refused("\\pL", "pattern, character 2: \\p classes are not supported");
    expect_refused("(?=a)", "pattern, character 3: look-around is not supported");
    expect_refused("(?<!a)", "pattern, character 3: look-around is not supported");
    expect_refused("(?x)a", "pattern, character 3: unknown flag; the flags are i, s and m");
    expect_refused("[[:foo:]]", "pattern, character 2: unknown class name");
    expect_refused("\\xZZ", "pattern, character 3: wrong hexadecimal escape");
    expect_refused("(a{100}){100}", "the pattern is too large: over 2000 instructions");
    expect_refused("\xff", "the pattern is not UTF-8");
}

TEST(nesting_is_bounded)
{
    char pattern[200];
    int size = 0;
    for (int i = 0; i < 33; i++)
        pattern[size++] = '(';
    for (int i = 0; i < 33; i++)
        pattern[size++] = ')';
    pattern[size] = '\0';
    expect_refused(pattern, "pattern, character 34: groups are nested too deeply");
}

TEST(a_pattern_that_makes_backtracking_explode_takes_linear_time)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct regex *regex;
    EXPECT(regex_compile(BYTES_LITERAL("^(a?){50}a{50}$"), &arena, &regex, NULL) == ERR_OK);
    char text[101];
    memset(text, 'a', sizeof text);
    EXPECT(regex_search(regex, bytes_of(text, 50)));
    EXPECT(regex_search(regex, bytes_of(text, 100)));
    EXPECT(!regex_search(regex, bytes_of(text, 101)));
    EXPECT(!regex_search(regex, bytes_of(text, 49)));
    arena_free(&arena);
}
