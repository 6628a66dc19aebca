/* The handlers, one file per API. Each runs on the shard that dispatch chose, and ends its request
 * exactly once, at once or later. */
#ifndef BROKER_HANDLERS_H
#define BROKER_HANDLERS_H

struct request;
struct shard;

void api_versions_handle(struct shard *shard, struct request *request);

#endif
