#include "processors/steps/dedup_parameters.h"

#define FIELD(name) OWN_FIELD(struct dedup_parameters, name)

const struct parameter dedup_parameters[] = {
    {"lateness", parse_duration, FIELD(lateness_ms), "0"},
    {"late", parse_late, PARAMETER_FIELD(late), .words = WORDS("drop", "pass")},
    {"id", parse_expressions, FIELD(id)},
    {"within", parse_positive_duration, FIELD(within_ms)},
    {"clock", parse_word, FIELD(clock), "event", .words = WORDS("event", "processing")},
    {"refresh", parse_bool, FIELD(refresh), "false", .words = BOOL_WORDS},
    {"duplicates", parse_duplicates, PARAMETER_FIELD(duplicates), "drop",
     .words = WORDS("drop", "tag")},
    {"scope", parse_word, FIELD(scope), "partition", .words = WORDS("partition"),
     .planned = WORDS("topic")},
    {"max-ids", parse_count, FIELD(max_ids), "50000000"},
    {0},
};

enum error dedup_parameters_check(struct processor *p, const struct processor_check *check)
{
    const struct dedup_parameters *own = dedup_parameters_of(p);
    enum error e = processor_require(p, own->id.count > 0, "id", check->message);
    if (e == ERR_OK)
        e = processor_require(p, own->within_ms > 0, "within", check->message);
    if (e)
        return e;
    bool late_given = !bytes_is_null(p->late) || p->late_disposal != DISPOSE_TOPIC;
    if (own->clock == CLOCK_PROCESSING && (late_given || own->lateness_ms > 0))
        return processor_refuse(check->message, p->name, late_given ? "late" : "lateness",
                                "no record is late with clock = processing");
    if (check->warnings && check->partitions > 1 && !expression_list_has_key(&own->id))
        buffer_printf(check->warnings,
                      "processor.%.*s.id: without key, records with the same id may be in "
                      "different partitions; each partition is deduplicated separately\n",
                      BYTES_PRINTF(p->name));
    return ERR_OK;
}

/* Existing anchors must keep their meaning: the id, the clock and the time for which they count. */
enum error dedup_parameters_replace(const struct processor *running, const struct processor *next,
                                    struct message *message)
{
    const struct dedup_parameters *a = dedup_parameters_of(running), *b = dedup_parameters_of(next);
    if (!expression_list_equal(&a->id, &b->id))
        return processor_refuse_change(message, next, "id");
    if (a->within_ms != b->within_ms)
        return processor_refuse_change(message, next, "within");
    if (a->clock != b->clock)
        return processor_refuse_change(message, next, "clock");
    return a->refresh == b->refresh ? ERR_OK : processor_refuse_change(message, next, "refresh");
}

bool dedup_parameters_read_value(const struct processor *p)
{
    return expression_list_reads_value(&dedup_parameters_of(p)->id);
}

void dedup_parameters_free(struct processor *p)
{
    expression_list_free(&dedup_parameters_of(p)->id);
}
