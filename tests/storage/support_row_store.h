/* Two copies of the rows over the real LevelDB, with rows of which a test knows the content, and
 * faults in their files. */
#ifndef TESTS_STORAGE_SUPPORT_ROW_STORE_H
#define TESTS_STORAGE_SUPPORT_ROW_STORE_H

#include "storage/row_file.h"
#include "storage/row_store.h"
#include "tests/harness/harness.h"

enum { NAMES_MAX = 64, BATCHES = 30, PATH_SIZE = 700 };

/* A store in <directory>/kv and <directory>/rows, and the copies of it that a test keeps. */
struct scene {
    char directory[256];
    struct env env;
    struct trace trace;
    struct row_store_driver driver;
    struct kv *kv;
    struct message message;
    struct buffer log; /* lines of the log since the last open */
    struct buffer expected;
};

struct names {
    char at[NAMES_MAX][PATH_SIZE];
    size_t count;
    const char *directory, *pattern;
};

void set_scene(struct scene *s, const char *name);
void clear_scene(struct scene *s);
enum error open_as(struct scene *s, enum kv_open how);
void open_well(struct scene *s, enum kv_open how);
void close_store(struct scene *s);
enum error put(struct scene *s, const char *key, char letter, size_t size);
/* Batch n puts two rows, one of them new, and deletes one of an earlier batch. */
void write_batch(struct scene *s, int n, size_t size);
/* Called for each row by a scan: adds it to a buffer. */
enum error add_pair(void *context, struct bytes key, struct bytes value);
void read_rows(struct scene *s, struct buffer *out);
bool rows_are_expected(struct scene *s);
__attribute__((format(printf, 2, 3))) void run(const struct scene *s, const char *format, ...);
bool log_has(struct scene *s, const char *text);
/* Two runs, so that the rows are in a table and in a log of LevelDB. Copies of the directory are in
 * <directory>.kept, and of an earlier state in <directory>.older. */
void fill(struct scene *s);
void restore(const struct scene *s);
/* After damage to one file. *repaired counts opens that said so. */
void expect_nothing_lost(struct scene *s, const char *what, int *repaired, int *refused);
/* Called for each name of a directory: adds it to the names if it has their pattern. */
void note_name(void *context, const char *name);
struct names files_of(const struct scene *s, const char *part, const char *pattern);
void read_file(const char *path, struct buffer *out);
void write_file(const char *path, const void *data, size_t size);
void flip(const char *path, size_t at, uint8_t bits);
size_t size_of(const char *path);
/* Of the only row file. */
enum row_file_state state_of_file(const struct scene *s);
void expect_refused(struct scene *s, const char *store_part, const char *file_part);

#endif
