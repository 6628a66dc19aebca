/* log verify: checks every checksum of a stopped data directory, and changes nothing. */
#include "client-tools/data/data_check.h"
#include "client-tools/tool.h"

static const struct column columns[] = {
    {"file", CELL_TEXT, false},
    {"byte", CELL_INT, false},
    {"class", CELL_TEXT, false},
    {"error", CELL_ERROR, false},
    {"message", CELL_TEXT, false},
    {"next_step", CELL_TEXT, false},
    END_OF_COLUMNS,
};

static const struct column class_columns[] = {
    {"class", CELL_TEXT, false},  {"files", CELL_INT, false}, {"size_bytes", CELL_SIZE, false},
    {"checked", CELL_INT, false}, {"unit", CELL_TEXT, false}, END_OF_COLUMNS,
};

static void add_finding(void *context, const struct finding *finding)
{
    static const char *const names[] = {[FINDING_NOTE] = NULL,
                                        [FINDING_DAMAGED] = "DAMAGED",
                                        [FINDING_MISSING] = "MISSING",
                                        [FINDING_NEWER] = "UNSUPPORTED_VERSION"};
    struct table *table = context;
    table_row(table);
    table_text(table, bytes_string(finding->file));
    if (finding->at >= 0)
        table_int(table, finding->at);
    else
        table_null(table);
    table_text(table, bytes_string(finding->class));
    table_error_named(table, names[finding->kind], bytes_string(finding->message));
    if (finding->kind == FINDING_NOTE) { /* without an error the cell of the message is empty */
        table->filled--;
        table_text(table, bytes_string(finding->message));
    }
    table_text(table, bytes_string(finding->next_step));
}

static void add_counts(struct tool *t, const struct data_check *check)
{
    struct table *table = document_table(&t->document, "classes", class_columns);
    for (size_t i = 0; i < check->count; i++) {
        table_row(table);
        table_text(table, bytes_string(check->counts[i].class));
        table_int(table, check->counts[i].files);
        table_int(table, check->counts[i].bytes);
        table_int(table, check->counts[i].checked);
        table_text(table, bytes_string(check->counts[i].unit));
    }
}

static bool run(struct tool *t)
{
    struct table *table = tool_table(t, "findings");
    const char *directory = arena_printf(&t->arena, "%.*s", BYTES_PRINTF(t->arguments.names[0]));
    struct data_image image;
    struct data_check check;
    bool good =
        data_image_open(&image, directory, false, &t->arena, add_finding, table, &t->failure) &&
        data_check_run(&image, &check, &t->failure);
    if (good) {
        add_counts(t, &check);
        document_int(&t->document, "faults", CELL_INT, (int64_t)table->errors);
    }
    data_image_close(&image);
    return good;
}

const struct command log_verify_command = {
    .noun = "log",
    .verb = "verify",
    .arguments = "DIR",
    .min = 1,
    .max = 1,
    .sentence = "Checks all files of a stopped data directory",
    .columns = columns,
    .examples = (const char *const[]){"log verify /var/lib/tidemill",
                                      "log verify /backup/tidemill --format json", NULL},
    .see_also = "log dump, log repair",
    .run = run,
};
