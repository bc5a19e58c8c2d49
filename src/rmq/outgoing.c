#include "rmq/outgoing.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/status.h"
#include "rmq/codes.h"

static const char uniq_key[] = "UNIQ_KEY";

/* What is known of a message before it is written. */
struct plan {
    size_t keys_size, tags_size;
    size_t properties_size; /* the caller's */
    size_t own_id_size;     /* of a UNIQ_KEY among them; 0: none */
    bool alone, not_waited;
    bool never_in_batch;    /* not even of the caller's */
    const char *delay_name; /* the property that delays it; NULL: none */
    char delay[24];
};

static bool is_clean(const char *text, size_t size)
{
    return memchr(text, 1, size) == NULL && memchr(text, 2, size) == NULL;
}

/* Name and value with their two ends. */
static dt_status add(struct plan *plan, const char *name, size_t name_size,
                     const char *value, size_t value_size)
{
    if (name_size == 0 || value_size == 0)
        return dt_error_set(DT_EINVAL, "property '%.64s' has no name or no value", name);
    if (!is_clean(name, name_size) || !is_clean(value, value_size))
        return dt_error_set(DT_EINVAL, "property '%.64s' has a byte 1 or 2 in it", name);
    plan->properties_size += name_size + value_size + 2;
    return DT_OK;
}

/* Names that keep a message out of batches: delays and half messages go alone, and one that is
 * not to be waited for is told so in the header of its request, which all of a batch share. */
static void note_name(struct plan *plan, const rmq_property *property)
{
    const char *name = property->name;

    if (strcmp(name, "WAIT") == 0) {
        plan->alone = true;
        plan->not_waited = strcmp(property->value, "false") == 0;
    } else if (strcmp(name, "DELAY") == 0 || strncmp(name, "TIMER_", 6) == 0 ||
               strcmp(name, "TRAN_MSG") == 0) {
        plan->alone = plan->never_in_batch = true;
    }
}

static dt_status add_property(struct plan *plan, const rmq_property *property)
{
    size_t name_size, value_size;

    if (property->name == NULL || property->value == NULL)
        return dt_error_set(DT_EINVAL, "a property without name or value");
    name_size = strlen(property->name);
    value_size = strlen(property->value);
    if (property->name[0] == 'D' || property->name[0] == 'T' || property->name[0] == 'W')
        note_name(plan, property);
    if (property->name[0] == 'U' && strcmp(property->name, uniq_key) == 0) {
        if (plan->own_id_size > 0 ||
            value_size >= sizeof(((rmq_receipt *)NULL)->message_id))
            return dt_error_set(DT_EINVAL, "a second UNIQ_KEY, or one that is too long");
        plan->own_id_size = value_size;
    }
    return add(plan, property->name, name_size, property->value, value_size);
}

static dt_status add_delay(struct plan *plan, const rmq_message *message)
{
    int64_t value = message->delay_level;

    if (message->delay_level == 0 && message->delay_ms == 0 &&
        message->deliver_wall_ms == 0)
        return DT_OK;
    plan->delay_name = "DELAY";
    if (message->delay_ms != 0) {
        plan->delay_name = "TIMER_DELAY_MS";
        value = message->delay_ms;
    } else if (message->deliver_wall_ms != 0) {
        plan->delay_name = "TIMER_DELIVER_MS";
        value = message->deliver_wall_ms;
    }
    if (message->delay_level < 0 || message->delay_ms < 0 || message->deliver_wall_ms < 0 ||
        (message->delay_level != 0) + (message->delay_ms != 0) +
                (message->deliver_wall_ms != 0) >
            1)
        return dt_error_set(DT_EINVAL, "two delays, or a negative one");
    plan->alone = plan->never_in_batch = true;
    snprintf(plan->delay, sizeof(plan->delay), "%lld", (long long)value);
    return add(plan, plan->delay_name, strlen(plan->delay_name), plan->delay,
               strlen(plan->delay));
}

static dt_status check(const rmq_message *message, struct plan *plan)
{
    dt_status status = DT_OK;

    memset(plan, 0, sizeof(*plan));
    if (message->body == NULL || message->body_size == 0)
        return dt_error_set(DT_EINVAL, "brokers refuse a message with an empty body");
    if (message->body_size > RMQ_BODY_SIZE_MAX)
        return dt_error_set(DT_ETOOBIG, "the body has %zu bytes, over %d",
                            message->body_size, RMQ_BODY_SIZE_MAX);
    if (message->property_count > 0 && message->properties == NULL)
        return dt_error_set(DT_EINVAL, "no properties, but a number of them");
    plan->keys_size = message->keys == NULL ? 0 : strlen(message->keys);
    plan->tags_size = message->tags == NULL ? 0 : strlen(message->tags);
    if (plan->keys_size > 0)
        status = add(plan, "KEYS", 4, message->keys, plan->keys_size);
    if (status == DT_OK && plan->tags_size > 0)
        status = add(plan, "TAGS", 4, message->tags, plan->tags_size);
    for (size_t i = 0; status == DT_OK && i < message->property_count; i++)
        status = add_property(plan, &message->properties[i]);
    if (status == DT_OK)
        status = add_delay(plan, message);
    if (status == DT_OK && plan->properties_size > RMQ_OUTGOING_PROPERTIES_MAX)
        status = dt_error_set(DT_ETOOBIG, "the properties have %zu bytes, over %d",
                              plan->properties_size, RMQ_OUTGOING_PROPERTIES_MAX);
    return status;
}

/* With the UNIQ_KEY that is added where there is none. */
static size_t properties_size_of(const struct plan *plan, size_t id_size)
{
    if (plan->own_id_size > 0)
        return plan->properties_size;
    return plan->properties_size + sizeof(uniq_key) - 1 + id_size + 2;
}

/* ---------------------------------------------------------------- writing */

static uint8_t *put_u32(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)(value >> 24);
    to[1] = (uint8_t)(value >> 16);
    to[2] = (uint8_t)(value >> 8);
    to[3] = (uint8_t)value;
    return to + 4;
}

static uint8_t *put_bytes(uint8_t *to, const void *data, size_t size)
{
    memcpy(to, data, size);
    return to + size;
}

static uint8_t *put_property(uint8_t *to, const char *name, size_t name_size,
                             const char *value, size_t value_size)
{
    to = put_bytes(to, name, name_size);
    *to++ = 1;
    to = put_bytes(to, value, value_size);
    *to++ = 2;
    return to;
}

/* An item of a batch (batch.h). `body` NULL: it is there already, compressed. Returns where
 * the value of UNIQ_KEY is. */
static uint32_t write_item(uint8_t *item, const rmq_message *message, const void *body,
                           size_t body_size, size_t id_size, const struct plan *plan)
{
    size_t properties_size = properties_size_of(plan, id_size);
    uint8_t *to = item;
    uint32_t id_at = 0;

    to = put_u32(to, (uint32_t)(RMQ_OUTGOING_FIXED_SIZE + body_size + properties_size));
    to = put_u32(to, 0); /* magic */
    to = put_u32(to, 0); /* CRC: the broker computes it */
    to = put_u32(to, (uint32_t)message->flag);
    to = put_u32(to, (uint32_t)body_size);
    if (body != NULL)
        memcpy(to, body, body_size);
    to += body_size;
    *to++ = (uint8_t)(properties_size >> 8);
    *to++ = (uint8_t)properties_size;
    if (plan->own_id_size == 0) {
        to = put_bytes(to, uniq_key, sizeof(uniq_key) - 1);
        *to++ = 1;
        id_at = (uint32_t)(to - item);
        memset(to, '0', id_size); /* filled in when the message has its place in line */
        to += id_size;
        *to++ = 2;
    }
    if (plan->keys_size > 0)
        to = put_property(to, "KEYS", 4, message->keys, plan->keys_size);
    if (plan->tags_size > 0)
        to = put_property(to, "TAGS", 4, message->tags, plan->tags_size);
    for (size_t i = 0; i < message->property_count; i++) {
        const rmq_property *property = &message->properties[i];
        size_t name_size = strlen(property->name);

        if (plan->own_id_size > 0 && property->name[0] == 'U' &&
            strcmp(property->name, uniq_key) == 0)
            id_at = (uint32_t)(to - item) + (uint32_t)name_size + 1;
        to = put_property(to, property->name, name_size, property->value,
                          strlen(property->value));
    }
    if (plan->delay_name != NULL)
        put_property(to, plan->delay_name, strlen(plan->delay_name), plan->delay,
                     strlen(plan->delay));
    return id_at;
}

/* Room for the message, with its body compressed in its place if that is wanted and helps. */
static dt_status make(const rmq_message *message, size_t properties_size,
                      struct rmq_compressors *compressors, struct rmq_outgoing **out)
{
    bool compress = rmq_compressors_want(compressors, message->body_size);
    size_t room =
        compress ? rmq_compress_room(compressors, message->body_size) : message->body_size;
    struct rmq_outgoing *outgoing =
        malloc(sizeof(*outgoing) + RMQ_OUTGOING_FIXED_SIZE + room + properties_size);
    struct rmq_outgoing *smaller;
    size_t size = 0;
    int32_t sys_flag = 0;
    dt_status status = DT_OK;

    if (outgoing == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a message");
    memset(outgoing, 0, sizeof(*outgoing));
    if (compress)
        status = rmq_compress(compressors, dt_span_of(message->body, message->body_size),
                              outgoing->item + RMQ_OUTGOING_BODY_AT, &size, &sys_flag);
    if (status != DT_OK) {
        free(outgoing);
        return status;
    }
    if (size > 0) {
        smaller = realloc(outgoing, sizeof(*outgoing) + RMQ_OUTGOING_FIXED_SIZE + size +
                                        properties_size);
        if (smaller != NULL) /* else it is larger than it needs to be, no more */
            outgoing = smaller;
    }
    outgoing->sys_flag = (uint16_t)sys_flag;
    outgoing->body_size = (uint32_t)(size > 0 ? size : message->body_size);
    *out = outgoing;
    return DT_OK;
}

dt_status rmq_outgoing_new(const rmq_message *message, size_t id_size,
                           struct rmq_compressors *compressors, struct rmq_outgoing **out)
{
    struct rmq_outgoing *outgoing = NULL;
    struct plan plan;
    size_t properties_size;
    dt_status status = check(message, &plan);

    *out = NULL;
    if (status != DT_OK)
        return status;
    properties_size = properties_size_of(&plan, id_size);
    status = make(message, properties_size, compressors, &outgoing);
    if (status != DT_OK)
        return status;
    outgoing->item_size =
        (uint32_t)(RMQ_OUTGOING_FIXED_SIZE + outgoing->body_size + properties_size);
    outgoing->properties_size = (uint32_t)properties_size;
    outgoing->has_id = plan.own_id_size > 0;
    outgoing->id_size = (uint8_t)(outgoing->has_id ? plan.own_id_size : id_size);
    outgoing->alone =
        plan.alone || outgoing->sys_flag != 0 || properties_size > RMQ_OUTGOING_ALONE_SIZE;
    outgoing->flag = message->flag;
    outgoing->born_ms = dt_clock_wall_ms();
    outgoing->id_at =
        write_item(outgoing->item, message, outgoing->sys_flag != 0 ? NULL : message->body,
                   outgoing->body_size, id_size, &plan);
    *out = outgoing;
    return DT_OK;
}

/* ---------------------------------------------------------------- batches */

/* What is known of a batch before it is written. */
struct batch_plan {
    struct plan *plans;
    size_t item_size, stored_size;
};

static dt_status check_member(const rmq_message *messages, size_t index, size_t id_size,
                              struct batch_plan *batch)
{
    const rmq_message *message = &messages[index];
    struct plan *plan = &batch->plans[index];
    size_t properties_size, size;
    dt_status status;

    if (message->topic == NULL || strcmp(message->topic, messages[0].topic) != 0)
        return dt_error_set(DT_EINVAL, "message %zu of a batch has another topic", index);
    status = check(message, plan);
    if (status != DT_OK)
        return dt_error_wrap(status, "message %zu of a batch", index);
    properties_size = properties_size_of(plan, id_size);
    if (plan->never_in_batch)
        return dt_error_set(DT_EINVAL, "message %zu of a batch is delayed, or half", index);
    if (plan->not_waited != batch->plans[0].not_waited)
        return dt_error_set(DT_EINVAL, "message %zu of a batch has another WAIT", index);
    if (properties_size > RMQ_OUTGOING_ALONE_SIZE)
        return dt_error_set(DT_EINVAL,
                            "message %zu of a batch has %zu bytes of properties, over %d: "
                            "brokers come to harm by such batches",
                            index, properties_size, RMQ_OUTGOING_ALONE_SIZE);
    size = RMQ_OUTGOING_FIXED_SIZE + message->body_size + properties_size;
    batch->item_size += size;
    batch->stored_size += rmq_item_stored_size(size);
    if (batch->stored_size > RMQ_BATCH_STORED_MAX)
        return dt_error_set(DT_ETOOBIG, "a batch is larger than brokers take");
    return DT_OK;
}

static void put_id(struct rmq_outgoing *batch, size_t index, struct rmq_outgoing_id id)
{
    memcpy(batch->item + batch->item_size + index * sizeof(id), &id, sizeof(id));
}

struct rmq_outgoing_id rmq_outgoing_id_of(const struct rmq_outgoing *batch, size_t index)
{
    struct rmq_outgoing_id id;

    memcpy(&id, batch->item + batch->item_size + index * sizeof(id), sizeof(id));
    return id;
}

static dt_status write_batch(const rmq_message *messages, size_t count, size_t id_size,
                             const struct batch_plan *plan, struct rmq_outgoing **out)
{
    struct rmq_outgoing *batch =
        malloc(sizeof(*batch) + plan->item_size + count * sizeof(struct rmq_outgoing_id));
    size_t at = 0;

    if (batch == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a batch");
    memset(batch, 0, sizeof(*batch));
    batch->item_size = (uint32_t)plan->item_size;
    batch->batch_count = (uint32_t)count;
    batch->alone = true;
    batch->not_waited = plan->plans[0].not_waited;
    batch->born_ms = dt_clock_wall_ms();
    for (size_t i = 0; i < count; i++) {
        const struct plan *one = &plan->plans[i];
        struct rmq_outgoing_id id = {0};

        id.at = (uint32_t)at + write_item(batch->item + at, &messages[i], messages[i].body,
                                          messages[i].body_size, id_size, one);
        id.is_set = one->own_id_size > 0;
        id.size = (uint16_t)(id.is_set ? one->own_id_size : id_size);
        put_id(batch, i, id);
        at += RMQ_OUTGOING_FIXED_SIZE + messages[i].body_size +
              properties_size_of(one, id_size);
    }
    *out = batch;
    return DT_OK;
}

dt_status rmq_outgoing_new_batch(const rmq_message *messages, size_t count, size_t id_size,
                                 struct rmq_outgoing **out)
{
    enum { FEW = 32 };
    struct plan few[FEW];
    struct batch_plan plan = {few, 0, 0};
    dt_status status = DT_OK;

    *out = NULL;
    if (strncmp(messages[0].topic, "%RETRY%", 7) == 0)
        return dt_error_set(DT_EINVAL, "a retry topic takes no batches");
    if (count > RMQ_BATCH_STORED_MAX / rmq_item_stored_size(RMQ_OUTGOING_FIXED_SIZE))
        return dt_error_set(DT_ETOOBIG, "a batch is larger than brokers take");
    if (count > FEW)
        plan.plans = malloc(count * sizeof(*plan.plans));
    if (plan.plans == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a batch");
    for (size_t i = 0; status == DT_OK && i < count; i++)
        status = check_member(messages, i, id_size, &plan);
    if (status == DT_OK)
        status = write_batch(messages, count, id_size, &plan, out);
    if (plan.plans != few)
        free(plan.plans);
    return status;
}

void rmq_outgoing_set_ids(struct rmq_outgoing *message, struct rmq_uniq_key *ids)
{
    char text[RMQ_MESSAGE_ID_SIZE];

    for (size_t i = 0; i < message->batch_count; i++) {
        struct rmq_outgoing_id id = rmq_outgoing_id_of(message, i);

        if (id.is_set)
            continue;
        rmq_uniq_key_next(ids, message->born_ms, text);
        memcpy(message->item + id.at, text, id.size);
    }
    if (message->batch_count == 0) {
        rmq_uniq_key_next(ids, message->born_ms, text);
        memcpy(message->item + message->id_at, text, message->id_size);
    }
    message->has_id = true;
}
