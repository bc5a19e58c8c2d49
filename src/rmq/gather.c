#include "rmq/gather.h"

#include "base/status.h"

dt_status rmq_gather_begin(struct rmq_gather *gather, rmq_client *client, size_t item_size,
                           int64_t timeout_ms, void **out, size_t *count)
{
    dt_status status = rmq_admin_check(client, out, count, timeout_ms);

    if (status != DT_OK)
        return status;
    memset(gather, 0, sizeof(*gather));
    *out = NULL;
    *count = 0;
    gather->client = client;
    gather->deadline_ms = rmq_deadline_ms(timeout_ms);
    gather->out = out;
    gather->count = count;
    rmq_rows_init(&gather->rows, item_size);
    return DT_OK;
}

dt_status rmq_gather_topic(struct rmq_gather *gather, const char *topic)
{
    gather->topic = topic;
    return rmq_admin_topic(gather->client, &gather->topic, gather->topic_room);
}

dt_status rmq_gather_group(struct rmq_gather *gather, const char *group)
{
    gather->group = group;
    return rmq_admin_group(gather->client, &gather->group, gather->group_room);
}

dt_status rmq_gather_each(struct rmq_gather *gather, dt_status status, rmq_gather_fn ask)
{
    for (size_t i = 0; status == DT_OK && i < gather->masters.count; i++) {
        gather->broker_name = gather->masters.all[i].name;
        status = ask(gather, &gather->masters.all[i]);
    }
    return status;
}

dt_status rmq_gather_end(struct rmq_gather *gather, dt_status status,
                         int (*compare)(const void *a, const void *b), const char *what,
                         const char *name)
{
    if (status == DT_OK && compare != NULL)
        rmq_rows_sort(&gather->rows, compare);
    if (status == DT_OK)
        status = rmq_rows_give(&gather->rows, gather->out, gather->count);
    rmq_rows_fini(&gather->rows);
    rmq_masters_fini(&gather->masters);
    return status == DT_OK ? DT_OK : dt_error_wrap(status, "%s '%s'", what, name);
}
