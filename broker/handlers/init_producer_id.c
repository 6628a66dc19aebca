/* InitProducerId for idempotent producers: a fresh id, epoch 0.
 *
 * Without a transactional id nothing connects a producer with an earlier one. So a request with an
 * id and epoch (version 3 and later) also gets a fresh id, as in Kafka.
 *
 * Transactions are not supported: a transactional id gets UNSUPPORTED_VERSION. Most clients treat
 * it as fatal. librdkafka retries until its init_transactions() times out, and then reports it. The
 * errors that librdkafka treats as fatal are about authorization, fencing or the timeout, and would
 * mislead. FindCoordinator does not refuse transactional ids, because librdkafka would then report
 * an unreachable coordinator. */
#include "broker/broker.h"
#include "broker/handlers/handlers.h"
#include "broker/request/request.h"
#include "broker/topics/controller.h"
#include "protocol/messages.h"

struct init_producer_id {
    struct change change;
    struct commit reserved;
    struct request *request;
};

static void reply(struct request *request, enum kafka_error error, int64_t producer_id)
{
    struct init_producer_id_response response;
    schema_defaults(&init_producer_id_response_schema, &response);
    response.error_code = (int16_t)error;
    response.producer_id = producer_id;
    response.producer_epoch = error == KAFKA_NONE ? 0 : -1;
    request_reply(request, &response);
}

static enum kafka_error check(const struct init_producer_id_request *in)
{
    if (!bytes_is_null(in->transactional_id))
        return in->transactional_id.size == 0 ? KAFKA_INVALID_REQUEST : KAFKA_UNSUPPORTED_VERSION;
    if ((in->producer_id == -1) != (in->producer_epoch == -1))
        return KAFKA_INVALID_REQUEST;
    return KAFKA_NONE;
}

static void reserve(struct change *change, struct controller *c)
{
    (void)change;
    controller_reserve_producer_ids(c);
}

static void give(struct shard *shard, struct request *request);

static void reserved(struct commit *commit, enum error result)
{
    struct init_producer_id *init = CONTAINER_OF(commit, struct init_producer_id, reserved);
    struct request *request = init->request;
    if (result == ERR_OK)
        give(request->at, request);
    else
        reply(request, KAFKA_COORDINATOR_NOT_AVAILABLE, -1);
}

static void give(struct shard *shard, struct request *request)
{
    int64_t id = controller_take_producer_id(shard->controller);
    if (id >= 0) {
        reply(request, KAFKA_NONE, id);
        return;
    }
    struct init_producer_id *init = request_alloc(request, 1, sizeof *init);
    init->request = request;
    init->change.apply = reserve;
    init->change.commit = &init->reserved;
    init->reserved.done = reserved;
    controller_submit(shard->controller, &init->change);
}

void init_producer_id_handle(struct shard *shard, struct request *request)
{
    enum kafka_error error = check(request->body);
    if (error != KAFKA_NONE)
        reply(request, error, -1);
    else
        give(shard, request);
}
