#include "client-tools/settings.h"

#include "tests/harness/harness.h"

#include <stdio.h>
#include <stdlib.h>

/* The environment of a test: a few variables and a file of profiles. */
static const char *variables[8][2];

static const char *environment(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(variables) && variables[i][0]; i++) {
        if (strcmp(variables[i][0], name) == 0)
            return variables[i][1];
    }
    return NULL;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    EXPECT(file != NULL);
    fputs(text, file);
    fclose(file);
}

static const char *config_home(const char *text)
{
    static char home[512], path[1024];
    snprintf(home, sizeof home, "%s", test_directory());
    snprintf(path, sizeof path, "mkdir -p %s/tidemill", home);
    EXPECT_INT(system(path), 0);
    snprintf(path, sizeof path, "%s/tidemill/config.properties", home);
    write_file(path, text);
    return home;
}

struct loaded {
    struct arena arena;
    struct arguments arguments;
    struct client_settings settings;
    struct failure failure;
    bool good;
};

static void load(struct loaded *l, int count, char **words)
{
    *l = (struct loaded){0};
    arena_init(&l->arena, 1 << 20);
    EXPECT(arguments_parse(&l->arguments, count, words, &l->failure));
    l->good =
        client_settings_load(&l->settings, &l->arguments, environment, &l->arena, &l->failure);
}
#define LOAD(l, ...)                                                     \
    load((l), (int)COUNT_OF(((char *[]){"topic", "list", __VA_ARGS__})), \
         (char *[]){"topic", "list", __VA_ARGS__})

static void unload(struct loaded *l)
{
    arguments_free(&l->arguments);
    arena_free(&l->arena);
    memset(variables, 0, sizeof variables);
}

static void expect_brokers(struct loaded *l, const char *value, const char *from)
{
    if (!l->good)
        test_fail(__FILE__, __LINE__, "%s", l->failure.message.text);
    EXPECT_BYTES(l->settings.values[KEY_BOOTSTRAP_SERVERS].value, bytes_string(value));
    if (strstr(l->settings.values[KEY_BOOTSTRAP_SERVERS].from, from) == NULL)
        test_fail(__FILE__, __LINE__, "from %s", l->settings.values[KEY_BOOTSTRAP_SERVERS].from);
    unload(l);
}

#define PROFILES \
    "client.id = me\n[prod]\nbootstrap.servers = prod:1\n[dev]\n# mine\nbootstrap.servers=dev:1\n"

TEST(the_strongest_source_wins_and_is_named)
{
    struct loaded l;
    LOAD(&l, "-q");
    expect_brokers(&l, "localhost:9092", "default");
    variables[0][0] = "XDG_CONFIG_HOME", variables[0][1] = config_home(PROFILES);
    variables[1][0] = "TIDEMILL_PROFILE", variables[1][1] = "prod";
    LOAD(&l, "-q");
    EXPECT_BYTES(l.settings.values[KEY_CLIENT_ID].value, BYTES_LITERAL("me"));
    expect_brokers(&l, "prod:1", "profile \"prod\"");
    variables[0][0] = "XDG_CONFIG_HOME", variables[0][1] = config_home(PROFILES);
    LOAD(&l, "--profile", "dev");
    expect_brokers(&l, "dev:1", "config.properties:6)");
    variables[0][0] = "XDG_CONFIG_HOME", variables[0][1] = config_home(PROFILES);
    variables[1][0] = "TIDEMILL_BROKERS", variables[1][1] = "env:1";
    LOAD(&l, "--profile", "dev");
    expect_brokers(&l, "env:1", "TIDEMILL_BROKERS");
    variables[0][0] = "TIDEMILL_BROKERS", variables[0][1] = "env:1";
    LOAD(&l, "-X", "bootstrap.servers=x:1");
    expect_brokers(&l, "x:1", "-X bootstrap.servers");
    LOAD(&l, "-X", "bootstrap.servers=x:1", "-b", "flag:1");
    expect_brokers(&l, "flag:1", "--brokers");
}

TEST(a_file_can_name_the_default_profile)
{
    struct loaded l;
    variables[0][0] = "XDG_CONFIG_HOME", variables[0][1] = config_home("profile = dev\n" PROFILES);
    LOAD(&l, "-q");
    expect_brokers(&l, "dev:1", "profile \"dev\"");
}

TEST(a_command_config_wins_over_the_environment_but_not_over_x)
{
    struct loaded l;
    char path[512];
    snprintf(path, sizeof path, "%s/client.properties", test_directory());
    write_file(path, "bootstrap.servers=file:1\nclient.id=f\nmax.poll.records=5\n");
    variables[0][0] = "TIDEMILL_BROKERS", variables[0][1] = "env:1";
    LOAD(&l, "-F", path);
    expect_brokers(&l, "file:1", "client.properties:1");
}

TEST(every_key_has_its_variable)
{
    struct loaded l;
    variables[0][0] = "TIDEMILL_SESSION_TIMEOUT_MS", variables[0][1] = "9s";
    LOAD(&l, "-q");
    int64_t ms;
    EXPECT(client_setting_duration(&l.settings, KEY_SESSION_TIMEOUT_MS, &ms, &l.failure));
    EXPECT_INT(ms, 9000);
    unload(&l);
}

static void expect_refused(struct loaded *l, const char *message, const char *from,
                           const char *hint)
{
    EXPECT(!l->good);
    EXPECT_INT(l->failure.exit, EXIT_USAGE);
    EXPECT_STRING(l->failure.message.text, message);
    EXPECT_STRING(l->failure.from.text, from);
    EXPECT(strstr(l->failure.hint.text, hint) != NULL);
    unload(l);
}

TEST(unknown_keys_and_profiles_are_refused)
{
    struct loaded l;
    LOAD(&l, "-X", "clientid=1");
    expect_refused(&l, "unknown client property clientid", "-X clientid",
                   "did you mean client.id?");
    LOAD(&l, "-X", "nothing");
    expect_refused(&l, "-X nothing: expected KEY=VALUE", "", "");
    variables[0][0] = "XDG_CONFIG_HOME", variables[0][1] = config_home(PROFILES);
    LOAD(&l, "--profile", "test");
    expect_refused(&l, "unknown profile \"test\"", "--profile", "a profile is a [section]");
    LOAD(&l, "-F", "/nonexistent/file");
    expect_refused(&l, "cannot read /nonexistent/file: No such file or directory", "", "");
    LOAD(&l, "-X", "security.protocol=SSL");
    expect_refused(&l, "security.protocol SSL is not supported, only PLAINTEXT",
                   "-X security.protocol", "");
}

TEST(a_bad_value_names_its_source)
{
    struct loaded l;
    int64_t ms;
    LOAD(&l, "--timeout", "soon");
    EXPECT(!client_setting_duration(&l.settings, KEY_TIMEOUT, &ms, &l.failure));
    EXPECT_STRING(l.failure.from.text, "--timeout");
    unload(&l);
}
