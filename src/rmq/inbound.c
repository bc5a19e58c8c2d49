#include "rmq/inbound.h"

#include "rmq/client_inside.h"

static struct rmq_inbound *find(struct rmq_client *client, struct dt_span group)
{
    struct dt_link *link;

    for (link = client->inbound.next; link != &client->inbound; link = link->next) {
        struct rmq_inbound *inbound = DT_CONTAINER(link, struct rmq_inbound, link);

        if (dt_span_equal_str(group, inbound->group))
            return inbound;
    }
    return NULL;
}

bool rmq_inbound_add(struct rmq_client *client, struct rmq_inbound *inbound)
{
    if (find(client, dt_span_str(inbound->group)) != NULL)
        return false;
    dt_list_append(&client->inbound, &inbound->link);
    return true;
}

void rmq_inbound_remove(struct rmq_inbound *inbound)
{
    dt_list_remove(&inbound->link);
}

static struct rmq_inbound *asked_for(struct rmq_client *client,
                                     const struct rmq_command *request, const char *field,
                                     struct rmq_inbound_answer *answer)
{
    struct rmq_inbound *inbound;
    struct dt_span group;

    (void)rmq_command_str(request, field, &group);
    inbound = find(client, group);
    if (inbound == NULL) {
        answer->code = RMQ_SYSTEM_ERROR;
        answer->remark = "this client has no consumer of that group";
    }
    return inbound;
}

void rmq_inbound_handle(struct rmq_client *client, const struct rmq_command *request,
                        struct dt_span body, struct rmq_inbound_answer *answer)
{
    struct rmq_inbound *inbound;
    struct dt_span topic;

    switch (request->code) {
    case RMQ_NOTIFY_CONSUMER_IDS_CHANGED:
        inbound = asked_for(client, request, "consumerGroup", answer);
        if (inbound != NULL)
            inbound->members_changed(inbound->owner);
        return;
    case RMQ_RESET_CONSUMER_CLIENT_OFFSET:
        inbound = asked_for(client, request, "group", answer);
        (void)rmq_command_str(request, "topic", &topic);
        if (inbound != NULL)
            inbound->reset(inbound->owner, topic, body);
        return;
    case RMQ_GET_CONSUMER_RUNNING_INFO:
        inbound = asked_for(client, request, "consumerGroup", answer);
        if (inbound != NULL && !inbound->describe(inbound->owner, answer->body)) {
            dt_buf_clear(answer->body);
            answer->code = RMQ_SYSTEM_ERROR;
            answer->remark = "no memory to describe the consumer";
        }
        return;
    default:
        answer->code = RMQ_REQUEST_CODE_NOT_SUPPORTED;
        answer->remark = "request type not supported by this client";
    }
}
