#include "client-tools/files.h"

#include "client-tools/cluster/link.h"
#include "tests/harness/harness.h"

#include <stdio.h>

static const char *write_file(const char *text, size_t size)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/lines", test_directory());
    FILE *file = fopen(path, "w");
    EXPECT(file != NULL);
    EXPECT_INT(fwrite(text, 1, size, file), size);
    fclose(file);
    return path;
}

TEST(lines_come_one_by_one_the_last_without_its_end)
{
    struct line_reader r;
    struct failure f;
    struct bytes line;
    const char *path = write_file("one\n\nthree\nfour", 15);
    EXPECT(line_reader_open(&r, path, 1024, &f));
    static const char *const expected[] = {"one", "", "three", "four"};
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        EXPECT_INT(line_reader_next(&r, -1, &line, &f), LINE_READY);
        EXPECT_BYTES(line, bytes_string(expected[i]));
        EXPECT_INT(r.line, i + 1);
    }
    EXPECT_INT(line_reader_next(&r, -1, &line, &f), LINE_END);
    line_reader_close(&r);
}

TEST(a_line_longer_than_the_limit_is_refused)
{
    static char text[300000];
    struct line_reader r;
    struct failure f;
    struct bytes line;
    memset(text, 'x', sizeof text);
    const char *path = write_file(text, sizeof text);
    EXPECT(line_reader_open(&r, path, 1000, &f));
    EXPECT_INT(line_reader_next(&r, -1, &line, &f), LINE_FAILED);
    EXPECT(strstr(f.message.text, "is too long") != NULL);
    line_reader_close(&r);
}

static void expect_address(const char *text, const char *host, int port)
{
    struct failure f;
    char name[256];
    int number;
    EXPECT(address_parse(bytes_string(text), name, &number, &f));
    EXPECT_STRING(name, host);
    EXPECT_INT(number, port);
}

TEST(addresses_have_a_host_and_may_have_a_port)
{
    expect_address("kafka-1:9093", "kafka-1", 9093);
    expect_address("kafka-1", "kafka-1", 9092);
    expect_address("[::1]:9093", "::1", 9093);
    expect_address("[::1]", "::1", 9092);
    static const char *const bad[] = {"", ":9092", "a:0", "a:65536", "a:x", "a:"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct failure f;
        char name[256];
        int number;
        EXPECT(!address_parse(bytes_string(bad[i]), name, &number, &f));
        EXPECT_INT(f.exit, EXIT_USAGE);
    }
}
