#include "broker/repeats.h"

#include "base/map.h"

bool *repeats_find(struct arena *arena, const struct bytes *names, size_t count)
{
    bool *repeats = arena_array(arena, count, sizeof *repeats);
    struct map seen = MAP_EMPTY;
    for (size_t i = 0; i < count; i++) {
        const struct bytes *first = map_get(&seen, names[i]);
        if (first)
            repeats[i] = repeats[first - names] = true;
        else
            map_put(&seen, names[i], (void *)(uintptr_t)&names[i]);
    }
    map_free(&seen);
    return repeats;
}
