/* DescribeCluster: one broker, which is its own controller. */
#include "broker/broker.h"
#include "broker/handlers/handlers.h"
#include "broker/net/listener.h"
#include "broker/request/operations.h"
#include "broker/request/request.h"
#include "protocol/kafka_error.h"
#include "protocol/messages.h"

enum endpoint_type { ENDPOINT_BROKERS = 1, ENDPOINT_CONTROLLERS = 2 };

static void refuse_endpoint_type(int8_t type, struct describe_cluster_response *response)
{
    /* As on Kafka's broker listeners, the controller is not a separate endpoint. */
    bool known = type == ENDPOINT_CONTROLLERS;
    response->error_code = known ? KAFKA_MISMATCHED_ENDPOINT_TYPE : KAFKA_UNSUPPORTED_ENDPOINT_TYPE;
    response->error_message = bytes_string(
        known ? "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of "
                "type CONTROLLER"
              : "Unsupported endpoint type");
}

void describe_cluster_handle(struct shard *shard, struct request *request)
{
    const struct describe_cluster_request *in = request->body;
    const struct broker *broker = shard->broker;
    struct describe_cluster_response response;
    struct describe_cluster_response_brokers self = {
        .broker_id = broker->node_id,
        .host = bytes_string(request->listener->advertised.host),
        .port = request->listener->advertised.port,
    };
    schema_defaults(&describe_cluster_response_schema, &response);
    response.cluster_id = bytes_string(broker->cluster_id);
    response.endpoint_type = in->endpoint_type;
    if (in->endpoint_type != ENDPOINT_BROKERS) {
        refuse_endpoint_type(in->endpoint_type, &response);
    } else {
        response.controller_id = broker->node_id;
        response.brokers = &self;
        response.brokers_count = 1;
        if (in->include_cluster_authorized_operations)
            response.cluster_authorized_operations = OPERATIONS_OF_CLUSTER;
    }
    request_reply(request, &response);
}
