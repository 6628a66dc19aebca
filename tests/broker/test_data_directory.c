#include "tests/harness/harness.h"

#include "broker/data_directory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NOBODY = 65534 };

/* A directory of the test that everybody may read; `inside` is a path in it. */
struct place {
    char root[64], inside[96];
};

static struct place make_place(const char *name)
{
    struct place p = {.root = "/tmp/tidemill-test-XXXXXX"};
    EXPECT(mkdtemp(p.root) != NULL);
    EXPECT_INT(chmod(p.root, 0755), 0);
    snprintf(p.inside, sizeof p.inside, "%s/%s", p.root, name);
    return p;
}

/* Runs the check as a user for whom permissions hold: root's tests run it as nobody. */
static enum error check_unprivileged(const char *path, struct message *message)
{
    bool root = geteuid() == 0;
    if (root)
        EXPECT_INT(seteuid(NOBODY), 0);
    enum error error = data_directory_check(path, message);
    if (root)
        EXPECT_INT(seteuid(0), 0);
    return error;
}

static void expect_refused(const char *path, const char *what)
{
    struct message message = {""};
    EXPECT_INT(check_unprivileged(path, &message), ERR_INVALID);
    EXPECT(strstr(message.text, what) != NULL);
    EXPECT(strstr(message.text, path) != NULL);
    EXPECT(strstr(message.text, "log.dirs") != NULL);
}

static void write_file(const char *path, mode_t mode)
{
    FILE *file = fopen(path, "w");
    EXPECT(file != NULL);
    fclose(file);
    EXPECT_INT(chmod(path, mode), 0);
}

TEST(a_directory_is_accepted_if_the_user_owns_it_or_can_make_it)
{
    struct place p = make_place("a/b/c");
    struct message message = {""};
    EXPECT_INT(data_directory_check(p.inside, &message), ERR_OK);
    EXPECT_INT(data_directory_check(p.root, &message), ERR_OK);
    EXPECT_INT(data_directory_check("relative/data", &message), ERR_OK);
    EXPECT_STRING(message.text, "");
    rmdir(p.root);
}

TEST(a_missing_permission_is_reported_with_path_user_and_owner)
{
    struct place p = make_place("read-only");
    char below[128];
    EXPECT_INT(mkdir(p.inside, 0555), 0);
    expect_refused(p.inside, "may not read and write ");
    snprintf(below, sizeof below, "%s/x/y", p.inside);
    expect_refused(below, "may not create a directory in ");
    expect_refused(below, ", mode 0555): make ");
    expect_refused(below, " its owner (chown -R) or set log.dirs to another directory");
    EXPECT_INT(chmod(p.inside, 0), 0);
    expect_refused(below, "may not create a directory in ");
    rmdir(p.inside);
    rmdir(p.root);
}

/* The loop cannot be looked up, so nobody knows whose it is. */
TEST(a_link_that_leads_to_itself_is_reported_with_the_reason)
{
    struct place p = make_place("loop");
    struct message message = {""};
    char expected[400];
    EXPECT_INT(symlink(p.inside, p.inside), 0);
    EXPECT_INT(check_unprivileged(p.inside, &message), ERR_INVALID);
    snprintf(expected, sizeof expected,
             "cannot use the data directory %s: may not read and write %s: %s", p.inside, p.inside,
             strerror(ELOOP));
    EXPECT_STRING(message.text, expected);
    unlink(p.inside);
    rmdir(p.root);
}

TEST(files_of_another_user_inside_are_named)
{
    struct place p = make_place("lock");
    write_file(p.inside, 0);
    EXPECT_INT(chmod(p.root, 0777), 0);
    expect_refused(p.root, "/lock (owner ");
    expect_refused(p.root, " its owner (chown -R) or set log.dirs to another directory");
    unlink(p.inside);
    rmdir(p.root);
}

TEST(a_file_is_not_a_directory)
{
    struct place p = make_place("file");
    char below[128];
    write_file(p.inside, 0644);
    expect_refused(p.inside, "/file is not a directory: set log.dirs to a directory");
    snprintf(below, sizeof below, "%s/data", p.inside);
    struct message message = {""};
    EXPECT_INT(data_directory_check(below, &message), ERR_INVALID);
    unlink(p.inside);
    rmdir(p.root);
}

TEST(a_link_that_leads_nowhere_is_named_with_its_target)
{
    struct place p = make_place("link");
    char below[128];
    EXPECT_INT(symlink("/nonexistent/disk", p.inside), 0);
    expect_refused(p.inside, "link is a symbolic link to /nonexistent/disk, which does not exist");
    snprintf(below, sizeof below, "%s/data", p.inside);
    expect_refused(below, "link is a symbolic link to /nonexistent/disk, which does not exist");
    EXPECT_INT(unlink(p.inside), 0);
    EXPECT_INT(symlink(p.root, p.inside), 0);
    struct message message = {""};
    EXPECT_INT(data_directory_check(p.inside, &message), ERR_OK);
}
