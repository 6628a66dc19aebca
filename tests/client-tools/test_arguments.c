#include "client-tools/arguments.h"

#include "client-tools/commands/commands.h"
#include "client-tools/help/help.h"
#include "tests/harness/harness.h"

#include <stdio.h>

enum { MAX_WORDS = 32 };

/* A command line as one text, split at blanks. */
struct line {
    char text[512];
    char *words[MAX_WORDS];
    int count;
    struct arguments arguments;
    struct failure failure;
    bool good;
};

static void parse(struct line *l, const char *text)
{
    *l = (struct line){0};
    snprintf(l->text, sizeof l->text, "%s", text);
    for (char *word = strtok(l->text, " "); word; word = strtok(NULL, " "))
        l->words[l->count++] = word;
    l->good = arguments_parse(&l->arguments, l->count, l->words, &l->failure);
}

static void expect_refused(const char *text, const char *message, const char *hint)
{
    struct line l;
    parse(&l, text);
    EXPECT(!l.good);
    EXPECT_INT(l.failure.exit, EXIT_USAGE);
    EXPECT_STRING(l.failure.message.text, message);
    EXPECT_STRING(l.failure.hint.text, hint);
    arguments_free(&l.arguments);
}

TEST(a_line_is_split_into_command_arguments_and_flags)
{
    struct line l;
    parse(&l, "topic create orders -p 6 clicks --config a=1 -c b=2 --dry-run");
    EXPECT(l.good);
    EXPECT(l.arguments.command == &topic_create_command);
    EXPECT_INT(l.arguments.name_count, 2);
    EXPECT_BYTES(l.arguments.names[1], BYTES_LITERAL("clicks"));
    EXPECT_BYTES(flag_text(&l.arguments, "partitions"), BYTES_LITERAL("6"));
    EXPECT(flag_is_set(&l.arguments, "dry-run"));
    EXPECT(!flag_is_set(&l.arguments, "yes"));
    size_t at = 0;
    EXPECT_BYTES(flag_next(&l.arguments, "config", &at), BYTES_LITERAL("a=1"));
    EXPECT_BYTES(flag_next(&l.arguments, "config", &at), BYTES_LITERAL("b=2"));
    EXPECT(bytes_is_null(flag_next(&l.arguments, "config", &at)));
    arguments_free(&l.arguments);
}

TEST(flags_may_come_before_the_command)
{
    struct line l;
    parse(&l, "-b host:1 --format json -q topic list");
    EXPECT(l.good);
    EXPECT(l.arguments.command == &topic_list_command);
    EXPECT_BYTES(flag_text(&l.arguments, "brokers"), BYTES_LITERAL("host:1"));
    EXPECT_INT(l.arguments.name_count, 0);
    arguments_free(&l.arguments);
}

TEST(values_may_be_joined_to_their_flags)
{
    struct line l;
    parse(&l, "consume orders -o-10 --num=5 -qv");
    EXPECT(l.good);
    EXPECT_BYTES(flag_text(&l.arguments, "offset"), BYTES_LITERAL("-10"));
    EXPECT_BYTES(flag_text(&l.arguments, "num"), BYTES_LITERAL("5"));
    EXPECT(flag_is_set(&l.arguments, "quiet") && flag_is_set(&l.arguments, "verbose"));
    arguments_free(&l.arguments);
}

TEST(a_value_may_begin_with_a_dash)
{
    struct line l;
    parse(&l, "group seek billing -o -10");
    EXPECT(l.good);
    EXPECT_BYTES(flag_text(&l.arguments, "offset"), BYTES_LITERAL("-10"));
    arguments_free(&l.arguments);
}

TEST(after_two_dashes_nothing_is_a_flag)
{
    struct line l;
    parse(&l, "topic delete -- -odd-");
    EXPECT(l.good);
    EXPECT_BYTES(l.arguments.names[0], BYTES_LITERAL("-odd-"));
    arguments_free(&l.arguments);
}

TEST(aliases_name_the_same_commands)
{
    static const struct {
        const char *text;
        const struct command *command;
    } cases[] = {{"topic ls", &topic_list_command},
                 {"topic rm x", &topic_delete_command},
                 {"topic produce x", &produce_command},
                 {"topic consume x", &consume_command},
                 {"produce produce", &produce_command}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct line l;
        parse(&l, cases[i].text);
        EXPECT(l.good);
        EXPECT(l.arguments.command == cases[i].command);
        arguments_free(&l.arguments);
    }
    struct line l;
    parse(&l, "topic list --bootstrap-server a:1");
    EXPECT_BYTES(flag_text(&l.arguments, "brokers"), BYTES_LITERAL("a:1"));
    arguments_free(&l.arguments);
}

TEST(a_letter_can_mean_the_commands_own_flag)
{
    struct line l;
    parse(&l, "processor apply -f x.properties");
    EXPECT_BYTES(flag_text(&l.arguments, "file"), BYTES_LITERAL("x.properties"));
    arguments_free(&l.arguments);
    parse(&l, "consume t -f %v");
    EXPECT_BYTES(flag_text(&l.arguments, "record-format"), BYTES_LITERAL("%v"));
    arguments_free(&l.arguments);
}

TEST(errors_come_with_a_suggestion)
{
    expect_refused("topc list", "unknown command topc", "did you mean topic?");
    expect_refused("topic lst", "unknown command topic lst", "did you mean list?");
    expect_refused("topic list --regx", "unknown flag --regx", "did you mean --regex?");
    expect_refused("topic list -Q", "unknown flag -Q",
                   "tidemill topic list --help lists its flags");
    expect_refused("topic create", "an argument is missing: tidemill topic create takes TOPIC...",
                   "tidemill topic create --help");
    expect_refused("doctor x", "too many arguments: tidemill doctor takes only flags",
                   "tidemill doctor --help");
    expect_refused("topic create x -p", "--partitions needs a value: N", "");
    expect_refused("topic list --yes=1", "--yes takes no value", "");
    expect_refused("produce t -z brotli",
                   "--compression brotli: not one of none|gzip|snappy|lz4|zstd", "");
}

TEST(a_noun_alone_lists_its_verbs)
{
    expect_refused("dlq", "dlq needs a verb: list inspect", "tidemill dlq list --help");
}

TEST(numbers_have_bounds)
{
    struct line l;
    int64_t value;
    parse(&l, "topic create x -p 0");
    EXPECT(!flag_int(&l.arguments, "partitions", 1, 10, -1, &value, &l.failure));
    EXPECT_STRING(l.failure.message.text, "--partitions 0: not a number from 1 to 10");
    arguments_free(&l.arguments);
    parse(&l, "topic create x");
    EXPECT(flag_int(&l.arguments, "partitions", 1, 10, -1, &value, &l.failure));
    EXPECT_INT(value, -1);
    arguments_free(&l.arguments);
}

/* A letter has one meaning in all commands. Only -f (format of records, or the file), -i and -a may
 * differ. */
TEST(letters_mean_the_same_in_every_command)
{
    const char *names[128] = {0};
    for (size_t i = 0; commands[i]; i++) {
        for (const struct flag *f = commands[i]->flags; f && f->name; f++) {
            if (f->letter == 0 || strchr("fiaHpo", f->letter))
                continue;
            if (names[(int)f->letter] && strcmp(names[(int)f->letter], f->name) != 0)
                test_fail(__FILE__, __LINE__, "-%c is --%s and --%s", f->letter,
                          names[(int)f->letter], f->name);
            names[(int)f->letter] = f->name;
        }
    }
}

TEST(no_flag_of_a_command_hides_a_global_one)
{
    for (size_t i = 0; commands[i]; i++) {
        for (const struct flag *f = commands[i]->flags; f && f->name; f++) {
            for (const struct flag *g = global_flags; g->name; g++)
                EXPECT(strcmp(f->name, g->name) != 0 && (f->letter == 0 || f->letter != g->letter));
        }
    }
}

TEST(help_stays_within_eighty_columns_and_has_examples)
{
    for (size_t i = 0; commands[i]; i++) {
        struct buffer out;
        buffer_init(&out, 1 << 20);
        help_command(commands[i], &out);
        EXPECT(commands[i]->examples[0] != NULL);
        for (size_t at = 0, column = 0; at < out.size; at++) {
            column = out.data[at] == '\n' ? 0 : column + 1;
            if (column > 80)
                test_fail(__FILE__, __LINE__, "help of %s %s is wider than 80 columns",
                          commands[i]->noun, commands[i]->verb ? commands[i]->verb : "");
        }
        buffer_free(&out);
    }
}

TEST(every_example_can_be_parsed)
{
    for (size_t i = 0; commands[i]; i++) {
        for (size_t e = 0; commands[i]->examples[e]; e++) {
            char text[512];
            snprintf(text, sizeof text, "%s", commands[i]->examples[e]);
            text[strcspn(text, "<>|'")] = '\0';
            if (strchr(commands[i]->examples[e], '\''))
                continue; /* quoted: only a shell can split it */
            struct line l;
            parse(&l, text);
            if (!l.good || l.arguments.command != commands[i])
                test_fail(__FILE__, __LINE__, "\"%s\": %s", commands[i]->examples[e],
                          l.failure.message.text);
            arguments_free(&l.arguments);
        }
    }
}
