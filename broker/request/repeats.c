#include "broker/request/repeats.h"

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

struct bytes repeats_name(struct arena *arena, int8_t type, struct bytes name)
{
    uint8_t *whole = arena_alloc(arena, name.size + 1);
    whole[0] = (uint8_t)type;
    if (name.size > 0)
        memcpy(whole + 1, name.data, name.size);
    return bytes_of(whole, name.size + 1);
}
