/*
 * properties.h - the properties of a message as they travel: ( name 0x01 value 0x02 )*.
 *
 * There is no escaping: a name or value with one of the two bytes cannot be sent. The last 0x02
 * may be missing (brokers 4.9.2 to 5.2 drop it). Pure; spans point into the input.
 */
#ifndef RMQ_PROPERTIES_H
#define RMQ_PROPERTIES_H

#include "base/buf.h"

struct rmq_property_span {
    struct dt_span name;
    struct dt_span value;
};

/* Takes the next property off the front of `rest`, in stored order; false at the end. Entries
 * without a name, a separator or a value are passed over, as the Java client does. */
bool rmq_properties_next(struct dt_span *rest, struct rmq_property_span *out);

/* The value of a property (the last, if repeated); false and an empty span if there is none. */
bool rmq_properties_find(struct dt_span properties, const char *name,
                         struct dt_span *value);

/* How many rmq_properties_next() gives. */
size_t rmq_properties_count(struct dt_span properties);

/* True if a property may be written: neither is empty or has a byte 0x01, 0x02 or NUL. */
bool rmq_property_is_legal(struct dt_span name, struct dt_span value);

/* Appends one. Legality is the caller's to know. */
void rmq_properties_put(struct dt_buf *out, struct dt_span name, struct dt_span value);
void rmq_properties_put_str(struct dt_buf *out, const char *name, const char *value);

/* Bytes that rmq_properties_put() will append. */
static inline size_t rmq_property_size(size_t name_size, size_t value_size)
{
    return name_size + value_size + 2;
}

#endif
