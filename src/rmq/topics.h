/*
 * topics.h - the routes that the client knows, by topic.
 *
 * A route is fetched when first asked for, again on a timer while somebody uses the topic, and
 * at once when a user has met an error. What is known is kept while no name server answers, and
 * also when one says that there is no such topic: brokers vanish from name servers when they
 * restart.
 *
 * Thread: net loop, all of it.
 */
#ifndef RMQ_TOPICS_H
#define RMQ_TOPICS_H

#include "rmq/names.h"

struct rmq_topic {
    struct dt_link link;
    struct rmq_client *client;
    struct rmq_route *route; /* the newest known, or NULL */
    uint64_t route_number;   /* goes up when the route is another than before */
    struct rmq_route *news;  /* of the answer being taken, or NULL */
    int users;               /* who refresh it and keep it from being forgotten */
    int64_t used_ms;
    bool is_fetching;
    struct rmq_names_call fetch;
    struct dt_link waiting; /* for the fetch under way */
    struct dt_link later;   /* for the one after: who asks wants news */
    char name[RMQ_TOPIC_SIZE_MAX + 1];
};

struct rmq_topics {
    struct rmq_client *client;
    struct dt_link topics;
    struct dt_timer *timer;
    uint64_t refreshes, failures, changes; /* answers with a route, without; another one */
};

/* Waits for a fetch; in memory of whoever waits. */
struct rmq_topic_wait {
    struct dt_link link;
    /* DT_OK: topic->route is what a name server has just said. DT_ENOROUTE: it knows no such
     * topic. DT_EUNREACH, DT_EUNSUPPORTED, DT_ECORRUPT, DT_ENOMEM, DT_ECLOSED. */
    void (*done)(struct rmq_topic_wait *wait, struct rmq_topic *topic, dt_status status,
                 const char *reason);
};

DT_MUST_USE dt_status rmq_topics_init(struct rmq_topics *topics, struct rmq_client *client);
void rmq_topics_start(struct rmq_topics *topics); /* the timer */
void rmq_topics_close(
    struct rmq_topics *topics); /* ends waits with DT_ECLOSED; forgets all */

/* The topic of that name, without a route at first. NULL: no memory, or a name too long. It is
 * there until the turn's end, or as long as `users` says. */
struct rmq_topic *rmq_topic_get(struct rmq_client *client, const char *name);

/* Asks a name server. `wait` may be NULL; its done() is never called before this returns, and
 * not at all after rmq_topic_wait_cancel(). */
void rmq_topic_refresh(struct rmq_topic *topic, struct rmq_topic_wait *wait);
void rmq_topic_wait_init(struct rmq_topic_wait *wait);
void rmq_topic_wait_cancel(struct rmq_topic_wait *wait);

/* True if some route names the address. */
bool rmq_topics_have_address(const struct rmq_topics *topics, const char *address);

#endif
