#include "broker/start.h"

#include "broker/compaction.h"
#include "broker/connection/connection.h"
#include "broker/fetch/fetch_session.h"
#include "broker/fetch/waits.h"
#include "broker/groups/coordinator.h"
#include "broker/partitions.h"
#include "broker/runner/runner.h"
#include "broker/timekeeper.h"
#include "broker/topics/controller.h"
#include "broker/turn.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static const char CLUSTER_ID_ROW[] = "Bcluster.id";

/* The row of the cluster's id, as it was found. */
struct found_id {
    char id[23]; /* 22 characters of base64url; empty: there is no row */
    bool malformed;
    size_t size;
};

static enum error add_topic(void *context, struct bytes key, struct bytes value)
{
    struct catalog **catalog = context;
    struct topic *topic;
    enum error error = topic_from_row(key, value, &topic);
    if (error)
        return error;
    struct catalog *next = catalog_with(*catalog, topic);
    catalog_unref(*catalog);
    topic_unref(topic);
    *catalog = next;
    return ERR_OK;
}

/* Shard 0 reads the settings that admin clients changed; the others share them. */
static enum error load_settings(struct shard *shard, struct message *message)
{
    struct broker *broker = shard->broker;
    if (shard->id > 0) {
        shard->live = live_settings_ref(broker->shards[0]->live);
        return ERR_OK;
    }
    enum error error =
        live_settings_load(shard->store, broker->settings, broker->node_id, &shard->live);
    if (error)
        message_set(message,
                    "the broker's configs in the rows cannot be read: %s: restore the whole data "
                    "directory from a copy",
                    error_text(error));
    else
        atomic_store(&broker->connections_max, (size_t)shard->live->now.max_connections);
    return error;
}

/* Shard 0 reads the catalog; the others share it. */
static enum error load_catalog(struct shard *shard, struct message *message)
{
    if (shard->id > 0) {
        partitions_apply_catalog(shard, catalog_ref(shard->broker->shards[0]->catalog));
        return ERR_OK;
    }
    struct catalog *catalog = catalog_create_empty();
    uint8_t prefix = ROW_TOPIC;
    enum error error = store_scan(shard->store, bytes_of(&prefix, 1), add_topic, &catalog);
    if (error) {
        message_set(message,
                    "the rows of the topics cannot be read: %s: restore the whole data directory "
                    "from a copy",
                    error_text(error));
        catalog_unref(catalog);
        return error;
    }
    partitions_apply_catalog(shard, catalog);
    return ERR_OK;
}

/* The row is never made again: clients take a broker with another id for another cluster. */
static enum error take_cluster_id(void *context, struct bytes key, struct bytes value)
{
    struct found_id *found = context;
    if (!bytes_equal_string(key, CLUSTER_ID_ROW))
        return ERR_OK;
    found->size = value.size;
    found->malformed = value.size != sizeof found->id - 1;
    for (size_t i = 0; i < value.size && !found->malformed; i++)
        found->malformed = !isalnum(value.data[i]) && value.data[i] != '-' && value.data[i] != '_';
    if (found->malformed)
        return ERR_CORRUPT;
    memcpy(found->id, value.data, value.size);
    return ERR_OK;
}

static void refuse_cluster_id(enum error error, const struct found_id *found,
                              struct message *message)
{
    char reason[100];
    snprintf(reason, sizeof reason, "it has %zu bytes, and not 22 letters, digits, - or _",
             found->size);
    message_set(message,
                "the cluster's id in the rows cannot be read: %s: restore the whole data "
                "directory from a copy",
                found->malformed ? reason : error_text(error));
}

/* A random UUID in unpadded base64url, as Kafka's tools print it. */
static void make_cluster_id(struct random *random, char out[24])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t uuid[18] = {0};
    random_uuid(random, uuid);
    for (int i = 0; i < 22; i++) {
        int bit = i * 6;
        unsigned pair = (unsigned)uuid[bit / 8] << 8 | uuid[bit / 8 + 1];
        out[i] = digits[pair >> (10 - bit % 8) & 63];
    }
    out[22] = '\0';
}

/* Shard 0: reads the cluster's id, or makes it at the very first start. */
static enum error open_cluster(struct shard *shard, struct message *message)
{
    struct broker *broker = shard->broker;
    struct found_id found = {.malformed = false};
    enum error error =
        store_scan(shard->store, bytes_string(CLUSTER_ID_ROW), take_cluster_id, &found);
    if (error)
        refuse_cluster_id(error, &found, message);
    if (error == ERR_OK && found.id[0])
        memcpy(broker->cluster_id, found.id, sizeof found.id);
    if (error || broker->cluster_id[0])
        return error;
    make_cluster_id(shard->env->random, broker->cluster_id);
    store_begin(shard->store);
    store_put(shard->store, bytes_string(CLUSTER_ID_ROW), bytes_string(broker->cluster_id));
    store_commit(shard->store, NULL);
    return ERR_OK;
}

static void journal_failed(void *context, enum error error)
{
    struct shard *shard = context;
    struct message reason;
    if (error == ERR_MOVED)
        message_set(&reason,
                    "the data directory %s was moved, replaced or removed while the broker ran. "
                    "Everything that was acknowledged is in the journals of that directory: move "
                    "it back, or set log.dirs to where it is now, and start the broker",
                    shard->broker->settings->log_dirs);
    else
        message_set(&reason, "the journal cannot be written: %s", error_text(error));
    shard->broker->stop(shard->broker, 4, reason.text);
}

static struct clean_options clean_options(const struct shard *shard, struct executor *cleaner)
{
    struct clean_options options = compaction_options(shard->broker->settings);
    options.worker = shard->broker->settings->cleaner_enable ? cleaner : NULL;
    options.gate = shard->broker->clean_gate;
    return options;
}

static enum error open_store(struct shard *shard, struct kv *kv,
                             const struct shard_workers *workers, struct message *message)
{
    const struct settings *s = shard->broker->settings;
    struct store_options options = {
        .data_directory = s->log_dirs,
        .shard = shard->id,
        .shard_count = shard->broker->shard_count,
        .journal_file_bytes = s->journal_file_bytes,
        .checkpoint_bytes = s->checkpoint_bytes,
        .checkpoint_interval_ms = s->checkpoint_interval_ms,
        .unit_bytes = (size_t)s->group_bytes,
        .tail_cache_bytes = (size_t)s->tail_cache_bytes / (size_t)shard->broker->shard_count,
        .read_buffer_bytes = (size_t)s->read_buffer_bytes / (size_t)shard->broker->shard_count,
        .unflushed_bytes = (size_t)s->unflushed_bytes / (size_t)shard->broker->shard_count,
        .min_free_bytes = s->min_free_bytes,
        .journal_worker = workers->journal,
        .background_worker = workers->background,
        .read_worker = workers->reader,
        .async_writer = workers->writer,
        .clean = clean_options(shard, workers->cleaner),
        .timers = &shard->timers,
        .kv = kv,
        .failed = journal_failed,
        .context = shard,
    };
    shard->background = workers->background;
    shard->reader = workers->reader;
    return store_open(shard->env, &options, &shard->store, message);
}

/* Divides the broker's slots among the shards. */
static void open_fetch_sessions(struct shard *shard)
{
    int shards = shard->broker->shard_count;
    int64_t slots = shard->broker->settings->fetch_session_slots;
    shard->fetch_sessions = fetch_sessions_create(
        shard->env->random, (size_t)((slots + shards - 1) / shards), shard->id, shards);
}

static const struct snapshot_takers takers = {partitions_apply_catalog, partitions_apply_settings};

enum error shard_open(struct shard *shard, struct kv *kv, const struct shard_workers *workers,
                      struct message *message)
{
    enum error error = open_store(shard, kv, workers, message);
    if (error == ERR_OK && shard->id == 0)
        error = timekeeper_open(shard, message);
    shard_read_clock(shard);
    if (error == ERR_OK)
        error = load_settings(shard, message);
    if (error)
        return error;
    compaction_apply_settings(shard);
    shard_start_turns(shard);
    partitions_start(shard);
    open_fetch_sessions(shard);
    shard->coordinator = coordinator_create(shard);
    shard->runner = runner_create(shard);
    error = coordinator_load(shard->coordinator, message);
    if (error == ERR_OK)
        error = load_catalog(shard, message);
    if (error == ERR_OK)
        error = runner_load(shard->runner, message);
    if (error == ERR_OK && shard->id == 0) {
        shard->controller = controller_create(shard, &takers);
        error = controller_load(shard->controller, message);
    }
    if (error == ERR_OK && shard->id == 0)
        error = open_cluster(shard, message);
    if (error == ERR_OK)
        runner_start(shard->runner);
    return error;
}

/* --- closing --- */

struct closing {
    struct commit commit; /* of an empty entry: when it is durable, all earlier ones are answered */
    struct mail mail;
    struct shard *shard;
    void (*done)(void *context, struct shard *shard);
    void *context;
};

static void store_closed(void *context, enum error result)
{
    (void)result;
    struct closing *c = context;
    c->done(c->context, c->shard);
    free(c);
}

/* Called a turn later, when replies were sent as far as the clients read them. */
static void close_connections(struct mail *mail, struct shard *shard)
{
    struct closing *c = CONTAINER_OF(mail, struct closing, mail);
    LIST_FOR_EACH_SAFE (node, &shard->connections)
        connection_close(connection_of_node(node));
    store_close(shard->store, store_closed, c);
}

static void answered(struct commit *commit, enum error result)
{
    (void)result;
    struct closing *c = CONTAINER_OF(commit, struct closing, commit);
    c->mail.deliver = close_connections;
    shard_post(c->shard, &c->mail);
}

void shard_close(struct shard *shard, void (*done)(void *context, struct shard *shard),
                 void *context)
{
    struct closing *c = xcalloc(1, sizeof *c);
    c->shard = shard;
    c->done = done;
    c->context = context;
    c->commit.done = answered;
    shard->stopping = true;
    coordinator_stop(shard->coordinator);
    parked_end_all(shard);
    LIST_FOR_EACH (node, &shard->connections)
        connection_stop_reading(connection_of_node(node));
    store_begin(shard->store);
    timekeeper_close(shard->timekeeper);
    store_commit(shard->store, &c->commit);
}

void shards_drain(struct broker *broker)
{
    bool any = true;
    while (any) {
        any = false;
        for (int i = 0; i < broker->shard_count; i++)
            any |= shard_deliver_mail(broker->shards[i]);
    }
}

void shard_dismantle(struct shard *shard)
{
    timekeeper_free(shard->timekeeper);
    coordinator_free(shard->coordinator);
    runner_free(shard->runner);
    controller_free(shard->controller);
    partitions_stop(shard);
    if (shard->fetch_sessions)
        fetch_sessions_free(shard->fetch_sessions);
    live_settings_unref(shard->live);
    store_free(shard->store);
}
