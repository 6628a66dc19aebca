/* The handlers, one file per API (AlterConfigs and IncrementalAlterConfigs share one). Each runs on
 * the shard that dispatch chose, and ends its request exactly once, now or later. */
#ifndef BROKER_HANDLERS_H
#define BROKER_HANDLERS_H

#include "base/bytes.h"

struct request;
struct shard;

void api_versions_handle(struct shard *shard, struct request *request);
void produce_handle(struct shard *shard, struct request *request);
void fetch_handle(struct shard *shard, struct request *request);
void list_offsets_handle(struct shard *shard, struct request *request);
void metadata_handle(struct shard *shard, struct request *request);
void offset_for_leader_epoch_handle(struct shard *shard, struct request *request);
void delete_records_handle(struct shard *shard, struct request *request);
void init_producer_id_handle(struct shard *shard, struct request *request);
void create_topics_handle(struct shard *shard, struct request *request);
void delete_topics_handle(struct shard *shard, struct request *request);
void create_partitions_handle(struct shard *shard, struct request *request);
void describe_configs_handle(struct shard *shard, struct request *request);
void alter_configs_handle(struct shard *shard, struct request *request);
void incremental_alter_configs_handle(struct shard *shard, struct request *request);
void describe_log_dirs_handle(struct shard *shard, struct request *request);
void describe_cluster_handle(struct shard *shard, struct request *request);
void find_coordinator_handle(struct shard *shard, struct request *request);
void join_group_handle(struct shard *shard, struct request *request);
void sync_group_handle(struct shard *shard, struct request *request);
void heartbeat_handle(struct shard *shard, struct request *request);
void leave_group_handle(struct shard *shard, struct request *request);
void offset_commit_handle(struct shard *shard, struct request *request);
void offset_fetch_handle(struct shard *shard, struct request *request);
void list_groups_handle(struct shard *shard, struct request *request);
void describe_groups_handle(struct shard *shard, struct request *request);
void delete_groups_handle(struct shard *shard, struct request *request);
void offset_delete_handle(struct shard *shard, struct request *request);

/* The group that a request is about, for BY_GROUP. */
struct bytes join_group_name(const void *body);
struct bytes sync_group_name(const void *body);
struct bytes heartbeat_name(const void *body);
struct bytes leave_group_name(const void *body);
struct bytes offset_commit_name(const void *body);
struct bytes offset_delete_name(const void *body);

#endif
