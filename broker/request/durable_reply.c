#include "broker/request/durable_reply.h"

void durable_reply_lost(struct request *request)
{
    request_fail(request, "the journal failed");
}

void durable_reply_now(struct durable_reply *reply)
{
    request_reply(reply->request, reply->response);
}

static void leave(struct commit *commit, enum error result)
{
    struct durable_reply *reply = CONTAINER_OF(commit, struct durable_reply, commit);
    if (result != ERR_OK && reply->fail == NULL) {
        durable_reply_lost(reply->request);
        return;
    }
    if (result != ERR_OK)
        reply->fail(reply, result);
    durable_reply_now(reply);
}

void durable_reply_init(struct durable_reply *reply, struct request *request, void *response,
                        void (*fail)(struct durable_reply *reply, enum error result))
{
    *reply = (struct durable_reply){
        .commit.done = leave, .request = request, .response = response, .fail = fail};
}

struct durable_part *durable_part_of(struct scatter_part *part)
{
    return CONTAINER_OF(part, struct durable_part, part);
}

static void part_is_durable(struct commit *commit, enum error result)
{
    struct durable_part *dp = CONTAINER_OF(commit, struct durable_part, commit);
    dp->result = result;
    scatter_part_done(&dp->part);
}

struct commit *durable_part_commit(struct scatter_part *part)
{
    struct durable_part *dp = durable_part_of(part);
    dp->commit.done = part_is_durable;
    return &dp->commit;
}
