#include "tests/simulation/support_kv.h"

#include "base/compiler.h"

#include <stdlib.h>

struct sim_row {
    unsigned references;
    size_t key_size, value_size;
    uint8_t data[];
};

struct sim_kv_state {
    unsigned references;
    size_t count;
    struct sim_row *rows[];
};

static struct bytes row_key(const struct sim_row *row)
{
    return bytes_of(row->data, row->key_size);
}

static struct bytes row_value(const struct sim_row *row)
{
    return bytes_of(row->data + row->key_size, row->value_size);
}

static struct sim_kv_state *state_create(size_t capacity)
{
    struct sim_kv_state *state = xmalloc(sizeof *state + capacity * sizeof state->rows[0]);
    *state = (struct sim_kv_state){.references = 1};
    return state;
}

struct sim_kv_state *sim_kv_state_create(void)
{
    return state_create(0);
}

struct sim_kv_state *sim_kv_state_ref(struct sim_kv_state *state)
{
    state->references++;
    return state;
}

void sim_kv_state_unref(struct sim_kv_state *state)
{
    if (--state->references > 0)
        return;
    for (size_t i = 0; i < state->count; i++) {
        if (--state->rows[i]->references == 0)
            free(state->rows[i]);
    }
    free(state);
}

/* The first row whose key is not below `key`. */
static size_t lower_bound(const struct sim_kv_state *state, struct bytes key)
{
    size_t low = 0, high = state->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (bytes_compare(row_key(state->rows[middle]), key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int compare_changes(const void *a, const void *b)
{
    const struct kv_change *left = a, *right = b;
    return bytes_compare(left->key, right->key);
}

static void add_row(struct sim_kv_state *state, const struct kv_change *change)
{
    struct sim_row *row = xmalloc(sizeof *row + change->key.size + change->value.size);
    *row = (struct sim_row){
        .references = 1, .key_size = change->key.size, .value_size = change->value.size};
    memcpy(row->data, change->key.data, change->key.size);
    if (change->value.size > 0)
        memcpy(row->data + change->key.size, change->value.data, change->value.size);
    state->rows[state->count++] = row;
}

/* Keys in `changes` are distinct. */
static struct sim_kv_state *merge(const struct sim_kv_state *old, const struct kv_change *changes,
                                  size_t count)
{
    struct kv_change *sorted = xmalloc((count + 1) * sizeof *sorted);
    memcpy(sorted, changes, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_changes);
    struct sim_kv_state *state = state_create(old->count + count);
    size_t at = 0;
    for (size_t i = 0; i <= count; i++) {
        ASSERT(i == 0 || i == count || bytes_compare(sorted[i - 1].key, sorted[i].key) < 0);
        while (at < old->count &&
               (i == count || bytes_compare(row_key(old->rows[at]), sorted[i].key) < 0)) {
            old->rows[at]->references++;
            state->rows[state->count++] = old->rows[at++];
        }
        if (i == count)
            break;
        at += at < old->count && bytes_equal(row_key(old->rows[at]), sorted[i].key);
        if (!bytes_is_null(sorted[i].value))
            add_row(state, &sorted[i]);
    }
    free(sorted);
    return state;
}

static enum error kv_open(struct kv_driver *driver, const char *path, enum kv_open how,
                          struct kv **out, struct message *message)
{
    struct sim_disk *disk = CONTAINER_OF(driver, struct sim_disk, driver);
    const struct sim_fault *fault = sim_disk_fault(disk, SIM_KV_OPEN);
    if (fault) {
        disk->has_kv |= how == KV_OPEN_OR_CREATE && fault->effect == FAULT_ALL;
        message_set(message, "%s: the key-value store: %s", path, error_text(fault->error));
        return fault->error;
    }
    if (!disk->has_kv && how != KV_OPEN_OR_CREATE) {
        message_set(message, "%s: there is no key-value store", path);
        return ERR_CORRUPT;
    }
    disk->has_kv = true;
    *out = &disk->kv;
    return ERR_OK;
}

static void kv_close(struct kv *kv)
{
    (void)kv;
}

static enum error kv_write(struct kv *kv, const struct kv_change *changes, size_t count)
{
    struct sim_disk *disk = CONTAINER_OF(kv, struct sim_disk, kv);
    if (!sim_disk_has_descriptor(disk))
        return ERR_NO_FILES;
    const struct sim_fault *fault = sim_disk_fault(disk, SIM_KV_WRITE);
    enum error error = disk->refuse(disk, false);
    if (error == ERR_OK && fault && fault->effect != FAULT_ALL)
        error = fault->error; /* a batch is atomic: there is no half of it */
    if (error != ERR_OK)
        return error;
    disk->writes_rows = true;
    disk->happened(disk);
    struct sim_kv_state *old = disk->rows;
    disk->rows = merge(old, changes, count);
    sim_kv_state_unref(old);
    disk->happened(disk);
    disk->writes_rows = false;
    return fault ? fault->error : ERR_OK;
}

static enum error kv_scan(struct kv *kv, struct bytes prefix,
                          enum error (*each)(void *context, struct bytes key, struct bytes value),
                          void *context)
{
    struct sim_disk *disk = CONTAINER_OF(kv, struct sim_disk, kv);
    struct sim_kv_state *state = sim_kv_state_ref(disk->rows);
    const struct sim_fault *fault = sim_disk_fault(disk, SIM_KV_SCAN);
    enum error error = fault ? fault->error : ERR_OK;
    for (size_t i = lower_bound(state, prefix); i < state->count && error == ERR_OK; i++) {
        if (!bytes_starts_with(row_key(state->rows[i]), prefix))
            break;
        fault = sim_disk_fault(disk, SIM_KV_READ);
        error =
            fault ? ERR_CORRUPT : each(context, row_key(state->rows[i]), row_value(state->rows[i]));
    }
    sim_kv_state_unref(state);
    return error;
}

static enum error kv_check(struct kv *kv, struct message *message)
{
    (void)kv, (void)message;
    return ERR_OK;
}

/* Drops the rows. No test looks at what was set aside. */
static enum error kv_set_aside(struct kv_driver *driver, const char *path, const char *to)
{
    (void)path, (void)to;
    struct sim_disk *disk = CONTAINER_OF(driver, struct sim_disk, driver);
    if (!disk->has_kv)
        return ERR_NOT_FOUND;
    enum error error = disk->refuse(disk, false);
    if (error != ERR_OK)
        return error;
    disk->happened(disk);
    sim_kv_state_unref(disk->rows);
    disk->rows = sim_kv_state_create();
    disk->has_kv = false;
    disk->happened(disk);
    return ERR_OK;
}

void sim_kv_init(struct sim_disk *disk, enum error (*refuse)(struct sim_disk *disk, bool grows),
                 void (*happened)(struct sim_disk *disk))
{
    disk->driver = (struct kv_driver){kv_open, kv_close, kv_write, kv_scan, kv_check, kv_set_aside};
    disk->kv.driver = &disk->driver;
    disk->refuse = refuse;
    disk->happened = happened;
}

struct bytes sim_disk_row(const struct sim_disk *disk, struct bytes key)
{
    size_t at = lower_bound(disk->rows, key);
    if (at == disk->rows->count || !bytes_equal(row_key(disk->rows->rows[at]), key))
        return BYTES_NULL;
    return row_value(disk->rows->rows[at]);
}

size_t sim_disk_row_count(const struct sim_disk *disk)
{
    return disk->rows->count;
}
