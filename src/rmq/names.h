/*
 * names.h - the name servers: any of them can answer, so the next is asked when one does not, or
 * says what is of no use.
 *
 * They know of each other nothing: one that has just started knows no topic yet. So a "no" counts
 * when none of the others knows better.
 *
 * Thread: net loop, except where said.
 */
#ifndef RMQ_NAMES_H
#define RMQ_NAMES_H

#include "rmq/peer.h"

struct rmq_names {
    char (*addresses)[RMQ_ADDRESS_SIZE];
    size_t count;
    size_t current; /* the one that answered last */
};

/* Reads "host:port;host:port" (also with commas). DT_EINVAL, DT_ENOMEM. Thread: any. */
DT_MUST_USE dt_status rmq_names_init(struct rmq_names *names, const char *list);
void rmq_names_fini(struct rmq_names *names);

/* A request to the name servers: each is asked at most once. The owner sets encode(), done() and
 * deadline_ms of `call`, zeroed and rmq_call_init()ed before; done() gets the first good answer,
 * else a refusal, else the last one's. */
struct rmq_names_call {
    struct rmq_call call; /* start it with rmq_names_ask(), cancel it as a call */
    void (*done)(struct rmq_names_call *names_call, const struct rmq_answer *answer);
    /* Whether an answer with code 0 is of use; NULL: it is. */
    bool (*is_good)(struct rmq_names_call *names_call, const struct rmq_answer *answer);
    struct rmq_client *client;
    int32_t refusal; /* the last code other than 0 that was answered, 0: none */
    size_t asked;    /* which */
    size_t left;     /* how many more may be asked */
};

void rmq_names_ask(struct rmq_client *client, struct rmq_names_call *names_call);

/* True if the address is one of them. */
bool rmq_names_has(const struct rmq_names *names, const char *address);

#endif
