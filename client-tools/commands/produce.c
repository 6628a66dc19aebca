/* produce: lines of text or JSON become records. */
#include "base/clock.h"
#include "base/units.h"
#include "client-tools/cluster/producer.h"
#include "client-tools/files.h"
#include "client-tools/output/record_format.h"
#include "client-tools/stop.h"
#include "client-tools/tool.h"
#include "protocol/compression.h"

#include <inttypes.h>
#include <unistd.h>

enum { MAX_LINE = 64 << 20 };

static const struct flag flags[] = {
    {'t', "topic", FLAG_VALUE, "TOPIC", "same as the argument", NULL, NULL},
    {'k', "key", FLAG_VALUE, "KEY", "key of every record", NULL, NULL},
    {'K', "key-delimiter", FLAG_VALUE, "TEXT", "text between key and value in each line", NULL,
     NULL},
    {'H', "header", FLAG_LIST, "KEY:VALUE", "header of every record", NULL, NULL},
    {'p', "partition", FLAG_VALUE, "N", "partition of every record", NULL, NULL},
    {'z', "compression", FLAG_VALUE, "CODEC", "codec of the batches", NULL,
     "none|gzip|snappy|lz4|zstd"},
    {'Z', "tombstone", FLAG_SWITCH, NULL, "write a null value (tombstone) for an empty one", NULL,
     NULL},
    {0, "input", FLAG_VALUE, "KIND", "input format; jsonl is the output format of consume", NULL,
     "lines|jsonl"},
    {'f', "record-format", FLAG_VALUE, "FORMAT", "line format such as '%k\\t%v'", NULL, NULL},
    {'i', "file", FLAG_VALUE, "FILE", "read this file instead of standard input", NULL, NULL},
    {0, "acks", FLAG_VALUE, "ACKS", "number of replicas that must acknowledge", NULL, "all|-1|0|1"},
    {0, NULL, FLAG_SWITCH, NULL, NULL, NULL, NULL},
};

static const struct column columns[] = {
    {"topic", CELL_TEXT, false},      {"partition", CELL_INT, false},
    {"records", CELL_INT, false},     {"first_offset", CELL_INT, false},
    {"last_offset", CELL_INT, false}, {"error", CELL_ERROR, false},
    {"message", CELL_TEXT, false},    END_OF_COLUMNS,
};

struct input {
    struct tool *tool;
    struct bytes topic; /* null: each record names its own */
    struct bytes key, delimiter, format;
    struct buffer headers; /* encoded, for every record */
    int32_t header_count, partition;
    bool jsonl, tombstones;
    int64_t records; /* read so far */
    struct line_reader lines;
    struct arena arena; /* of one line */
};

static bool read_headers(struct input *in)
{
    struct tool *t = in->tool;
    struct bytes text, key, value;
    buffer_init(&in->headers, 1 << 20);
    for (size_t at = 0; !bytes_is_null(text = flag_next(&t->arguments, "header", &at));) {
        if (!pair_split(text, ":=", &key, &value))
            return fail_usage(&t->failure, "-H %.*s: expected KEY:VALUE", BYTES_PRINTF(text));
        record_headers_append(&in->headers, key, value);
        in->header_count++;
    }
    return true;
}

static bool read_topic(struct input *in)
{
    const struct arguments *a = &in->tool->arguments;
    in->topic = a->name_count ? a->names[0] : flag_text(a, "topic");
    in->jsonl = bytes_equal_string(flag_text(a, "input"), "jsonl");
    in->format = flag_text(a, "record-format");
    bool named_by_record = in->jsonl || (!bytes_is_null(in->format) &&
                                         memmem(in->format.data, in->format.size, "%t", 2));
    if (bytes_is_null(in->topic) && !named_by_record)
        return fail_usage(&in->tool->failure, "no topic is given: tidemill produce TOPIC");
    return true;
}

static bool read_flags(struct input *in)
{
    struct tool *t = in->tool;
    int64_t partition;
    struct message why;
    if (!read_topic(in) || !read_headers(in) ||
        !flag_int(&t->arguments, "partition", 0, INT32_MAX, -1, &partition, &t->failure))
        return false;
    in->partition = (int32_t)partition;
    in->key = flag_text(&t->arguments, "key");
    in->delimiter = flag_text(&t->arguments, "key-delimiter");
    in->tombstones = flag_is_set(&t->arguments, "tombstone");
    if (in->jsonl && (!bytes_is_null(in->format) || in->delimiter.size > 0))
        return fail_usage(&t->failure, "--input jsonl cannot be combined with -f or -K");
    if (!bytes_is_null(in->format) && !record_format_check_input(in->format, &why))
        return fail_usage(&t->failure, "-f: %s", why.text);
    struct bytes file = flag_text(&t->arguments, "file");
    const char *path =
        bytes_is_null(file) ? NULL : arena_printf(&t->arena, "%.*s", BYTES_PRINTF(file));
    return line_reader_open(&in->lines, path, MAX_LINE, &t->failure);
}

/* "\t" on the command line is a tab. */
static struct bytes unescape(struct bytes text, struct arena *arena)
{
    if (!bytes_equal_string(text, "\\t") && !bytes_equal_string(text, "\\n"))
        return text;
    return arena_copy(arena, text.data[1] == 't' ? BYTES_LITERAL("\t") : BYTES_LITERAL("\n"));
}

static bool parse_plain(struct input *in, struct bytes line, struct record *record,
                        struct message *why)
{
    struct bytes delimiter = unescape(in->delimiter, &in->arena);
    record->value = line;
    if (delimiter.size == 0)
        return true;
    const uint8_t *at = memmem(line.data, line.size, delimiter.data, delimiter.size);
    if (at == NULL) {
        message_set(why, "the line has no \"%.*s\" between key and value", BYTES_PRINTF(delimiter));
        return false;
    }
    record->key = bytes_of(line.data, (size_t)(at - line.data));
    record->value = bytes_from(line, record->key.size + delimiter.size);
    return true;
}

static bool parse_line(struct input *in, struct bytes line, struct record_place *place,
                       struct record *record, struct message *why)
{
    bool good;
    *record = (struct record){.timestamp = -1, .key = BYTES_NULL};
    *place = (struct record_place){.partition = -1};
    if (in->jsonl)
        good = record_json_parse(line, &in->arena, place, record, why);
    else if (!bytes_is_null(in->format))
        good = record_format_parse(in->format, line, place, record, why);
    else
        good = parse_plain(in, line, record, why);
    if (!bytes_is_null(in->topic))
        place->topic = in->topic;
    if (good && place->topic.size == 0) {
        message_set(why, "the record names no topic");
        good = false;
    }
    return good;
}

/* Completes a record from the flags: their key replaces the line's, and their headers are added. */
static void complete(struct input *in, struct record *record)
{
    struct clock *clock = clock_system();
    if (!bytes_is_null(in->key))
        record->key = in->key;
    if (record->timestamp < 0)
        record->timestamp = clock->wall_ms(clock);
    if (in->tombstones && record->value.size == 0)
        record->value = BYTES_NULL;
    if (in->header_count == 0)
        return;
    struct buffer all;
    buffer_init(&all, record->headers.size + in->headers.size + 1);
    buffer_append_bytes(&all, record->headers);
    buffer_append_bytes(&all, buffer_view(&in->headers));
    record->headers = arena_copy(&in->arena, buffer_view(&all));
    record->header_count += in->header_count;
    buffer_free(&all);
}

static bool send_line(struct input *in, struct producer *p, struct bytes line)
{
    struct tool *t = in->tool;
    struct record_place place;
    struct record record;
    struct message why;
    arena_reset(&in->arena);
    if (!parse_line(in, line, &place, &record, &why))
        return fail_usage(&t->failure, "%s, line %" PRId64 ": %s", in->lines.name, in->lines.line,
                          why.text);
    complete(in, &record);
    in->records++;
    return producer_add(p, &place, &record, &t->failure);
}

static bool send_lines(struct input *in, struct producer *p)
{
    struct tool *t = in->tool;
    int64_t linger_ms;
    if (!client_setting_duration(&t->settings, KEY_LINGER_MS, &linger_ms, &t->failure))
        return false;
    if (in->lines.fd == STDIN_FILENO)
        tool_say_terminal(t, "records");
    for (;;) {
        struct bytes line;
        int wait_ms = p->pending_bytes > 0 ? (int)linger_ms : -1;
        enum line_result result =
            p->failed ? LINE_END : line_reader_next(&in->lines, wait_ms, &line, &t->failure);
        bool ends = result == LINE_END || result == LINE_FAILED || stop_requested();
        if (ends)
            stop_acknowledge();
        if (ends || result == LINE_WAITING) {
            struct failure ignored;
            bool sent = producer_flush(p, result == LINE_FAILED ? &ignored : &t->failure);
            if (!sent || ends)
                return sent && result != LINE_FAILED;
        } else if (!send_line(in, p, line)) {
            struct failure ignored; /* the lines before the bad one are still sent */
            if (t->failure.exit == EXIT_USAGE && in->lines.line > 1 && producer_flush(p, &ignored))
                message_set(&t->failure.hint, "the lines before it were written");
            return false;
        }
    }
}

/* After Ctrl-C in the middle of a request: writes the records that were read. Only an idempotent
 * producer can, because the broker sees whether it has a batch already. */
static bool finish_interrupted(struct tool *t, struct producer *p)
{
    if (strcmp(t->failure.name, "INTERRUPTED") != 0 || p->id < 0)
        return false;
    stop_acknowledge();
    return producer_flush(p, &t->failure);
}

static int64_t written(const struct producer *p)
{
    int64_t sum = 0;
    for (const struct producer_topic *topic = p->topics; topic; topic = topic->next) {
        for (int32_t i = 0; i < topic->partition_count; i++)
            sum += topic->partitions[i].records;
    }
    return sum;
}

/* After a refusal: says how many records were read and written, and so which to send again. */
static void say_what_is_left(const struct input *in, const struct producer *p)
{
    int64_t sent = written(p);
    if (p->failed)
        tool_say(in->tool,
                 "stopped: %" PRId64 " of the %" PRId64 " records read were written, %" PRId64
                 " were not; reading stopped after line %" PRId64 " of %s",
                 sent, in->records, in->records - sent, in->lines.line, in->lines.name);
}

static void show_result(struct tool *t, const struct producer *p)
{
    struct table *table = tool_table(t, "partitions");
    for (const struct producer_topic *topic = p->topics; topic; topic = topic->next) {
        for (int32_t i = 0; i < topic->partition_count; i++) {
            const struct producer_partition *r = &topic->partitions[i];
            if (r->records == 0 && r->error_code == 0)
                continue;
            table_row(table);
            table_text(table, topic->name);
            table_int(table, r->index);
            table_int(table, r->records);
            if (r->first_offset >= 0) {
                table_int(table, r->first_offset);
                table_int(table, r->last_offset);
            }
            table_error(table, r->error_code, r->error_message);
        }
    }
}

/* Kafka's rule: idempotence is on by default if acks=all; with other acks `true` is an error. */
static bool read_idempotence(struct tool *t, struct producer *p)
{
    const struct client_setting *s = &t->settings.values[KEY_ENABLE_IDEMPOTENCE];
    p->idempotent = p->acks == -1 && !bytes_equal_string(s->value, "false");
    if (p->idempotent || !bytes_equal_string(s->value, "true"))
        return true;
    fail_usage(&t->failure, "enable.idempotence true requires acks=all");
    message_set(&t->failure.from, "%s", s->from);
    return false;
}

static bool prepare_producer(struct tool *t, int32_t partition, struct producer *p)
{
    int64_t batch_bytes;
    if (!client_setting_size(&t->settings, KEY_BATCH_SIZE, &batch_bytes, &t->failure) ||
        !client_setting_duration(&t->settings, KEY_TIMEOUT, &p->timeout_ms, &t->failure))
        return false;
    struct bytes acks = t->settings.values[KEY_ACKS].value;
    p->acks = bytes_equal_string(acks, "0") ? 0 : bytes_equal_string(acks, "1") ? 1 : -1;
    p->codec = (enum codec)codec_parse(t->settings.values[KEY_COMPRESSION_TYPE].value);
    p->batch_bytes = (size_t)batch_bytes;
    p->partition = partition;
    p->quiet = t->quiet;
    return read_idempotence(t, p);
}

static bool run(struct tool *t)
{
    struct input in = {.tool = t};
    struct producer p;
    if (!read_flags(&in) || !tool_client(t))
        return false;
    arena_init(&in.arena, 512 << 20);
    producer_init(&p, t->client);
    bool good =
        prepare_producer(t, in.partition, &p) && (send_lines(&in, &p) || finish_interrupted(t, &p));
    show_result(t, &p);
    say_what_is_left(&in, &p);
    producer_free(&p);
    line_reader_close(&in.lines);
    buffer_free(&in.headers);
    arena_free(&in.arena);
    return good;
}

const struct command produce_command = {
    .noun = "produce",
    .arguments = "[TOPIC]",
    .max = 1,
    .sentence = "Writes records, one per line of standard input",
    .flags = flags,
    .columns = columns,
    .streaming = true,
    .examples = (const char *const[]){"produce orders < lines.txt",
                                      "produce orders -K : -z zstd < pairs.txt",
                                      "produce orders -k c-481 -H trace:9f",
                                      "produce --input jsonl -i records.jsonl", NULL},
    .see_also = "consume",
    .run = run,
};
