/*
 * inbound.h - what brokers ask of a client: who asks is a broker, about one of our groups.
 *
 *   40   members of a group have come or gone: divide the queues again (oneway)
 *   220  an operator resets offsets (oneway)
 *   307  an operator wants to see how a consumer is doing
 *
 * Thread: net loop, except where said.
 */
#ifndef RMQ_INBOUND_H
#define RMQ_INBOUND_H

#include "net/list.h"
#include "rmq/command.h"

struct rmq_client;

/* A group consumer, as one that can be asked; in its memory. The functions must not wait. */
struct rmq_inbound {
    struct dt_link link; /* in client->inbound */
    const char *group;
    void *owner;
    void (*members_changed)(void *owner);
    void (*reset)(void *owner, struct dt_span topic, struct dt_span body);
    bool (*describe)(void *owner, struct dt_buf *out); /* ConsumerRunningInfo */
};

/* False: there is one of that group already. */
bool rmq_inbound_add(struct rmq_client *client, struct rmq_inbound *inbound);
void rmq_inbound_remove(struct rmq_inbound *inbound);

/* What to answer: a code, a remark, a body. */
struct rmq_inbound_answer {
    int32_t code;
    const char *remark;
    struct dt_buf *body; /* empty; to be filled */
};

void rmq_inbound_handle(struct rmq_client *client, const struct rmq_command *request,
                        struct dt_span body, struct rmq_inbound_answer *answer);

#endif
