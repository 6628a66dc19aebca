#include "client-tools/data/data_segment.h"

#include <stdio.h>
#include <stdlib.h>

enum { SEARCH_BYTES = 1 << 20 };

/* "topics/<id>/<partition>/<name>" */
static bool split_path(const struct data_image *image, const char *path, struct data_segment *out,
                       enum segment_part *part)
{
    char id[64], name[64];
    int partition, end = 0;
    if (sscanf(path, "topics/%40[0-9a-f-]/%d/%40[^/]%n", id, &partition, name, &end) != 3 ||
        path[end] != '\0' || partition < 0 || !topic_directory_parse(id, &out->topic_id) ||
        !segment_name_parse(name, &out->base_offset, part))
        return false;
    out->partition = partition;
    out->directory = arena_printf(image->arena, "%s/topics/%s/%d", image->directory, id, partition);
    return true;
}

static bool is_of(const struct data_segment *a, const struct data_segment *b)
{
    return a->partition == b->partition &&
           memcmp(a->topic_id.bytes, b->topic_id.bytes, sizeof a->topic_id.bytes) == 0;
}

/* The base offset of the next segment in the listing; -1: it is the last one. */
static int64_t next_base(const struct data_image *image, size_t file,
                         const struct data_segment *segment)
{
    for (size_t i = file + 1; i < image->file_count; i++) {
        struct data_segment other;
        enum segment_part part;
        if (!split_path(image, image->files[i].path, &other, &part))
            continue;
        if (!is_of(&other, segment))
            return -1;
        if (part == SEGMENT_LOG && other.base_offset > segment->base_offset)
            return other.base_offset;
    }
    return -1;
}

static int64_t size_of(const struct data_image *image, const char *path)
{
    for (size_t low = 0, high = image->file_count; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(path, image->files[middle].path);
        if (order == 0)
            return image->files[middle].size;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

/* The row of the log decides what a start keeps. A log without a row has everything in the
 * journal. */
static void apply_row(struct data_segment *s)
{
    const struct log_state *state = &s->log->state;
    int64_t end = state->active_base + (state->active_size > 0);
    s->is_beyond = s->base_offset >= end;
    s->is_active = s->base_offset == state->active_base;
    if (s->is_active) {
        s->size = state->active_size;
        s->next_offset = state->next_offset;
    } else if (s->next_offset < 0 || s->next_offset > state->active_base) {
        s->next_offset = state->active_base;
    }
}

bool data_segment_find(const struct data_image *image, size_t file, struct data_segment *out,
                       enum segment_part *part)
{
    *out = (struct data_segment){.next_offset = -1};
    if (!split_path(image, image->files[file].path, out, part))
        return false;
    out->path =
        arena_printf(image->arena, "%s/%020lld.log", out->directory + strlen(image->directory) + 1,
                     (long long)out->base_offset);
    out->file_size = out->size = size_of(image, out->path);
    out->next_offset = next_base(image, file, out);
    out->is_active = out->next_offset < 0;
    out->log = data_image_log(image, out->topic_id, out->partition);
    if (out->log && !out->log->has_row && !image->rows_are_whole)
        out->log = NULL;
    if (out->log)
        apply_row(out);
    return true;
}

/* --- the walk --- */

struct search {
    const struct segment_view *view;
    int64_t from; /* the position of the damage */
    int64_t expected;
};

static bool is_sound_at(const struct segment_view *view, struct segment_place place)
{
    struct segment_scan scan;
    segment_scan_init(&scan, view, place);
    bool sound = segment_scan_next(&scan) && segment_scan_check(&scan) == ERR_OK;
    segment_scan_free(&scan);
    return sound;
}

/* Whether a header could begin here: cheap, to leave most bytes out. */
static bool may_begin(const struct search *s, struct bytes at, int64_t position, int64_t *offset)
{
    struct batch_header h;
    size_t size = batch_size(at);
    if (!batch_header_read(at, &h) || h.magic != BATCH_MAGIC || size == 0 ||
        (int64_t)size > s->view->size - position || h.base_offset < s->expected ||
        h.last_offset_delta < 0 || h.base_offset >= s->view->next_offset - h.last_offset_delta)
        return false;
    *offset = h.base_offset;
    return true;
}

/* The first sound batch after the damage. False: there is none. */
static bool find_sound(const struct search *s, struct segment_place *out)
{
    struct io *io = s->view->file->io;
    uint8_t *chunk = xmalloc(SEARCH_BYTES);
    bool found = false;
    int64_t step = SEARCH_BYTES - BATCH_HEADER_SIZE;
    for (int64_t at = s->from + 1; at < s->view->size && !found; at += step) {
        size_t got, want = (size_t)MIN((int64_t)SEARCH_BYTES, s->view->size - at);
        if (io->ops->read(io, s->view->file->file, chunk, want, at, &got) != ERR_OK)
            break;
        for (size_t i = 0; i + BATCH_HEADER_SIZE <= got && !found; i++) {
            struct segment_place place = {.position = at + (int64_t)i};
            if (may_begin(s, bytes_of(chunk + i, got - i), place.position, &place.offset) &&
                is_sound_at(s->view, place)) {
                *out = place;
                found = true;
            }
        }
    }
    free(chunk);
    return found;
}

/* Tells the range from the damage to the next sound batch, which `place` gets. */
static bool pass_damage(struct segment_walk *walk, const struct segment_view *view,
                        const struct data_segment *segment, struct segment_place *place,
                        const char *what)
{
    struct search search = {view, place->position, place->offset};
    struct segment_place next;
    bool found = find_sound(&search, &next);
    struct damaged_range range = {place->position, found ? next.position : view->size,
                                  place->offset, found ? next.offset : segment->next_offset, what};
    if (walk->bad)
        walk->bad(walk, &range);
    *place = next;
    return found;
}

static const char *fault_of(const struct segment_scan *scan)
{
    if (scan->error == ERR_OK)
        return "the checksum of a batch is wrong";
    if (scan->header.magic > BATCH_MAGIC)
        return "a batch has a format that this version does not know, or its header is damaged";
    return "the header of a batch does not fit, or batches are missing";
}

/* Walks the sound batches from a place. True: *place is damaged. */
static bool walk_sound(struct segment_walk *walk, const struct segment_view *view,
                       struct segment_place *place, const char **what, enum error *error)
{
    struct segment_scan scan;
    segment_scan_init(&scan, view, *place);
    bool damaged = false;
    while (!damaged && segment_scan_next(&scan)) {
        *place = (struct segment_place){scan.batch_position, scan.header.base_offset};
        *error = segment_scan_check(&scan);
        damaged = *error != ERR_OK;
        if (!damaged && walk->good)
            walk->good(walk, &scan);
    }
    if (!damaged) {
        *place = (struct segment_place){scan.position, scan.next_offset};
        *error = scan.error;
        damaged = scan.error != ERR_OK;
    }
    *what = fault_of(&scan);
    segment_scan_free(&scan);
    if (*error == ERR_CORRUPT)
        *error = ERR_OK;
    return damaged && *error == ERR_OK;
}

static bool ends_early(const struct data_segment *s, const struct segment_view *view,
                       const struct segment_place *place)
{
    return s->size > s->file_size ||
           (s->next_offset >= 0 && !view->sparse && place->offset < s->next_offset);
}

enum error data_segment_walk(const struct data_image *image, const struct data_segment *segment,
                             struct segment_walk *walk)
{
    struct segment_view view = {
        .directory = segment->directory,
        .base_offset = segment->base_offset,
        .next_offset = segment->next_offset < 0 ? INT64_MAX : segment->next_offset,
        .size = MIN(segment->size, segment->file_size),
        .sparse = segment->log && segment->base_offset < segment->log->state.first_dirty_offset,
    };
    struct segment_place place = segment_start(&view);
    const char *what;
    enum error error = segment_file_open(image->env->io, segment->directory, segment->base_offset,
                                         IO_READ, &view.file);
    if (error != ERR_OK)
        return error;
    bool more = true;
    while (more && walk_sound(walk, &view, &place, &what, &error))
        more = pass_damage(walk, &view, segment, &place, what);
    if (error == ERR_OK && more && walk->bad && ends_early(segment, &view, &place))
        walk->bad(walk,
                  &(struct damaged_range){view.size, MAX(segment->size, view.size), place.offset,
                                          segment->next_offset, "batches are missing at the end"});
    segment_file_unref(view.file);
    return error;
}
