/*
 * heartbeat.h - tells brokers which groups this client belongs to, and that it lives.
 *
 * One heartbeat carries all groups. It goes to brokers on a timer, when a connection to one
 * opens (the broker forgot us with the old one), and when a member joins. Producers' groups go
 * where there is a connection anyway; for a consumer all brokers of its topic are connected to.
 *
 * Thread: net loop, all of it.
 */
#ifndef RMQ_HEARTBEAT_H
#define RMQ_HEARTBEAT_H

#include "base/json_writer.h"
#include "net/list.h"
#include "net/loop.h"
#include "rmq/status.h"

struct rmq_client;
struct rmq_tag_filter;
struct rmq_topic;

/* Somebody's belonging to a group; in memory of that somebody. */
struct rmq_member {
    struct dt_link link;
    const char *group;
    const char *topic;                 /* of a consumer; NULL: a producer */
    const char *expression;            /* which of its messages; NULL: "*" */
    const struct rmq_tag_filter *tags; /* the same, read; NULL: all */
    const char *from_where; /* where a push consumer begins; NULL: it is a pull consumer */
    int64_t since_wall_ms;  /* of this subscription */
    struct rmq_topic
        *route_topic;  /* kept fresh while we are a member; NULL: not found yet */
    bool is_announced; /* to the brokers of the topic, once their addresses were known */
};

struct rmq_heartbeat {
    struct rmq_client *client;
    struct dt_link members;
    struct dt_link beats; /* under way */
    struct dt_timer *timer;
    int64_t next_ms; /* end of the period */
};

DT_MUST_USE dt_status rmq_heartbeat_init(struct rmq_heartbeat *heartbeat,
                                         struct rmq_client *client);
void rmq_heartbeat_close(struct rmq_heartbeat *heartbeat);

void rmq_heartbeat_join(struct rmq_client *client, struct rmq_member *member);

/* Leaves, and tells the connected brokers if no other member of this client is in the group.
 * done() is called when they have answered or a second is over, maybe before this returns. */
void rmq_heartbeat_leave(struct rmq_client *client, struct rmq_member *member,
                         void (*done)(void *context), void *context);

/* Tells all brokers soon, not only when the period is over. */
void rmq_heartbeat_now(struct rmq_client *client);

/* The list of producers' groups, or of consumers'. */
void rmq_heartbeat_write_members(struct dt_json *json,
                                 const struct rmq_heartbeat *heartbeat, bool consumers);

/* The subscription of a consumer, as brokers and admin tools read it. */
void rmq_member_write_subscription(struct dt_json *json, const struct rmq_member *member);

/* A connection has opened; a route has been fetched. */
void rmq_heartbeat_opened(struct rmq_client *client, const char *address);
void rmq_heartbeat_route(struct rmq_client *client, struct rmq_topic *topic);

#endif
