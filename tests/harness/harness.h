/* The unit test harness: TEST(name_is_a_sentence) { ... } and checks that say what they saw.
 *
 * Each TEST registers itself. Arguments are names, or parts of names, of the tests to run; without
 * any, all run. Options have a number or none. --seed N sets test_seed(). The last line is "N
 * passed, M failed". */
#ifndef TESTS_HARNESS_H
#define TESTS_HARNESS_H

#include "base/bytes.h"
#include "base/compiler.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>

struct test {
    const char *name;
    void (*run)(void);
    struct test *next;
};

void test_register(struct test *test);
/* Ends the current test as failed. */
__attribute__((noreturn)) void test_fail(const char *file, int line, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* The seed given with --seed, or a fixed one. */
uint64_t test_seed(void);
/* Options such as --shards N: the number for a name on the command line, or the default. */
int64_t test_option(const char *name, int64_t otherwise);
/* Whether --name is on the command line. */
bool test_flag(const char *name);
/* The number of states that a simulation visits: --states N, or else `full`, or `quick` for ./test
 * --quick, which sets TIDEMILL_QUICK=1. */
uint64_t test_states(uint64_t full, uint64_t quick);
/* The path of a file of the source tree, for example "docs/processors.md". Valid until the next
 * call. */
const char *test_source_path(const char *name);
/* A new directory below TMPDIR, removed when the program ends. */
const char *test_directory(void);

#define TEST(test_name)                                                  \
    static void test_name(void);                                         \
    static struct test test_##test_name = {#test_name, test_name, NULL}; \
    __attribute__((constructor)) static void register_##test_name(void)  \
    {                                                                    \
        test_register(&test_##test_name);                                \
    }                                                                    \
    static void test_name(void)

#define EXPECT(condition)                                              \
    do {                                                               \
        if (!(condition))                                              \
            test_fail(__FILE__, __LINE__, "expected: %s", #condition); \
    } while (0)
#define EXPECT_INT(actual, expected)                                                       \
    do {                                                                                   \
        int64_t actual_ = (int64_t)(actual), expected_ = (int64_t)(expected);              \
        if (actual_ != expected_)                                                          \
            test_fail(__FILE__, __LINE__, "%s is %" PRId64 ", expected %" PRId64, #actual, \
                      actual_, expected_);                                                 \
    } while (0)
#define EXPECT_STRING(actual, expected) \
    test_expect_bytes(__FILE__, __LINE__, #actual, bytes_string(actual), bytes_string(expected))
#define EXPECT_BYTES(actual, expected) \
    test_expect_bytes(__FILE__, __LINE__, #actual, (actual), (expected))

void test_expect_bytes(const char *file, int line, const char *what, struct bytes actual,
                       struct bytes expected);

#endif
