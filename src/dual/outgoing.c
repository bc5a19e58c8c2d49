#include "dual/outgoing.h"

#include <stdlib.h>
#include <string.h>

/* Copies bytes to *to, keeping null apart from empty: an empty value has an address. */
static struct dt_span copy_bytes(uint8_t **to, const void *data, size_t size)
{
    struct dt_span span = {NULL, 0};

    if (data == NULL)
        return span;
    span = dt_span_of(*to, size);
    if (size > 0)
        memcpy(*to, data, size);
    *to += size;
    return span;
}

struct duet_outgoing *duet_outgoing_new(const duet_message *message)
{
    size_t headers_size = message->header_count * sizeof(struct duet_header);
    size_t size = sizeof(struct duet_outgoing) + headers_size + 1;
    struct duet_outgoing *outgoing;
    struct duet_header *headers;
    uint8_t *to;

    size += message->key != NULL ? message->key_size : 0;
    size += message->value != NULL ? message->value_size : 0;
    for (size_t i = 0; i < message->header_count; i++) {
        size += strlen(message->headers[i].name);
        size += message->headers[i].value != NULL ? message->headers[i].size : 0;
    }
    outgoing = malloc(size);
    if (outgoing == NULL)
        return NULL;
    memset(outgoing, 0, sizeof(*outgoing));
    outgoing->size = size;
    headers = (struct duet_header *)(void *)(outgoing + 1);
    to = (uint8_t *)(headers + message->header_count);
    outgoing->record.key = copy_bytes(&to, message->key, message->key_size);
    outgoing->record.value = copy_bytes(&to, message->value, message->value_size);
    for (size_t i = 0; i < message->header_count; i++) {
        const duet_message_header *from = &message->headers[i];

        headers[i].name = copy_bytes(&to, from->name, strlen(from->name));
        headers[i].value = copy_bytes(&to, from->value, from->size);
    }
    outgoing->record.headers = headers;
    outgoing->record.header_count = message->header_count;
    outgoing->record.timestamp_ms = -1;
    return outgoing;
}

void duet_outgoing_free(struct duet_outgoing *outgoing)
{
    free(outgoing->link);
    free(outgoing);
}

size_t duet_outgoing_properties_bound(const struct duet_outgoing *outgoing)
{
    size_t bytes = outgoing->record.key.size;

    for (size_t i = 0; i < outgoing->record.header_count; i++)
        bytes += outgoing->record.headers[i].name.size +
                 outgoing->record.headers[i].value.size + 16;
    return bytes * 2 + 256; /* base64 and separators */
}
