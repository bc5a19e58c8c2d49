/*
 * route.h - who serves a topic: the name server's answer, and the queues that follow from it.
 *
 * A route is a value: parsed once, never changed after, owned by one. Counts are bounded, so
 * that a name server cannot make us allocate without measure.
 */
#ifndef RMQ_ROUTE_H
#define RMQ_ROUTE_H

#include "base/buf.h"
#include "rmq/rmq.h"

#define RMQ_NAME_SIZE           128 /* broker and cluster names, NUL included: as in rmq_queue */
#define RMQ_ADDRESS_SIZE        272 /* host:port, NUL included */
#define RMQ_ROUTE_BROKERS_MAX   1024
#define RMQ_ROUTE_ADDRESSES_MAX 16    /* of one broker name: its master and slaves */
#define RMQ_ROUTE_QUEUES_MAX    65535 /* of a topic, over all brokers */

struct rmq_route_address {
    int64_t broker_id; /* 0: the master */
    char address[RMQ_ADDRESS_SIZE];
};

struct rmq_route_broker {
    char name[RMQ_NAME_SIZE];
    char cluster[RMQ_NAME_SIZE];
    struct rmq_route_address *addresses;
    size_t address_count;
};

/* How many queues of the topic a broker name has. */
struct rmq_route_share {
    char broker_name[RMQ_NAME_SIZE];
    int32_t read_queues;
    int32_t write_queues;
    int32_t perm; /* enum rmq_perm */
};

struct rmq_route {
    struct rmq_route_broker *brokers;
    size_t broker_count;
    struct rmq_route_share *shares;
    size_t share_count;
    char *order_conf; /* "broker:queues;..." or NULL */
};

/**
 * Reads TopicRouteData (answer to code 105), with quoted and unquoted broker ids.
 *
 * @param out the caller's, rmq_route_free(); NULL unless DT_OK.
 * @returns DT_OK; DT_ECORRUPT; DT_ETOOBIG: over a bound above; DT_EUNSUPPORTED: a static topic;
 *          DT_ENOMEM.
 */
DT_MUST_USE dt_status rmq_route_parse(struct dt_span text, struct rmq_route **out);

/* Reads ClusterInfo (answer to code 106) in the same way: the route has brokers only. */
DT_MUST_USE dt_status rmq_route_parse_cluster(struct dt_span text, struct rmq_route **out);

void rmq_route_free(struct rmq_route *route); /* NULL: no-op */

/* Appends TopicRouteData, or ClusterInfo. `standard`: broker ids in quotes; without, as name
 * servers write for older clients and in every ClusterInfo. */
void rmq_route_write(const struct rmq_route *route, bool standard, struct dt_buf *out);
void rmq_route_write_cluster(const struct rmq_route *route, struct dt_buf *out);

bool rmq_route_equal(const struct rmq_route *a, const struct rmq_route *b);

/**
 * The queues that can be written: of brokers with write permission and a known master, sorted by
 * broker name and queue id; an order_conf decides alone where there is one. And those that can
 * be read: of brokers with read permission.
 *
 * @param out   the caller's, free(); NULL if there are none.
 * @param count how many.
 * @returns DT_OK, also with none; DT_ETOOBIG: over RMQ_ROUTE_QUEUES_MAX; DT_ECORRUPT: an
 *          order_conf that is none; DT_ENOMEM.
 */
DT_MUST_USE dt_status rmq_route_write_queues(const struct rmq_route *route, rmq_queue **out,
                                             size_t *count);
DT_MUST_USE dt_status rmq_route_read_queues(const struct rmq_route *route, rmq_queue **out,
                                            size_t *count);

/* The broker of that name, or NULL. */
const struct rmq_route_broker *rmq_route_broker(const struct rmq_route *route,
                                                const char *broker_name);

/* "host:port" of a broker: of its master (sends, offsets, topics), NULL if there is none; of the
 * id that the last pull suggested, else of the next id, else of any of that name. Borrowed from
 * the route. */
const char *rmq_route_master(const struct rmq_route *route, const char *broker_name);
const char *rmq_route_pull_address(const struct rmq_route *route, const char *broker_name,
                                   int64_t suggested_id);

#endif
