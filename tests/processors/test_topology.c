#include "processors/topology/topology.h"

#include "tests/harness/harness.h"
#include "tests/processors/support_task.h"

#include <stdio.h>

/* Expects a refusal with `part` in its message. */
static void expect_refusal(int32_t partitions, const char *sections, const char *part)
{
    struct world w = {.input_count = 0};
    const char *message = world_refusal(&w, partitions, sections);
    if (strstr(message, part) == NULL)
        test_fail(__FILE__, __LINE__, "'%s' lacks '%s'", message, part);
    world_free(&w);
}

static void expect_fine(int32_t partitions, const char *sections)
{
    struct world w = {.input_count = 0};
    EXPECT_STRING(world_refusal(&w, partitions, sections), "");
    world_free(&w);
}

#define AGGREGATE "[t/a]\ntype = aggregate\noutput = o\n"
#define UNWINDOWED AGGREGATE "group-by = key\nselect = count() as n\n"
#define GROUPED AGGREGATE "group-by = key\nwindow = tumbling(1m)\nselect = count() as n\n"
#define DEDUP "[t/d]\ntype = dedup\nid = value.id\nwithin = 1m\n"
#define FILTER "[t/f]\ntype = filter\nwhere = true\n"

TEST(types_that_are_not_built_are_refused_by_name)
{
    static const char *const planned[] = {"map",  "route",   "mask",  "sample", "enrich",
                                          "join", "pattern", "retry", "wasm"};
    for (size_t i = 0; i < COUNT_OF(planned); i++) {
        char sections[128], message[128];
        snprintf(sections, sizeof sections, "[t/x]\ntype = %s\nanything = 1\n", planned[i]);
        snprintf(message, sizeof message, "processor.x.type: %s is not built yet", planned[i]);
        expect_refusal(1, sections, message);
    }
    expect_refusal(1, "[t/x]\ntype = filtre\n",
                   "processor.x.type: unknown type 'filtre'; did you mean filter?");
    expect_refusal(1, "[t/x]\nwhere = true\n", "processor.x.type: required");
}

TEST(parameters_that_are_not_built_are_refused_by_name)
{
    static const char *const planned[] = {"assume-partitioned",
                                          "backpressure",
                                          "combine",
                                          "dlq.compat",
                                          "dlq.max-rate",
                                          "early",
                                          "evict",
                                          "having",
                                          "hot-keys.salt",
                                          "hot-keys.top",
                                          "into",
                                          "lag.max",
                                          "late.panes",
                                          "max-wait",
                                          "mode",
                                          "repartition.partitions",
                                          "state.ttl",
                                          "retry.max-attempts",
                                          "schema",
                                          "shed",
                                          "state.delete-delay",
                                          "state.max-bytes",
                                          "watermark.idle-advance",
                                          "weight"};
    for (size_t i = 0; i < COUNT_OF(planned); i++) {
        char sections[512], message[128];
        snprintf(sections, sizeof sections, GROUPED "%s = 1\n", planned[i]);
        snprintf(message, sizeof message, "processor.a.%s: not built yet", planned[i]);
        expect_refusal(1, sections, message);
    }
}

TEST(values_that_are_not_built_are_refused_by_name)
{
    expect_refusal(1, GROUPED "emit = on-time\n", "processor.a.emit: on-time is not built yet");
    expect_refusal(1, GROUPED "emit = update\n", "processor.a.emit: update is not built yet");
    expect_refusal(1, GROUPED "watermark.scope = topic\n", "topic is not built yet");
    expect_refusal(1, DEDUP "output = o\nscope = topic\n", "topic is not built yet");
    expect_refusal(1, AGGREGATE "group-by = key\nselect = count() as n\nwindow = session(1m)\n",
                   "processor.a.window: session windows are not built yet");
    expect_refusal(1,
                   AGGREGATE "group-by = key\nwindow = tumbling(1m)\nselect = stddev(value) as n\n",
                   "processor.a.select: stddev() is not built yet");
    expect_refusal(1, "[t/v]\ntype = validate\njson-schema = clicks-v1\n",
                   "processor.v.json-schema: registered schemas are not built yet");
    expect_refusal(1, FILTER "output = o\nstart = savepoint:1\n", "savepoints are not built yet");
}

TEST(unknown_names_are_refused_with_the_nearest)
{
    expect_refusal(1, GROUPED "windw = tumbling(1m)\n",
                   "processor.a.windw: unknown parameter; did you mean window?");
    expect_refusal(1, GROUPED "xyzzy = 1\n", "processor.a.xyzzy: unknown parameter");
    expect_refusal(1, GROUPED "output.key = jsn\n",
                   "'jsn' is not allowed; allowed: json, group, kafka-windowed");
    expect_refusal(1, AGGREGATE "group-by = key\nwindow = tumblin(1m)\nselect = count() as n\n",
                   "did you mean tumbling?");
    expect_refusal(1, AGGREGATE "group-by = key\nwindow = tumbling(1m)\nselect = cuont() as n\n",
                   "did you mean count?");
}

TEST(parameters_of_another_type_are_refused)
{
    expect_refusal(1, FILTER "output = o\nwindow = tumbling(1m)\n",
                   "processor.f.window: not a parameter of type filter, only of aggregate");
    expect_refusal(1, FILTER "output = o\nlateness = 1m\n", "only of dedup, aggregate");
}

TEST(missing_required_parameters_are_refused)
{
    expect_refusal(1, "[t/f]\ntype = filter\noutput = o\n", "processor.f.where: required");
    expect_refusal(1, "[t/d]\ntype = dedup\noutput = o\nwithin = 1m\n", "processor.d.id: required");
    expect_refusal(1, "[t/d]\ntype = dedup\noutput = o\nid = key\n",
                   "processor.d.within: required");
    expect_refusal(1, AGGREGATE "window = tumbling(1m)\nselect = count() as n\n",
                   "processor.a.group-by: required");
    expect_refusal(1, AGGREGATE "group-by = key\nselect = count() as n\n",
                   "processor.a.window: required");
    expect_refusal(1, AGGREGATE "group-by = key\nwindow = tumbling(1m)\n",
                   "processor.a.select: required");
    expect_refusal(1, FILTER "output = \n", "processor.f.output: is empty");
}

TEST(a_duration_needs_its_unit)
{
    expect_refusal(1, "[t/d]\ntype = dedup\nid = key\noutput = o\nwithin = 10\n",
                   "processor.d.within: '10' has no unit: 10ms, 10s, 10m, 10h or 10d");
    expect_refusal(1, FILTER "output = o\nwatermark.idle = 30\n", "'30' has no unit");
    expect_refusal(1, UNWINDOWED "lateness = 0\nwindow = tumbling(60)\n", "'60' has no unit");
    expect_refusal(1, UNWINDOWED "window = tumbling(1mo)\n",
                   "calendar sizes (1w, 1mo) are not built yet");
    expect_refusal(1, UNWINDOWED "window = hopping(1m, 10s)\n", "arguments are separated by ';'");
}

TEST(a_condition_that_can_never_be_true_or_false_is_refused)
{
    static const char *const never[] = {"1 + 2",        "'x'",       "[true]", "-value.a",
                                        "value.a && 3", "timestamp", "key",    "true ? 1 : 2"};
    char sections[256];
    for (size_t i = 0; i < COUNT_OF(never); i++) {
        snprintf(sections, sizeof sections, "[t/f]\ntype = filter\noutput = o\nwhere = %s\n",
                 never[i]);
        expect_refusal(1, sections, "processor.f.where: is not a condition");
    }
    expect_refusal(
        1, AGGREGATE "group-by = key\nwindow = tumbling(1m)\nselect = count(where 5) as n\n",
        "in '5': is not a condition");
    struct world w = {.input_count = 0};
    EXPECT_STRING(world_refusal(&w, 1,
                                "[t/f]\ntype = filter\noutput = o\nwhere = value.ok ? "
                                "value.a : null || bool(value.b)\n"),
                  "");
    world_free(&w);
}

TEST(a_wrong_word_is_refused_with_the_nearest)
{
    expect_refusal(1, GROUPED "emit = updates\n",
                   "'updates' is not allowed; allowed: final; did you mean update? It is not "
                   "built yet");
    expect_refusal(1, GROUPED "output.key = jsn\n", "kafka-windowed; did you mean json?");
    expect_refusal(1, FILTER "output = o\nstart = yesterday\n",
                   "allowed: earliest, latest, @<time>");
    expect_refusal(1, "[t/uniq]\ntype = validate\n[t/g]\ntype = validate\nafter = unik\n",
                   "there is no processor 'unik' on t; did you mean uniq?");
    expect_refusal(1,
                   FILTER "output = o\ntimestamp = value.t\ntimestamp.format = strptime:%F\n"
                          "timestamp.tz = Nowhere/City\n",
                   "processor.f.timestamp.tz: 'Nowhere/City' is not a time zone");
}

TEST(values_are_checked)
{
    expect_refusal(1, DEDUP "output = o\nlateness = soon\n",
                   "processor.d.lateness: 'soon' is not a duration");
    expect_refusal(1, "[t/d]\ntype = dedup\nid = key\noutput = o\nwithin = 0\n",
                   "must be longer than 0");
    expect_refusal(1, DEDUP "output = o\nmax-ids = 0\n", "'0' is not a number from 1 to 50000000");
    expect_refusal(1, DEDUP "output = o\nrefresh = yes\n", "allowed: false, true");
    expect_refusal(1, FILTER "output = a/b\n", "processor.f.output: 'a/b' is not a topic name");
    expect_refusal(1, FILTER "output = ..\n", "is not a topic name");
    expect_refusal(1, "[t/f]\ntype = filter\noutput = o\nwhere = value. == 1\n",
                   "processor.f.where: ");
    expect_refusal(1, FILTER "output = o\nstart = @-1h\n", "is not a time such as");
    expect_refusal(1, FILTER "output = o\ntimestamp.format = epoch\n",
                   "processor.f.timestamp.format: ");
    expect_refusal(1, "[t/v]\ntype = validate\njson-schema = inline:{\n",
                   "processor.v.json-schema: ");
    expect_refusal(1, "[t/v]\ntype = validate\njson = false\n", "there is nothing to validate");
    expect_refusal(1, GROUPED "late = pass\n", "pass is only for dedup");
    expect_refusal(1, DEDUP "output = o\nduplicates = pass\n", "'pass' is not allowed here");
    expect_refusal(1, DEDUP "output = o\nclock = processing\nlateness = 1s\n",
                   "processor.d.lateness: no record is late with clock = processing");
    expect_refusal(1, DEDUP "output = o\nclock = processing\nlate = drop\n", "processor.d.late: ");
    expect_refusal(1, FILTER "output = o\ndlq = a\nerrors.deadletterqueue.topic.name = b\n",
                   "mean the same");
}

TEST(names_of_processors_follow_the_rule)
{
    expect_refusal(1, "[t/UP]\ntype = filter\n", "'UP' is not a processor name");
    expect_refusal(1, "[t/-x]\ntype = filter\n", "'-x' is not a processor name");
    struct topology_topic topic = {BYTES_LITERAL("t"), 1};
    struct config_pair pairs[] = {{BYTES_LITERAL("processor.x"), BYTES_LITERAL("1")}};
    struct topology *t;
    struct message message;
    EXPECT_INT(topology_parse(&topic, pairs, 1, &t, &message, NULL), ERR_INVALID);
    EXPECT(strstr(message.text, "processor.<name>.<parameter>") != NULL);
    EXPECT(topology_is_processor_key(BYTES_LITERAL("processor.a.type")));
    EXPECT(!topology_is_processor_key(BYTES_LITERAL("retention.ms")));
}

TEST(a_topic_may_have_no_processors)
{
    struct topology_topic topic = {BYTES_LITERAL("t"), 1};
    struct config_pair pairs[] = {{BYTES_LITERAL("retention.ms"), BYTES_LITERAL("1")}};
    struct topology *t;
    struct message message;
    EXPECT_INT(topology_parse(&topic, pairs, 1, &t, &message, NULL), ERR_OK);
    EXPECT(t == NULL);
}

TEST(a_processor_with_results_needs_an_output)
{
    expect_refusal(1, FILTER, "processor.f.output: the processor has no output and no follower");
    expect_refusal(1,
                   FILTER "output.partitions = 3\n[t/g]\ntype = filter\nwhere = true\nafter = f\n"
                          "output = o\n",
                   "processor.f.output.partitions: there is no output");
    expect_fine(1, "[t/v]\ntype = validate\n");
    expect_fine(1, FILTER "[t/g]\ntype = filter\nwhere = true\nafter = f\noutput = o\n");
}

TEST(chains_are_trees)
{
    expect_refusal(1, FILTER "output = o\nafter = nobody\n",
                   "processor.f.after: there is no processor 'nobody' on t");
    expect_refusal(1, FILTER "after = f\noutput = o\n",
                   "processor.f.after: the processors of the chain form a cycle");
    expect_refusal(1,
                   FILTER "after = g\noutput = o\n[t/g]\ntype = filter\nwhere = true\nafter = f\n",
                   "the processors of the chain form a cycle");
    expect_refusal(1, GROUPED "[t/f]\ntype = filter\nwhere = true\nafter = a\noutput = p\n",
                   "processor.f.after: following an aggregate is not built yet");
    expect_fine(1, DEDUP "[t/f]\ntype = filter\nwhere = true\nafter = d\noutput = p\n"
                         "[t/g]\ntype = filter\nwhere = true\nafter = d\noutput = q\n");
}

TEST(parameters_of_a_chain_are_set_on_its_first_processor)
{
    static const char *const parameters[] = {"timestamp = value.ts",
                                             "timestamp.format = rfc3339",
                                             "timestamp.on-missing = record",
                                             "out-of-order = 5s",
                                             "max-future = off",
                                             "watermark.idle = off",
                                             "watermark.scope = partition",
                                             "state.version = 2",
                                             "start = latest",
                                             "enabled = false",
                                             "retention.guard = off",
                                             "retention.guard.max = 1GiB",
                                             "commit.interval = 10ms"};
    for (size_t i = 0; i < COUNT_OF(parameters); i++) {
        char sections[512];
        snprintf(sections, sizeof sections,
                 FILTER "%s\n[t/g]\ntype = filter\nwhere = true\n"
                        "after = f\noutput = o\n",
                 parameters[i]);
        expect_fine(1, sections);
        snprintf(sections, sizeof sections,
                 FILTER "[t/g]\ntype = filter\nwhere = true\nafter = f\n"
                        "output = o\n%s\n",
                 parameters[i]);
        expect_refusal(1, sections, "set it on the first processor, f");
    }
}

TEST(grouping_by_anything_but_the_key_needs_one_partition)
{
    expect_refusal(3,
                   AGGREGATE "group-by = value.g\nwindow = tumbling(1m)\nselect = count() as n\n",
                   "processor.a.group-by: t has 3 partitions");
    expect_refusal(
        3, AGGREGATE "group-by = key; value.g\nwindow = tumbling(1m)\nselect = count() as n\n",
        "repartitioning is not built yet");
    expect_fine(1, AGGREGATE "group-by = value.g\nwindow = tumbling(1m)\nselect = count() as n\n");
    expect_fine(3, GROUPED);
    expect_refusal(1, GROUPED "on-missing-key = null\n", "not possible with group-by = key");
}

TEST(names_in_a_result_must_differ)
{
    expect_refusal(1,
                   AGGREGATE "group-by = value.a.id; value.b.id\nwindow = tumbling(1m)\n"
                             "select = count() as n\n",
                   "processor.a.group-by: the result would have two fields called 'id'");
    expect_refusal(1,
                   AGGREGATE "group-by = value.n\nwindow = tumbling(1m)\nselect = count() as n\n",
                   "processor.a.select: the result would have two fields called 'n'");
    expect_refusal(1,
                   AGGREGATE "group-by = key\nwindow = tumbling(1m)\n"
                             "select = count() as window_end\n",
                   "two fields called 'window_end'");
    expect_refusal(1,
                   AGGREGATE "group-by = key\nwindow = tumbling(1m)\n"
                             "select = count() as n; sum(value.a) as n\n",
                   "two aggregates have the name 'n'");
}

TEST(a_topology_may_not_write_to_its_input)
{
    expect_refusal(1, FILTER "output = t\n", "processor.f.output: t is the input");
    expect_refusal(1, FILTER "output = o\ndlq = t\n", "processor.f.dlq: t is the input");
    expect_refusal(1, DEDUP "output = o\nduplicates = t\n",
                   "processor.d.duplicates: t is the input");
    expect_refusal(1, DEDUP "output = o\nlate = t\n", "processor.d.late: t is the input");
    expect_refusal(1, FILTER "output = dlq.t\n", "cannot receive both results and dead letters");
}

TEST(dead_letter_topics_have_no_processors)
{
    expect_refusal(1, "[dlq.t/f]\ntype = filter\nwhere = true\noutput = o\n",
                   "processor.f: dlq.t is a dead letter topic");
}

static struct topology *parse(struct world *w, const char *sections)
{
    *w = (struct world){.input_count = 0};
    world_init(w, 4, sections);
    return w->topology;
}

TEST(outputs_are_listed_once_with_their_kind)
{
    struct world w;
    struct topology *t =
        parse(&w, DEDUP "output = o\noutput.partitions = 7\nduplicates = dups\n"
                        "[t/f]\ntype = filter\nafter = d\nwhere = true\noutput = o\n"
                        "dlq = errors\n");
    static const struct {
        const char *name;
        bool is_dead_letter;
        int32_t partitions;
    } expected[] = {{"o", false, 7}, {"dups", false, 4}, {"dlq.t", true, 4}, {"errors", true, 4}};
    struct bytes topic;
    bool is_dead_letter;
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        EXPECT(topology_output(t, i, &topic, &is_dead_letter));
        EXPECT_BYTES(topic, bytes_string(expected[i].name));
        EXPECT_INT(is_dead_letter, expected[i].is_dead_letter);
        EXPECT_INT(topology_output_partitions(t, topic), expected[i].partitions);
    }
    EXPECT(!topology_output(t, COUNT_OF(expected), &topic, &is_dead_letter));
    world_free(&w);
}

TEST(a_chain_has_the_parameters_of_its_first_processor)
{
    struct world w;
    struct topology *t =
        parse(&w, "[t/z]\ntype = filter\nwhere = true\nafter = d\noutput = p\n" DEDUP
                  "start = @2026-11-20\nstate.version = 3\ncommit.interval = 1s\n"
                  "retention.guard.max = 3MiB\n"
                  "enabled = false\n" FILTER "output = o\n");
    EXPECT_INT(topology_chain_count(t), 2);
    const struct chain *d = topology_chain(t, 0), *f = topology_chain(t, 1);
    int64_t start_ms;
    EXPECT_BYTES(chain_name(d), BYTES_LITERAL("d"));
    EXPECT_INT(chain_processor_count(d), 2);
    EXPECT_BYTES(chain_processor_name(d, 1), BYTES_LITERAL("z"));
    EXPECT(!chain_is_enabled(d) && chain_is_enabled(f));
    EXPECT_INT(chain_state_version(d), 3);
    EXPECT_INT(chain_commit_interval_ms(d), 1000);
    EXPECT_INT(chain_start(d, &start_ms), START_TIME);
    EXPECT_INT(start_ms, 1795132800000);
    EXPECT_INT(chain_start(f, &start_ms), START_EARLIEST);
    EXPECT_INT(chain_state_version(f), 1);
    EXPECT_INT(chain_commit_interval_ms(f), 20);
    EXPECT_INT(chain_retention_guard_bytes(d), 3 << 20);
    EXPECT_INT(chain_retention_guard_bytes(f), 10LL << 30);
    world_free(&w);
}

TEST(a_retention_guard_is_hold_or_off_with_a_size)
{
    struct world w;
    struct topology *t = parse(&w, FILTER "output = o\nretention.guard = off\n");
    EXPECT_INT(chain_retention_guard_bytes(topology_chain(t, 0)), -1);
    world_free(&w);
    expect_refusal(1, FILTER "output = o\nretention.guard = on\n",
                   "processor.f.retention.guard: 'on' is not allowed; allowed: off, hold");
    expect_refusal(1, FILTER "output = o\nretention.guard.max = -1\n",
                   "processor.f.retention.guard.max: '-1' is not a size such as 512MiB or 10GiB");
    expect_refusal(1, FILTER "output = o\nretention.guard.max = 1d\n", "is not a size");
}

TEST(an_id_without_the_key_gives_a_warning)
{
    struct topology_topic topic = {BYTES_LITERAL("t"), 2};
    struct config_pair pairs[] = {
        {BYTES_LITERAL("processor.d.type"), BYTES_LITERAL("dedup")},
        {BYTES_LITERAL("processor.d.id"), BYTES_LITERAL("value.id")},
        {BYTES_LITERAL("processor.d.within"), BYTES_LITERAL("1m")},
        {BYTES_LITERAL("processor.d.output"), BYTES_LITERAL("o")},
    };
    struct topology *t;
    struct message message;
    struct buffer warnings;
    buffer_init(&warnings, 4096);
    EXPECT_INT(topology_parse(&topic, pairs, COUNT_OF(pairs), &t, &message, &warnings), ERR_OK);
    EXPECT(strstr(buffer_c_string(&warnings), "processor.d.id: without key") != NULL);
    topology_unref(t);
    buffer_clear(&warnings);
    pairs[1].value = BYTES_LITERAL("key; value.id");
    EXPECT_INT(topology_parse(&topic, pairs, COUNT_OF(pairs), &t, &message, &warnings), ERR_OK);
    EXPECT_INT(warnings.size, 0);
    topology_unref(t);
    buffer_free(&warnings);
}

/* Expects that `next` may replace `running` (fault ""), or is refused because of a parameter. */
static void expect_replacement(const char *running, const char *next, const char *fault)
{
    struct world a, b;
    struct message message = {""};
    struct topology *from = parse(&a, running), *to = parse(&b, next);
    enum error e = topology_can_replace(from, to, &message);
    if (*fault == 0)
        EXPECT_STRING(message.text, "");
    else if (strstr(message.text, fault) != message.text)
        test_fail(__FILE__, __LINE__, "'%s' does not begin with '%s'", message.text, fault);
    EXPECT_INT(e, *fault ? ERR_INVALID : ERR_OK);
    world_free(&a);
    world_free(&b);
}

#define RUNNING                                    \
    "[t/d]\ntype = dedup\nid = key\nwithin = 1m\n" \
    "[t/a]\ntype = aggregate\nafter = d\ngroup-by = key\n"
#define WINDOW "window = tumbling(1m)\n"
#define SELECT "select = count() as n; sum(value.a) as s\noutput = o\n"

TEST(a_change_of_the_meaning_of_state_needs_a_new_version)
{
    expect_replacement(RUNNING WINDOW SELECT, RUNNING "window = tumbling(2m)\n" SELECT,
                       "processor.a.window: ");
    expect_replacement(RUNNING WINDOW SELECT,
                       RUNNING WINDOW "select = count() as n; sum(value.b) as s\noutput = o\n",
                       "processor.a.select: ");
    expect_replacement(RUNNING WINDOW SELECT, RUNNING WINDOW SELECT "where = value.a > 0\n",
                       "processor.a.where: ");
    expect_replacement(DEDUP "output = o\n",
                       "[t/d]\ntype = dedup\nid = key\nwithin = 1m\noutput = o\n",
                       "processor.d.id: ");
    expect_replacement(DEDUP "output = o\n", DEDUP "output = o\nrefresh = true\n",
                       "processor.d.refresh: ");
    expect_replacement(DEDUP "output = o\n", DEDUP "output = o\nclock = processing\n",
                       "processor.d.clock: ");
    expect_replacement(DEDUP "output = o\n", DEDUP "output = o\ntimestamp = value.ts\n",
                       "processor.d.timestamp: ");
    expect_replacement(DEDUP "output = o\n",
                       DEDUP "output = o\nstate.version = 2\nclock = processing\n", "");
    expect_replacement(DEDUP "output = o\nstate.version = 2\n", DEDUP "output = o\n",
                       "processor.d.state.version: 1 is below the running version 2");
    expect_replacement(
        RUNNING WINDOW SELECT,
        "[t/x]\ntype = validate\n[t/d]\ntype = dedup\nid = key\nwithin = 1m\noutput = p\n"
        "[t/a]\ntype = aggregate\nafter = x\ngroup-by = key\n" WINDOW SELECT,
        "processor.a.after: the processor would move");
}

TEST(a_change_that_keeps_the_meaning_of_state_is_allowed)
{
    expect_replacement(RUNNING WINDOW SELECT,
                       RUNNING WINDOW
                       "select = max(value.a) as m; sum(value.a) as s; count() as n\n"
                       "output = elsewhere\nlateness = 5s\nlate = drop\ndlq = d2\n",
                       "");
    expect_replacement(RUNNING WINDOW SELECT,
                       "[t/d]\ntype = dedup\nid = key\nwithin = 1m\nmax-future = off\noutput = p\n"
                       "out-of-order = 1s\n",
                       "");
    expect_replacement(FILTER "output = o\n",
                       "[t/f]\ntype = filter\nwhere = false\noutput = o\ntimestamp = value.ts\n",
                       "");
}
