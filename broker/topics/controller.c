#include "broker/topics/controller.h"

#include "broker/broker.h"
#include "broker/request/durable_line.h"

#include <stdlib.h>

enum { PRODUCER_ID_BLOCK = 1000 };

static const char PRODUCER_ID_ROW[] = "Bproducer.id.next";

struct controller {
    struct shard *shard;
    struct snapshot_takers takers;
    struct list queue;  /* the first one is under way when busy */
    bool busy, running; /* running: inside run_changes */
    struct durable_line line;
    struct catalog_draft draft;          /* of the change under way */
    struct catalog *next;                /* made of the draft, on its way to the shards */
    struct live_settings *next_settings; /* of the change under way, or NULL if unchanged */
    int64_t next_producer_id;            /* below reserved_producer_ids: free to give out */
    int64_t reserved_producer_ids;
    int64_t reserving; /* its value after the change under way, or 0 */
};

struct controller *controller_create(struct shard *shard, const struct snapshot_takers *takers)
{
    struct controller *c = xcalloc(1, sizeof *c);
    c->shard = shard;
    c->takers = *takers;
    list_init(&c->queue);
    durable_line_init(&c->line, shard->store);
    return c;
}

static enum error take_producer_row(void *context, struct bytes key, struct bytes value)
{
    struct controller *c = context;
    if (!bytes_equal_string(key, PRODUCER_ID_ROW) || value.size != sizeof(int64_t))
        return ERR_OK;
    c->next_producer_id = c->reserved_producer_ids = (int64_t)load_be64(value.data);
    return ERR_OK;
}

enum error controller_load(struct controller *controller, struct message *message)
{
    enum error error = store_scan(controller->shard->store, bytes_string(PRODUCER_ID_ROW),
                                  take_producer_row, controller);
    if (error != ERR_OK)
        message_set(message, "the block of producer ids cannot be read: %s", error_text(error));
    return error;
}

void controller_free(struct controller *controller)
{
    if (controller == NULL)
        return;
    if (controller->busy)
        catalog_draft_free(&controller->draft);
    durable_line_end(&controller->line);
    catalog_unref(controller->next);
    live_settings_unref(controller->next_settings);
    free(controller);
}

struct shard *controller_shard(struct controller *controller)
{
    return controller->shard;
}

const struct catalog_draft *controller_draft(const struct controller *controller)
{
    return &controller->draft;
}

/* --- one change after the other --- */

static void run_changes(struct controller *c);

static void finish(struct controller *c, enum error result)
{
    struct change *change = CONTAINER_OF(list_pop(&c->queue), struct change, node);
    catalog_draft_free(&c->draft);
    catalog_unref(c->next);
    c->next = NULL;
    live_settings_unref(c->next_settings);
    c->next_settings = NULL;
    c->busy = false;
    if (c->reserving && result == ERR_OK)
        c->reserved_producer_ids = c->reserving;
    c->reserving = 0;
    change->commit->done(change->commit, result);
    run_changes(c);
}

static void take_snapshots(void *context, struct shard *shard)
{
    struct controller *c = context;
    if (c->next_settings)
        c->takers.settings(shard, live_settings_ref(c->next_settings));
    if (c->next)
        c->takers.catalog(shard, catalog_ref(c->next));
}

static void everybody_knows(void *context, struct shard *home)
{
    (void)home;
    finish(context, ERR_OK);
}

static void entry_durable(struct commit *entry, enum error result)
{
    struct change *change = CONTAINER_OF(entry, struct change, entry);
    struct controller *c = change->controller;
    bool topics_changed = catalog_draft_is_changed(&c->draft);
    if (result != ERR_OK || (!topics_changed && c->next_settings == NULL)) {
        finish(c, result);
        return;
    }
    if (topics_changed)
        c->next = catalog_draft_finish(&c->draft);
    shard_broadcast(c->shard, take_snapshots, everybody_knows, c);
}

static void start_first(struct controller *c)
{
    struct change *change = CONTAINER_OF(list_first(&c->queue), struct change, node);
    ASSERT(c->line.open == NULL && c->next == NULL && c->next_settings == NULL);
    c->busy = true;
    catalog_draft_init(&c->draft, c->shard->catalog); /* only this change replaces it */
    change->controller = c;
    change->entry.done = entry_durable;
    change->apply(change, c);
    durable_line_close(&c->line);
    durable_line_wait(&c->line, &change->entry);
}

static void refuse_first(struct controller *c)
{
    struct change *change = CONTAINER_OF(list_pop(&c->queue), struct change, node);
    change->commit->done(change->commit, ERR_CLOSED);
}

/* A loop instead of recursion, because many changes may end at once. A change that waits while the
 * broker stops is refused: the store may be closed before every shard knows the change before
 * it. */
static void run_changes(struct controller *c)
{
    if (c->running)
        return;
    c->running = true;
    while (!c->busy && !list_is_empty(&c->queue)) {
        if (c->shard->stopping)
            refuse_first(c);
        else
            start_first(c);
    }
    c->running = false;
}

enum kafka_error controller_error(enum error result)
{
    return result == ERR_CLOSED ? KAFKA_NOT_CONTROLLER : KAFKA_KAFKA_STORAGE_ERROR;
}

void controller_submit(struct controller *controller, struct change *change)
{
    if (controller->shard->stopping) {
        change->commit->done(change->commit, ERR_CLOSED);
        return;
    }
    list_append(&controller->queue, &change->node);
    run_changes(controller);
}

static void open_entry(struct controller *c)
{
    ASSERT(c->busy);
    durable_line_open(&c->line);
}

/* --- topics --- */

void controller_put_topic(struct controller *controller, struct topic *topic)
{
    struct buffer key, value;
    buffer_init(&key, 64);
    buffer_init(&value, INT32_MAX);
    topic_row(topic, &key, &value);
    ASSERT(!key.overflowed && !value.overflowed);
    open_entry(controller);
    store_put(controller->shard->store, buffer_view(&key), buffer_view(&value));
    buffer_free(&key);
    buffer_free(&value);
    catalog_draft_put(&controller->draft, topic);
}

void controller_remove_topic(struct controller *controller, struct topic *topic)
{
    open_entry(controller);
    store_delete_topic(controller->shard->store, topic->id);
    catalog_draft_remove(&controller->draft, topic);
}

/* --- settings --- */

const struct live_settings *controller_settings(const struct controller *controller)
{
    return controller->next_settings ? controller->next_settings : controller->shard->live;
}

void controller_put_settings(struct controller *controller, struct live_settings *next)
{
    struct shard *shard = controller->shard;
    open_entry(controller);
    live_settings_store(shard->store, shard->broker->node_id, controller_settings(controller),
                        next);
    live_settings_unref(controller->next_settings);
    controller->next_settings = next;
}

bool topic_name_is_internal(struct bytes name)
{
    return bytes_equal_string(name, "__consumer_offsets") ||
           bytes_equal_string(name, "__transaction_state") ||
           bytes_equal_string(name, "__share_group_state") ||
           bytes_equal_string(name, "__cluster_metadata");
}

/* --- producer ids --- */

int64_t controller_take_producer_id(struct controller *controller)
{
    ASSERT(controller->next_producer_id <= controller->reserved_producer_ids);
    if (controller->next_producer_id == controller->reserved_producer_ids)
        return -1;
    return controller->next_producer_id++;
}

void controller_reserve_producer_ids(struct controller *controller)
{
    uint8_t value[sizeof(int64_t)];
    if (controller->next_producer_id < controller->reserved_producer_ids)
        return; /* an earlier change has reserved ids */
    /* The ids are given out when the row is durable, so that no later start gives them out
     * again. */
    controller->reserving = controller->reserved_producer_ids + PRODUCER_ID_BLOCK;
    store_be64(value, (uint64_t)controller->reserving);
    open_entry(controller);
    store_put(controller->shard->store, bytes_string(PRODUCER_ID_ROW),
              bytes_of(value, sizeof value));
}
