#include "tests/harness/harness.h"

#include "broker/config/settings.h"
#include "broker/config/topic_settings.h"

#include <stdio.h>
#include <unistd.h>

/* The faults of a configuration with these flags, or "". */
static const char *faults_of_all(const char *const *flags)
{
    static char text[4096];
    struct settings_load load = {.flags = flags};
    struct settings settings;
    struct buffer faults, ignored;
    buffer_init(&faults, sizeof text - 1);
    buffer_init(&ignored, 1 << 16);
    enum error error = settings_load(&load, &settings, NULL, &faults, &ignored);
    EXPECT_INT(error, faults.size ? ERR_INVALID : ERR_OK);
    memcpy(text, buffer_c_string(&faults), faults.size + 1);
    settings_unload(&settings);
    buffer_free(&faults);
    buffer_free(&ignored);
    return text;
}

static const char *faults_of(const char *flag)
{
    const char *flags[] = {flag, NULL};
    return faults_of_all(flags);
}

/* The faults of listeners with their protocols and advertised addresses. */
static const char *faults_of_listeners(const char *listeners, const char *protocols,
                                       const char *advertised)
{
    static char texts[3][256];
    const char *flags[] = {texts[0], texts[1], texts[2], NULL};
    snprintf(texts[0], sizeof texts[0], "listeners=%s", listeners);
    snprintf(texts[1], sizeof texts[1], "listener.security.protocol.map=%s", protocols);
    snprintf(texts[2], sizeof texts[2], "advertised.listeners=%s", advertised);
    return faults_of_all(flags);
}

#define EXPECTED "expected PLAINTEXT://host:port with a port from 0 to 65535\n"

TEST(the_fault_of_an_invalid_listener_names_it_and_the_allowed_form)
{
    static const struct {
        const char *value, *why;
    } cases[] = {
        {"localhost:9092", "'localhost:9092': " EXPECTED},
        {"PLAINTEXT://localhost", "'PLAINTEXT://localhost': " EXPECTED},
        {"PLAINTEXT://localhost:", "'PLAINTEXT://localhost:': " EXPECTED},
        {"PLAINTEXT://h:65536", "'PLAINTEXT://h:65536': " EXPECTED},
        {"PLAINTEXT://h:-1", "'PLAINTEXT://h:-1': " EXPECTED},
        {"PLAINTEXT://h:http", "'PLAINTEXT://h:http': " EXPECTED},
        {"PLAINTEXT://::1:9092", "'PLAINTEXT://::1:9092': " EXPECTED},
        {"PLAINTEXT://[]:9092", "'PLAINTEXT://[]:9092': " EXPECTED},
        {"PLAINTEXT://a b:9092", "'PLAINTEXT://a b:9092': " EXPECTED},
        {",", "',': " EXPECTED},
        {"PLAINTEXT://a:1,SSL://a:2", "'SSL://a:2': only PLAINTEXT listeners are built\n"},
        {"PLAINTEXT://a:1,PLAINTEXT://a:1", "'PLAINTEXT://a:1': is listed twice\n"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char flag[256], fault[512];
        snprintf(flag, sizeof flag, "listeners=%s", cases[i].value);
        snprintf(fault, sizeof fault, "-X: listeners: %s", cases[i].why);
        EXPECT_STRING(faults_of(flag), fault);
    }
    EXPECT_STRING(faults_of("listeners=PLAINTEXT://[::1]:9092,PLAINTEXT://localhost:0, "
                            "PLAINTEXT://localhost:0"),
                  "");
}

TEST(too_many_listeners_are_a_fault)
{
    char flag[1024] = "listeners=";
    for (int i = 0; i < 16; i++)
        snprintf(flag + strlen(flag), sizeof flag - strlen(flag), "PLAINTEXT://h:%d,", 9000 + i);
    EXPECT_STRING(faults_of(flag), "");
    strcat(flag, "PLAINTEXT://h:1");
    EXPECT(strstr(faults_of(flag), "'PLAINTEXT://h:1': exceeds the maximum of 16") != NULL);
}

TEST(only_a_usable_address_may_be_advertised)
{
    static const char *const untold[] = {
        "listeners=PLAINTEXT://0.0.0.0:9092", "listeners=PLAINTEXT://[::]:9092",
        "listeners=PLAINTEXT://:9092", "advertised.listeners=PLAINTEXT://0.0.0.0:9092",
        "advertised.listeners=PLAINTEXT://kafka-1:0"};
    for (size_t i = 0; i < COUNT_OF(untold); i++)
        EXPECT(strstr(faults_of(untold[i]), ": clients cannot connect to this address: set ") !=
               NULL);
    EXPECT(strstr(faults_of("advertised.listeners=kafka-1:9092"),
                  "-X: advertised.listeners: 'kafka-1:9092': " EXPECTED) != NULL);
    EXPECT_STRING(faults_of("advertised.listeners=PLAINTEXT://kafka-1:9092"), "");
}

#define TWO "PLAINTEXT://0.0.0.0:9092,INTERNAL://127.0.0.1:9093"

TEST(a_listener_may_have_a_name_if_the_map_has_its_protocol)
{
    EXPECT_STRING(faults_of_listeners(TWO, "INTERNAL:PLAINTEXT", "PLAINTEXT://kafka-1:9092"), "");
    EXPECT_STRING(faults_of_listeners(TWO, "INTERNAL:PLAINTEXT,OTHER:SASL_SSL",
                                      "INTERNAL://kafka-1:9092,PLAINTEXT://kafka-1:9092"),
                  "");
    EXPECT_STRING(faults_of("listeners=HTTP://h:1"),
                  "-X: listeners: 'HTTP://h:1': has no security protocol: add HTTP:PLAINTEXT to "
                  "listener.security.protocol.map\n");
    EXPECT_STRING(faults_of_listeners("A://[::1]:1", "A:SSL", ""),
                  "-X: listeners: 'A://[::1]:1': only PLAINTEXT listeners are built\n");
    EXPECT_STRING(faults_of("listeners=A B://h:1"), "-X: listeners: 'A B://h:1': " EXPECTED);
}

TEST(the_fault_of_an_invalid_protocol_map_names_the_pair)
{
#define PAIRS "expected NAME:PROTOCOL with one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL\n"
#define MAP "listener.security.protocol.map"
    EXPECT_STRING(faults_of(MAP "=A"), "-X: " MAP ": 'A': " PAIRS);
    EXPECT_STRING(faults_of(MAP "=:SSL"), "-X: " MAP ": ':SSL': " PAIRS);
    EXPECT_STRING(faults_of(MAP "=A:SSL,B:TLS"), "-X: " MAP ": 'B:TLS': " PAIRS);
    EXPECT_STRING(faults_of(MAP "=A:SSL,B:SSL,A:PLAINTEXT"),
                  "-X: " MAP ": 'A:PLAINTEXT': the name is listed twice\n");
}

TEST(advertised_names_need_a_listener_and_listeners_need_an_address)
{
    EXPECT_STRING(
        faults_of_listeners(TWO, "INTERNAL:PLAINTEXT", "INTERNAL://kafka-1:9092"),
        "-X: listeners: 'PLAINTEXT://0.0.0.0:9092': clients cannot connect to this address, and "
        "advertised.listeners has no PLAINTEXT\n");
    EXPECT(strstr(faults_of("listeners=PLAINTEXT://h:1,PLAINTEXT://[::]:2"),
                  "'PLAINTEXT://[::]:2': clients cannot connect to this address: set ") != NULL);
    EXPECT_STRING(faults_of("advertised.listeners=PLAINTEXT://h:1,EXTERNAL://h:2"),
                  "-X: advertised.listeners: 'EXTERNAL://h:2': listeners has no listener with this "
                  "name\n");
    EXPECT_STRING(faults_of("advertised.listeners=PLAINTEXT://h:1,PLAINTEXT://h:2"),
                  "-X: advertised.listeners: 'PLAINTEXT://h:2': the name is listed twice\n");
}

TEST(unsupported_features_may_not_be_configured)
{
    EXPECT_STRING(
        faults_of("tidemill.admin.listeners=http://127.0.0.1:9644"),
        "-X: tidemill.admin.listeners: 'http://127.0.0.1:9644': must be empty: HTTP is not "
        "built yet\n");
    EXPECT(strstr(faults_of("log.dirs=/a,/b"), "only one directory") != NULL);
}

TEST(a_fault_names_its_place_its_key_and_its_reason)
{
    EXPECT_STRING(faults_of("num.partitions=abc"), "-X: num.partitions: 'abc': Not a number\n");
    EXPECT_STRING(faults_of("log.retention.hourz=3"),
                  "-X: log.retention.hourz: unknown key\n  did you mean log.retention.hours?\n");
    EXPECT_STRING(faults_of("num.partitions"), "-X num.partitions: expected key=value\n");
}

TEST(no_key_is_in_a_table_twice)
{
    const struct setting *const tables[] = {broker_setting_table, topic_setting_table};
    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        for (const struct setting *row = tables[i]; row->key; row++)
            EXPECT(setting_find(tables[i], bytes_string(row->key)) == row);
    }
}

TEST(a_configuration_file_that_is_a_link_to_nowhere_is_refused_with_the_target)
{
    char path[512];
    snprintf(path, sizeof path, "%s/link.properties", test_directory());
    EXPECT_INT(symlink("/nonexistent/file", path), 0);
    struct settings_load load = {.file = path};
    struct settings settings;
    struct buffer faults, ignored;
    buffer_init(&faults, 4096);
    buffer_init(&ignored, 4096);
    EXPECT_INT(settings_load(&load, &settings, NULL, &faults, &ignored), ERR_INVALID);
    EXPECT(strstr(buffer_c_string(&faults), "is a symbolic link to /nonexistent/file") != NULL);
    settings_unload(&settings);
    buffer_free(&faults);
    buffer_free(&ignored);
}
