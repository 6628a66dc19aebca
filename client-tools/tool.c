#include "client-tools/tool.h"

#include "base/units.h"
#include "client-tools/files.h"
#include "client-tools/help/help.h"
#include "client-tools/stop.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ARENA_MAX = 1 << 30, OUTPUT_MAX = 1 << 30 };

static const char *environment(const char *name)
{
    return getenv(name);
}

struct client *tool_client(struct tool *t)
{
    if (t->client)
        return t->client;
    const struct client_setting *brokers = &t->settings.values[KEY_BOOTSTRAP_SERVERS];
    struct client_options options = {
        .brokers = brokers->value,
        .brokers_from = brokers->from,
        .client_id = t->settings.values[KEY_CLIENT_ID].value,
        .whole_command = !t->command->streaming,
    };
    if (!client_setting_duration(&t->settings, KEY_TIMEOUT, &options.timeout_ms, &t->failure) ||
        !client_open(&options, &t->client, &t->failure))
        return NULL;
    tool_detail(t, "connected to %s", client_address(t->client));
    return t->client;
}

struct table *tool_table(struct tool *t, const char *name)
{
    t->document.main_table = t->document.table_count;
    return document_table(&t->document, name, t->command->columns);
}

static void say(const char *format, va_list args)
{
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

void tool_say(const struct tool *t, const char *format, ...)
{
    if (t->quiet)
        return;
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

void tool_say_terminal(const struct tool *t, const char *what)
{
    if (isatty(STDIN_FILENO))
        tool_say(t, "reading %s from the terminal; press Ctrl-D to end", what);
}

void tool_detail(const struct tool *t, const char *format, ...)
{
    if (!t->verbose)
        return;
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

static void show_plan(const struct table *plan)
{
    if (plan == NULL)
        return;
    struct document d = {.tables = {*plan}, .table_count = 1};
    d.tables[0].planned = true;
    struct buffer text;
    buffer_init(&text, OUTPUT_MAX);
    document_render(&d, NULL, OUTPUT_TEXT, false, &text);
    fwrite(text.data, 1, text.size, stderr);
    buffer_free(&text);
}

bool tool_confirm(struct tool *t, const struct table *plan, const char *question, ...)
{
    if (flag_is_set(&t->arguments, "yes"))
        return true;
    if (!isatty(STDIN_FILENO)) {
        fail_usage(&t->failure, "%s %s needs a confirmation, but standard input is not a terminal",
                   t->command->noun, t->command->verb);
        message_set(&t->failure.hint, "add --yes to confirm, or --dry-run to see the changes");
        return false;
    }
    show_plan(plan);
    va_list args;
    va_start(args, question);
    vfprintf(stderr, question, args);
    va_end(args);
    fputs(" [y/N] ", stderr);
    char answer[16];
    if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
        return true;
    return fail(&t->failure, "DECLINED", "nothing was changed");
}

static bool read_global_flags(struct tool *t)
{
    const struct arguments *a = &t->arguments;
    struct bytes format = flag_text(a, "format");
    if (flag_is_set(a, "json"))
        t->format = OUTPUT_JSON;
    else if (!bytes_is_null(format))
        t->format = (enum output_format)output_format_parse(format);
    t->quiet = flag_is_set(a, "quiet");
    t->verbose = flag_is_set(a, "verbose");
    t->dry_run = flag_is_set(a, "dry-run");
    const char *terminal = getenv("TERM"), *no_color = getenv("NO_COLOR");
    t->color = isatty(STDOUT_FILENO) && !flag_is_set(a, "no-color") &&
               (no_color == NULL || *no_color == '\0') && terminal && strcmp(terminal, "dumb") != 0;
    return client_settings_load(&t->settings, a, environment, &t->arena, &t->failure);
}

/* Finds the format even when the command line is wrong, because a script that asked for JSON reads
 * JSON. */
static enum output_format wanted_format(int count, char **values)
{
    enum output_format format = OUTPUT_TEXT;
    for (int i = 0; i < count; i++) {
        const char *value = NULL;
        if (strcmp(values[i], "-J") == 0 || strcmp(values[i], "--json") == 0)
            value = "json";
        else if (strcmp(values[i], "--format") == 0 && i + 1 < count)
            value = values[i + 1];
        else if (strncmp(values[i], "--format=", 9) == 0)
            value = values[i] + 9;
        if (value && strcmp(value, "json") == 0)
            format = OUTPUT_JSON;
    }
    return format;
}

/* Tells people that a result is empty. */
static void say_when_empty(const struct tool *t)
{
    const struct document *d = &t->document;
    for (size_t i = 0; i < d->table_count; i++) {
        if (d->tables[i].row_count > 0)
            return;
    }
    if (d->table_count > 0 && t->command->verb)
        tool_say(t, "no %s", d->tables[d->main_table].name);
}

static bool show_document(struct tool *t, bool failed)
{
    if (t->command && t->command->streaming && !failed && t->document.table_count == 0)
        return true;
    bool is_json = t->format == OUTPUT_JSON;
    bool has_result = t->document.table_count > 0 || t->document.field_count > 0;
    if (!is_json && (failed || !has_result))
        return true;
    struct buffer text;
    buffer_init(&text, OUTPUT_MAX);
    document_render(&t->document, failed ? &t->failure : NULL, t->format, t->color, &text);
    if (t->format == OUTPUT_TEXT || t->format == OUTPUT_WIDE)
        say_when_empty(t);
    bool good = write_result(buffer_view(&text), &t->failure);
    buffer_free(&text);
    return good;
}

static void show_failure(const struct tool *t)
{
    struct buffer text;
    buffer_init(&text, 1 << 16);
    failure_format(&t->failure, &text);
    fwrite(text.data, 1, text.size, stderr);
    buffer_free(&text);
}

static int finish(struct tool *t, bool good)
{
    good = show_document(t, !good) && good;
    if (good)
        return document_errors(&t->document) > 0 ? EXIT_FAILED : EXIT_DONE;
    show_failure(t);
    return (int)t->failure.exit;
}

static bool run_command(struct tool *t)
{
    if (!read_global_flags(t))
        return false;
    if (t->format == OUTPUT_TSV_HEADER && t->command->columns) {
        tool_table(t, "");
        return true;
    }
    stop_install(t->command->streaming);
    return t->command->run(t);
}

static const char *command_name(struct tool *t)
{
    const struct command *c = t->command;
    if (c == NULL)
        return "";
    return arena_printf(&t->arena, "%s%s%s", c->noun, c->verb ? " " : "", c->verb ? c->verb : "");
}

static int run(struct tool *t, int count, char **values)
{
    /* "help topic create" means "topic create --help". */
    bool help = count > 0 && strcmp(values[0], "help") == 0;
    count -= help;
    values += help;
    bool parsed = arguments_parse(&t->arguments, count, values, &t->failure);
    t->command = t->arguments.command;
    document_init(&t->document, command_name(t), &t->arena);
    if (help_requested(count, values, help, t->command))
        return EXIT_DONE;
    if (!parsed)
        return finish(t, false);
    if (t->command == NULL) {
        help_print_overview(stderr);
        return EXIT_USAGE;
    }
    return finish(t, run_command(t));
}

int tool_main(int count, char **values)
{
    struct tool t = {.format = wanted_format(count, values)};
    arena_init(&t.arena, ARENA_MAX);
    int code = run(&t, count, values);
    client_close(t.client);
    arguments_free(&t.arguments);
    arena_free(&t.arena);
    return code;
}
