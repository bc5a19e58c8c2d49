/*
 * route_queues.c - the queues of a route, in the order that all clients agree on.
 */
#include <stdlib.h>

#include "base/status.h"
#include "rmq/codes.h"
#include "rmq/decimal.h"
#include "rmq/route.h"

struct queue_list {
    rmq_queue *queues;
    size_t count, capacity;
};

static dt_status add_queues(struct queue_list *list, struct dt_span broker_name,
                            int64_t count)
{
    size_t need;

    if (count > RMQ_ROUTE_QUEUES_MAX || list->count + (size_t)count > RMQ_ROUTE_QUEUES_MAX)
        return dt_error_set(DT_ETOOBIG, "route: more than %d queues", RMQ_ROUTE_QUEUES_MAX);
    need = list->count + (size_t)count;
    if (need > list->capacity) {
        rmq_queue *queues = realloc(list->queues, need * sizeof(*queues));

        if (queues == NULL)
            return dt_error_set(DT_ENOMEM, "route: no memory");
        list->queues = queues;
        list->capacity = need;
    }
    for (int32_t id = 0; id < count; id++) {
        rmq_queue *queue = &list->queues[list->count++];

        memset(queue, 0, sizeof(*queue));
        memcpy(queue->broker_name, broker_name.data, broker_name.size);
        queue->queue_id = id;
    }
    return DT_OK;
}

/* "name:count;name:count": taken as it stands. */
static dt_status add_ordered(struct queue_list *list, const char *conf)
{
    struct dt_span rest = dt_span_str(conf);

    while (rest.size > 0) {
        const uint8_t *end = memchr(rest.data, ';', rest.size);
        size_t size = end == NULL ? rest.size : (size_t)(end - rest.data);
        const uint8_t *colon = memrchr(rest.data, ':', size);
        size_t name_size = colon == NULL ? 0 : (size_t)(colon - rest.data);
        int64_t count;

        if (size > 0) {
            dt_status status;

            if (name_size == 0 || name_size >= RMQ_NAME_SIZE ||
                !rmq_parse_i64(dt_span_of(colon + 1, size - name_size - 1), &count) ||
                count < 0)
                return dt_error_set(DT_ECORRUPT, "route: orderTopicConf '%.200s'", conf);
            status = add_queues(list, dt_span_of(rest.data, name_size), count);
            if (status != DT_OK)
                return status;
        }
        if (end != NULL)
            size++;
        rest = dt_span_of(rest.data + size, rest.size - size);
    }
    return DT_OK;
}

static dt_status add_shares(struct queue_list *list, const struct rmq_route *route,
                            bool write)
{
    for (size_t i = 0; i < route->share_count; i++) { /* sorted when it was parsed */
        const struct rmq_route_share *share = &route->shares[i];
        dt_status status;

        if ((share->perm & (write ? RMQ_PERM_WRITE : RMQ_PERM_READ)) == 0)
            continue;
        if (write && rmq_route_master(route, share->broker_name) == NULL)
            continue;
        status = add_queues(list, dt_span_str(share->broker_name),
                            write ? share->write_queues : share->read_queues);
        if (status != DT_OK)
            return status;
    }
    return DT_OK;
}

static dt_status finish(struct queue_list *list, dt_status status, rmq_queue **out,
                        size_t *count)
{
    if (status != DT_OK || list->count == 0) {
        free(list->queues);
        list->queues = NULL;
        list->count = 0;
    }
    *out = list->queues;
    *count = list->count;
    return status;
}

dt_status rmq_route_write_queues(const struct rmq_route *route, rmq_queue **out,
                                 size_t *count)
{
    struct queue_list list = {NULL, 0, 0};
    dt_status status = route->order_conf != NULL ? add_ordered(&list, route->order_conf)
                                                 : add_shares(&list, route, true);

    return finish(&list, status, out, count);
}

dt_status rmq_route_read_queues(const struct rmq_route *route, rmq_queue **out,
                                size_t *count)
{
    struct queue_list list = {NULL, 0, 0};

    return finish(&list, add_shares(&list, route, false), out, count);
}
