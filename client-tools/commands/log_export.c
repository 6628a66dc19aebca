/* log export: a range of records as JSON lines, from a stopped data directory or from a broker. */
#include "base/clock.h"
#include "base/units.h"
#include "client-tools/cluster/offset_spec.h"
#include "client-tools/commands/commands.h"
#include "client-tools/data/data_segment.h"
#include "client-tools/output/record_printer.h"
#include "client-tools/stop.h"
#include "client-tools/tool.h"

#include <stdio.h>
#include <stdlib.h>

enum { UNCOMPRESSED_MAX = 256 << 20, BATCH_BYTES_MAX = 1 << 30 };

static const struct flag flags[] = {
    {0, "dir", FLAG_VALUE, "DIR", "a stopped data directory, instead of a broker", NULL, NULL},
    {'o', "offset", FLAG_VALUE, "OFFSET",
     "offsets to start and stop at: start end +N -N N N:M :end @TIME @TIME:TIME (default all)",
     NULL, NULL},
    {'p', "partitions", FLAG_VALUE, "N,N", "only these partitions", NULL, NULL},
    {'f', "record-format", FLAG_VALUE, "FORMAT",
     "record format such as '%p %o %k %v\\n' (default: JSON lines)", NULL, NULL},
    {0, NULL, FLAG_SWITCH, NULL, NULL, NULL, NULL},
};

/* --- from a broker: consume with an end --- */

static bool export_live(struct tool *t)
{
    struct arguments *a = &t->arguments;
    struct argument_value *given = a->flags;
    size_t count = a->flag_count;
    struct bytes offset = flag_text(a, "offset");
    bool has_end = !bytes_is_null(offset) && memchr(offset.data, ':', offset.size) != NULL &&
                   offset.data[offset.size - 1] != ':';
    a->flags = arena_array(&t->arena, count + 1, sizeof *a->flags);
    if (count > 0)
        memcpy(a->flags, given, count * sizeof *given);
    if (!has_end)
        a->flags[a->flag_count++] = (struct argument_value){
            &flags[1], bytes_is_null(offset) ? BYTES_LITERAL("start:end")
                                             : bytes_string(arena_printf(&t->arena, "%.*s:end",
                                                                         BYTES_PRINTF(offset)))};
    bool good = consume_command.run(t);
    a->flags = given;
    a->flag_count = count;
    return good;
}

/* --- from a stopped data directory --- */

/* A partition's range. */
struct range {
    int32_t partition;
    int64_t from, to;          /* offsets [from, to) */
    int64_t from_ms, to_ms;    /* INT64_MIN, INT64_MAX: no limit */
    bool has_begun, has_ended; /* at the first record with the time */
};

struct segment_of_range {
    struct data_segment segment;
    struct range *range;
};

struct export
{
    struct tool *tool;
    struct data_image image;
    struct record_printer printer;
    struct offset_spec spec;
    struct uuid topic_id;
    struct bytes name;
    struct range *ranges;
    size_t range_count;
    struct segment_of_range *segments;
    size_t segment_count;
    int64_t lost; /* ranges that could not be read */
};

static void say_finding(void *context, const struct finding *finding)
{
    struct export *e = context;
    if (finding->kind != FINDING_NOTE)
        tool_say(e->tool, "%s: %s", finding->file, finding->message);
}

static void print_record(struct export *e, struct range *r, const struct record *record)
{
    struct record_place place = {e->name, r->partition, 0};
    r->has_begun |= record->timestamp >= r->from_ms;
    r->has_ended |= r->has_begun && record->timestamp >= r->to_ms;
    if (r->has_begun && !r->has_ended && record->offset >= r->from && record->offset < r->to)
        record_printer_add(&e->printer, &place, record);
}

static void print_batch(struct export *e, struct range *r, struct bytes batch)
{
    struct batch_header header;
    struct record_iterator records;
    struct record record;
    struct arena arena;
    if (r->has_ended || e->printer.reader_gone || !batch_header_read(batch, &header) ||
        (header.attributes & BATCH_CONTROL) || batch_last_offset(&header) < r->from ||
        header.base_offset >= r->to)
        return;
    arena_init(&arena, UNCOMPRESSED_MAX + (1 << 20));
    bool good = records_open(batch, &arena, UNCOMPRESSED_MAX, &records) == ERR_OK;
    while (good && records_next(&records, &record))
        print_record(e, r, &record);
    if (!good || records.failed) {
        e->lost++;
        tool_say(e->tool, "%.*s/%d: the batch at offset %lld cannot be decompressed",
                 BYTES_PRINTF(e->name), r->partition, (long long)header.base_offset);
    }
    arena_free(&arena);
}

struct export_walk {
    struct segment_walk walk;
    struct export *export;
    struct segment_of_range *at;
};

static void take_batch(struct segment_walk *walk, struct segment_scan *scan)
{
    struct export_walk *w = CONTAINER_OF(walk, struct export_walk, walk);
    struct buffer batch;
    if (scan->next_offset <= w->at->range->from || scan->header.base_offset >= w->at->range->to)
        return;
    buffer_init(&batch, BATCH_BYTES_MAX);
    if (segment_scan_read(scan, &batch) == ERR_OK)
        print_batch(w->export, w->at->range, buffer_view(&batch));
    buffer_free(&batch);
}

static void take_damage(struct segment_walk *walk, const struct damaged_range *range)
{
    struct export_walk *w = CONTAINER_OF(walk, struct export_walk, walk);
    w->export->lost++;
    tool_say(w->export->tool, "%s: damaged at byte %lld: %s", w->at->segment.path,
             (long long)range->from, range->what);
}

static struct range *range_of(const struct export *e, int32_t partition)
{
    for (size_t i = 0; i < e->range_count; i++) {
        if (e->ranges[i].partition == partition)
            return &e->ranges[i];
    }
    return NULL;
}

static void take_journal_batch(void *context, struct uuid topic_id, int32_t partition,
                               struct bytes batch)
{
    struct export *e = context;
    struct range *r = range_of(e, partition);
    if (r && memcmp(topic_id.bytes, e->topic_id.bytes, sizeof topic_id.bytes) == 0)
        print_batch(e, r, batch);
}

/* --- the ranges --- */

static bool is_listed(struct bytes list, int32_t partition)
{
    struct bytes first, rest;
    int64_t number;
    for (bool more = !bytes_is_null(list); more; list = rest) {
        more = pair_split(list, ",", &first, &rest);
        if (parse_i64(more ? first : list, &number) && number == partition)
            return true;
    }
    return bytes_is_null(list);
}

static int64_t offset_of(struct offset_bound bound, int64_t start, int64_t end, int64_t otherwise)
{
    switch (bound.kind) {
    case BOUND_START:
        return start;
    case BOUND_END:
        return end;
    case BOUND_AFTER_START:
        return bound.value > end - start ? end : start + bound.value;
    case BOUND_BEFORE_END:
        return bound.value > end - start ? start : end - bound.value;
    case BOUND_OFFSET:
        return bound.value;
    default:
        return otherwise;
    }
}

static void add_range(struct export *e, int32_t partition)
{
    const struct image_log *l = data_image_log(&e->image, e->topic_id, partition);
    int64_t start = l ? l->start : 0, end = l && l->next > 0 ? l->next : INT64_MAX;
    struct offset_bound from = e->spec.from, to = e->spec.to;
    e->ranges[e->range_count++] = (struct range){
        .partition = partition,
        .from = MAX(start, offset_of(from, start, end, start)),
        .to = MIN(end, offset_of(to, start, end, end)),
        .from_ms = from.kind == BOUND_TIME ? from.value : INT64_MIN,
        .to_ms = to.kind == BOUND_TIME ? to.value : INT64_MAX,
    };
}

static int by_place(const void *a, const void *b)
{
    const struct data_segment *x = a, *y = b;
    if (x->partition != y->partition)
        return x->partition < y->partition ? -1 : 1;
    return (x->base_offset > y->base_offset) - (x->base_offset < y->base_offset);
}

/* The topic's segments in order. Without rows they alone tell which partitions there are. */
static void find_segments(struct export *e)
{
    struct arena *arena = &e->tool->arena;
    struct data_segment *found = arena_array(arena, e->image.file_count, sizeof *found);
    size_t count = 0;
    for (size_t i = 0; i < e->image.file_count; i++) {
        enum segment_part part;
        struct data_segment *s = &found[count];
        count += data_segment_find(&e->image, i, s, &part) && part == SEGMENT_LOG &&
                 !s->is_beyond &&
                 memcmp(s->topic_id.bytes, e->topic_id.bytes, sizeof s->topic_id.bytes) == 0;
    }
    if (count > 0)
        qsort(found, count, sizeof *found, by_place);
    e->segments = arena_array(arena, count, sizeof *e->segments);
    struct bytes list = flag_text(&e->tool->arguments, "partitions");
    for (size_t i = 0; i < count; i++) {
        if (range_of(e, found[i].partition) == NULL && is_listed(list, found[i].partition))
            add_range(e, found[i].partition);
        struct range *range = range_of(e, found[i].partition);
        if (range)
            e->segments[e->segment_count++] = (struct segment_of_range){found[i], range};
    }
}

static bool find_topic(struct export *e)
{
    struct tool *t = e->tool;
    struct bytes name = t->arguments.names[0];
    struct topic *topic = data_image_topic(&e->image, name);
    int32_t partitions = topic ? topic->partitions : 0;
    const char *id = arena_printf(&t->arena, "%.*s", BYTES_PRINTF(name));
    if (topic) {
        e->topic_id = topic->id;
        name = arena_copy(&t->arena, topic->name);
    } else if (!topic_directory_parse(id, &e->topic_id)) {
        fail(&t->failure, "UNKNOWN_TOPIC_OR_PARTITION", "%s has no topic %s", e->image.directory,
             id);
        if (!e->image.rows_are_whole)
            message_set(&t->failure.hint,
                        "the key-value store is damaged: give the topic id, the name of a "
                        "directory in %s/topics",
                        e->image.directory);
        return false;
    }
    topic_unref(topic);
    e->name = name;
    e->ranges =
        arena_array(&t->arena, (size_t)partitions + e->image.file_count + 1, sizeof *e->ranges);
    struct bytes list = flag_text(&t->arguments, "partitions");
    for (int32_t i = 0; i < partitions; i++) {
        if (is_listed(list, i))
            add_range(e, i);
    }
    find_segments(e);
    return e->range_count > 0 || bytes_is_null(list) ||
           fail_usage(&t->failure, "no partition matches -p %.*s", BYTES_PRINTF(list));
}

static bool print_all(struct export *e)
{
    for (size_t i = 0; i < e->segment_count && !e->printer.reader_gone && !stop_requested(); i++) {
        struct segment_of_range *at = &e->segments[i];
        struct export_walk walk = {{take_batch, take_damage}, e, at};
        if (at->segment.next_offset >= 0 && at->segment.next_offset <= at->range->from)
            continue;
        enum error error = data_segment_walk(&e->image, &at->segment, &walk.walk);
        if (error != ERR_OK)
            return fail(&e->tool->failure, "CANNOT_READ", "cannot read %s: %s", at->segment.path,
                        error_text(error));
    }
    return data_image_batches(&e->image, take_journal_batch, e, &e->tool->failure);
}

static bool read_flags(struct export *e)
{
    struct tool *t = e->tool;
    struct clock *clock = clock_system();
    struct bytes offset = flag_text(&t->arguments, "offset");
    if (bytes_is_null(offset))
        offset = BYTES_LITERAL("start:end");
    return offset_spec_parse(offset, clock->wall_ms(clock), &e->spec, &t->failure) &&
           record_printer_init(&e->printer, flag_text(&t->arguments, "record-format"), &t->failure);
}

static bool export_stopped(struct tool *t)
{
    struct export e = {.tool = t};
    const char *directory =
        arena_printf(&t->arena, "%.*s", BYTES_PRINTF(flag_text(&t->arguments, "dir")));
    if (!read_flags(&e))
        return false;
    bool good =
        data_image_open(&e.image, directory, false, &t->arena, say_finding, &e, &t->failure) &&
        find_topic(&e) && print_all(&e);
    record_printer_flush(&e.printer);
    if (good)
        good = record_printer_end(&e.printer, &t->failure);
    record_printer_free(&e.printer);
    data_image_close(&e.image);
    if (!good || e.lost == 0)
        return good;
    fail(&t->failure, "DAMAGED", "%lld ranges of topic %.*s are damaged and were left out",
         (long long)e.lost, BYTES_PRINTF(e.name));
    message_set(&t->failure.hint, "tidemill log verify %s", directory);
    return false;
}

static bool run(struct tool *t)
{
    return flag_is_set(&t->arguments, "dir") ? export_stopped(t) : export_live(t);
}

const struct command log_export_command = {
    .noun = "log",
    .verb = "export",
    .arguments = "TOPIC",
    .min = 1,
    .max = 1,
    .sentence = "Writes a range of records as JSON lines, from a broker or a data directory",
    .flags = flags,
    .examples = (const char *const[]){"log export orders -o @-1h:now",
                                      "log export orders --dir /var/lib/tidemill",
                                      "log export orders --dir DIR -p 3 -o 88000:89000", NULL},
    .see_also = "consume, produce",
    .streaming = true,
    .run = run,
};
