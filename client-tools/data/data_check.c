#include "client-tools/data/data_check.h"

#include "client-tools/data/data_segment.h"
#include "storage/journal_witness.h"
#include "storage/leader_epoch_file.h"
#include "storage/offset_index.h"
#include "storage/swap_list.h"
#include "storage/time_index.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>

enum { INDEX_FILE_MAX = 64 << 20, UNINDEXED_MAX = 1 << 20 };

static const char restore_file[] =
    "restore the file from a copy, or let `tidemill log repair` make a segment of what is whole";
static const char rebuild[] =
    "nothing: it costs time and no data. `tidemill log repair` rebuilds it";

static enum error read_whole(const struct data_image *image, const char *file, struct buffer *out)
{
    char *path = io_path(image->directory, file);
    enum error error = io_read_file(image->env->io, path, out);
    free(path);
    return error;
}

/* --- segments --- */

struct check_walk {
    struct segment_walk walk;
    const struct data_image *image;
    const struct data_segment *segment;
    int64_t batches;
    struct bytes index; /* entries that must fit the batches */
    size_t at;
    int64_t misfit; /* byte of the first entry that does not; -1: none */
    bool damaged;   /* a range of the segment is */
};

/* Compares the entries of the offset index with the batches that they point to. */
static void compare_index(struct check_walk *c, const struct segment_scan *scan)
{
    while (c->misfit < 0 && c->at + OFFSET_INDEX_ENTRY <= c->index.size) {
        struct offset_index_entry e =
            offset_index_decode(c->index.data + c->at, c->segment->base_offset);
        if (e.position > scan->batch_position)
            return;
        if (e.position < scan->batch_position || e.offset != scan->next_offset - 1)
            c->misfit = (int64_t)c->at;
        c->at += OFFSET_INDEX_ENTRY;
    }
}

/* Entries of damaged batches are right: the batches are not. */
static void pass_entries(struct check_walk *c, const struct damaged_range *range)
{
    while (c->at + OFFSET_INDEX_ENTRY <= c->index.size) {
        struct offset_index_entry e =
            offset_index_decode(c->index.data + c->at, c->segment->base_offset);
        if (e.position < range->from || e.position >= range->to)
            return;
        c->at += OFFSET_INDEX_ENTRY;
    }
}

static void tell_range(struct segment_walk *walk, const struct damaged_range *range)
{
    struct check_walk *c = CONTAINER_OF(walk, struct check_walk, walk);
    struct arena *arena = c->image->arena;
    const char *offsets =
        range->next_offset < 0
            ? arena_printf(arena, "from offset %" PRId64 " on", range->first_offset)
            : arena_printf(arena, "offsets %" PRId64 " to %" PRId64, range->first_offset,
                           range->next_offset - 1);
    const char *message =
        arena_printf(arena, "%s: %s, %" PRId64 " bytes: reads of them get CORRUPT_MESSAGE",
                     range->what, offsets, range->to - range->from);
    pass_entries(c, range);
    c->damaged = true;
    bool is_missing = range->from >= c->segment->file_size;
    data_image_tell(c->image, is_missing ? FINDING_MISSING : FINDING_DAMAGED, "segment",
                    c->segment->path, range->from, message, restore_file);
}

static void note_batch(struct segment_walk *walk, struct segment_scan *scan)
{
    struct check_walk *c = CONTAINER_OF(walk, struct check_walk, walk);
    c->batches++;
    compare_index(c, scan);
}

static enum error read_entries(const struct data_image *image, const struct data_segment *s,
                               enum segment_part part, struct buffer *out)
{
    char *path = segment_path(s->directory, s->base_offset, part);
    buffer_init(out, INDEX_FILE_MAX);
    enum error error = io_read_file(image->env->io, path, out);
    free(path);
    return error;
}

static const char *index_path(const struct data_image *image, const struct data_segment *s,
                              const char *ending)
{
    return arena_printf(image->arena, "%.*s%s", (int)(strlen(s->path) - strlen(".log")), s->path,
                        ending);
}

static void tell_index(const struct data_image *image, const struct data_segment *s,
                       enum segment_part part, enum finding_kind kind, int64_t at)
{
    bool is_time = part == SEGMENT_TIME_INDEX;
    data_image_tell(image, kind, is_time ? "time index" : "index",
                    index_path(image, s, is_time ? ".timeindex" : ".index"), at,
                    kind == FINDING_MISSING ? "the index of a segment is missing"
                                            : "an entry does not fit the segment",
                    rebuild);
}

static enum error check_time_index(const struct data_image *image, const struct data_segment *s)
{
    struct buffer entries;
    enum error error = read_entries(image, s, SEGMENT_TIME_INDEX, &entries);
    int64_t next = s->next_offset < 0 || s->is_active ? INT64_MAX : s->next_offset;
    bool sound =
        error == ERR_OK && time_index_is_sound(buffer_view(&entries), s->base_offset, next);
    if (error == ERR_NOT_FOUND && s->size >= UNINDEXED_MAX && !s->is_active)
        tell_index(image, s, SEGMENT_TIME_INDEX, FINDING_MISSING, -1);
    else if ((error == ERR_OK && !sound) || error == ERR_TOO_LARGE)
        tell_index(image, s, SEGMENT_TIME_INDEX, FINDING_DAMAGED, 0);
    buffer_free(&entries);
    return error == ERR_NOT_FOUND || error == ERR_TOO_LARGE ? ERR_OK : error;
}

static void tell_offset_index(struct check_walk *c, enum error read)
{
    bool is_left = c->at + OFFSET_INDEX_ENTRY <= c->index.size;
    if (c->misfit < 0 && is_left && !c->damaged && !c->segment->is_active)
        c->misfit = (int64_t)c->at; /* it points behind the last batch */
    const struct data_segment *s = c->segment;
    int64_t next = s->next_offset < 0 || s->is_active ? INT64_MAX : s->next_offset;
    int64_t size = s->is_active || c->damaged ? INT64_MAX : s->size;
    if (read == ERR_NOT_FOUND && s->size >= UNINDEXED_MAX && !s->is_active)
        tell_index(c->image, s, SEGMENT_INDEX, FINDING_MISSING, -1);
    else if (read == ERR_TOO_LARGE)
        tell_index(c->image, s, SEGMENT_INDEX, FINDING_DAMAGED, 0);
    else if (read == ERR_OK &&
             (c->misfit >= 0 || !offset_index_is_sound(c->index, s->base_offset, next, size)))
        tell_index(c->image, s, SEGMENT_INDEX, FINDING_DAMAGED, MAX(c->misfit, 0));
}

static enum error check_segment(const struct data_image *image, const struct data_segment *s,
                                int64_t *batches)
{
    struct buffer entries;
    enum error read = read_entries(image, s, SEGMENT_INDEX, &entries);
    struct check_walk c = {.walk = {note_batch, tell_range},
                           .image = image,
                           .segment = s,
                           .index = buffer_view(&entries),
                           .misfit = -1};
    enum error error = data_segment_walk(image, s, &c.walk);
    *batches += c.batches;
    if (error == ERR_OK)
        tell_offset_index(&c, read);
    buffer_free(&entries);
    return error == ERR_OK ? check_time_index(image, s) : error;
}

/* --- logs --- */

static bool is_needed(const struct data_image *image, const struct image_log *l)
{
    return l->has_row && !l->removed && l->start < l->state.next_offset &&
           l->swap_from == l->swap_end && !data_image_topic_is_deleted(image, l->topic_id);
}

static void tell_missing(const struct data_image *image, const struct image_log *l,
                         int64_t first_offset, int64_t next_offset)
{
    char *path = partition_directory("", l->topic_id, l->partition);
    data_image_tell(
        image, FINDING_MISSING, "segment", arena_printf(image->arena, "%s", path + 1), -1,
        arena_printf(image->arena, "the segments of offsets %" PRId64 " to %" PRId64 " are missing",
                     first_offset, next_offset - 1),
        "restore the files from a copy, or let consumers seek past these offsets");
    free(path);
}

/* Segments that are missing at a log's beginning, or altogether. Those in the middle show as a gap
 * after the segment before them. */
static void check_beginnings(const struct data_image *image)
{
    size_t at = 0;
    for (struct image_log *l; (l = map_next(&image->logs, &at));) {
        int64_t first = l->first_base < 0 ? l->state.next_offset : l->first_base;
        if (is_needed(image, l) && first > l->start)
            tell_missing(image, l, l->start, first);
    }
}

static void forget_beginnings(const struct data_image *image)
{
    size_t at = 0;
    for (struct image_log *l; (l = map_next(&image->logs, &at));)
        l->first_base = -1;
}

/* --- files --- */

/* Whether the next start removes the segment: its topic is deleted, it is below the log's start,
 * the journal writes it again, or a swap that was cut off may replace it. */
static bool is_dead(const struct data_image *image, const struct data_segment *s)
{
    if (data_image_topic_is_deleted(image, s->topic_id) || (s->log && s->log->removed))
        return true;
    if (s->log && s->base_offset >= s->log->swap_from && s->base_offset < s->log->swap_end)
        return true;
    return s->is_beyond || (s->log && s->next_offset >= 0 && s->next_offset <= s->log->start);
}

static enum error check_log_file(const struct data_image *image, size_t file, int64_t *checked)
{
    struct data_segment s;
    enum segment_part part;
    if (!data_segment_find(image, file, &s, &part))
        return ERR_OK;
    if (s.log && s.log->first_base < 0 && !s.is_beyond)
        s.log->first_base = s.base_offset;
    return is_dead(image, &s) ? ERR_OK : check_segment(image, &s, checked);
}

/* An index is checked with its segment. */
static enum error check_index_file(const struct data_image *image, size_t file, int64_t *checked)
{
    struct data_segment s;
    enum segment_part part;
    if (!data_segment_find(image, file, &s, &part))
        return ERR_OK;
    if (s.file_size < 0)
        data_image_tell(image, FINDING_NOTE, "index", image->files[file].path, -1,
                        "an index without its segment", "nothing: the broker does not use it");
    ++*checked;
    return ERR_OK;
}

/* The witness of a journal. A first write that was cut off leaves zeros. */
static enum error check_witness(const struct data_image *image, size_t file, int64_t *checked)
{
    struct journal_witness witness;
    const char *path = image->files[file].path;
    const char *directory = arena_printf(image->arena, "%s/%.*s", image->directory,
                                         (int)(strrchr(path, '/') - path), path);
    struct buffer bytes;
    buffer_init(&bytes, INDEX_FILE_MAX);
    enum error error = read_whole(image, path, &bytes);
    bool is_empty = true;
    for (size_t i = 0; i < bytes.size; i++)
        is_empty &= bytes.data[i] == 0;
    buffer_free(&bytes);
    if (error == ERR_OK && !is_empty)
        error = journal_witness_read(image->env, directory, &witness);
    if (error == ERR_NOT_FOUND)
        data_image_tell(image, FINDING_DAMAGED, "witness", path, 0,
                        "no slot of the journal's witness is whole: damage to the end of the "
                        "journal may pass as a torn write",
                        "nothing: the broker writes it again. `tidemill log repair` sets it aside");
    *checked += error == ERR_OK;
    return error == ERR_NOT_FOUND ? ERR_OK : error;
}

static enum error check_epochs(const struct data_image *image, size_t file, int64_t *checked)
{
    struct buffer bytes;
    buffer_init(&bytes, INDEX_FILE_MAX);
    enum error error = read_whole(image, image->files[file].path, &bytes);
    if (error == ERR_TOO_LARGE ||
        (error == ERR_OK && !leader_epoch_file_is_right(buffer_view(&bytes))))
        data_image_tell(image, FINDING_DAMAGED, "leader epochs", image->files[file].path, 0,
                        "the content is not that of a file of leader epochs: Kafka's tools cannot "
                        "use it",
                        "nothing: the broker does not read it. `tidemill log repair` writes it "
                        "again");
    ++*checked;
    buffer_free(&bytes);
    return error == ERR_TOO_LARGE ? ERR_OK : error;
}

/* A swap list. Before the swap begins it is empty, and the new files are not wanted. */
static enum error check_swap_list(const struct data_image *image, size_t file, int64_t *checked)
{
    struct swap_list list;
    struct uuid topic_id;
    int32_t partition;
    int64_t *bases;
    const char *path = image->files[file].path;
    if (!swap_list_parse_name(strrchr(path, '/') + 1, &topic_id, &partition))
        return ERR_OK;
    enum error error = swap_list_read(
        image->env->io, arena_printf(image->arena, "%s/%s", image->directory, path), &list, &bases);
    struct image_log *log = data_image_log(image, topic_id, partition);
    if (error == ERR_OK && list.count > 0 && log) {
        log->swap_from = list.bases[0];
        log->swap_end = list.end_offset;
    }
    if (error == ERR_OK)
        data_image_tell(image, FINDING_NOTE, "cleaning", path, -1,
                        list.count > 0
                            ? "a swap of segments was cut off: they are checked when a start has "
                              "finished it"
                            : "a cleaning was cut off: its new files are not used",
                        list.count > 0 ? "nothing: the next start finishes it"
                                       : "nothing: the next start removes them");
    else if (error == ERR_CORRUPT)
        data_image_tell(image, FINDING_DAMAGED, "cleaning", path, 0,
                        "the swap list is damaged, so it is lost which segments are the new ones: "
                        "a broker does not start with it",
                        "restore the file and the directory of its topic from a copy, or remove "
                        "both");
    *checked += error == ERR_OK;
    free(bases);
    return error == ERR_CORRUPT ? ERR_OK : error;
}

/* --- classes of files --- */

struct file_class {
    const char *pattern; /* below the data directory */
    const char *class, *unit;
    const char *note; /* such files are no fault, but worth a word; or NULL */
    /* NULL: opening the image has checked it, or there is nothing to check. */
    enum error (*check)(const struct data_image *image, size_t file, int64_t *checked);
};

#define KEPT "kept by a repair, or by a start: delete it when it is no longer needed"
#define UNKNOWN_TOPIC                                                                             \
    "a start set the files aside, because no topic had them: if a topic is missing, restore the " \
    "whole data directory from a copy, else delete them"
#define DELETED "deleted: the next start removes it"

/* The first row that matches counts. A new class of files is a new row. */
static const struct file_class classes[] = {
    {"*.damaged", "kept", "files", KEPT, NULL},
    {"*.damaged/*", "kept", "files", KEPT, NULL},
    {"topics/*.unknown*/*", "kept", "files", UNKNOWN_TOPIC, NULL},
    {"topics/*.deleted", "deleted", "files", DELETED, NULL},
    {"topics/*.deleted/*", "deleted", "files", DELETED, NULL},
    {"*.swap", "cleaning", "lists", "a replacement of segments was interrupted", NULL},
    {"cleaning/*", "cleaning", "lists", NULL, check_swap_list},
    {"tidemill.meta", "meta", "files", NULL, NULL},
    {"lock", "lock", "files", NULL, NULL},
    {"accept-damage", "lock", "files", "the next start accepts damage of the journals", NULL},
    {"kv/*", "kv", "blocks", NULL, NULL},
    {"rows/*.new", "rows", "writes", "a new row file was not finished: the next start removes it",
     NULL},
    {"shard-*/journal-*.log.new", "journal", "units",
     "a new journal file was not finished: the next start removes it", NULL},
    {"*.new", "unfinished", "files",
     "the replacement of a file was not finished: the broker uses the old content, and you may "
     "delete this file",
     NULL},
    {"rows/rows-*.log", "rows", "writes", NULL, NULL},
    {"shard-*/durable", "witness", "files", NULL, check_witness},
    {"shard-*/journal-*.log", "journal", "units", NULL, NULL},
    {"topics/*/*/*.log", "segment", "batches", NULL, check_log_file},
    {"topics/*/*/*.index", "index", "files", NULL, check_index_file},
    {"topics/*/*/*.timeindex", "time index", "files", NULL, check_index_file},
    {"topics/*/*/leader-epoch-checkpoint", "leader epochs", "files", NULL, check_epochs},
    {"*", "unknown", "files", "the file belongs to no class that this tool knows", NULL},
};

static struct data_check_count *count_of(struct data_check *out, const struct file_class *class)
{
    for (size_t i = 0; i < out->count; i++) {
        if (strcmp(out->counts[i].class, class->class) == 0)
            return &out->counts[i];
    }
    ASSERT(out->count < DATA_CLASSES_MAX);
    struct data_check_count *c = &out->counts[out->count++];
    *c = (struct data_check_count){.class = class->class, .unit = class->unit};
    return c;
}

/* Classes that opening the image has checked. */
static void add_checked(const struct data_image *image, struct data_check *out)
{
    for (size_t i = 0; i < out->count; i++) {
        struct data_check_count *c = &out->counts[i];
        if (strcmp(c->class, "kv") == 0)
            c->checked = image->rows.kv_blocks;
        if (strcmp(c->class, "rows") == 0)
            c->checked = image->rows.row_writes;
        for (int j = 0; strcmp(c->class, "journal") == 0 && j < image->journal_count; j++)
            c->checked += image->journals[j].units;
        if (strcmp(c->class, "meta") == 0)
            c->checked = c->files;
    }
}

/* A directory that was set aside or deleted gets one note for all its files. */
static void tell_note(const struct data_image *image, const struct file_class *class,
                      const char *path, const char **last)
{
    static const char *const suffixes[] = {".damaged/", ".unknown", ".deleted/"};
    const char *name = path;
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        const char *at = strstr(path, suffixes[i]), *slash = at ? strchr(at, '/') : NULL;
        if (slash && name == path)
            name = arena_printf(image->arena, "%.*s", (int)(slash - path), path);
    }
    if (*last == NULL || strcmp(*last, name) != 0)
        data_image_tell(image, FINDING_NOTE, class->class, name, -1, class->note, "");
    *last = name;
}

bool data_check_run(const struct data_image *image, struct data_check *out, struct failure *f)
{
    *out = (struct data_check){.count = 0};
    const char *noted = NULL;
    forget_beginnings(image);
    for (size_t i = 0; i < image->file_count; i++) {
        const struct image_file *file = &image->files[i];
        const struct file_class *class = classes;
        while (fnmatch(class->pattern, file->path, 0) != 0)
            class ++;
        struct data_check_count *count = count_of(out, class);
        count->files++;
        count->bytes += file->size;
        if (class->note)
            tell_note(image, class, file->path, &noted);
        enum error error = class->check ? class->check(image, i, &count->checked) : ERR_OK;
        if (error != ERR_OK)
            return fail(f, "CANNOT_READ", "cannot read %s: %s", file->path, error_text(error));
    }
    add_checked(image, out);
    check_beginnings(image);
    return true;
}
