#include "dual/outgoing_bytes.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/log.h"
#include "base/status.h"

enum { FORMAT = 1, FORMAT_LINK = 2, NOTE = 0xF1, NOTE_SIZE = 9 };
#define NULL_SIZE UINT32_MAX

void duet_outgoing_note(struct dt_buf *out, int64_t position)
{
    dt_buf_put_u8(out, NOTE);
    dt_buf_put_u64(out, (uint64_t)position);
}

int64_t duet_outgoing_noted(struct dt_span bytes)
{
    struct dt_scan scan = dt_scan_of(bytes);

    return dt_scan_u8(&scan) == NOTE ? (int64_t)dt_scan_u64(&scan) : 0;
}

static struct dt_span without_note(struct dt_span bytes)
{
    if (bytes.size < NOTE_SIZE || bytes.data[0] != NOTE)
        return bytes;
    return dt_span_of(bytes.data + NOTE_SIZE, bytes.size - NOTE_SIZE);
}

static void put_field(struct dt_buf *out, struct dt_span field)
{
    if (field.data == NULL) {
        dt_buf_put_u32(out, NULL_SIZE);
        return;
    }
    dt_buf_put_u32(out, (uint32_t)field.size);
    dt_buf_put_span(out, field);
}

void duet_outgoing_encode(struct dt_buf *out, const struct duet_outgoing *outgoing)
{
    const struct duet_record *record = &outgoing->record;

    dt_buf_put_u8(out, outgoing->link != NULL ? FORMAT_LINK : FORMAT);
    dt_buf_put(out, outgoing->stamp_bytes, DUET_STAMP_SIZE);
    if (outgoing->link != NULL)
        put_field(out, dt_span_of(outgoing->link->bytes, outgoing->link->size));
    put_field(out, record->key);
    put_field(out, record->value);
    dt_buf_put_u32(out, (uint32_t)record->header_count);
    for (size_t i = 0; i < record->header_count; i++) {
        put_field(out, record->headers[i].name);
        put_field(out, record->headers[i].value);
    }
}

static struct dt_span take_field(struct dt_scan *scan)
{
    uint32_t size = dt_scan_u32(scan);

    /* an empty field has an address, as a record wants it: that of what stands behind it */
    return size == NULL_SIZE ? dt_span_of(NULL, 0) : dt_scan_bytes(scan, size);
}

/* Reads what stands in `bytes` into `outgoing`, which borrows it. */
static bool take_record(struct duet_outgoing *outgoing, struct duet_header *headers,
                        size_t header_count, struct dt_scan *scan)
{
    outgoing->record.key = take_field(scan);
    outgoing->record.value = take_field(scan);
    if (dt_scan_u32(scan) != header_count)
        return false;
    for (size_t i = 0; i < header_count; i++) {
        headers[i].name = take_field(scan);
        headers[i].value = take_field(scan);
    }
    outgoing->record.headers = headers;
    outgoing->record.header_count = header_count;
    outgoing->record.timestamp_ms = -1;
    return dt_scan_ok(scan) && scan->left == 0;
}

/* How many headers follow; more than the bytes can hold is no message. */
static bool count_headers(struct dt_scan scan, size_t *count)
{
    take_field(&scan);
    take_field(&scan);
    *count = dt_scan_u32(&scan);
    return dt_scan_ok(&scan) && *count <= scan.left / 8;
}

/* A link that does not count is left out: the message is not lost with it. */
static void take_link(struct duet_outgoing *outgoing, struct dt_span bytes,
                      const struct duet_keys *keys, const char *topic)
{
    struct duet_outgoing_link *link = bytes.size == 0 ? NULL : malloc(sizeof(*link));
    enum duet_link_verdict verdict;

    if (link == NULL)
        return;
    verdict =
        duet_link_decode(&link->told, bytes, &keys->stamp, topic, &outgoing->stamp.id);
    if (verdict != DUET_LINK_OK) {
        dt_log_error("a message of the journal of %s/%d: %s", topic,
                     (int)outgoing->stamp.id.partition, duet_link_verdict_text(verdict));
        free(link);
        return;
    }
    link->size = bytes.size;
    memcpy(link->bytes, bytes.data, bytes.size);
    outgoing->link = link;
}

dt_status duet_outgoing_decode(struct dt_span bytes, const struct duet_keys *keys,
                               const char *topic, int32_t partition,
                               struct duet_outgoing **out)
{
    static const char what[] = "a message of the journal";
    struct dt_scan scan = dt_scan_of(without_note(bytes));
    uint8_t format = dt_scan_u8(&scan);
    struct dt_span stamp = dt_scan_bytes(&scan, DUET_STAMP_SIZE);
    struct dt_span link = format == FORMAT_LINK ? take_field(&scan) : dt_span_of(NULL, 0);
    enum duet_stamp_verdict verdict;
    struct duet_outgoing *outgoing;
    struct duet_header *headers;
    uint8_t *copy;
    size_t count, size;

    *out = NULL;
    if (!dt_scan_ok(&scan) || (format != FORMAT && format != FORMAT_LINK) ||
        !count_headers(scan, &count))
        return dt_error_set(DT_ECORRUPT, "%s of %s/%d has another format", what, topic,
                            (int)partition);
    size = sizeof(*outgoing) + count * sizeof(*headers) + scan.left + 1;
    outgoing = malloc(size);
    if (outgoing == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for %s", what);
    memset(outgoing, 0, sizeof(*outgoing));
    outgoing->size = size;
    headers = (struct duet_header *)(void *)(outgoing + 1);
    copy = (uint8_t *)(headers + count);
    memcpy(copy, scan.next, scan.left);
    scan.next = copy;
    if (!take_record(outgoing, headers, count, &scan)) {
        free(outgoing);
        return dt_error_set(DT_ECORRUPT, "%s of %s/%d has fields that do not fit", what,
                            topic, (int)partition);
    }
    verdict = duet_stamp_decode(&outgoing->stamp, stamp, &keys->stamp, topic, partition);
    if (verdict != DUET_STAMP_OK) {
        free(outgoing);
        return dt_error_set(DT_ECORRUPT, "%s of %s/%d: %s", what, topic, (int)partition,
                            duet_stamp_verdict_text(verdict));
    }
    take_link(outgoing, link, keys, topic);
    memcpy(outgoing->stamp_bytes, stamp.data, DUET_STAMP_SIZE);
    dt_base64_encode(outgoing->stamp_text, stamp.data, DUET_STAMP_SIZE);
    outgoing->stamp_text[DUET_STAMP_TEXT_SIZE] = '\0';
    outgoing->made_ms = (int64_t)outgoing->stamp.window * 60000;
    *out = outgoing;
    return DT_OK;
}

bool duet_outgoing_peek(struct dt_span bytes, struct dt_span *stamp, struct dt_span *key,
                        struct dt_span *value)
{
    struct dt_scan scan = dt_scan_of(without_note(bytes));
    uint8_t format = dt_scan_u8(&scan);

    *stamp = dt_scan_bytes(&scan, DUET_STAMP_SIZE);
    if (format == FORMAT_LINK)
        (void)take_field(&scan);
    *key = take_field(&scan);
    *value = take_field(&scan);
    return (format == FORMAT || format == FORMAT_LINK) && dt_scan_ok(&scan);
}

bool duet_outgoing_stamp(struct dt_span bytes, struct dt_span *stamp)
{
    struct dt_scan scan = dt_scan_of(without_note(bytes));
    uint8_t format = dt_scan_u8(&scan);

    *stamp = dt_scan_bytes(&scan, DUET_STAMP_SIZE);
    return (format == FORMAT || format == FORMAT_LINK) && dt_scan_ok(&scan);
}
