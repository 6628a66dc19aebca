#include "client-tools/arguments.h"

#include "base/suggest.h"
#include "base/units.h"

#include <inttypes.h>
#include <stdlib.h>

const struct flag global_flags[] = {
    {'b', "brokers", FLAG_VALUE, "HOST:PORT,...", "brokers to connect to (default localhost:9092)",
     "bootstrap-server", NULL},
    {'X', "property", FLAG_LIST, "KEY=VALUE", "a Kafka client property", NULL, NULL},
    {'F', "command-config", FLAG_VALUE, "FILE", "a file with client properties", NULL, NULL},
    {0, "profile", FLAG_VALUE, "NAME", "the profile with the connection to use", NULL, NULL},
    {0, "format", FLAG_VALUE, "FORMAT", "output format", NULL, "text|wide|json|tsv|tsv-header"},
    {'J', "json", FLAG_SWITCH, NULL, "same as --format json", NULL, NULL},
    {0, "timeout", FLAG_VALUE, "5s", "time limit of the whole command (default 10s)", NULL, NULL},
    {'y', "yes", FLAG_SWITCH, NULL, "do not ask for confirmation", NULL, NULL},
    {0, "dry-run", FLAG_SWITCH, NULL, "show what would be done and change nothing", NULL, NULL},
    {'q', "quiet", FLAG_SWITCH, NULL, "print no hints and no progress", NULL, NULL},
    {'v', "verbose", FLAG_SWITCH, NULL, "report each step on stderr", NULL, NULL},
    {0, "no-color", FLAG_SWITCH, NULL, "print without colour", NULL, NULL},
    {'h', "help", FLAG_SWITCH, NULL, "print this help", NULL, NULL},
    {0, "version", FLAG_SWITCH, NULL, "print the version", NULL, NULL},
    {0, "help-json", FLAG_SWITCH, NULL, "print all commands and flags as JSON", NULL, NULL},
    {0, NULL, FLAG_SWITCH, NULL, NULL, NULL, NULL},
};

static const struct {
    const char *alias, *verb;
} verb_aliases[] = {{"ls", "list"}, {"rm", "delete"}, {"info", "describe"}};

static bool is_verb(const struct command *c, struct bytes word)
{
    if (c->verb == NULL)
        return false;
    if (bytes_equal_string(word, c->verb))
        return true;
    for (size_t i = 0; i < COUNT_OF(verb_aliases); i++) {
        if (bytes_equal_string(word, verb_aliases[i].alias) &&
            strcmp(c->verb, verb_aliases[i].verb) == 0)
            return true;
    }
    return false;
}

static bool fail_unknown(struct failure *f, const char *what, struct bytes word,
                         const char *const *names, const char *hint)
{
    const char *near = suggest(word, names);
    fail_usage(f, "unknown %s %.*s", what, BYTES_PRINTF(word));
    if (near)
        message_set(&f->hint, "did you mean %s?", near);
    else
        message_set(&f->hint, "%s", hint);
    return false;
}

static bool fail_unknown_noun(struct bytes noun, struct failure *f)
{
    const char *names[64];
    size_t count = 0;
    for (size_t i = 0; commands[i] && count + 1 < COUNT_OF(names); i++) {
        if (i == 0 || strcmp(commands[i]->noun, commands[i - 1]->noun) != 0)
            names[count++] = commands[i]->noun;
    }
    names[count] = NULL;
    return fail_unknown(f, "command", noun, names, "tidemill --help lists the commands");
}

static bool fail_unknown_verb(struct bytes noun, struct bytes verb, struct failure *f)
{
    const char *names[64];
    size_t count = 0;
    struct message list = {""};
    for (size_t i = 0; commands[i] && count + 1 < COUNT_OF(names); i++) {
        if (!bytes_equal_string(noun, commands[i]->noun) || commands[i]->verb == NULL)
            continue;
        names[count++] = commands[i]->verb;
        struct message before = list;
        message_set(&list, "%s %s", before.text, commands[i]->verb);
    }
    names[count] = NULL;
    if (bytes_is_null(verb)) {
        fail_usage(f, "%.*s needs a verb:%s", BYTES_PRINTF(noun), list.text);
        message_set(&f->hint, "tidemill %.*s %s --help", BYTES_PRINTF(noun), names[0]);
        return false;
    }
    struct message what, hint;
    message_set(&what, "command %.*s", BYTES_PRINTF(noun));
    message_set(&hint, "one of:%s", list.text);
    return fail_unknown(f, what.text, verb, names, hint.text);
}

/* Finds the command that the first words name and takes them out of the names. */
static bool find_command(struct arguments *a, struct failure *f)
{
    if (a->name_count == 0)
        return true;
    /* produce and consume are commands of their own, and verbs of topic. */
    size_t skip =
        a->name_count > 1 && bytes_equal_string(a->names[0], "topic") &&
        (bytes_equal_string(a->names[1], "produce") || bytes_equal_string(a->names[1], "consume"));
    struct bytes noun = a->names[skip], verb = a->name_count > 1 ? a->names[1] : BYTES_NULL;
    bool known = false;
    for (size_t i = 0; commands[i] && a->command == NULL; i++) {
        if (!bytes_equal_string(noun, commands[i]->noun))
            continue;
        known = true;
        if (commands[i]->verb == NULL || is_verb(commands[i], verb))
            a->command = commands[i];
    }
    if (a->command == NULL)
        return known ? fail_unknown_verb(noun, verb, f) : fail_unknown_noun(noun, f);
    size_t words = skip + 1 + (a->command->verb != NULL);
    a->names += words;
    a->name_count -= words;
    return true;
}

static const struct flag *find_in(const struct flag *flags, char letter, struct bytes name)
{
    for (; flags && flags->name; flags++) {
        if (letter ? flags->letter == letter
                   : bytes_equal_string(name, flags->name) ||
                         (flags->alias && bytes_equal_string(name, flags->alias)))
            return flags;
    }
    return NULL;
}

/* The command's own flags win over the global ones: in one command -f is the format of records, in
 * another the file. */
static const struct flag *find_flag(const struct command *c, char letter, struct bytes name)
{
    const struct flag *own = c ? find_in(c->flags, letter, name) : NULL;
    return own ? own : find_in(global_flags, letter, name);
}

static bool fail_unknown_flag(const struct command *c, struct bytes given, struct failure *f)
{
    const char *names[64];
    size_t count = 0;
    const struct flag *const tables[] = {c ? c->flags : NULL, global_flags};
    for (size_t t = 0; t < COUNT_OF(tables); t++) {
        for (const struct flag *flag = tables[t]; flag && flag->name; flag++)
            names[count++] = flag->name;
    }
    names[count] = NULL;
    struct bytes name = given;
    while (name.size > 0 && name.data[0] == '-')
        name = bytes_from(name, 1);
    const char *near = name.size > 1 ? suggest(name, names) : NULL;
    fail_usage(f, "unknown flag %.*s", BYTES_PRINTF(given));
    if (near)
        message_set(&f->hint, "did you mean --%s?", near);
    else if (c)
        message_set(&f->hint, "tidemill %s%s%s --help lists its flags", c->noun, c->verb ? " " : "",
                    c->verb ? c->verb : "");
    return false;
}

bool choice_is_one(const char *choices, struct bytes value)
{
    while (*choices) {
        size_t size = strcspn(choices, "|");
        if (bytes_equal(value, bytes_of(choices, size)))
            return true;
        choices += size + (choices[size] == '|');
    }
    return false;
}

static bool add_flag(struct arguments *a, const struct flag *flag, struct bytes value,
                     struct failure *f)
{
    if (flag->choices && flag->kind != FLAG_SWITCH && !choice_is_one(flag->choices, value)) {
        fail_usage(f, "--%s %.*s: not one of %s", flag->name, BYTES_PRINTF(value), flag->choices);
        return false;
    }
    a->flags[a->flag_count++] = (struct argument_value){flag, value};
    return true;
}

static bool fail_no_value(const struct flag *flag, struct failure *f)
{
    return fail_usage(f, "--%s needs a value: %s", flag->name, flag->placeholder);
}

/* Parses "--name", "--name=value" or "--name value". *next is the index of the next argument. */
static bool parse_long(struct arguments *a, struct bytes text, int *next, int count, char **values,
                       struct failure *f)
{
    struct bytes name = bytes_from(text, 2), value = BYTES_NULL;
    const uint8_t *equals = memchr(name.data, '=', name.size);
    if (equals) {
        value = bytes_from(name, (size_t)(equals + 1 - name.data));
        name.size = (size_t)(equals - name.data);
    }
    const struct flag *flag = find_flag(a->command, 0, name);
    if (flag == NULL)
        return fail_unknown_flag(a->command, bytes_of(text.data, name.size + 2), f);
    if (flag->kind == FLAG_SWITCH && equals)
        return fail_usage(f, "--%s takes no value", flag->name);
    if (flag->kind != FLAG_SWITCH && !equals) {
        if (*next >= count)
            return fail_no_value(flag, f);
        value = bytes_string(values[(*next)++]);
    }
    return add_flag(a, flag, value, f);
}

/* Parses "-abc", "-ovalue" or "-o value". */
static bool parse_short(struct arguments *a, struct bytes text, int *next, int count, char **values,
                        struct failure *f)
{
    for (size_t i = 1; i < text.size; i++) {
        const struct flag *flag = find_flag(a->command, (char)text.data[i], BYTES_NULL);
        if (flag == NULL) {
            char letter[] = {'-', (char)text.data[i], '\0'};
            return fail_unknown_flag(a->command, bytes_string(letter), f);
        }
        if (flag->kind == FLAG_SWITCH) {
            if (!add_flag(a, flag, BYTES_NULL, f))
                return false;
            continue;
        }
        struct bytes value = bytes_from(text, i + 1);
        if (value.size == 0) {
            if (*next >= count)
                return fail_no_value(flag, f);
            value = bytes_string(values[(*next)++]);
        }
        return add_flag(a, flag, value, f);
    }
    return true;
}

/* Whether the word after this flag is its value. Knows global flags only. */
static bool takes_next(struct bytes text)
{
    if (text.size > 2 && text.data[1] == '-') {
        const struct flag *flag = find_in(global_flags, 0, bytes_from(text, 2));
        return flag && flag->kind != FLAG_SWITCH;
    }
    if (text.size != 2)
        return false;
    const struct flag *flag = find_in(global_flags, (char)text.data[1], BYTES_NULL);
    return flag && flag->kind != FLAG_SWITCH;
}

static bool is_flag(struct bytes text)
{
    return text.size > 1 && text.data[0] == '-';
}

/* Finds the command before its flags are parsed: reads the first words and skips global flags. */
static bool scan_command(struct arguments *a, int count, char **values, struct failure *f)
{
    struct bytes *all = a->names;
    for (int i = 0; i < count && a->name_count < 3; i++) {
        struct bytes text = bytes_string(values[i]);
        if (is_flag(text)) {
            i += takes_next(text);
            continue;
        }
        all[a->name_count++] = text;
    }
    size_t before = a->name_count;
    if (!find_command(a, f))
        return false;
    size_t words = before - a->name_count;
    a->names = all;
    a->name_count = words;
    return true;
}

bool arguments_parse(struct arguments *a, int count, char **values, struct failure *f)
{
    *a = (struct arguments){0};
    if (count > MAX_ARGUMENTS)
        return fail_usage(f, "%d arguments are too many, at most %d", count, MAX_ARGUMENTS);
    /* One argument such as "-qvy" can give several flags. */
    size_t letters = 0;
    for (int i = 0; i < count; i++)
        letters += strlen(values[i]) + 1;
    a->flags = xcalloc(letters + 1, sizeof *a->flags);
    a->names = xcalloc((size_t)count + 4, sizeof *a->names);
    if (!scan_command(a, count, values, f))
        return false;
    size_t words = a->name_count;
    a->name_count = 0;
    bool flags_ended = false;
    for (int next = 0; next < count;) {
        struct bytes text = bytes_string(values[next++]);
        bool good = true;
        if (flags_ended || !is_flag(text))
            a->names[a->name_count++] = text;
        else if (bytes_equal_string(text, "--"))
            flags_ended = true;
        else if (text.data[1] == '-')
            good = parse_long(a, text, &next, count, values, f);
        else
            good = parse_short(a, text, &next, count, values, f);
        if (!good)
            return false;
    }
    memmove(a->names, a->names + words, (a->name_count - words) * sizeof *a->names);
    a->name_count -= words;
    const struct command *c = a->command;
    if (c == NULL || flag_is_set(a, "help"))
        return true;
    if ((int)a->name_count < c->min || (c->max >= 0 && (int)a->name_count > c->max)) {
        fail_usage(f, "%s: tidemill %s%s%s takes %s",
                   (int)a->name_count < c->min ? "an argument is missing" : "too many arguments",
                   c->noun, c->verb ? " " : "", c->verb ? c->verb : "",
                   c->arguments[0] ? c->arguments : "only flags");
        message_set(&f->hint, "tidemill %s%s%s --help", c->noun, c->verb ? " " : "",
                    c->verb ? c->verb : "");
        return false;
    }
    return true;
}

void arguments_free(struct arguments *a)
{
    free(a->flags);
    free(a->names);
    *a = (struct arguments){0};
}

static const struct argument_value *last_value(const struct arguments *a, const char *name)
{
    for (size_t i = a->flag_count; i > 0; i--) {
        if (strcmp(a->flags[i - 1].flag->name, name) == 0)
            return &a->flags[i - 1];
    }
    return NULL;
}

bool pair_split(struct bytes text, const char *separators, struct bytes *key, struct bytes *value)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] && strchr(separators, text.data[i])) {
            *key = bytes_of(text.data, i);
            *value = bytes_from(text, i + 1);
            return i > 0;
        }
    }
    return false;
}

bool flag_is_set(const struct arguments *a, const char *name)
{
    return last_value(a, name) != NULL;
}

struct bytes flag_text(const struct arguments *a, const char *name)
{
    const struct argument_value *v = last_value(a, name);
    return v ? v->value : BYTES_NULL;
}

struct bytes flag_next(const struct arguments *a, const char *name, size_t *at)
{
    while (*at < a->flag_count) {
        const struct argument_value *v = &a->flags[(*at)++];
        if (strcmp(v->flag->name, name) == 0)
            return v->value;
    }
    return BYTES_NULL;
}

bool flag_int(const struct arguments *a, const char *name, int64_t minimum, int64_t maximum,
              int64_t otherwise, int64_t *out, struct failure *f)
{
    struct bytes text = flag_text(a, name);
    *out = otherwise;
    if (bytes_is_null(text))
        return true;
    if (parse_i64(text, out) && *out >= minimum && *out <= maximum)
        return true;
    return fail_usage(f, "--%s %.*s: not a number from %" PRId64 " to %" PRId64, name,
                      BYTES_PRINTF(text), minimum, maximum);
}
