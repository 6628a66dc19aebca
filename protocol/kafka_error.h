/* Kafka's error codes, as they are in responses. Clients decide by the code whether to retry, so
 * the code matters more than the text. */
#ifndef PROTOCOL_KAFKA_ERROR_H
#define PROTOCOL_KAFKA_ERROR_H

#include <stdbool.h>
#include <stdint.h>

/* Name, code, whether Kafka's clients retry by themselves, and our sentence for people. */
#define KAFKA_ERRORS(X)                                                                           \
    X(UNKNOWN_SERVER_ERROR, -1, FINAL, "the broker failed in a way it did not expect")            \
    X(NONE, 0, FINAL, "no error")                                                                 \
    X(OFFSET_OUT_OF_RANGE, 1, FINAL, "the offset lies outside the partition's log")               \
    X(CORRUPT_MESSAGE, 2, RETRIABLE, "the batch's checksum or length is wrong")                   \
    X(UNKNOWN_TOPIC_OR_PARTITION, 3, RETRIABLE, "no such topic or partition here")                \
    X(INVALID_FETCH_SIZE, 4, FINAL, "the fetch size is not allowed")                              \
    X(LEADER_NOT_AVAILABLE, 5, RETRIABLE, "the partition has no leader yet")                      \
    X(NOT_LEADER_OR_FOLLOWER, 6, RETRIABLE, "this broker does not serve the partition")           \
    X(REQUEST_TIMED_OUT, 7, RETRIABLE, "the request's time ran out")                              \
    X(BROKER_NOT_AVAILABLE, 8, FINAL, "the broker is not available")                              \
    X(REPLICA_NOT_AVAILABLE, 9, RETRIABLE, "the replica is not available here")                   \
    X(MESSAGE_TOO_LARGE, 10, FINAL, "the batch is larger than max.message.bytes")                 \
    X(STALE_CONTROLLER_EPOCH, 11, FINAL, "the controller has a newer epoch")                      \
    X(OFFSET_METADATA_TOO_LARGE, 12, FINAL, "the metadata of the commit is too long")             \
    X(NETWORK_EXCEPTION, 13, RETRIABLE, "the connection broke before the answer")                 \
    X(COORDINATOR_LOAD_IN_PROGRESS, 14, RETRIABLE, "the coordinator is still loading the group")  \
    X(COORDINATOR_NOT_AVAILABLE, 15, RETRIABLE, "the coordinator is not available yet")           \
    X(NOT_COORDINATOR, 16, RETRIABLE, "another broker coordinates this group")                    \
    X(INVALID_TOPIC_EXCEPTION, 17, FINAL, "the topic name is not allowed for this")               \
    X(RECORD_LIST_TOO_LARGE, 18, FINAL, "the batch is larger than a segment")                     \
    X(NOT_ENOUGH_REPLICAS, 19, RETRIABLE, "fewer replicas in sync than min.insync.replicas")      \
    X(NOT_ENOUGH_REPLICAS_AFTER_APPEND, 20, RETRIABLE,                                            \
      "written, but to fewer replicas than min.insync.replicas")                                  \
    X(INVALID_REQUIRED_ACKS, 21, FINAL, "acks must be -1, 0 or 1")                                \
    X(ILLEGAL_GENERATION, 22, FINAL, "the generation is not the group's current one")             \
    X(INCONSISTENT_GROUP_PROTOCOL, 23, FINAL,                                                     \
      "the member's protocols do not fit those of the group's members")                           \
    X(INVALID_GROUP_ID, 24, FINAL, "the group id is not allowed")                                 \
    X(UNKNOWN_MEMBER_ID, 25, FINAL, "the group has no such member")                               \
    X(INVALID_SESSION_TIMEOUT, 26, FINAL, "the session timeout is outside the allowed range")     \
    X(REBALANCE_IN_PROGRESS, 27, FINAL, "the group is rebalancing: join again")                   \
    X(INVALID_COMMIT_OFFSET_SIZE, 28, FINAL, "the commit is too large")                           \
    X(TOPIC_AUTHORIZATION_FAILED, 29, FINAL, "not allowed on this topic")                         \
    X(GROUP_AUTHORIZATION_FAILED, 30, FINAL, "not allowed on this group")                         \
    X(CLUSTER_AUTHORIZATION_FAILED, 31, FINAL, "not allowed on the cluster")                      \
    X(INVALID_TIMESTAMP, 32, FINAL, "a record's timestamp is outside the allowed range")          \
    X(UNSUPPORTED_SASL_MECHANISM, 33, FINAL, "this SASL mechanism is not offered")                \
    X(ILLEGAL_SASL_STATE, 34, FINAL, "the request does not fit the state of authentication")      \
    X(UNSUPPORTED_VERSION, 35, FINAL, "this version of the API is not offered")                   \
    X(TOPIC_ALREADY_EXISTS, 36, FINAL, "a topic with this name exists")                           \
    X(INVALID_PARTITIONS, 37, FINAL, "the number of partitions is not allowed")                   \
    X(INVALID_REPLICATION_FACTOR, 38, FINAL,                                                      \
      "the replication factor is below 1 or above the number of brokers")                         \
    X(INVALID_REPLICA_ASSIGNMENT, 39, FINAL, "the replica assignment is not possible")            \
    X(INVALID_CONFIG, 40, FINAL, "a setting is unknown or its value not allowed")                 \
    X(NOT_CONTROLLER, 41, RETRIABLE, "this broker is not the controller")                         \
    X(INVALID_REQUEST, 42, FINAL, "the request contradicts itself or the protocol")               \
    X(UNSUPPORTED_FOR_MESSAGE_FORMAT, 43, FINAL, "the message format cannot do this")             \
    X(POLICY_VIOLATION, 44, FINAL, "a policy of the broker forbids this")                         \
    X(OUT_OF_ORDER_SEQUENCE_NUMBER, 45, FINAL,                                                    \
      "the batch does not follow the producer's last one")                                        \
    X(DUPLICATE_SEQUENCE_NUMBER, 46, FINAL, "the batch was written before")                       \
    X(INVALID_PRODUCER_EPOCH, 47, FINAL, "a producer with a newer epoch has taken over")          \
    X(INVALID_TXN_STATE, 48, FINAL, "the transaction's state does not allow this")                \
    X(INVALID_PRODUCER_ID_MAPPING, 49, FINAL,                                                     \
      "the transactional id belongs to another producer id")                                      \
    X(INVALID_TRANSACTION_TIMEOUT, 50, FINAL,                                                     \
      "the transaction timeout is above transaction.max.timeout.ms")                              \
    X(CONCURRENT_TRANSACTIONS, 51, RETRIABLE, "the transaction before is still being ended")      \
    X(TRANSACTION_COORDINATOR_FENCED, 52, FINAL,                                                  \
      "the transaction coordinator was replaced by a newer one")                                  \
    X(TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 53, FINAL, "not allowed on this transactional id")   \
    X(SECURITY_DISABLED, 54, FINAL, "security is not configured here")                            \
    X(OPERATION_NOT_ATTEMPTED, 55, FINAL, "not tried, because a part before it failed")           \
    X(KAFKA_STORAGE_ERROR, 56, RETRIABLE, "the disk of the partition refused")                    \
    X(LOG_DIR_NOT_FOUND, 57, FINAL, "no such log directory")                                      \
    X(SASL_AUTHENTICATION_FAILED, 58, FINAL, "the credentials are wrong")                         \
    X(UNKNOWN_PRODUCER_ID, 59, FINAL, "the partition knows nothing of this producer id")          \
    X(REASSIGNMENT_IN_PROGRESS, 60, FINAL, "the partition is being reassigned already")           \
    X(DELEGATION_TOKEN_AUTH_DISABLED, 61, FINAL, "delegation tokens are not enabled")             \
    X(DELEGATION_TOKEN_NOT_FOUND, 62, FINAL, "no such delegation token")                          \
    X(DELEGATION_TOKEN_OWNER_MISMATCH, 63, FINAL, "the delegation token has another owner")       \
    X(DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, 64, FINAL,                                            \
      "delegation tokens cannot be asked for on this connection")                                 \
    X(DELEGATION_TOKEN_AUTHORIZATION_FAILED, 65, FINAL, "not allowed on this delegation token")   \
    X(DELEGATION_TOKEN_EXPIRED, 66, FINAL, "the delegation token has expired")                    \
    X(INVALID_PRINCIPAL_TYPE, 67, FINAL, "this type of principal is not supported")               \
    X(NON_EMPTY_GROUP, 68, FINAL, "the group still has members")                                  \
    X(GROUP_ID_NOT_FOUND, 69, FINAL, "no such group")                                             \
    X(FETCH_SESSION_ID_NOT_FOUND, 70, RETRIABLE, "no such fetch session")                         \
    X(INVALID_FETCH_SESSION_EPOCH, 71, RETRIABLE, "the fetch session's epoch is another")         \
    X(LISTENER_NOT_FOUND, 72, RETRIABLE, "the leader has no listener of this name")               \
    X(TOPIC_DELETION_DISABLED, 73, FINAL, "delete.topic.enable is false")                         \
    X(FENCED_LEADER_EPOCH, 74, RETRIABLE, "the leader has a newer epoch")                         \
    X(UNKNOWN_LEADER_EPOCH, 75, RETRIABLE, "the leader epoch is newer than this broker's")        \
    X(UNSUPPORTED_COMPRESSION_TYPE, 76, FINAL, "the codec is not allowed in this version")        \
    X(STALE_BROKER_EPOCH, 77, FINAL, "the broker has a newer epoch")                              \
    X(OFFSET_NOT_AVAILABLE, 78, RETRIABLE, "the new leader does not know its offsets yet")        \
    X(MEMBER_ID_REQUIRED, 79, FINAL, "join again with the member id that this answer gives")      \
    X(PREFERRED_LEADER_NOT_AVAILABLE, 80, RETRIABLE, "the preferred leader is not available")     \
    X(GROUP_MAX_SIZE_REACHED, 81, FINAL, "the group has as many members as it may")               \
    X(FENCED_INSTANCE_ID, 82, FINAL, "another member took over this instance id")                 \
    X(ELIGIBLE_LEADERS_NOT_AVAILABLE, 83, RETRIABLE, "no replica may become leader")              \
    X(ELECTION_NOT_NEEDED, 84, RETRIABLE, "the leader is the wanted one already")                 \
    X(NO_REASSIGNMENT_IN_PROGRESS, 85, FINAL, "the partition is not being reassigned")            \
    X(GROUP_SUBSCRIBED_TO_TOPIC, 86, FINAL, "the group is subscribed to the topic")               \
    X(INVALID_RECORD, 87, FINAL, "a record is not valid, so the batch was not written")           \
    X(UNSTABLE_OFFSET_COMMIT, 88, RETRIABLE, "a transaction holds offsets that may still change") \
    X(THROTTLING_QUOTA_EXCEEDED, 89, RETRIABLE, "the quota is used up for now")                   \
    X(PRODUCER_FENCED, 90, FINAL, "a newer producer with the same transactional id took over")    \
    X(RESOURCE_NOT_FOUND, 91, FINAL, "no such resource")                                          \
    X(DUPLICATE_RESOURCE, 92, FINAL, "the resource is named twice")                               \
    X(UNACCEPTABLE_CREDENTIAL, 93, FINAL, "the credential does not meet the requirements")        \
    X(INCONSISTENT_VOTER_SET, 94, FINAL, "the sets of voters differ")                             \
    X(INVALID_UPDATE_VERSION, 95, FINAL, "the feature cannot have this version")                  \
    X(FEATURE_UPDATE_FAILED, 96, FINAL, "the features could not be changed")                      \
    X(PRINCIPAL_DESERIALIZATION_FAILURE, 97, FINAL, "the forwarded principal is not readable")    \
    X(SNAPSHOT_NOT_FOUND, 98, FINAL, "no such snapshot")                                          \
    X(POSITION_OUT_OF_RANGE, 99, FINAL, "the position lies outside the snapshot")                 \
    X(UNKNOWN_TOPIC_ID, 100, RETRIABLE, "no topic has this id")                                   \
    X(DUPLICATE_BROKER_REGISTRATION, 101, FINAL, "another broker runs with this id")              \
    X(BROKER_ID_NOT_REGISTERED, 102, FINAL, "no broker is registered with this id")               \
    X(INCONSISTENT_TOPIC_ID, 103, RETRIABLE, "the topic's id in the log is another")              \
    X(INCONSISTENT_CLUSTER_ID, 104, FINAL, "the request is meant for another cluster")            \
    X(TRANSACTIONAL_ID_NOT_FOUND, 105, FINAL, "no such transactional id")                         \
    X(FETCH_SESSION_TOPIC_ID_ERROR, 106, RETRIABLE,                                               \
      "the fetch session mixes topic names and topic ids")                                        \
    X(INELIGIBLE_REPLICA, 107, FINAL, "the replica may not join the in-sync set")                 \
    X(NEW_LEADER_ELECTED, 108, FINAL, "the change made another broker the leader")                \
    X(OFFSET_MOVED_TO_TIERED_STORAGE, 109, FINAL, "the offset is in remote storage only")         \
    X(FENCED_MEMBER_EPOCH, 110, FINAL, "the coordinator has fenced the member: join again")       \
    X(UNRELEASED_INSTANCE_ID, 111, FINAL, "a member still holds this instance id")                \
    X(UNSUPPORTED_ASSIGNOR, 112, FINAL, "the coordinator has no such assignor")                   \
    X(STALE_MEMBER_EPOCH, 113, FINAL, "the member has a newer epoch: commit again with it")       \
    X(MISMATCHED_ENDPOINT_TYPE, 114, FINAL, "the endpoint is of another type")                    \
    X(UNSUPPORTED_ENDPOINT_TYPE, 115, FINAL, "this type of endpoint is not supported")            \
    X(UNKNOWN_CONTROLLER_ID, 116, FINAL, "no controller has this id")                             \
    X(UNKNOWN_SUBSCRIPTION_ID, 117, FINAL, "the telemetry subscription has changed")              \
    X(TELEMETRY_TOO_LARGE, 118, FINAL, "the pushed telemetry is too large")                       \
    X(INVALID_REGISTRATION, 119, FINAL, "the registration of the broker is not valid")            \
    X(TRANSACTION_ABORTABLE, 120, FINAL, "the transaction failed and must be aborted")            \
    X(INVALID_RECORD_STATE, 121, FINAL, "the acquired record is in another state")                \
    X(SHARE_SESSION_NOT_FOUND, 122, RETRIABLE, "no such share session")                           \
    X(INVALID_SHARE_SESSION_EPOCH, 123, RETRIABLE, "the share session's epoch is another")        \
    X(FENCED_STATE_EPOCH, 124, FINAL, "the share state has a newer epoch")                        \
    X(INVALID_VOTER_KEY, 125, FINAL, "the voter's key is another")                                \
    X(DUPLICATE_VOTER, 126, FINAL, "the voter is in the set already")                             \
    X(VOTER_NOT_FOUND, 127, FINAL, "the voter is not in the set")                                 \
    X(INVALID_REGULAR_EXPRESSION, 128, FINAL, "the regular expression is not valid")              \
    X(REBOOTSTRAP_REQUIRED, 129, FINAL, "the client must start again from its bootstrap servers") \
    X(STREAMS_INVALID_TOPOLOGY, 130, FINAL, "the streams topology is not valid")                  \
    X(STREAMS_INVALID_TOPOLOGY_EPOCH, 131, FINAL, "the topology's epoch is not valid")            \
    X(STREAMS_TOPOLOGY_FENCED, 132, FINAL, "the group has a newer topology")                      \
    X(SHARE_SESSION_LIMIT_REACHED, 133, RETRIABLE, "no more share sessions are possible")

enum kafka_error {
#define X(name, code, retry, text) KAFKA_##name = (code),
    KAFKA_ERRORS(X)
#undef X
};

/* "OFFSET_OUT_OF_RANGE"; "UNKNOWN_ERROR_CODE" for a code that is not in the table. */
const char *kafka_error_name(int code);
/* The sentence, never NULL. */
const char *kafka_error_text(int code);
/* Whether an unchanged request may succeed later. */
bool kafka_error_is_retriable(int code);

#endif
