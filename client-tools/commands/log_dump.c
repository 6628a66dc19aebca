/* log dump: shows the files of a stopped data directory. */
#include "client-tools/data/data_dump.h"
#include "client-tools/files.h"
#include "client-tools/tool.h"

static const struct flag flags[] = {
    {0, "rows", FLAG_SWITCH, NULL, "show the rows of the key-value store", NULL, NULL},
    {0, NULL, FLAG_SWITCH, NULL, NULL, NULL, NULL},
};

/* Damage is shown where it is. Faults of other files are for log verify. */
static void say_finding(void *context, const struct finding *finding)
{
    if (finding->kind != FINDING_NOTE)
        tool_say(context, "%s: %s", finding->file, finding->message);
}

static const char *below(const struct tool *t, const char *directory, const char *path)
{
    size_t size = strlen(directory);
    (void)t;
    return strncmp(path, directory, size) == 0 && path[size] == '/' ? path + size + 1 : path;
}

static bool dump(struct tool *t, struct data_image *image, struct data_lines *lines)
{
    const struct arguments *a = &t->arguments;
    if (flag_is_set(a, "rows"))
        data_dump_rows(image, lines);
    else if (a->name_count == 1)
        data_dump_overview(image, lines);
    for (size_t i = 1; i < a->name_count && !lines->reader_gone; i++) {
        const char *path = arena_printf(&t->arena, "%.*s", BYTES_PRINTF(a->names[i]));
        if (!data_dump_file(image, below(t, image->directory, path), lines, &t->failure))
            return false;
    }
    return true;
}

static bool run(struct tool *t)
{
    const char *directory = arena_printf(&t->arena, "%.*s", BYTES_PRINTF(t->arguments.names[0]));
    struct data_image image;
    struct data_lines lines;
    data_lines_init(&lines, t->format == OUTPUT_JSON);
    bool good = data_image_open(&image, directory, flag_is_set(&t->arguments, "rows"), &t->arena,
                                say_finding, t, &t->failure) &&
                dump(t, &image, &lines);
    data_lines_end(&lines);
    data_image_close(&image);
    return good && lines.write_error != 0 ? fail_output(&t->failure, lines.write_error) : good;
}

const struct command log_dump_command = {
    .noun = "log",
    .verb = "dump",
    .arguments = "DIR [FILE...]",
    .min = 1,
    .max = -1,
    .sentence = "Shows the logs, journals, rows and files of a stopped data directory",
    .flags = flags,
    .examples =
        (const char *const[]){"log dump /var/lib/tidemill",
                              "log dump /var/lib/tidemill --rows --format json",
                              "log dump DIR shard-0/journal-00000000000000000007.log", NULL},
    .see_also = "log verify, log export",
    .streaming = true,
    .run = run,
};
