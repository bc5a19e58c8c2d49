#include "rmq/properties.h"

#define NAME_END  0x01
#define VALUE_END 0x02

/* Takes what is before the next `end` (or all of it) off the front, `end` included. */
static struct dt_span take_until(struct dt_span *rest, uint8_t end)
{
    const uint8_t *found = rest->size == 0 ? NULL : memchr(rest->data, end, rest->size);
    size_t size = found == NULL ? rest->size : (size_t)(found - rest->data);
    struct dt_span taken = dt_span_of(rest->data, size);
    size_t gone = found == NULL ? size : size + 1;

    *rest = dt_span_of(gone == 0 ? rest->data : rest->data + gone, rest->size - gone);
    return taken;
}

bool rmq_properties_next(struct dt_span *rest, struct rmq_property_span *out)
{
    while (rest->size > 0) {
        struct dt_span entry = take_until(rest, VALUE_END);

        out->name = take_until(&entry, NAME_END);
        out->value = entry; /* empty without a separator, too */
        if (out->name.size > 0 && out->value.size > 0)
            return true;
    }
    memset(out, 0, sizeof(*out));
    return false;
}

bool rmq_properties_find(struct dt_span properties, const char *name, struct dt_span *value)
{
    struct dt_span wanted = dt_span_str(name);
    struct rmq_property_span property;
    bool found = false;

    *value = dt_span_of(NULL, 0);
    while (rmq_properties_next(&properties, &property)) {
        if (dt_span_equal(property.name, wanted)) {
            *value = property.value;
            found = true;
        }
    }
    return found;
}

size_t rmq_properties_count(struct dt_span properties)
{
    struct rmq_property_span property;
    size_t count = 0;

    while (rmq_properties_next(&properties, &property))
        count++;
    return count;
}

static bool is_clean(struct dt_span text)
{
    return text.size > 0 && memchr(text.data, NAME_END, text.size) == NULL &&
           memchr(text.data, VALUE_END, text.size) == NULL &&
           memchr(text.data, 0, text.size) == NULL;
}

bool rmq_property_is_legal(struct dt_span name, struct dt_span value)
{
    return is_clean(name) && is_clean(value);
}

void rmq_properties_put(struct dt_buf *out, struct dt_span name, struct dt_span value)
{
    dt_buf_put_span(out, name);
    dt_buf_put_u8(out, NAME_END);
    dt_buf_put_span(out, value);
    dt_buf_put_u8(out, VALUE_END);
}

void rmq_properties_put_str(struct dt_buf *out, const char *name, const char *value)
{
    rmq_properties_put(out, dt_span_str(name), dt_span_str(value));
}
