#include "client-tools/settings.h"

#include "base/properties.h"
#include "base/suggest.h"
#include "base/units.h"
#include "client-tools/files.h"

static const struct {
    const char *name, *initial;
    const char *flag, *variable; /* other places for the value; NULL: none */
    const char *choices;         /* "a|b"; NULL: any value, maybe parsed later */
} keys[CLIENT_KEY_COUNT] = {
    [KEY_BOOTSTRAP_SERVERS] = {"bootstrap.servers", "localhost:9092", "brokers", "TIDEMILL_BROKERS",
                               NULL},
    [KEY_CLIENT_ID] = {"client.id", "tidemill", NULL, NULL, NULL},
    [KEY_TIMEOUT] = {"timeout", "10s", "timeout", NULL, NULL},
    [KEY_ACKS] = {"acks", "all", "acks", NULL, "all|-1|0|1"},
    [KEY_BATCH_SIZE] = {"batch.size", "256KiB", NULL, NULL, NULL},
    [KEY_COMPRESSION_TYPE] = {"compression.type", "none", "compression", NULL,
                              "none|gzip|snappy|lz4|zstd"},
    [KEY_ENABLE_IDEMPOTENCE] = {"enable.idempotence", NULL, NULL, NULL, "true|false"},
    [KEY_GROUP_INSTANCE_ID] = {"group.instance.id", NULL, NULL, NULL, NULL},
    [KEY_HEARTBEAT_INTERVAL_MS] = {"heartbeat.interval.ms", "3s", NULL, NULL, NULL},
    [KEY_ISOLATION_LEVEL] = {"isolation.level", "read_uncommitted", NULL, NULL,
                             "read_uncommitted|read_committed"},
    [KEY_LINGER_MS] = {"linger.ms", "20ms", NULL, NULL, NULL},
    [KEY_SECURITY_PROTOCOL] = {"security.protocol", "PLAINTEXT", NULL, NULL, NULL},
    [KEY_SESSION_TIMEOUT_MS] = {"session.timeout.ms", "45s", NULL, NULL, NULL},
};

/* Kafka's client properties that have no effect here, but may be in a file for several tools. */
static const char *const accepted[] = {
    "request.timeout.ms",
    "default.api.timeout.ms",
    "retries",
    "retry.backoff.ms",
    "max.poll.records",
    "fetch.max.bytes",
    "fetch.min.bytes",
    "auto.offset.reset",
    "enable.auto.commit",
    "max.request.size",
    "metadata.max.age.ms",
    "key.serializer",
    "value.serializer",
    "key.deserializer",
    "value.deserializer",
    "group.id",
    "partitioner.class",
    "client.dns.lookup",
    NULL,
};

static int find_key(struct bytes name)
{
    for (int i = 0; i < CLIENT_KEY_COUNT; i++) {
        if (bytes_equal_string(name, keys[i].name))
            return i;
    }
    return -1;
}

static bool fail_unknown_key(struct bytes name, const char *from, struct failure *f)
{
    const char *names[CLIENT_KEY_COUNT + 1] = {0};
    for (int i = 0; i < CLIENT_KEY_COUNT; i++)
        names[i] = keys[i].name;
    const char *near = suggest(name, names);
    fail_usage(f, "unknown client property %.*s", BYTES_PRINTF(name));
    message_set(&f->from, "%s", from);
    if (near)
        message_set(&f->hint, "did you mean %s?", near);
    return false;
}

/* The first source that has a key wins, so the sources are read in the order of precedence. */
static bool offer(struct client_settings *s, struct bytes name, struct bytes value,
                  const char *from, struct failure *f)
{
    int key = find_key(name);
    if (key >= 0) {
        if (s->values[key].from == NULL)
            s->values[key] = (struct client_setting){value, from};
        return true;
    }
    for (size_t i = 0; accepted[i]; i++) {
        if (bytes_equal_string(name, accepted[i]))
            return true;
    }
    return fail_unknown_key(name, from, f);
}

static bool read_flags(struct client_settings *s, const struct arguments *a, struct arena *arena,
                       struct failure *f)
{
    for (int key = 0; key < CLIENT_KEY_COUNT; key++) {
        struct bytes text = keys[key].flag ? flag_text(a, keys[key].flag) : BYTES_NULL;
        if (!bytes_is_null(text))
            s->values[key] =
                (struct client_setting){text, arena_printf(arena, "--%s", keys[key].flag)};
    }
    struct bytes pair;
    for (size_t at = 0; !bytes_is_null(pair = flag_next(a, "property", &at));) {
        const uint8_t *equals = memchr(pair.data, '=', pair.size);
        if (equals == NULL)
            return fail_usage(f, "-X %.*s: expected KEY=VALUE", BYTES_PRINTF(pair));
        struct bytes name = bytes_of(pair.data, (size_t)(equals - pair.data));
        const char *from = arena_printf(arena, "-X %.*s", BYTES_PRINTF(name));
        if (!offer(s, name, bytes_from(pair, name.size + 1), from, f))
            return false;
    }
    return true;
}

/* Takes the pairs outside of all sections, and those of the profile's section. */
static bool read_file(struct client_settings *s, const char *path, struct bytes text,
                      struct bytes profile, bool *found, struct arena *arena, struct failure *f)
{
    bool is_profile_file = !bytes_is_null(profile);
    struct properties_reader reader = properties_reader_of(text, is_profile_file);
    struct property p;
    struct message message = {""};
    /* The section takes precedence over the pairs outside, so it is read first. */
    for (int pass = is_profile_file ? 0 : 1; pass < 2; pass++) {
        reader = properties_reader_of(text, is_profile_file);
        while (properties_next(&reader, arena, &p, &message)) {
            bool in_section = !bytes_is_null(p.section);
            if (in_section && bytes_equal(p.section, profile))
                *found = true;
            if (in_section ? pass == 1 || !bytes_equal(p.section, profile) : pass == 0)
                continue;
            if (!in_section && is_profile_file && bytes_equal_string(p.key, "profile"))
                continue;
            const char *from = in_section ? arena_printf(arena, "profile \"%.*s\" (%s:%d)",
                                                         BYTES_PRINTF(profile), path, p.line)
                                          : arena_printf(arena, "%s:%d", path, p.line);
            if (!offer(s, p.key, p.value, from, f))
                return false;
        }
        if (message.text[0])
            return fail_usage(f, "%s: %s", path, message.text);
    }
    return true;
}

static bool read_environment(struct client_settings *s,
                             const char *(*environment)(const char *name), struct arena *arena)
{
    for (int key = 0; key < CLIENT_KEY_COUNT; key++) {
        char *variable = arena_printf(arena, "TIDEMILL_%s", keys[key].name);
        for (char *c = variable; *c; c++)
            *c = *c == '.' ? '_' : *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
        const char *name = keys[key].variable ? keys[key].variable : variable;
        const char *value = environment(name);
        if (value == NULL)
            value = environment(name = variable);
        if (value && s->values[key].from == NULL)
            s->values[key] = (struct client_setting){bytes_string(value), name};
    }
    return true;
}

/* "profile = NAME" before the sections names the default profile. */
static struct bytes default_profile(struct bytes text, struct arena *arena)
{
    struct properties_reader reader = properties_reader_of(text, true);
    struct property p;
    struct message message;
    struct bytes profile = BYTES_LITERAL("");
    while (properties_next(&reader, arena, &p, &message)) {
        if (bytes_is_null(p.section) && bytes_equal_string(p.key, "profile"))
            profile = p.value;
    }
    return profile;
}

static bool read_profile(struct client_settings *s, const struct arguments *a,
                         const char *(*environment)(const char *name), struct arena *arena,
                         struct failure *f)
{
    struct bytes profile = flag_text(a, "profile");
    const char *from = "--profile";
    if (bytes_is_null(profile)) {
        profile = bytes_string(environment("TIDEMILL_PROFILE"));
        from = "TIDEMILL_PROFILE";
    }
    const char *config = environment("XDG_CONFIG_HOME"), *home = environment("HOME");
    if (config == NULL && home == NULL)
        config = "/nonexistent";
    const char *path = config ? arena_printf(arena, "%s/tidemill/config.properties", config)
                              : arena_printf(arena, "%s/.config/tidemill/config.properties", home);
    struct bytes text;
    struct failure unreadable;
    bool found = bytes_is_null(profile);
    if (file_read(path, arena, &text, &unreadable)) {
        struct bytes wanted = found ? default_profile(text, arena) : profile;
        if (found && wanted.size > 0) {
            profile = wanted;
            from = path;
            found = false;
        }
        if (!read_file(s, path, text, wanted, &found, arena, f))
            return false;
    }
    if (found)
        return true;
    fail_usage(f, "unknown profile \"%.*s\"", BYTES_PRINTF(profile));
    message_set(&f->from, "%s", from);
    message_set(&f->hint, "a profile is a [section] of %s", path);
    return false;
}

static bool fail_value(const struct client_settings *s, enum client_key key, const char *wanted,
                       struct failure *f)
{
    fail_usage(f, "%s %.*s: %s", keys[key].name, BYTES_PRINTF(s->values[key].value), wanted);
    message_set(&f->from, "%s", s->values[key].from);
    return false;
}

static bool check_choices(const struct client_settings *s, struct failure *f)
{
    for (int key = 0; key < CLIENT_KEY_COUNT; key++) {
        struct message wanted;
        if (keys[key].choices == NULL || bytes_is_null(s->values[key].value) ||
            choice_is_one(keys[key].choices, s->values[key].value))
            continue;
        message_set(&wanted, "not one of %s", keys[key].choices);
        return fail_value(s, (enum client_key)key, wanted.text, f);
    }
    return true;
}

bool client_settings_load(struct client_settings *s, const struct arguments *a,
                          const char *(*environment)(const char *name), struct arena *arena,
                          struct failure *f)
{
    *s = (struct client_settings){0};
    if (!read_flags(s, a, arena, f))
        return false;
    struct bytes file = flag_text(a, "command-config"), text;
    if (!bytes_is_null(file)) {
        const char *path = arena_printf(arena, "%.*s", BYTES_PRINTF(file));
        bool found;
        if (!file_read(path, arena, &text, f) ||
            !read_file(s, path, text, BYTES_NULL, &found, arena, f))
            return false;
    }
    if (!read_environment(s, environment, arena) || !read_profile(s, a, environment, arena, f))
        return false;
    for (int key = 0; key < CLIENT_KEY_COUNT; key++) {
        if (s->values[key].from == NULL)
            s->values[key] = (struct client_setting){bytes_string(keys[key].initial), "default"};
    }
    const struct client_setting *security = &s->values[KEY_SECURITY_PROTOCOL];
    if (!bytes_equal_string(security->value, "PLAINTEXT")) {
        fail_usage(f, "security.protocol %.*s is not supported, only PLAINTEXT",
                   BYTES_PRINTF(security->value));
        message_set(&f->from, "%s", security->from);
        return false;
    }
    return check_choices(s, f);
}

bool client_setting_duration(const struct client_settings *s, enum client_key key, int64_t *ms,
                             struct failure *f)
{
    if (parse_duration_ms(s->values[key].value, ms) && *ms >= 0 && *ms <= INT32_MAX)
        return true;
    return fail_value(s, key, "expected a duration such as 500ms, 10s or 5m", f);
}

bool client_setting_size(const struct client_settings *s, enum client_key key, int64_t *bytes,
                         struct failure *f)
{
    if (parse_size_bytes(s->values[key].value, bytes) && *bytes > 0 && *bytes <= INT32_MAX)
        return true;
    return fail_value(s, key, "expected a size such as 16384, 64KiB or 1MiB", f);
}
