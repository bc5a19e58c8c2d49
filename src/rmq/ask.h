/*
 * ask.h - a question to a name server or a broker, for a thread that waits for the answer.
 *
 * Thread: any but the net loop, where these return DT_ESTATE. read() and use() run on the net
 * loop while the asker waits, so that they may write to the asker's variables.
 */
#ifndef RMQ_ASK_H
#define RMQ_ASK_H

#include "net/event.h"
#include "rmq/client_inside.h"

struct rmq_ask {
    /* The asker's. */
    struct rmq_client *client;
    int32_t request_code;
    int64_t deadline_ms;
    bool changes; /* the request changes something: no answer means in doubt */
    void (*put)(struct rmq_ask *ask,
                struct rmq_encoder *encoder);                  /* the fields; NULL: none */
    void (*put_body)(struct rmq_ask *ask, struct dt_buf *out); /* NULL: none */
    /* Takes what is wanted from an answer with code 0; false: it is not there. NULL: nothing. */
    bool (*read)(struct rmq_ask *ask, const struct rmq_command *command,
                 struct dt_span body);
    const void *question; /* for put() and put_body() */
    void *result;         /* for read() */
    /* The answer: its code, or -1 without one; its remark, or why there is none. */
    int32_t response_code;
    bool is_denied;   /* by access control */
    bool is_unsigned; /* the request was not signed */
    char reason[RMQ_REASON_SIZE];
    /* Not the asker's. */
    char address[RMQ_ADDRESS_SIZE]; /* "": the name servers */
    dt_status status;
    struct dt_op op;
    struct rmq_names_call names_call;
    struct rmq_call call;
    struct dt_event done;
};

void rmq_ask_init(struct rmq_ask *ask, struct rmq_client *client, int32_t request_code,
                  int64_t deadline_ms);

/**
 * Asks the name servers, or the master of a broker name as the topic's route gives it; again
 * after a failure that may pass, until the deadline.
 *
 * @returns DT_OK: answered with code 0. DT_EREFUSED: with another, see response_code (the text
 *          says all). DT_ECORRUPT: read() did not find what it needs. DT_ENOROUTE: no such
 *          topic. DT_EUNREACH, DT_EINDOUBT, DT_ECLOSED, DT_ENOMEM, DT_ESTATE.
 */
DT_MUST_USE dt_status rmq_ask_names(struct rmq_ask *ask);
DT_MUST_USE dt_status rmq_ask_broker(struct rmq_ask *ask, const char *topic,
                                     const char *broker_name);
DT_MUST_USE dt_status rmq_ask_address(struct rmq_ask *ask, const char *address);

/**
 * Gives use() the route of a topic: the one that is known, or (fresh) what a name server says
 * now. @returns what use() returned; DT_ENOROUTE, DT_EUNREACH (not in time), DT_ESTATE ...
 */
typedef dt_status (*rmq_use_route_fn)(void *context, const struct rmq_route *route);
DT_MUST_USE dt_status rmq_ask_route(struct rmq_client *client, const char *topic,
                                    bool fresh, int64_t deadline_ms, rmq_use_route_fn use,
                                    void *context);

/* Sleeps before the n-th repetition (n >= 1), not beyond the deadline. False: it is over. */
bool rmq_ask_pause(struct rmq_client *client, unsigned failures, int64_t deadline_ms);

#endif
