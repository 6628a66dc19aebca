#include "tests/harness/harness.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct test *tests, **last_test = &tests;
static jmp_buf failed;
static int argument_count;
static char **arguments;
static char directory[64];

void test_register(struct test *test)
{
    *last_test = test;
    last_test = &test->next;
}

void test_fail(const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("\n  %s:%d: ", file, line);
    vprintf(format, args);
    printf("\n");
    va_end(args);
    longjmp(failed, 1);
}

int64_t test_option(const char *name, int64_t otherwise)
{
    for (int i = 1; i + 1 < argument_count; i++) {
        if (strncmp(arguments[i], "--", 2) == 0 && strcmp(arguments[i] + 2, name) == 0)
            return strtoll(arguments[i + 1], NULL, 0);
    }
    return otherwise;
}

bool test_flag(const char *name)
{
    for (int i = 1; i < argument_count; i++) {
        if (strncmp(arguments[i], "--", 2) == 0 && strcmp(arguments[i] + 2, name) == 0)
            return true;
    }
    return false;
}

uint64_t test_seed(void)
{
    return (uint64_t)test_option("seed", 1);
}

uint64_t test_states(uint64_t full, uint64_t quick)
{
    const char *wish = getenv("TIDEMILL_QUICK");
    bool is_quick = wish && strcmp(wish, "1") == 0;
    return (uint64_t)test_option("states", (int64_t)(is_quick ? quick : full));
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    return remove(path);
}

static void remove_directory(void)
{
    nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *test_source_path(const char *name)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", TEST_SOURCE_ROOT, name);
    return path;
}

const char *test_directory(void)
{
    if (directory[0] == '\0') {
        const char *base = getenv("TMPDIR");
        snprintf(directory, sizeof directory, "%.40s/tidemill-test-XXXXXX", base ? base : "/tmp");
        if (mkdtemp(directory) == NULL) {
            perror(directory);
            exit(2);
        }
        atexit(remove_directory);
    }
    return directory;
}

static void print_bytes(const char *what, struct bytes b)
{
    printf("    %s", what);
    if (bytes_is_null(b))
        printf(" null");
    for (size_t i = 0; i < b.size; i++)
        if (b.data[i] >= ' ' && b.data[i] < 0x7f && b.data[i] != '\\')
            putchar(b.data[i]);
        else
            printf("\\x%02x", b.data[i]);
    putchar('\n');
}

void test_expect_bytes(const char *file, int line, const char *what, struct bytes actual,
                       struct bytes expected)
{
    if (bytes_equal(actual, expected) && bytes_is_null(actual) == bytes_is_null(expected))
        return;
    printf("\n");
    print_bytes("is       ", actual);
    print_bytes("expected ", expected);
    test_fail(file, line, "%s is %zu bytes, expected %zu", what, actual.size, expected.size);
}

static bool wanted(const struct test *test)
{
    bool any = false;
    for (int i = 1; i < argument_count; i++) {
        if (strncmp(arguments[i], "--", 2) == 0) {
            i += i + 1 < argument_count && arguments[i + 1][0] >= '0' && arguments[i + 1][0] <= '9';
            continue;
        }
        any = true;
        if (strstr(test->name, arguments[i]))
            return true;
    }
    return !any;
}

int main(int count, char **values)
{
    argument_count = count;
    arguments = values;
    setvbuf(stdout, NULL, _IONBF, 0);
    pid_t self = getpid();
    volatile int passed = 0;
    volatile int failures = 0;
    for (struct test *volatile test = tests; test; test = test->next) {
        if (!wanted(test))
            continue;
        if (setjmp(failed) == 0) {
            test->run();
            passed++;
        } else {
            failures++;
            if (getpid() != self)
                _exit(1); /* a child of a test: the test prints what failed */
            printf("FAILED %s (seed %" PRIu64 ")\n", test->name, test_seed());
        }
    }
    printf("%d passed, %d failed\n", passed, failures);
    return failures > 0 || passed == 0;
}
