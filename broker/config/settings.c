#include "broker/config/settings.h"

#include "base/properties.h"
#include "base/symlink.h"
#include "broker/net/listener.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* One load under way. */
struct loading {
    struct settings *out;
    struct settings_source sources[BROKER_SETTINGS_MAX];
    struct buffer *faults, *ignored;
    struct arena arena;
    const struct settings_load *load;
};

static void add_fault(struct loading *l, const char *from, struct bytes key, const char *why)
{
    buffer_printf(l->faults, "%s: %.*s: %s\n", from, BYTES_PRINTF(key), why);
}

static void refuse_value(struct loading *l, const char *from, const struct setting *row,
                         struct bytes value, const char *why)
{
    if (row->secret)
        add_fault(l, from, bytes_string(row->key), why);
    else
        buffer_printf(l->faults, "%s: %s: '%.*s': %s\n", from, row->key,
                      (int)MIN(value.size, (size_t)200), value.data, why);
}

static void apply(struct loading *l, const char *from, struct bytes key, struct bytes value)
{
    struct message message = {""};
    const struct setting *row = setting_find(broker_setting_table, key);
    if (row == NULL) {
        const char *near = setting_suggest(broker_setting_table, key);
        add_fault(l, from, key, "unknown key");
        if (near)
            buffer_printf(l->faults, "  did you mean %s?\n", near);
        return;
    }
    if (row->type == SETTING_IGNORED) {
        buffer_printf(l->ignored, "%s%s", l->ignored->size ? "," : "", row->key);
        return;
    }
    if (settings_set(l->out, row, value, &message) != ERR_OK) {
        refuse_value(l, from, row, value, message.text);
        return;
    }
    size_t at = (size_t)(row - broker_setting_table);
    snprintf(l->sources[at].from, sizeof l->sources[at].from, "%s", from);
}

static const char *environment_value(const struct settings_load *load, struct bytes name)
{
    for (const char *const *e = load->environment; e && *e; e++) {
        if (strncmp(*e, (const char *)name.data, name.size) == 0 && (*e)[name.size] == '=')
            return *e + name.size + 1;
    }
    return NULL;
}

static bool read_whole(const char *path, struct buffer *out)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return false;
    for (uint8_t *at; (at = buffer_reserve(out, 65536));) {
        size_t got = fread(at, 1, 65536, file);
        out->size += got;
        if (got == 0)
            break;
    }
    bool whole = !ferror(file) && !out->overflowed;
    fclose(file);
    return whole;
}

/* Replaces ${env:NAME} and ${file:/path}. False: the fault is noted. */
static bool expand(struct loading *l, const char *from, struct bytes key, struct bytes *value)
{
    struct buffer out;
    buffer_init(&out, 1 << 20);
    struct bytes left = *value;
    bool fine = true;
    while (fine && left.size) {
        const uint8_t *open = memmem(left.data, left.size, "${", 2);
        const uint8_t *close =
            open ? memchr(open, '}', left.size - (size_t)(open - left.data)) : NULL;
        if (close == NULL)
            break;
        buffer_append(&out, left.data, (size_t)(open - left.data));
        struct bytes name = bytes_of(open + 2, (size_t)(close - open) - 2);
        if (bytes_starts_with(name, BYTES_LITERAL("env:"))) {
            const char *text = environment_value(l->load, bytes_from(name, 4));
            fine = text != NULL;
            buffer_append_string(&out, text ? text : "");
        } else if (bytes_starts_with(name, BYTES_LITERAL("file:"))) {
            char *path = bytes_to_string(bytes_from(name, 5));
            fine = read_whole(path, &out);
            free(path);
            while (out.size && out.data[out.size - 1] == '\n')
                out.size--;
        } else {
            fine = false;
        }
        if (!fine)
            buffer_printf(l->faults,
                          "%s: %.*s: cannot resolve ${%.*s}: use ${env:NAME} or ${file:/path}\n",
                          from, BYTES_PRINTF(key), BYTES_PRINTF(name));
        left = bytes_from(left, (size_t)(close + 1 - left.data));
    }
    buffer_append_bytes(&out, left);
    *value = arena_copy(&l->arena, buffer_view(&out));
    buffer_free(&out);
    return fine;
}

enum { DEEPEST_INCLUDE = 8 };

/* `from` names the file, and for an included file the file that includes it. False: the fault is
 * noted. */
static bool read_file(struct loading *l, const char *from, const char *path, int depth,
                      struct bytes *out)
{
    struct buffer text;
    buffer_init(&text, 16 << 20);
    errno = 0;
    struct dangling_link link;
    bool fine = depth <= DEEPEST_INCLUDE && read_whole(path, &text);
    if (depth > DEEPEST_INCLUDE)
        buffer_printf(l->faults, "%s: includes are nested too deeply\n", from);
    else if (!fine && symlink_find_dangling(path, &link))
        buffer_printf(l->faults,
                      "%s: cannot be read: %s is a symbolic link to %s, which does not exist\n",
                      from, link.path, link.target);
    else if (!fine)
        buffer_printf(l->faults, "%s: cannot be read: %s\n", from,
                      errno ? strerror(errno) : "larger than 16 MiB");
    else
        *out = arena_copy(&l->arena, buffer_view(&text));
    buffer_free(&text);
    return fine;
}

static void load_file(struct loading *l, const char *named, const char *path, int depth)
{
    struct bytes copy;
    if (!read_file(l, named, path, depth, &copy))
        return;
    struct properties_reader r = properties_reader_of(copy, false);
    struct property p;
    struct message message;
    char from[128];
    while (properties_next(&r, &l->arena, &p, &message)) {
        snprintf(from, sizeof from, "%.100s:%d", path, p.line);
        if (!expand(l, from, p.key, &p.value))
            continue;
        if (bytes_equal_string(p.key, "include")) {
            char *name = bytes_to_string(p.value), by[512];
            snprintf(by, sizeof by, "%s: include: %.300s", from, name);
            load_file(l, by, name, depth + 1);
            free(name);
        } else {
            apply(l, from, p.key, p.value);
        }
    }
    static const char LINE[] = "line ";
    if (strncmp(message.text, LINE, sizeof LINE - 1) == 0)
        buffer_printf(l->faults, "%s:%s\n", path, message.text + sizeof LINE - 1);
    else if (message.text[0])
        buffer_printf(l->faults, "%s: %s\n", path, message.text);
}

/* KAFKA_LOG_RETENTION_HOURS is log.retention.hours; __ is _, ___ is -. */
static size_t key_of_variable(struct bytes name, char *out, size_t room)
{
    size_t size = 0;
    for (size_t i = 0; i < name.size && size + 1 < room;) {
        size_t run = 0;
        while (i + run < name.size && name.data[i + run] == '_' && run < 3)
            run++;
        static const char marks[] = {0, '.', '_', '-'};
        out[size++] = run ? marks[run] : (char)tolower(name.data[i]);
        i += run ? run : 1;
    }
    out[size] = '\0';
    return size;
}

static void load_environment(struct loading *l)
{
    static const char *const foreign[] = {
        "KAFKA_HEAP_OPTS",  "KAFKA_OPTS",     "KAFKA_JVM_PERFORMANCE_OPTS",
        "KAFKA_LOG4J_OPTS", "KAFKA_JMX_OPTS", "KAFKA_HOME"};
    for (const char *const *e = l->load->environment; e && *e; e++) {
        const char *equals = strchr(*e, '=');
        if (equals == NULL || strncmp(*e, "KAFKA_", 6) != 0)
            continue;
        struct bytes name = bytes_of(*e, (size_t)(equals - *e));
        bool skip = false;
        for (size_t i = 0; i < COUNT_OF(foreign); i++)
            skip = skip || bytes_equal_string(name, foreign[i]);
        if (skip)
            continue;
        char key[256], from[128];
        size_t size = key_of_variable(bytes_from(name, 6), key, sizeof key);
        snprintf(from, sizeof from, "env %.*s", (int)MIN(name.size, (size_t)100), name.data);
        apply(l, from, bytes_of(key, size), bytes_string(equals + 1));
    }
}

static void load_flags(struct loading *l)
{
    for (const char *const *f = l->load->flags; f && *f; f++) {
        const char *equals = strchr(*f, '=');
        if (equals == NULL) {
            buffer_printf(l->faults, "-X %s: expected key=value\n", *f);
            continue;
        }
        apply(l, "-X", bytes_of(*f, (size_t)(equals - *f)), bytes_string(equals + 1));
    }
}

bool settings_is_explicit(const struct settings *s, const char *key)
{
    const struct setting *row = setting_find(broker_setting_table, bytes_string(key));
    size_t at = (size_t)(row - broker_setting_table);
    return row && (s->explicit_rows[at / 64] >> at % 64 & 1);
}

/* --- checks that concern several rows --- */

static const char *source_of(const struct loading *l, const struct setting *row)
{
    return l->sources[row - broker_setting_table].from;
}

/* A value that parsed but cannot be used. */
static void refuse_key(struct loading *l, const char *key, const char *why)
{
    const struct setting *row = setting_find(broker_setting_table, bytes_string(key));
    struct buffer value;
    buffer_init(&value, 1 << 20);
    setting_format(row, l->out, &value);
    refuse_value(l, source_of(l, row), row, buffer_view(&value), why);
    buffer_free(&value);
}

/* The reason names the part of the value that is wrong. */
static void refuse_part(struct loading *l, const char *key, const char *why)
{
    struct bytes name = bytes_string(key);
    add_fault(l, source_of(l, setting_find(broker_setting_table, name)), name, why);
}

struct listener_keys settings_listener_keys(const struct settings *s)
{
    return (struct listener_keys){s->listeners, s->advertised_listeners, s->listener_protocols};
}

struct listener_check {
    struct listener_faults faults;
    struct loading *loading;
};

static void add_listener_fault(struct listener_faults *faults, const char *key, const char *why)
{
    refuse_part(CONTAINER_OF(faults, struct listener_check, faults)->loading, key, why);
}

static void check_listeners(struct loading *l)
{
    struct listener listeners[LISTENERS_MAX];
    struct listener_check check = {{add_listener_fault}, l};
    struct listener_keys keys = settings_listener_keys(l->out);
    int count;
    if (listeners_parse(&keys, listeners, &count, &check.faults) == ERR_OK)
        listeners_free(listeners, &count);
}

static void check_together(struct loading *l)
{
    const struct settings *s = l->out;
    if (strchr(s->log_dirs, ','))
        refuse_key(l, "log.dirs", "only one directory is supported");
    check_listeners(l);
    if (s->admin_listeners[0])
        refuse_key(l, "tidemill.admin.listeners", "must be empty: HTTP is not built yet");
    if (s->group_min_session_ms > s->group_max_session_ms)
        refuse_key(l, "group.min.session.timeout.ms", "is above group.max.session.timeout.ms");
}

enum error settings_load(const struct settings_load *load, struct settings *out,
                         struct settings_source *sources, struct buffer *faults,
                         struct buffer *ignored)
{
    struct loading l = {.out = out, .faults = faults, .ignored = ignored, .load = load};
    arena_init(&l.arena, 64 << 20);
    memset(out, 0, sizeof *out);
    settings_defaults(broker_setting_table, out);
    for (size_t i = 0; broker_setting_table[i].key; i++)
        snprintf(l.sources[i].from, sizeof l.sources[i].from, "default");
    if (load->file)
        load_file(&l, load->file, load->file, 0);
    load_environment(&l);
    load_flags(&l);
    check_together(&l);
    if (sources)
        memcpy(sources, l.sources, sizeof l.sources);
    arena_free(&l.arena);
    return faults->size ? ERR_INVALID : ERR_OK;
}

void settings_unload(struct settings *s)
{
    settings_free(broker_setting_table, s);
}

void settings_copy(struct settings *out, const struct settings *from)
{
    *out = *from;
    settings_copy_text(broker_setting_table, out);
}

enum error settings_set(struct settings *s, const struct setting *row, struct bytes value,
                        struct message *message)
{
    size_t at = (size_t)(row - broker_setting_table);
    enum error error = setting_parse(row, s, value, message);
    if (error == ERR_OK)
        s->explicit_rows[at / 64] |= (uint64_t)1 << at % 64;
    return error;
}
