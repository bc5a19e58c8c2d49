/*
 * mapping_trip.h - a record on its way to RocketMQ and back, as the mapping's tests drive it:
 * encoded, written as RocketMQ's property string in any order with what a broker adds, parsed,
 * decoded.
 *
 * Include it after <cmocka.h>.
 */
#ifndef SUPPORT_MAPPING_TRIP_H
#define SUPPORT_MAPPING_TRIP_H

#include <stdlib.h>
#include <string.h>

#include "model/mapping_encode.h"
#include "support/random.h"

enum { ARENA = 1 << 20, STRING_MAX = 1 << 17 };

static const char stamp_text[] = "AQcAAC5-Jr0AAAABAAIAAwAAAAAABAFZGkA9Wg";

/* Everything one round trip needs, made once a test. */
struct trip {
    struct dt_buf encoded, decoded, wire, bytes;
    struct duet_property properties[DUET_HEADERS_MAX + 4];
    struct duet_property parsed[DUET_HEADERS_MAX + 64];
    struct duet_header headers[DUET_HEADERS_MAX], back_headers[DUET_HEADERS_MAX];
    struct duet_rmq_message message;
    struct duet_record record, back;
};

static inline struct trip *trip_new(void)
{
    struct trip *trip = calloc(1, sizeof(*trip));

    assert_non_null(trip);
    dt_buf_init(&trip->encoded, ARENA);
    dt_buf_init(&trip->decoded, ARENA);
    dt_buf_init(&trip->wire, STRING_MAX);
    dt_buf_init(&trip->bytes, 4 * ARENA);
    return trip;
}

static inline void trip_free(struct trip *trip)
{
    dt_buf_fini(&trip->encoded);
    dt_buf_fini(&trip->decoded);
    dt_buf_fini(&trip->wire);
    dt_buf_fini(&trip->bytes);
    free(trip);
}

static inline struct dt_span text(const char *string)
{
    return dt_span_str(string);
}

static inline struct dt_span null_span(void)
{
    return dt_span_of(NULL, 0);
}

static inline dt_status encode(struct trip *trip)
{
    dt_buf_clear(&trip->encoded);
    return duet_mapping_encode(&trip->message, &trip->record, text(stamp_text),
                               &trip->encoded, trip->properties);
}

static inline bool same_bytes(struct dt_span a, struct dt_span b)
{
    return (a.data == NULL) == (b.data == NULL) && dt_span_equal(a, b);
}

static inline bool same_record(const struct duet_record *a, const struct duet_record *b)
{
    if (!same_bytes(a->key, b->key) || !same_bytes(a->value, b->value) ||
        a->header_count != b->header_count)
        return false;
    for (size_t i = 0; i < a->header_count; i++)
        if (!dt_span_equal(a->headers[i].name, b->headers[i].name) ||
            !same_bytes(a->headers[i].value, b->headers[i].value))
            return false;
    return true;
}

/* ---- the property string of RocketMQ: name 0x01 value 0x02 ... ---- */

static inline void put_property(struct dt_buf *out, struct dt_span name,
                                struct dt_span value)
{
    assert_true(name.size > 0 && value.size > 0); /* RocketMQ would drop it */
    for (size_t i = 0; i < name.size; i++)
        assert_true(name.data[i] > 0x20 && name.data[i] < 0x7f);
    for (size_t i = 0; i < value.size; i++)
        assert_true(value.data[i] >= 0x20 && value.data[i] != 0x7f);
    dt_buf_put_span(out, name);
    dt_buf_put_u8(out, 1);
    dt_buf_put_span(out, value);
    dt_buf_put_u8(out, 2);
}

/* Writes the properties in a random order, with what a broker adds between them. */
static inline void to_wire(struct trip *trip, struct test_random *random)
{
    static const struct {
        const char *name, *value;
    } added[] = {
        {"CLUSTER", "DefaultCluster"},
        {"MSG_REGION", "DefaultRegion"},
        {"TRACE_ON", "true"},
        {"UNIQ_KEY", "7F0000010001AABBCCDD0011"},
        {"WAIT", "true"},
        {"__CRC32#", "12345"},
        {"DUET_LINK", "AAAA"},
        {"DUET_LATER", "a property of a later version"},
        {"of.a.later.broker", "1"},
    };
    size_t order[DUET_HEADERS_MAX + 4], count = trip->message.property_count;

    dt_buf_clear(&trip->wire);
    for (size_t i = 0; i < count; i++)
        order[i] = i;
    for (size_t i = count; i > 1; i--) {
        size_t k = test_random_below(random, i), kept = order[k];

        order[k] = order[i - 1];
        order[i - 1] = kept;
    }
    for (size_t i = 0, next = 0; i < count || next < sizeof(added) / sizeof(added[0]);) {
        if (i < count && test_random_once_in(random, 2)) {
            put_property(&trip->wire, trip->properties[order[i]].name,
                         trip->properties[order[i]].value);
            i++;
        } else if (next < sizeof(added) / sizeof(added[0])) {
            if (test_random_once_in(random, 2))
                put_property(&trip->wire, text(added[next].name), text(added[next].value));
            next++;
        }
    }
    assert_false(trip->wire.failed);
}

static inline size_t parse_wire(struct trip *trip)
{
    struct dt_span rest = dt_buf_span(&trip->wire);
    size_t count = 0;

    while (rest.size > 0) {
        const uint8_t *end = memchr(rest.data, 2, rest.size);
        size_t size = end == NULL ? rest.size : (size_t)(end - rest.data);
        const uint8_t *middle = memchr(rest.data, 1, size);

        assert_non_null(middle);
        trip->parsed[count].name = dt_span_of(rest.data, (size_t)(middle - rest.data));
        trip->parsed[count++].value =
            dt_span_of(middle + 1, size - 1 - (size_t)(middle - rest.data));
        rest = dt_span_of(rest.data + size + 1, rest.size - size - 1);
    }
    return count;
}

static inline dt_status decode_parsed(struct trip *trip)
{
    struct duet_rmq_message received = {trip->message.body, trip->parsed, parse_wire(trip)};

    dt_buf_clear(&trip->decoded);
    return duet_mapping_decode(&trip->back, &received, duet_mapping_flags(&trip->record),
                               &trip->decoded, trip->back_headers);
}

static inline void assert_round_trip(struct trip *trip, struct test_random *random)
{
    dt_status status = encode(trip);

    assert_int_equal(status, DT_OK);
    to_wire(trip, random);
    assert_int_equal(decode_parsed(trip), DT_OK);
    assert_true(same_record(&trip->record, &trip->back));
    assert_true(trip->back.timestamp_ms == -1);
}

static inline void set(struct trip *trip, struct dt_span key, struct dt_span value)
{
    memset(&trip->record, 0, sizeof(trip->record));
    trip->record.key = key;
    trip->record.value = value;
    trip->record.headers = trip->headers;
}

static inline void add_header(struct trip *trip, const char *name, struct dt_span value)
{
    trip->headers[trip->record.header_count].name = text(name);
    trip->headers[trip->record.header_count++].value = value;
}

#endif
