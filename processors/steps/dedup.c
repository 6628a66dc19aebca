/* dedup: passes the first arrival of every id. Section 8 of the semantics.
 *
 * An emitted record is an anchor. A record of the same id is a duplicate when an anchor is less
 * than `within` away, in either direction. An anchor may be forgotten once every record that it
 * could match would be late. So the exact moment of forgetting never changes a result. */
#include "processors/steps/dedup_rows.h"

#include "base/compiler.h"
#include "base/crypto.h"
#include "processors/steps/dedup_parameters.h"
#include "processors/steps/step.h"
#include "processors/task/outbox.h"

#include <stdlib.h>

enum {
    SLICES = 64,             /* slices of the time for which an anchor is kept */
    EXPIRED_PER_RECORD = 64, /* anchors to forget per record, at most */
    DIGEST_SIZE = 16,
    ID_VERBATIM = 0,
    ID_DIGEST = 1,
    ID_STRING = 2, /* a JSON string without its quotes */
};

struct dedup {
    struct chain_step step;
    const struct dedup_parameters *parameters;
    struct dedup_table *table;
    struct dedup_rows rows;
    struct identity_form form;
    int64_t now;           /* the processing-time clock at the last record */
    int64_t evicted_until; /* because of max-ids, anchors before this are forgotten */
    /* The record last judged. */
    uint8_t id[DEDUP_KEY_MAX];
    size_t id_size;
    int64_t time;
    bool is_duplicate, is_late;
    struct record tagged;
    struct buffer id_text, tagged_headers;
};

static struct dedup *dedup_of(struct chain_step *s)
{
    return CONTAINER_OF(s, struct dedup, step);
}

static struct chain_step *create(const struct processor *p)
{
    struct dedup *d = xcalloc(1, sizeof *d);
    const struct dedup_parameters *own = d->parameters = dedup_parameters_of(p);
    ASSERT(own->id.count > 0 && own->within_ms > 0);
    int64_t kept = own->within_ms;
    if (own->clock == CLOCK_EVENT)
        kept += own->lateness_ms + p->time.out_of_order_ms;
    d->table = dedup_table_create(MAX(kept / SLICES, 1));
    bool is_key = expression_list_is_key(&own->id);
    d->form = (struct identity_form){.raw_key = is_key, .brackets = own->id.count > 1};
    buffer_init(&d->id_text, UINT32_MAX); /* more than a record can have */
    buffer_init(&d->tagged_headers, UINT32_MAX);
    dedup_rows_init(&d->rows, p->name);
    d->evicted_until = INT64_MIN;
    return &d->step;
}

static void dedup_free(struct chain_step *s)
{
    struct dedup *d = dedup_of(s);
    dedup_table_free(d->table);
    buffer_free(&d->id_text);
    buffer_free(&d->tagged_headers);
    dedup_rows_free(&d->rows);
    free(d);
}

static struct bytes id_of(const struct dedup *d)
{
    return bytes_of(d->id, d->id_size);
}

/* Keeps short ids verbatim and longer ones as a digest; the first byte says which. */
static void set_id(struct dedup *d, struct bytes text)
{
    uint8_t digest[SHA256_SIZE];
    d->id[0] = ID_VERBATIM;
    if (!d->form.raw_key && text.size > 0 && text.data[0] == '"') {
        text = bytes_of(text.data + 1, text.size - 2);
        d->id[0] = ID_STRING;
    }
    if (text.size > DEDUP_ID_MAX) {
        sha256(text, digest);
        text = bytes_of(digest, DIGEST_SIZE);
        d->id[0] = ID_DIGEST;
    }
    memcpy(d->id + 1, text.data, text.size);
    d->id_size = text.size + 1;
    ASSERT(d->id_size <= DEDUP_KEY_MAX);
}

/* Event times below this are late. */
static int64_t late_before(const struct dedup *d, int64_t watermark)
{
    return watermark == WATERMARK_NONE ? WATERMARK_NONE : watermark - d->parameters->lateness_ms;
}

struct nearness {
    int64_t time, within;
    bool both_directions;
};

/* Visitor: true, to continue the visit, while no anchor is near. */
static bool is_far(void *context, int64_t anchor)
{
    const struct nearness *n = context;
    int64_t distance = n->time - anchor;
    if (n->both_directions && distance < 0)
        distance = -distance;
    return distance >= n->within;
}

static void judge_late(struct dedup *d, const struct chain_record *r, struct step_verdict *verdict,
                       struct dead_letter_reason *reason)
{
    d->is_late = true;
    if (d->step.processor->late_disposal == DISPOSE_PASS) {
        verdict->fate = FATE_PASSED;
        return;
    }
    step_fail(verdict, reason, DEAD_LATE,
              "event time %lld is behind the watermark %lld by more than the lateness",
              (long long)d->time, (long long)r->watermark);
    verdict->fate = FATE_LATE;
}

/* Adds a header that marks the record as a duplicate. */
static void tag(struct dedup *d, const struct chain_record *r, struct step_verdict *verdict)
{
    buffer_clear(&d->tagged_headers);
    buffer_append_bytes(&d->tagged_headers, r->record->headers);
    record_headers_append(&d->tagged_headers, BYTES_LITERAL("sp.duplicate"), BYTES_LITERAL("1"));
    d->tagged = *r->record;
    d->tagged.headers = buffer_view(&d->tagged_headers);
    d->tagged.header_count++;
    verdict->record = &d->tagged;
    verdict->fate = FATE_PASSED;
}

static bool judge_id(struct dedup *d, const struct chain_record *r, struct step_verdict *verdict,
                     struct dead_letter_reason *reason)
{
    struct message why;
    switch (step_identity(&d->parameters->id, &d->form, r, &d->id_text, &why)) {
    case IDENTITY_OK:
        set_id(d, buffer_view(&d->id_text));
        return true;
    case IDENTITY_MISSING:
        step_fail(verdict, reason, DEAD_DEDUP_ID_MISSING, "%s", why.text);
        return false;
    case IDENTITY_ERROR:
        break;
    }
    step_fail(verdict, reason, DEAD_EXPR_ERROR, "id: %s", why.text);
    return false;
}

static void judge(struct chain_step *s, const struct chain_record *r, struct step_verdict *verdict,
                  struct dead_letter_reason *reason)
{
    struct dedup *d = dedup_of(s);
    const struct dedup_parameters *own = d->parameters;
    if (!step_where(s, r, verdict, reason) || !judge_id(d, r, verdict, reason))
        return;
    bool event_clock = own->clock == CLOCK_EVENT;
    d->time = event_clock ? r->event_time : r->clock.steady_ms;
    d->now = r->clock.steady_ms;
    d->is_late = d->is_duplicate = false;
    if (event_clock && d->time < late_before(d, r->watermark)) {
        judge_late(d, r, verdict, reason);
        return;
    }
    struct nearness near = {d->time, own->within_ms, event_clock};
    d->is_duplicate = !dedup_table_visit(d->table, id_of(d), is_far, &near);
    if (!d->is_duplicate)
        verdict->fate = FATE_PASSED;
    else if (s->processor->duplicates_disposal == DISPOSE_TAG)
        tag(d, r, verdict);
    else
        verdict->fate = FATE_DUPLICATE;
}

/* The two anchors before a time (one may be at it) and the two after it, nearest first. */
struct neighbours {
    int64_t time, before[2], after[2];
    int before_count, after_count;
};

static void keep_nearest(int64_t two[2], int *count, int64_t anchor, bool nearer_than_first,
                         bool nearer_than_second)
{
    ASSERT(*count >= 0 && *count <= 2);
    if (*count == 0 || nearer_than_first) {
        two[1] = two[0];
        two[0] = anchor;
    } else if (*count == 1 || nearer_than_second) {
        two[1] = anchor;
    } else {
        return;
    }
    *count = MIN(*count + 1, 2);
}

static bool note_neighbour(void *context, int64_t anchor)
{
    struct neighbours *n = context;
    if (anchor <= n->time)
        keep_nearest(n->before, &n->before_count, anchor, anchor > n->before[0],
                     anchor > n->before[1]);
    else
        keep_nearest(n->after, &n->after_count, anchor, anchor < n->after[0], anchor < n->after[1]);
    return true;
}

/* Whether the times that anchors `a` and `b` cover leave no gap for an anchor between them. */
static bool leave_no_gap(const struct dedup *d, int64_t a, int64_t b)
{
    ASSERT(a <= b);
    return b - a <= 2 * d->parameters->within_ms - 1;
}

/* Adds an anchor near others (a duplicate that refreshes, a late record that passed). Keeps only
 * the useful anchors of the id, because a hot id would otherwise grow without bound. False when the
 * new anchor is useless. */
static bool add_near_others(struct dedup *d)
{
    struct neighbours n = {.time = d->time};
    dedup_table_visit(d->table, id_of(d), note_neighbour, &n);
    if (n.before_count > 0 && n.before[0] == d->time)
        return false;
    if (n.before_count > 0 && n.after_count > 0 && leave_no_gap(d, n.before[0], n.after[0]))
        return false;
    bool before_is_useless = n.before_count == 2 && leave_no_gap(d, n.before[1], d->time);
    bool after_is_useless = n.after_count == 2 && leave_no_gap(d, d->time, n.after[1]);
    if (before_is_useless) {
        dedup_table_move(d->table, id_of(d), n.before[0], d->time);
        dedup_rows_remove(&d->rows, id_of(d), n.before[0]);
    } else if (after_is_useless) {
        dedup_table_move(d->table, id_of(d), n.after[0], d->time);
        dedup_rows_remove(&d->rows, id_of(d), n.after[0]);
    } else {
        dedup_table_add(d->table, id_of(d), d->time);
    }
    return true;
}

/* Over max-ids: marks the whole oldest slice to be forgotten, a few anchors per record. */
static void evict(struct dedup *d)
{
    if (dedup_table_count(d->table) > (size_t)d->parameters->max_ids)
        d->evicted_until = MAX(d->evicted_until, dedup_table_oldest(d->table) + 1);
}

static void set_gauges(struct dedup *d)
{
    d->step.state_keys = (int64_t)dedup_table_count(d->table);
    d->step.state_bytes = (int64_t)dedup_table_memory(d->table);
}

static void apply(struct chain_step *s, const struct chain_record *r, enum fate fate)
{
    struct dedup *d = dedup_of(s);
    if (fate != FATE_PASSED && fate != FATE_DUPLICATE)
        return;
    if (d->is_duplicate && fate == FATE_PASSED)
        s->tagged++;
    if (d->is_duplicate && !d->parameters->refresh)
        return;
    if (d->is_late && d->time + d->parameters->within_ms <= late_before(d, r->watermark))
        return; /* too old to match anything that is not late itself */
    if (!d->is_late && !d->is_duplicate)
        dedup_table_add(d->table, id_of(d), d->time);
    else if (!add_near_others(d))
        return;
    dedup_rows_add(&d->rows, id_of(d), d->time);
    evict(d);
    set_gauges(d);
}

static bool advance(struct chain_step *s, struct advance *a)
{
    struct dedup *d = dedup_of(s);
    bool event_clock = d->parameters->clock == CLOCK_EVENT;
    int64_t now = event_clock ? late_before(d, a->watermark) : d->now, anchor;
    int64_t expired = now == WATERMARK_NONE ? INT64_MIN : now - d->parameters->within_ms + 1;
    int64_t until = MAX(expired, d->evicted_until);
    struct bytes id;
    for (int i = 0; i < EXPIRED_PER_RECORD; i++) {
        if (!dedup_table_expire(d->table, until, &id, &anchor))
            break;
        s->evicted += anchor >= expired;
    }
    dedup_rows_expire(&d->rows, until, s->delta);
    set_gauges(d);
    return true;
}

static void collect(struct chain_step *s)
{
    dedup_rows_collect(&dedup_of(s)->rows, s->delta);
}

static enum error restore(struct chain_step *s, enum state_kind kind, struct bytes rest,
                          struct bytes value)
{
    struct dedup *d = dedup_of(s);
    return kind == STATE_ANCHORS ? dedup_rows_restore(&d->rows, rest, value, d->table)
                                 : ERR_CORRUPT;
}

static enum error restored(struct chain_step *s, struct message *message UNUSED)
{
    struct dedup *d = dedup_of(s);
    dedup_rows_restored(&d->rows, d->table);
    set_gauges(d);
    return ERR_OK;
}

static void visit_row(void *context, struct bytes key, struct bytes value)
{
    struct state_visitor *visitor = context;
    visitor->visit(visitor, key, value);
}

static void visit(struct chain_step *s, struct state_visitor *visitor)
{
    struct dedup *d = dedup_of(s);
    dedup_rows_visit(&d->rows, d->table, visit_row, visitor);
}

static const struct step_type step = {
    .stateful = true,
    .create = create,
    .free = dedup_free,
    .judge = judge,
    .apply = apply,
    .advance = advance,
    .collect = collect,
    .restore = restore,
    .restored = restored,
    .visit = visit,
};

const struct processor_type dedup_type = {
    .name = "dedup",
    .step = &step,
    .parameters = dedup_parameters,
    .parameters_size = sizeof(struct dedup_parameters),
    .check = dedup_parameters_check,
    .replace = dedup_parameters_replace,
    .reads_value = dedup_parameters_read_value,
    .free = dedup_parameters_free,
};
