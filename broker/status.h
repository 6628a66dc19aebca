/* A report of what the broker does now, written to the log on SIGUSR1. */
#ifndef BROKER_STATUS_H
#define BROKER_STATUS_H

struct broker;

/* Any thread, while the shards run. Each shard writes its own lines in its next turn. */
void status_write(struct broker *broker);

#endif
