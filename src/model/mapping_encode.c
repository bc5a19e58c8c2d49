#include "model/mapping_encode.h"

#include "base/base64.h"
#include "base/status.h"
#include "model/mapping_format.h"
#include "model/text.h"

enum { NAME_MAX_PLAIN = 255 };

/* Where a record's headers go. */
struct plan {
    uint32_t hash[DUET_HEADERS_MAX];
    bool plain[DUET_HEADERS_MAX]; /* the property of its name, else written out */
    size_t list_size;             /* bytes of DUET_HEADERS before base64; 0: no headers */
};

static dt_status too_big(const char *what, size_t size, size_t max)
{
    return dt_error_set(DT_ETOOBIG,
                        "RocketMQ would refuse the record: %s of %zu, at most %zu", what,
                        size, max);
}

uint16_t duet_mapping_flags(const struct duet_record *record)
{
    if (record->value.data == NULL)
        return DUET_FLAG_NULL_VALUE;
    return record->value.size == 0 ? DUET_FLAG_EMPTY_VALUE : 0;
}

/* Printable ASCII without spaces, and nobody else's: names that start DUET are ours, `duet` is
 * the stamp on the other side, two underscores are RocketMQ's. */
static bool is_legal_name(struct dt_span name)
{
    if (name.size == 0 || name.size > NAME_MAX_PLAIN)
        return false;
    for (size_t i = 0; i < name.size; i++)
        if (name.data[i] <= 0x20 || name.data[i] >= 0x7f)
            return false;
    if (name.size >= 4 && memcmp(name.data, "DUET", 4) == 0)
        return false;
    if (name.size >= 2 && memcmp(name.data, "__", 2) == 0)
        return false;
    return !dt_span_equal_str(name, DUET_STAMP_KAFKA_HEADER) &&
           !duet_property_reserved(name);
}

static size_t size_field_size(size_t value)
{
    size_t size = 1;

    while (value >= 0x80) {
        value >>= 7;
        size++;
    }
    return size;
}

static void put_size_field(struct dt_buf *out, size_t value)
{
    while (value >= 0x80) {
        dt_buf_put_u8(out, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    dt_buf_put_u8(out, (uint8_t)value);
}

static size_t written_out_size(const struct duet_header *header)
{
    size_t size = size_field_size(header->name.size + 1) + header->name.size;

    if (header->value.data == NULL)
        return size + 1;
    return size + size_field_size(header->value.size + 1) + header->value.size;
}

/* A repeated name, or two with one hash, are written out, all of them: a reader of properties
 * sees all values of a name or none. */
static bool has_twin(const struct plan *plan, size_t count, size_t index)
{
    for (size_t i = 0; i < count; i++)
        if (i != index && plan->hash[i] == plan->hash[index])
            return true;
    return false;
}

static dt_status make_plan(struct plan *plan, const struct duet_record *record)
{
    size_t count = record->header_count;

    plan->list_size = 0;
    if (count > DUET_HEADERS_MAX)
        return too_big("a number of headers", count, DUET_HEADERS_MAX);
    for (size_t i = 0; i < count; i++)
        plan->hash[i] = duet_header_hash(record->headers[i].name);
    if (count > 0)
        plan->list_size = 1;
    for (size_t i = 0; i < count; i++) {
        const struct duet_header *header = &record->headers[i];

        plan->plain[i] = is_legal_name(header->name) &&
                         duet_text_printable(header->value) && !has_twin(plan, count, i);
        if (!plan->plain[i] && (header->name.size > DUET_PROPERTIES_MAX ||
                                header->value.size > DUET_PROPERTIES_MAX))
            return too_big("a header", header->name.size + header->value.size,
                           DUET_PROPERTIES_MAX);
        plan->list_size += plan->plain[i] ? 5 : written_out_size(header);
    }
    if (DT_BASE64_SIZE(plan->list_size) > DUET_PROPERTIES_MAX)
        return too_big("headers", DT_BASE64_SIZE(plan->list_size), DUET_PROPERTIES_MAX);
    return DT_OK;
}

static void add_property(struct duet_rmq_message *message, struct duet_property *properties,
                         const char *name, struct dt_span value)
{
    properties[message->property_count].name = dt_span_str(name);
    properties[message->property_count++].value = value;
}

/* Appends the base64 text of `bytes`; there is room already, so nothing moves. */
static struct dt_span put_base64(struct dt_buf *scratch, struct dt_span bytes)
{
    size_t size = DT_BASE64_SIZE(bytes.size);
    uint8_t *to = dt_buf_reserve(scratch, size);

    if (to == NULL)
        return dt_span_of(NULL, 0);
    dt_base64_encode((char *)to, bytes.data, bytes.size);
    dt_buf_commit(scratch, size);
    return dt_span_of(to, size);
}

static void encode_key(struct duet_rmq_message *message, const struct duet_record *record,
                       bool is_word, struct dt_buf *scratch,
                       struct duet_property *properties)
{
    if (record->key.data == NULL)
        return;
    if (record->key.size == 0)
        add_property(message, properties, DUET_PROPERTY_KEY, dt_span_str(DUET_KEY_EMPTY));
    else if (is_word)
        add_property(message, properties, "KEYS", record->key);
    else
        add_property(message, properties, DUET_PROPERTY_KEY,
                     put_base64(scratch, record->key));
}

static void encode_headers(struct duet_rmq_message *message,
                           const struct duet_record *record, const struct plan *plan,
                           struct dt_buf *scratch, struct duet_property *properties)
{
    size_t start = scratch->size;

    if (plan->list_size == 0)
        return;
    dt_buf_put_u8(scratch, DUET_HEADERS_FORMAT);
    for (size_t i = 0; i < record->header_count; i++) {
        const struct duet_header *header = &record->headers[i];

        if (plan->plain[i]) {
            dt_buf_put_u8(scratch, 0);
            dt_buf_put_u32(scratch, plan->hash[i]);
            properties[message->property_count].name = header->name;
            properties[message->property_count++].value = header->value;
            continue;
        }
        put_size_field(scratch, header->name.size + 1);
        dt_buf_put_span(scratch, header->name);
        put_size_field(scratch, header->value.data == NULL ? 0 : header->value.size + 1);
        if (header->value.data != NULL)
            dt_buf_put_span(scratch, header->value);
    }
    if (!scratch->failed)
        add_property(
            message, properties, DUET_PROPERTY_HEADERS,
            put_base64(scratch, dt_span_of(scratch->data + start, scratch->size - start)));
}

static size_t properties_size(const struct duet_rmq_message *message)
{
    size_t total = 0;

    for (size_t i = 0; i < message->property_count; i++) /* two separators */
        total += message->properties[i].name.size + message->properties[i].value.size + 2;
    return total;
}

bool duet_mapping_add_link(struct duet_rmq_message *message, struct dt_span link_text,
                           struct duet_property *properties)
{
    if (properties_size(message) + strlen(DUET_PROPERTY_LINK) + link_text.size + 2 >
        DUET_PROPERTIES_MAX)
        return false;
    add_property(message, properties, DUET_PROPERTY_LINK, link_text);
    return true;
}

dt_status duet_mapping_encode(struct duet_rmq_message *message,
                              const struct duet_record *record, struct dt_span stamp_text,
                              struct dt_buf *scratch, struct duet_property *properties)
{
    static const uint8_t stand_in[1] = {0};
    bool is_word = duet_text_word(record->key);
    size_t need, total;
    struct plan plan;
    dt_status status;

    memset(message, 0, sizeof(*message));
    message->properties = properties;
    message->body = record->value.size > 0 ? record->value : dt_span_of(stand_in, 1);
    if (message->body.size > DUET_BODY_MAX)
        return too_big("a body", message->body.size, DUET_BODY_MAX);
    if (record->key.size > DUET_PROPERTIES_MAX)
        return too_big("a key", record->key.size, DUET_PROPERTIES_MAX);
    status = make_plan(&plan, record);
    if (status != DT_OK)
        return status;

    /* room for all at once: what is appended first must not move */
    need = plan.list_size + DT_BASE64_SIZE(plan.list_size) +
           (is_word ? 0 : DT_BASE64_SIZE(record->key.size));
    if (need > 0 && dt_buf_reserve(scratch, need) == NULL)
        return dt_error_set(DT_ENOMEM, "mapping: no room for %zu bytes of properties",
                            need);
    encode_key(message, record, is_word, scratch, properties);
    add_property(message, properties, DUET_STAMP_PROPERTY, stamp_text);
    encode_headers(message, record, &plan, scratch, properties);

    total = properties_size(message);
    if (total > DUET_PROPERTIES_MAX)
        return too_big("properties", total, DUET_PROPERTIES_MAX);
    return DT_OK;
}
