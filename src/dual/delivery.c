#include "dual/delivery.h"

#include "base/status.h"

void duet_delivery_init(struct duet_delivery *delivery,
                        const struct duet_read_record *record, const char *topic,
                        int32_t partition, enum duet_role role, enum duet_side side,
                        struct duet_sink *sink)
{
    delivery->record = record;
    delivery->topic = topic;
    delivery->partition = partition;
    delivery->role = role;
    delivery->side = side;
    delivery->sink = sink;
    delivery->fatal = DT_OK;
    duet_id_text(delivery->id, &record->stamp.id);
}

const char *duet_delivery_topic(const duet_delivery *delivery)
{
    return delivery->topic;
}

int32_t duet_delivery_partition(const duet_delivery *delivery)
{
    return delivery->partition;
}

const void *duet_delivery_key(const duet_delivery *delivery, size_t *size)
{
    *size = delivery->record->record.key.size;
    return delivery->record->record.key.data;
}

const void *duet_delivery_value(const duet_delivery *delivery, size_t *size)
{
    *size = delivery->record->record.value.size;
    return delivery->record->record.value.data;
}

size_t duet_delivery_header_count(const duet_delivery *delivery)
{
    return delivery->record->record.header_count;
}

void duet_delivery_header(const duet_delivery *delivery, size_t i, const char **name,
                          size_t *name_size, const void **value, size_t *value_size)
{
    const struct duet_header *header = &delivery->record->record.headers[i];

    *name = (const char *)header->name.data;
    *name_size = header->name.size;
    *value = header->value.data;
    *value_size = header->value.size;
}

const char *duet_delivery_id(const duet_delivery *delivery)
{
    return delivery->id;
}

const char *duet_delivery_role(const duet_delivery *delivery)
{
    return duet_role_name(delivery->role);
}

const char *duet_delivery_side(const duet_delivery *delivery)
{
    return duet_side_name(delivery->side);
}

/* The handler's SQL may be wrong; everything else is the store's trouble, not the message's. */
static dt_status note(struct duet_delivery *delivery, dt_status status)
{
    if (status != DT_OK && status != DT_EINVAL && delivery->fatal == DT_OK)
        delivery->fatal = status;
    return status;
}

dt_status duet_exec(duet_delivery *delivery, const char *sql, const duet_value *values,
                    size_t count, int64_t *changed)
{
    return note(delivery, duet_sink_exec(delivery->sink, sql, values, count, changed));
}

dt_status duet_query(duet_delivery *delivery, const char *sql, const duet_value *values,
                     size_t count, duet_row_fn row, void *context)
{
    return note(delivery,
                duet_sink_query(delivery->sink, sql, values, count, row, context));
}
