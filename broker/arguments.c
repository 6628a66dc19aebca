#include "broker/arguments.h"

#include "base/suggest.h"
#include "broker/config/reference.h"

#include <getopt.h>
#include <stdio.h>

static const char usage[] =
    "Usage: tidemilld [-c FILE] [-X key=value]... [-t] [--print-config [--changed]] [--dev]\n"
    "\n"
    "The Tidemill broker: serves the Kafka protocol and runs stream processors.\n"
    "\n"
    "  -c, --config FILE    properties file with Kafka's keys\n"
    "  -X key=value         set one key; overrides the file and the environment\n"
    "  -t                   check the configuration and exit (0: valid, 2: invalid)\n"
    "      --print-config   print every key, its value and its source\n"
    "      --changed        with --print-config: only keys that are set\n"
    "      --dev            use a temporary data directory and a free port\n"
    "      --reference      print the reference page of all keys\n"
    "      --version        print the version\n"
    "\n"
    "Example: tidemilld -X log.dirs=/var/lib/tidemill -X listeners=PLAINTEXT://127.0.0.1:9092\n";

static void print_reference(void)
{
    struct buffer page;
    buffer_init(&page, 4 << 20);
    reference_write(&page);
    fputs(buffer_c_string(&page), stdout);
    buffer_free(&page);
}

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'}, {"print-config", no_argument, NULL, 'p'},
    {"changed", no_argument, NULL, 'C'},      {"dev", no_argument, NULL, 'd'},
    {"reference", no_argument, NULL, 'r'},    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
};

static int refuse(const char *what, const char *which)
{
    fprintf(stderr, "tidemilld: %s %s\nhint: tidemilld --help\n", what, which);
    return EXIT_BAD_CONFIG;
}

/* Reports a flag that getopt_long refused. */
static int refuse_flag(const char *given, int letter)
{
    const char *names[COUNT_OF(options)] = {NULL}, *near;
    if (letter && strchr("cX", letter))
        return refuse("a value is missing after", letter == 'c' ? "--config" : "-X");
    if (letter && strncmp(given, "--", 2) == 0)
        return refuse("this flag takes no value:", given);
    if (letter)
        return refuse("unknown flag", (const char[]){'-', (char)letter, '\0'});
    for (size_t i = 0; options[i].name; i++)
        names[i] = options[i].name;
    size_t dashes = strspn(given, "-");
    near = suggest(bytes_of(given + dashes, strcspn(given + dashes, "=")), names);
    if (near == NULL)
        return refuse("unknown flag", given);
    fprintf(stderr, "tidemilld: unknown flag %s\nhint: did you mean --%s?\n", given, near);
    return EXIT_BAD_CONFIG;
}

static int add_setting(struct arguments *out, const char *setting)
{
    if (out->flag_count == FLAGS_MAX) {
        fprintf(stderr, "tidemilld: more than %d -X flags: use a file\n", FLAGS_MAX);
        return EXIT_BAD_CONFIG;
    }
    out->flags[out->flag_count++] = setting;
    return -1;
}

static int say(const char *text)
{
    fputs(text, stdout);
    return EXIT_OK;
}

/* Returns -1 to continue. */
static int take_flag(struct arguments *out, int letter, char *given)
{
    switch (letter) {
    case 'c':
        out->file = optarg;
        return -1;
    case 'X':
        return add_setting(out, optarg);
    case 't':
        out->check = true;
        return -1;
    case 'p':
        out->print = true;
        return -1;
    case 'C':
        out->changed = true;
        return -1;
    case 'd':
        out->dev = true;
        return -1;
    case 'V':
        return say("tidemilld " TIDEMILL_VERSION "\n");
    case 'r':
        print_reference();
        return EXIT_OK;
    case 'h':
        return say(usage);
    default:
        return refuse_flag(given, optopt);
    }
}

int arguments_parse(int count, char **values, struct arguments *out)
{
    opterr = 0; /* refuse_flag reports errors */
    for (int letter; (letter = getopt_long(count, values, "c:X:th", options, NULL)) != -1;) {
        int code = take_flag(out, letter, values[optind - 1]);
        if (code >= 0)
            return code;
    }
    return optind < count ? refuse("unexpected argument", values[optind]) : -1;
}
