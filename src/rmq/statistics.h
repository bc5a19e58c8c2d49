/*
 * statistics.h - what a client has counted, as JSON, for the application: docs/rmq-statistics.md.
 *
 * Counters are where what they count happens, and belong to whoever does it there: the net loop,
 * which also writes the document. Only what another thread decides (what a consumer has handled)
 * is read under that consumer's mutex, once per document. With statistics off nothing is done but
 * a few additions per request.
 *
 * Thread: net loop, except where said.
 */
#ifndef RMQ_STATISTICS_H
#define RMQ_STATISTICS_H

#include "base/json_writer.h"
#include "net/list.h"
#include "net/loop.h"
#include "rmq/client.h"

/* What parts of the document add up to. */
struct rmq_statistics_sums {
    uint64_t memory_used, memory_max;
};

/* A producer or consumer of the client, in memory of it. */
struct rmq_statistics_source {
    struct dt_link link;
    struct dt_op join;
    struct rmq_client *client;
    bool is_producer;
    void *owner;
    void (*write)(void *owner, struct dt_json *json, struct rmq_statistics_sums *sums);
};

struct rmq_statistics {
    struct rmq_client *client;
    int64_t interval_ms; /* 0: off */
    rmq_statistics_fn fn;
    void *opaque;
    int64_t started_ms;
    int64_t next_ms;
    int64_t warned_ms;
    struct dt_timer *timer;              /* NULL: off */
    struct dt_link producers, consumers; /* sources */
};

static inline bool rmq_statistics_are_on(const struct rmq_statistics *statistics)
{
    return statistics->interval_ms != 0;
}

/* Thread: any, before the loop knows the client. DT_EINVAL, DT_ENOMEM. */
DT_MUST_USE dt_status rmq_statistics_init(struct rmq_statistics *statistics,
                                          struct rmq_client *client,
                                          const rmq_client_config *config);
void rmq_statistics_start(struct rmq_statistics *statistics);
void rmq_statistics_close(struct rmq_statistics *statistics);

/* Thread: any. It leaves on the loop; once it has joined, or was never to. */
void rmq_statistics_join(struct rmq_client *client, struct rmq_statistics_source *source);
void rmq_statistics_leave(struct rmq_statistics_source *source);

#endif
