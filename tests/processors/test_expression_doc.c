/* Checks that the examples of docs/expressions.md give the results on the page. */
#include "tests/harness/harness.h"
#include "tests/processors/support_expression.h"

#include <stdio.h>
#include <stdlib.h>

static char *read_page(void)
{
    char *text = xcalloc(1, 1 << 20);
    FILE *file = fopen(test_source_path("docs/expressions.md"), "r");
    EXPECT(file != NULL);
    EXPECT(fread(text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    return text;
}

/* The content of the next fenced block of a kind, zero-terminated in place; NULL at the end. */
static char *next_block(char **at, const char *fence)
{
    char *block = strstr(*at, fence);
    if (block == NULL)
        return NULL;
    block += strlen(fence);
    char *end = strstr(block, "\n```");
    EXPECT(end != NULL);
    *end = '\0';
    *at = end + 1;
    return block;
}

static bool example_holds(struct expression_world *w, char *line)
{
    char *arrow = strstr(line, " => ");
    if (arrow == NULL)
        test_fail(__FILE__, __LINE__, "'%s' has no result", line);
    *arrow = '\0';
    const char *expected = arrow + 4, *result = expression_result(w, line);
    if (strcmp(result, expected) == 0)
        return true;
    printf("\n  %s\n    gives    %s\n    expected %s", line, result, expected);
    return false;
}

TEST(every_example_of_the_page_holds)
{
    struct expression_world w;
    char *page = read_page(), *at = page;
    const char *json = next_block(&at, "```json\n");
    EXPECT(json != NULL);
    expression_world_init(&w, json);
    int examples = 0, wrong = 0;
    for (char *block; (block = next_block(&at, "```expression\n")) != NULL;) {
        char *rest = NULL;
        for (char *line = strtok_r(block, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
            wrong += !example_holds(&w, line);
            examples++;
        }
    }
    expression_world_free(&w);
    free(page);
    EXPECT(examples > 70);
    EXPECT_INT(wrong, 0);
}
