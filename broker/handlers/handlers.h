/* The handlers, one file per API. Each runs on the shard that dispatch chose, and ends its request
 * exactly once, at once or later. */
#ifndef BROKER_HANDLERS_H
#define BROKER_HANDLERS_H

struct request;
struct shard;

void api_versions_handle(struct shard *shard, struct request *request);
void produce_handle(struct shard *shard, struct request *request);
void fetch_handle(struct shard *shard, struct request *request);
void list_offsets_handle(struct shard *shard, struct request *request);
void metadata_handle(struct shard *shard, struct request *request);
void offset_for_leader_epoch_handle(struct shard *shard, struct request *request);
void init_producer_id_handle(struct shard *shard, struct request *request);
void create_topics_handle(struct shard *shard, struct request *request);
void delete_topics_handle(struct shard *shard, struct request *request);
void create_partitions_handle(struct shard *shard, struct request *request);
void describe_configs_handle(struct shard *shard, struct request *request);
void alter_configs_handle(struct shard *shard, struct request *request);
void incremental_alter_configs_handle(struct shard *shard, struct request *request);
void describe_cluster_handle(struct shard *shard, struct request *request);

#endif
