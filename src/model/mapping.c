#include "model/mapping.h"

#include "base/base64.h"
#include "base/status.h"
#include "model/mapping_format.h"

/* Our own properties and those a broker adds, beside the headers. */
enum { PROPERTIES_MAX = DUET_HEADERS_MAX + 64 };

/* The properties of a message, sorted by who owns them. Data NULL: not there. */
struct sorted {
    struct dt_span keys, duet_key, duet_headers;
    struct {
        uint32_t hash;
        uint16_t index;
    } plain[PROPERTIES_MAX]; /* may be headers */
    size_t plain_count;
};

static dt_status corrupt(const char *what)
{
    return dt_error_set(DT_ECORRUPT, "mapping: %s", what);
}

static bool is_ours(struct dt_span name)
{
    return name.size >= 4 && memcmp(name.data, "DUET", 4) == 0;
}

static dt_status take_once(struct dt_span *to, struct dt_span value, const char *twice)
{
    static const uint8_t nothing[1] = {0};

    if (to->data != NULL)
        return corrupt(twice);
    *to = value.data == NULL ? dt_span_of(nothing, 0) : value;
    return DT_OK;
}

static dt_status sort_properties(struct sorted *sorted,
                                 const struct duet_rmq_message *message)
{
    dt_status status = DT_OK;

    sorted->keys = sorted->duet_key = sorted->duet_headers = dt_span_of(NULL, 0);
    sorted->plain_count = 0;
    if (message->property_count > PROPERTIES_MAX)
        return dt_error_set(DT_ETOOBIG, "mapping: %zu properties, %d are the most",
                            message->property_count, PROPERTIES_MAX);
    for (size_t i = 0; i < message->property_count && status == DT_OK; i++) {
        struct dt_span name = message->properties[i].name;
        struct dt_span value = message->properties[i].value;

        if (dt_span_equal_str(name, "KEYS")) {
            status = take_once(&sorted->keys, value, "KEYS is there twice");
        } else if (dt_span_equal_str(name, DUET_PROPERTY_KEY)) {
            status =
                take_once(&sorted->duet_key, value, DUET_PROPERTY_KEY " is there twice");
        } else if (dt_span_equal_str(name, DUET_PROPERTY_HEADERS)) {
            status = take_once(&sorted->duet_headers, value,
                               DUET_PROPERTY_HEADERS " is there twice");
        } else if (!is_ours(name) && !duet_property_reserved(name)) {
            sorted->plain[sorted->plain_count].hash = duet_header_hash(name);
            sorted->plain[sorted->plain_count++].index = (uint16_t)i;
        }
    }
    return status;
}

static dt_status decode_value(struct duet_record *record, struct dt_span body,
                              uint16_t flags)
{
    bool is_null = (flags & DUET_FLAG_NULL_VALUE) != 0;
    bool is_empty = (flags & DUET_FLAG_EMPTY_VALUE) != 0;

    record->value = body;
    if (!is_null && !is_empty)
        return body.size > 0 ? DT_OK : corrupt("an empty body without its flag");
    if (is_null && is_empty)
        return corrupt("the flags say null and empty at once");
    if (body.size != 1 || body.data[0] != 0)
        return corrupt("the flags say null or empty, but there is a body");
    record->value = dt_span_of(is_null ? NULL : body.data, 0);
    return DT_OK;
}

/* Appends the bytes behind a base64 text; there is room already, so nothing moves. */
static bool decode_text(struct dt_span *out, struct dt_buf *scratch, struct dt_span text)
{
    uint8_t *to = dt_buf_reserve(scratch, text.size);
    size_t size;

    if (to == NULL || !dt_base64_decode(to, &size, (const char *)text.data, text.size))
        return false;
    dt_buf_commit(scratch, size);
    *out = dt_span_of(to, size);
    return true;
}

static dt_status decode_key(struct duet_record *record, const struct sorted *sorted,
                            struct dt_buf *scratch)
{
    record->key = sorted->keys;
    if (sorted->duet_key.data == NULL)
        return DT_OK;
    if (sorted->keys.data != NULL)
        return corrupt("both KEYS and " DUET_PROPERTY_KEY " are there");
    if (dt_span_equal_str(sorted->duet_key, DUET_KEY_EMPTY)) {
        record->key = dt_span_of(sorted->duet_key.data, 0);
        return DT_OK;
    }
    if (!decode_text(&record->key, scratch, sorted->duet_key) || record->key.size == 0)
        return corrupt(DUET_PROPERTY_KEY " is no base64url");
    return DT_OK;
}

/* The header whose property has this hash of its name. */
static dt_status find_plain(struct duet_header *header, struct sorted *sorted,
                            const struct duet_rmq_message *message, uint32_t hash)
{
    const struct duet_property *found = NULL;

    for (size_t i = 0; i < sorted->plain_count; i++) {
        if (sorted->plain[i].hash != hash)
            continue;
        if (found != NULL)
            return corrupt("two properties could be one header");
        found = &message->properties[sorted->plain[i].index];
    }
    if (found == NULL)
        return corrupt("the property of a header is missing");
    if (found->value.size == 0)
        return corrupt("the property of a header is empty");
    header->name = found->name;
    header->value = found->value;
    return DT_OK;
}

/* A size field: one less than what is written, so that 0 is free to mean something else.
 * Anything that does not fit into what is left fails the scan. */
static uint32_t scan_size(struct dt_scan *scan)
{
    uint32_t value = 0;

    for (unsigned shift = 0; shift < 28; shift += 7) {
        uint8_t byte = dt_scan_u8(scan);

        value |= (uint32_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            if (byte == 0 && shift > 0)
                scan->failed = true; /* one form only */
            return value;
        }
    }
    scan->failed = true;
    return 0;
}

static dt_status decode_header(struct duet_header *header, struct dt_scan *scan,
                               struct sorted *sorted,
                               const struct duet_rmq_message *message)
{
    uint32_t size = scan_size(scan);

    if (size == 0)
        return find_plain(header, sorted, message, dt_scan_u32(scan));
    header->name = dt_scan_bytes(scan, size - 1);
    size = scan_size(scan);
    header->value = size == 0 ? dt_span_of(NULL, 0) : dt_scan_bytes(scan, size - 1);
    return DT_OK;
}

static dt_status decode_headers(struct duet_record *record, struct sorted *sorted,
                                const struct duet_rmq_message *message,
                                struct dt_buf *scratch, struct duet_header *headers)
{
    struct dt_span list;
    struct dt_scan scan;

    record->headers = headers;
    record->header_count = 0;
    if (sorted->duet_headers.data == NULL)
        return DT_OK;
    if (!decode_text(&list, scratch, sorted->duet_headers))
        return corrupt(DUET_PROPERTY_HEADERS " is no base64url");
    scan = dt_scan_of(list);
    if (dt_scan_u8(&scan) != DUET_HEADERS_FORMAT || scan.left == 0)
        return corrupt(DUET_PROPERTY_HEADERS " has a format that is not known");
    while (scan.left > 0) {
        dt_status status;

        if (record->header_count == DUET_HEADERS_MAX)
            return dt_error_set(DT_ETOOBIG, "mapping: more than %d headers",
                                DUET_HEADERS_MAX);
        status = decode_header(&headers[record->header_count], &scan, sorted, message);
        if (!dt_scan_ok(&scan))
            return corrupt(DUET_PROPERTY_HEADERS " is cut short");
        if (status != DT_OK)
            return status;
        record->header_count++;
    }
    return DT_OK;
}

dt_status duet_mapping_decode(struct duet_record *record,
                              const struct duet_rmq_message *message, uint16_t flags,
                              struct dt_buf *scratch, struct duet_header *headers)
{
    struct sorted sorted;
    dt_status status;

    memset(record, 0, sizeof(*record));
    record->timestamp_ms = -1;
    status = sort_properties(&sorted, message);
    if (status != DT_OK)
        return status;
    /* room for all at once: what is decoded first must not move */
    if (sorted.duet_key.size + sorted.duet_headers.size > 0 &&
        dt_buf_reserve(scratch, sorted.duet_key.size + sorted.duet_headers.size) == NULL)
        return dt_error_set(DT_ETOOBIG, "mapping: the properties need more than %zu bytes",
                            scratch->max);
    status = decode_value(record, message->body, flags);
    if (status == DT_OK)
        status = decode_key(record, &sorted, scratch);
    if (status == DT_OK)
        status = decode_headers(record, &sorted, message, scratch, headers);
    return status;
}

dt_status duet_mapping_decode_foreign(struct duet_record *record,
                                      const struct duet_rmq_message *message,
                                      struct duet_header *headers)
{
    static const uint8_t nothing[1] = {0};

    memset(record, 0, sizeof(*record));
    record->timestamp_ms = -1;
    record->value = message->body.data == NULL ? dt_span_of(nothing, 0) : message->body;
    record->headers = headers;
    for (size_t i = 0; i < message->property_count; i++) {
        const struct duet_property *property = &message->properties[i];

        if (dt_span_equal_str(property->name, "KEYS") && property->value.size > 0)
            record->key = property->value;
        if (duet_property_reserved(property->name))
            continue;
        if (record->header_count == DUET_HEADERS_MAX)
            return dt_error_set(DT_ETOOBIG, "mapping: more than %d headers",
                                DUET_HEADERS_MAX);
        headers[record->header_count].name = property->name;
        headers[record->header_count++].value = property->value;
    }
    return DT_OK;
}
