#include "base/suggest.h"

#include "base/compiler.h"

enum { LONGEST_NAME = 255, FARTHEST = 2 };

size_t edit_distance(struct bytes a, struct bytes b, size_t limit)
{
    size_t apart = a.size > b.size ? a.size - b.size : b.size - a.size;
    if (apart > limit || a.size > LONGEST_NAME || b.size > LONGEST_NAME)
        return limit + 1;
    /* Rows of the usual table: for the prefix of `a` two back, one back, and now. */
    size_t rows[3][LONGEST_NAME + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    size_t least = 0, least_before; /* of a row: if two rows are over the limit, so is the result */
    for (size_t j = 0; j <= b.size; j++)
        last[j] = j;
    for (size_t i = 1; i <= a.size; i++) {
        row[0] = i;
        least_before = least;
        least = i;
        for (size_t j = 1; j <= b.size; j++) {
            size_t replace = last[j - 1] + (a.data[i - 1] != b.data[j - 1]);
            row[j] = MIN(replace, MIN(last[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] && a.data[i - 2] == b.data[j - 1])
                row[j] = MIN(row[j], before[j - 2] + 1);
            least = MIN(least, row[j]);
        }
        if (least > limit && least_before > limit)
            return limit + 1;
        size_t *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return MIN(last[b.size], limit + 1);
}

const char *suggest(struct bytes typed, const char *const *names)
{
    const char *best = NULL;
    size_t best_distance = FARTHEST + 1;
    for (; *names; names++) {
        size_t distance = edit_distance(typed, bytes_string(*names), FARTHEST);
        if (distance < best_distance && distance < strlen(*names)) {
            best = *names;
            best_distance = distance;
        }
    }
    return best;
}
