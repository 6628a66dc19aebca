#include "client-tools/help/help.h"

#include "client-tools/files.h"
#include "client-tools/output/json_text.h"

enum { LINE_WIDTH = 80, OUTPUT_MAX = 1 << 20 };

/* Breaks text at blanks. The text begins at `column`; the next lines begin at `indent`. */
static void append_wrapped(struct buffer *out, const char *text, size_t column, size_t indent)
{
    while (*text) {
        size_t word = strcspn(text, " ");
        if (column + word > LINE_WIDTH && column > indent) {
            buffer_printf(out, "\n%*s", (int)indent, "");
            column = indent;
        }
        buffer_append(out, text, word);
        column += word;
        text += word;
        if (*text == ' ') {
            text++;
            if (column + 1 + strcspn(text, " ") <= LINE_WIDTH)
                buffer_append_u8(out, ' ');
            column++;
        }
    }
    buffer_append_u8(out, '\n');
}

static void append_flags(struct buffer *out, const struct flag *flags)
{
    enum { SENTENCE_AT = 30 };
    for (; flags && flags->name; flags++) {
        size_t start = out->size;
        if (flags->letter)
            buffer_printf(out, "  -%c, --%s", flags->letter, flags->name);
        else
            buffer_printf(out, "      --%s", flags->name);
        if (flags->placeholder)
            buffer_printf(out, " %s", flags->placeholder);
        size_t column = out->size - start;
        if (column + 2 > SENTENCE_AT) {
            buffer_append_u8(out, '\n');
            column = 0;
        }
        buffer_printf(out, "%*s", (int)(SENTENCE_AT - column), "");
        struct message sentence;
        bool listed = flags->choices && strstr(flags->sentence, flags->choices) == NULL;
        message_set(&sentence, "%s%s%s", flags->sentence, listed ? ": " : "",
                    listed ? flags->choices : "");
        append_wrapped(out, sentence.text, SENTENCE_AT, SENTENCE_AT);
    }
}

static void append_name(struct buffer *out, const struct command *c)
{
    buffer_printf(out, "%s%s%s", c->noun, c->verb ? " " : "", c->verb ? c->verb : "");
}

void help_command(const struct command *c, struct buffer *out)
{
    struct message sentence;
    message_set(&sentence, "%s.", c->sentence);
    append_wrapped(out, sentence.text, 0, 0);
    buffer_append_string(out, "\nUsage: tidemill ");
    append_name(out, c);
    buffer_printf(out, "%s%s [FLAGS]\n\nExamples:\n", c->arguments[0] ? " " : "", c->arguments);
    for (size_t i = 0; c->examples[i]; i++)
        buffer_printf(out, "  tidemill %s\n", c->examples[i]);
    if (c->flags) {
        buffer_append_string(out, "\nFlags:\n");
        append_flags(out, c->flags);
    }
    buffer_append_string(out, "\nGlobal flags:\n");
    append_flags(out, global_flags);
    if (c->see_also)
        buffer_printf(out, "\nSee also: %s\n", c->see_also);
}

static void append_overview(struct buffer *out, const char *noun)
{
    enum { SENTENCE_AT = 26 };
    for (size_t i = 0; commands[i]; i++) {
        if (noun && strcmp(commands[i]->noun, noun) != 0)
            continue;
        size_t start = out->size;
        buffer_append_string(out, "  ");
        append_name(out, commands[i]);
        size_t column = out->size - start;
        buffer_printf(out, "%*s", (int)(SENTENCE_AT - MIN(column, (size_t)SENTENCE_AT)), "");
        append_wrapped(out, commands[i]->sentence, SENTENCE_AT, SENTENCE_AT);
    }
}

static void help_overview(struct buffer *out)
{
    buffer_append_string(out, "Manages a Tidemill broker or any other Kafka-compatible broker.\n"
                              "\n"
                              "Usage: tidemill COMMAND [ARGUMENTS] [FLAGS]\n"
                              "\n"
                              "Commands:\n");
    append_overview(out, NULL);
    buffer_append_string(out, "\nGlobal flags:\n");
    append_flags(out, global_flags);
    buffer_append_string(out, "\nExamples:\n"
                              "  tidemill topic create orders -p 6\n"
                              "  echo hello | tidemill produce orders\n"
                              "  tidemill consume orders -o start:end\n"
                              "\nSee also: tidemill COMMAND --help\n");
}

void help_print_overview(FILE *out)
{
    struct buffer text;
    buffer_init(&text, OUTPUT_MAX);
    help_overview(&text);
    fwrite(text.data, 1, text.size, out);
    buffer_free(&text);
}

static void json_flags(struct buffer *out, const struct flag *flags)
{
    buffer_append_u8(out, '[');
    for (size_t i = 0; flags && flags[i].name; i++) {
        buffer_printf(out, "%s{\"name\":\"%s\",\"letter\":", i ? "," : "", flags[i].name);
        char letter[] = {'"', flags[i].letter, '"', '\0'};
        buffer_append_string(out, flags[i].letter ? letter : "null");
        buffer_append_string(out, ",\"value\":");
        if (flags[i].placeholder)
            append_json_text(out, bytes_string(flags[i].placeholder));
        else
            buffer_append_string(out, "null");
        buffer_printf(
            out, ",\"repeatable\":%s,\"help\":", flags[i].kind == FLAG_LIST ? "true" : "false");
        append_json_text(out, bytes_string(flags[i].sentence));
        buffer_append_u8(out, '}');
    }
    buffer_append_u8(out, ']');
}

void help_json(struct buffer *out)
{
    buffer_append_string(out, "{\"command\":\"help\",\"version\":1,\"global_flags\":");
    json_flags(out, global_flags);
    buffer_append_string(out, ",\"commands\":[");
    for (size_t i = 0; commands[i]; i++) {
        const struct command *c = commands[i];
        buffer_append_string(out, i ? ",{\"name\":\"" : "{\"name\":\"");
        append_name(out, c);
        buffer_append_string(out, "\",\"arguments\":");
        append_json_text(out, bytes_string(c->arguments));
        buffer_append_string(out, ",\"help\":");
        append_json_text(out, bytes_string(c->sentence));
        buffer_printf(out, ",\"destructive\":%s,\"streaming\":%s,\"flags\":",
                      c->destructive ? "true" : "false", c->streaming ? "true" : "false");
        json_flags(out, c->flags);
        buffer_append_string(out, ",\"examples\":[");
        for (size_t e = 0; c->examples[e]; e++) {
            buffer_append_string(out, e ? "," : "");
            append_json_text(out, bytes_string(c->examples[e]));
        }
        buffer_append_string(out, "]}");
    }
    buffer_append_string(out, "]}\n");
}

static void markdown_flags(struct buffer *out, const struct flag *flags)
{
    buffer_append_string(out, "| flag | meaning |\n| --- | --- |\n");
    for (; flags && flags->name; flags++) {
        buffer_append_string(out, "| `");
        if (flags->letter)
            buffer_printf(out, "-%c, ", flags->letter);
        buffer_printf(out, "--%s%s%s` | %s", flags->name, flags->placeholder ? " " : "",
                      flags->placeholder ? flags->placeholder : "", flags->sentence);
        for (const char *c = flags->choices; c && *c; c++) {
            if (c == flags->choices)
                buffer_append_string(out, ": ");
            buffer_append_string(out, *c == '|' ? ", " : (char[]){*c, '\0'});
        }
        buffer_append_string(out, " |\n");
    }
    buffer_append_u8(out, '\n');
}

void help_markdown(struct buffer *out)
{
    buffer_append_string(out, "# Commands of `tidemill`\n"
                              "\n"
                              "`tidemill completion markdown` writes this page.\n"
                              "\n"
                              "## Flags of every command\n"
                              "\n");
    markdown_flags(out, global_flags);
    for (size_t i = 0; commands[i]; i++) {
        const struct command *c = commands[i];
        buffer_append_string(out, "## tidemill ");
        append_name(out, c);
        buffer_printf(out, "%s%s\n\n%s.%s%s\n\n```\n", c->arguments[0] ? " " : "", c->arguments,
                      c->sentence,
                      c->destructive ? " Asks for confirmation before data is lost." : "",
                      c->streaming ? " Ctrl-C stops it." : "");
        for (size_t e = 0; c->examples[e]; e++)
            buffer_printf(out, "tidemill %s\n", c->examples[e]);
        buffer_append_string(out, "```\n\n");
        if (c->flags)
            markdown_flags(out, c->flags);
    }
    out->size -= out->size > 0; /* removes the second line end */
}

/* The first word, if it is a noun with verbs, so that help can show its commands. */
static const char *noun_of(int count, char **values)
{
    for (int i = 0; i < count; i++) {
        for (size_t c = 0; values[i][0] != '-' && commands[c]; c++) {
            if (strcmp(values[i], commands[c]->noun) == 0)
                return commands[c]->noun;
        }
    }
    return NULL;
}

static bool given(int count, char **values, const char *flag)
{
    for (int i = 0; i < count && strcmp(values[i], "--") != 0; i++) {
        if (strcmp(values[i], flag) == 0)
            return true;
    }
    return false;
}

static bool names_something(int count, char **values)
{
    for (int i = 0; i < count; i++) {
        if (values[i][0] != '-')
            return true;
    }
    return false;
}

bool help_requested(int count, char **values, bool asked, const struct command *command)
{
    struct buffer out;
    buffer_init(&out, OUTPUT_MAX);
    bool answered = true;
    const char *noun = noun_of(count, values);
    if (given(count, values, "--help-json")) {
        help_json(&out);
    } else if (given(count, values, "--version")) {
        buffer_append_string(&out, "tidemill " TIDEMILL_VERSION "\n");
    } else if (asked || given(count, values, "--help") || given(count, values, "-h")) {
        if (command) {
            help_command(command, &out);
        } else if (noun) {
            buffer_printf(&out, "Usage: tidemill %s VERB [ARGUMENTS] [FLAGS]\n\nCommands:\n", noun);
            append_overview(&out, noun);
            buffer_printf(&out, "\nSee also: tidemill %s VERB --help\n", noun);
        } else if (names_something(count, values)) {
            answered = false;
        } else {
            help_overview(&out);
        }
    } else {
        answered = false;
    }
    write_stdout(buffer_view(&out));
    buffer_free(&out);
    return answered;
}
