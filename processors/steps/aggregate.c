/* aggregate: sorts records by key into windows and emits the result of a window when it is
 * complete. Sections 3 to 6 of the semantics, for emit=final. */
#include "processors/steps/aggregate_internal.h"

#include "base/compiler.h"
#include "processors/task/outbox.h"

#include <stdlib.h>

enum {
    GROUPING_KEY_MAX = 60 << 10, /* with names and times a row's key stays below 64 KiB */
    KEY_BUFFER_MAX = 1 << 20,
    AGGREGATE_SIZE_MAX = 128, /* of an accumulator's encoding or result, without its text */
};

static void find_texts(struct aggregate_state *a)
{
    const struct aggregate_parameters *p = a->parameters;
    for (size_t i = 0; i < p->select.count; i++)
        a->texts |= (uint64_t)(p->select.items[i].type->text_size != NULL) << i;
    size_t slices = (size_t)(p->window.size_ms / p->window.slice_ms);
    size_t parts = MIN(slices, (size_t)MAX(__builtin_popcountll(a->texts), 1));
    /* A window's result must fit into a step as JSON, even if each of its texts comes from another
     * slice and is the largest there. */
    a->text_max = (STEP_WRITE_MAX - (1 << 20)) / VALUE_JSON_GROWTH / parts;
}

static struct chain_step *create(const struct processor *p)
{
    struct aggregate_state *a = xcalloc(1, sizeof *a);
    const struct aggregate_parameters *own = a->parameters = aggregate_parameters_of(p);
    ASSERT(own->group_by.count > 0 && own->select.count > 0);
    window_table_init(&a->windows, &own->window, &own->select);
    a->closed.end = END_NONE;
    a->form = (struct identity_form){
        .raw_key = own->grouped_by_key,
        .brackets = true,
        .null_allowed = own->on_missing_key == ON_MISSING_KEY_NULL,
    };
    find_texts(a);
    pane_writer_init(&a->panes);
    buffer_init(&a->closed.partial_key, KEY_BUFFER_MAX);
    buffer_init(&a->grouping_key, GROUPING_KEY_MAX);
    buffer_init(&a->key, KEY_BUFFER_MAX);
    buffer_init(&a->value, (size_t)1 << 30);
    a->merged = xcalloc(1, MAX(own->select.row_size, (size_t)1));
    return &a->step;
}

static void aggregate_free(struct chain_step *s)
{
    struct aggregate_state *a = aggregate_of(s);
    window_table_free(&a->windows);
    window_row_free(&a->parameters->select, a->merged);
    pane_writer_free(&a->panes);
    buffer_free(&a->closed.partial_key);
    buffer_free(&a->grouping_key);
    buffer_free(&a->key);
    buffer_free(&a->value);
    free(a->merged);
    free(a);
}

/* Judging. */

static bool judge_key(struct aggregate_state *a, const struct chain_record *r,
                      struct step_verdict *verdict, struct dead_letter_reason *reason)
{
    const struct aggregate_parameters *own = a->parameters;
    struct message why;
    switch (step_identity(&own->group_by, &a->form, r, &a->grouping_key, &why)) {
    case IDENTITY_OK:
        return true;
    case IDENTITY_MISSING:
        if (own->on_missing_key == ON_MISSING_KEY_DROP)
            verdict->fate = FATE_FILTERED;
        else
            step_fail(verdict, reason, DEAD_KEY_MISSING, "group-by: %s", why.text);
        return false;
    case IDENTITY_ERROR:
        break;
    }
    step_fail(verdict, reason, DEAD_EXPR_ERROR, "group-by: %s", why.text);
    return false;
}

/* A decimal that does not fit its precision is an error of the data, not of the expression. */
static enum dead_letter_code code_of(const struct select_item *item)
{
    bool is_decimal =
        bytes_starts_with(expression_source(item->argument), BYTES_LITERAL("decimal("));
    return is_decimal ? DEAD_TYPE_MISMATCH : DEAD_EXPR_ERROR;
}

enum judged { TAKES_IT, LEAVES_IT, FAILS };

static enum judged judge_condition(const struct aggregate_state *a, const struct select_item *item,
                                   const struct expression_input *input,
                                   const struct chain_record *r, struct step_verdict *verdict,
                                   struct dead_letter_reason *reason)
{
    struct message why;
    bool wanted = true;
    if (item->where == NULL || expression_test(item->where, input, r->arena, &wanted, &why) == 0)
        return wanted ? TAKES_IT : LEAVES_IT;
    if (a->step.processor->on_error == ON_ERROR_FALSE)
        return LEAVES_IT;
    step_fail(verdict, reason, DEAD_EXPR_ERROR, "%.*s: where: %s", BYTES_PRINTF(item->name),
              why.text);
    return FAILS;
}

static enum judged judge_argument(const struct aggregate_state *a, const struct select_item *item,
                                  const struct expression_input *input,
                                  const struct chain_record *r, struct value *v,
                                  struct step_verdict *verdict, struct dead_letter_reason *reason)
{
    struct message why;
    bool skips = a->parameters->on_type_error == ON_TYPE_ERROR_SKIP;
    *v = value_null();
    if (item->argument == NULL)
        return TAKES_IT;
    if (expression_evaluate(item->argument, input, r->arena, v, &why)) {
        enum dead_letter_code code = code_of(item);
        if (skips && code == DEAD_TYPE_MISMATCH)
            return LEAVES_IT;
        step_fail(verdict, reason, code, "%.*s: %s", BYTES_PRINTF(item->name), why.text);
        return FAILS;
    }
    switch (item->type->admit(v)) {
    case ADMITTED:
        return TAKES_IT;
    case SKIPPED:
        return LEAVES_IT;
    case MISMATCHED:
        break;
    }
    if (skips)
        return LEAVES_IT;
    step_fail(verdict, reason, DEAD_TYPE_MISMATCH, "%.*s: %s() cannot take a %s",
              BYTES_PRINTF(item->name), item->type->name, value_type_name(v));
    return FAILS;
}

static bool judge_values(struct aggregate_state *a, const struct chain_record *r,
                         struct step_verdict *verdict, struct dead_letter_reason *reason)
{
    const struct select *select = &a->parameters->select;
    struct expression_input input = chain_record_input(r);
    a->counted = 0;
    for (size_t i = 0; i < select->count; i++) {
        const struct select_item *item = &select->items[i];
        enum judged j = judge_condition(a, item, &input, r, verdict, reason);
        if (j == TAKES_IT)
            j = judge_argument(a, item, &input, r, &a->values[i], verdict, reason);
        if (j == FAILS)
            return false;
        a->counted |= (uint64_t)(j == TAKES_IT) << i;
    }
    return true;
}

/* Finds the first of the record's windows that still takes records. */
static void judge_windows(struct aggregate_state *a, const struct chain_record *r,
                          struct step_verdict *verdict, struct dead_letter_reason *reason)
{
    const struct aggregate_parameters *own = a->parameters;
    int64_t first_end = window_first_end(&own->window, r->event_time);
    int64_t closed = a->closed.end;
    if (r->watermark != WATERMARK_NONE)
        closed = MAX(closed, r->watermark - own->lateness_ms);
    a->first_open_end =
        closed == END_NONE ? first_end : MAX(first_end, window_first_end(&own->window, closed));
    if (a->first_open_end > window_last_end(&own->window, r->event_time)) {
        step_fail(verdict, reason, DEAD_LATE,
                  "event time %lld is late for its window: the watermark is %lld",
                  (long long)r->event_time, (long long)r->watermark);
        verdict->fate = FATE_LATE;
        return;
    }
    ASSERT(a->first_open_end >= first_end);
    a->closed_windows = (a->first_open_end - first_end) / own->window.advance_ms;
    verdict->fate = FATE_ABSORBED;
}

static size_t add_up_texts(const struct aggregate_state *a, const struct slice *slice,
                           const struct arrival *from, bool with_record)
{
    uint64_t taken = with_record ? a->counted & ~(slice ? slice->extent.absent : 0) : 0;
    size_t sum = 0;
    for (uint64_t left = a->texts; left; left &= left - 1) {
        int i = __builtin_ctzll(left);
        const struct select_item *item = &a->parameters->select.items[i];
        const struct value *v = taken >> i & 1 ? &a->values[i] : NULL;
        if (slice)
            sum += item->type->text_size(slice->row + item->at, v, from);
        else if (v)
            sum += value_text_size(v);
    }
    return sum;
}

/* Bytes of text that a slice keeps, with or without the judged record. `slice` NULL: a new one.
 * Numbers keep none. */
static inline size_t text_size(const struct aggregate_state *a, const struct slice *slice,
                               const struct arrival *from, bool with_record)
{
    return a->texts ? add_up_texts(a, slice, from, with_record) : 0;
}

/* Bytes that a slice with this much text needs, at most, as a row or as the result of a window. */
static size_t written_size(const struct aggregate_state *a, size_t text)
{
    return text * VALUE_JSON_GROWTH + a->grouping_key.size +
           a->parameters->select.count * AGGREGATE_SIZE_MAX;
}

/* A slice is a row, and the slices of a window become one record: both must fit into a step. */
static void judge_size(struct aggregate_state *a, const struct chain_record *r,
                       struct step_verdict *verdict, struct dead_letter_reason *reason)
{
    struct arrival from = {r->event_time, r->record->offset};
    const struct processor *p = a->step.processor;
    a->slice = window_table_find(&a->windows, buffer_view(&a->grouping_key),
                                 window_slice_start(&a->parameters->window, r->event_time));
    size_t text = text_size(a, a->slice, &from, true), limit = a->text_max;
    if (text > limit) {
        step_fail(verdict, reason, DEAD_OUTPUT_TOO_LARGE,
                  "aggregate %.*s would keep %zu bytes of text for one window, more than the limit "
                  "of %zu: select fewer or smaller values, or send smaller records",
                  BYTES_PRINTF(p->name), text, limit);
        return;
    }
    bool is_new = a->slice == NULL || !list_contains(&a->slice->dirty);
    size_t before = is_new ? 0 : written_size(a, text_size(a, a->slice, &from, false));
    verdict->state_bytes = written_size(a, text);
    a->state_growth = verdict->state_bytes - MIN(before, verdict->state_bytes);
}

static void judge(struct chain_step *s, const struct chain_record *r, struct step_verdict *verdict,
                  struct dead_letter_reason *reason)
{
    struct aggregate_state *a = aggregate_of(s);
    if (bytes_is_null(r->record->value) && a->parameters->nulls == NULLS_SKIP) {
        verdict->fate = FATE_NULL;
        return;
    }
    if (step_where(s, r, verdict, reason) && judge_key(a, r, verdict, reason) &&
        judge_values(a, r, verdict, reason))
        judge_windows(a, r, verdict, reason);
    if (verdict->fate == FATE_ABSORBED)
        judge_size(a, r, verdict, reason);
}

/* Accumulating. */

static struct slice *add_slice(struct aggregate_state *a, int64_t event_time)
{
    struct window_key *k = window_table_key(&a->windows, buffer_view(&a->grouping_key));
    return window_table_slice(&a->windows, k,
                              window_slice_start(&a->parameters->window, event_time));
}

static void apply(struct chain_step *s, const struct chain_record *r, enum fate fate)
{
    if (fate != FATE_ABSORBED)
        return;
    struct aggregate_state *a = aggregate_of(s);
    const struct select *select = &a->parameters->select;
    struct slice *slice = a->slice ? a->slice : add_slice(a, r->event_time);
    struct window_key *k = slice->key;
    struct arrival from = {r->event_time, r->record->offset};
    uint64_t taken = a->counted & ~slice->extent.absent;
    for (size_t i = 0; i < select->count; i++) {
        const struct select_item *item = &select->items[i];
        if (taken >> i & 1)
            item->type->add(slice->row + item->at, &a->values[i], &from, r->arena);
    }
    struct extent extent = {r->event_time, r->record->offset, r->record->offset, 0};
    window_extent_add(&slice->extent, &extent);
    s->uncollected += window_table_mark_dirty(&a->windows, slice);
    s->uncollected_bytes += a->state_growth;
    window_table_schedule(&a->windows, k, a->first_open_end);
    s->late_window_drops += (uint64_t)a->closed_windows;
    aggregate_set_gauges(a);
}

/* Emitting. */

static void forget_slice(void *context, struct slice *slice)
{
    struct aggregate_state *a = context;
    if (slice->is_stored)
        state_delete(a->step.delta, aggregate_slice_key(a, slice));
}

static void emit_window(struct aggregate_state *a, struct window_key *k)
{
    const struct window *w = a->windows.window;
    ASSERT(k->next_end != END_NONE && k->first);
    struct extent extent;
    struct pane pane = {
        .key = window_key_bytes(k), .start = k->next_end - w->size_ms, .end = k->next_end};
    if (w->slice_ms == w->size_ms) { /* the window is its only slice */
        pane.row = k->first->row;
        pane.extent = &k->first->extent;
    } else {
        window_table_merge(&a->windows, k, k->next_end, a->merged, &extent);
        pane.row = a->merged;
        pane.extent = &extent;
    }
    pane_write(&a->panes, &a->step, &pane);
    a->step.panes++;
    a->closed.is_partial = a->closed.changed = true;
    a->closed.partial_end = k->next_end;
    buffer_clear(&a->closed.partial_key);
    buffer_append_bytes(&a->closed.partial_key, window_key_bytes(k));
    window_table_emitted(&a->windows, k, forget_slice, a);
}

static bool advance(struct chain_step *s, struct advance *advance)
{
    struct aggregate_state *a = aggregate_of(s);
    if (advance->watermark == WATERMARK_NONE)
        return true;
    int64_t limit = advance->watermark - a->parameters->lateness_ms;
    struct window_key *k;
    while ((k = window_table_next(&a->windows)) && k->next_end <= limit) {
        if (advance->budget == 0 || outbox_size(s->outbox) >= STEP_OUTPUT_BYTES)
            return false;
        advance->budget--;
        emit_window(a, k);
    }
    if (limit > a->closed.end || a->closed.is_partial) {
        a->closed.end = MAX(a->closed.end, limit);
        a->closed.is_partial = false;
        a->closed.changed = true;
    }
    aggregate_set_gauges(a);
    return true;
}

static const struct step_type step = {
    .stateful = true,
    .create = create,
    .free = aggregate_free,
    .judge = judge,
    .apply = apply,
    .advance = advance,
    .collect = aggregate_collect,
    .restore = aggregate_restore,
    .restored = aggregate_restored,
    .visit = aggregate_visit,
};

const struct processor_type aggregate_type = {
    .name = "aggregate",
    .step = &step,
    .parameters = aggregate_parameters,
    .parameters_size = sizeof(struct aggregate_parameters),
    .no_follower = "following an aggregate is not built yet",
    .check = aggregate_parameters_check,
    .replace = aggregate_parameters_replace,
    .reads_value = aggregate_parameters_read_value,
    .free = aggregate_parameters_free,
};
