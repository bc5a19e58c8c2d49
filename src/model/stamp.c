#include "model/stamp.h"

#include <string.h>

#include "base/base64.h"

enum {
    AT_KEY_NUMBER = 1,
    AT_FLAGS = 2,
    AT_CHECK = 4,
    AT_ID = 8,
    AT_WINDOW = 22,
    AT_DAY = 26
};
enum { CHECK_SIZE = 4, TOPIC_MAX = 249 /* Kafka's limit */ };

static void put(uint8_t *out, uint32_t value, int width)
{
    for (int i = width - 1; i >= 0; i--) {
        out[i] = (uint8_t)value;
        value >>= 8;
    }
}

static uint32_t get(const uint8_t *in, int width)
{
    uint32_t value = 0;

    for (int i = 0; i < width; i++)
        value = value << 8 | in[i];
    return value;
}

/* SipHash-2-4 over topic name | partition (4 bytes) | the stamp without its check. The rest
 * after the name has a fixed size, so no two (topic, partition, stamp) give the same input.
 * A name that no Kafka topic can have (too long) is hashed by its first 249 bytes. */
static uint32_t check_of(const uint8_t *stamp, const uint8_t *key, const char *topic,
                         uint32_t partition)
{
    uint8_t input[TOPIC_MAX + 4 + DUET_STAMP_SIZE - CHECK_SIZE];
    size_t size = strnlen(topic, TOPIC_MAX);

    memcpy(input, topic, size);
    put(input + size, partition, 4);
    size += 4;
    memcpy(input + size, stamp, AT_CHECK);
    size += AT_CHECK;
    memcpy(input + size, stamp + AT_ID, DUET_STAMP_SIZE - AT_ID);
    size += DUET_STAMP_SIZE - AT_ID;
    return (uint32_t)dt_siphash64(key, input, size);
}

const char *duet_stamp_verdict_text(enum duet_stamp_verdict verdict)
{
    switch (verdict) {
    case DUET_STAMP_OK:
        return "stamp ok";
    case DUET_STAMP_MISSING:
        return "no stamp";
    case DUET_STAMP_BAD_SIZE:
        return "the stamp has the wrong size or alphabet";
    case DUET_STAMP_BAD_VERSION:
        return "the stamp's version is not known";
    case DUET_STAMP_BAD_KEY_NUMBER:
        return "the stamp is from another migration or key";
    case DUET_STAMP_BAD_CHECK:
        return "the stamp's check is wrong: damaged, or copied from another topic or "
               "partition";
    }
    return "unknown";
}

void duet_stamp_encode(uint8_t out[DUET_STAMP_SIZE], const struct duet_stamp *stamp,
                       const struct duet_stamp_key *key, const char *kafka_topic)
{
    out[0] = DUET_STAMP_VERSION;
    out[AT_KEY_NUMBER] = key->number;
    put(out + AT_FLAGS, stamp->flags, 2);
    duet_id_encode(out + AT_ID, &stamp->id);
    put(out + AT_WINDOW, stamp->window, 4);
    put(out + AT_DAY, stamp->day, 2);
    put(out + AT_CHECK, check_of(out, key->key, kafka_topic, stamp->id.partition), 4);
}

void duet_stamp_encode_text(char out[DUET_STAMP_TEXT_SIZE + 1],
                            const struct duet_stamp *stamp,
                            const struct duet_stamp_key *key, const char *kafka_topic)
{
    uint8_t bytes[DUET_STAMP_SIZE];

    duet_stamp_encode(bytes, stamp, key, kafka_topic);
    dt_base64_encode(out, bytes, sizeof(bytes));
    out[DUET_STAMP_TEXT_SIZE] = '\0';
}

enum duet_stamp_verdict duet_stamp_decode(struct duet_stamp *stamp, struct dt_span bytes,
                                          const struct duet_stamp_key *key,
                                          const char *kafka_topic, int32_t partition)
{
    const uint8_t *in = bytes.data;
    struct duet_id id;

    if (in == NULL)
        return DUET_STAMP_MISSING;
    if (bytes.size != DUET_STAMP_SIZE)
        return DUET_STAMP_BAD_SIZE;
    if (in[0] != DUET_STAMP_VERSION)
        return DUET_STAMP_BAD_VERSION;
    if (in[AT_KEY_NUMBER] != key->number)
        return DUET_STAMP_BAD_KEY_NUMBER;
    duet_id_decode(&id, in + AT_ID);
    if (id.partition != partition ||
        get(in + AT_CHECK, 4) != check_of(in, key->key, kafka_topic, id.partition))
        return DUET_STAMP_BAD_CHECK;
    stamp->key_number = in[AT_KEY_NUMBER];
    stamp->flags = (uint16_t)get(in + AT_FLAGS, 2);
    stamp->id = id;
    stamp->window = get(in + AT_WINDOW, 4);
    stamp->day = (uint16_t)get(in + AT_DAY, 2);
    return DUET_STAMP_OK;
}

enum duet_stamp_verdict duet_stamp_decode_text(struct duet_stamp *stamp,
                                               struct dt_span text,
                                               const struct duet_stamp_key *key,
                                               const char *kafka_topic, int32_t partition)
{
    uint8_t bytes[DUET_STAMP_SIZE + 1]; /* dt_base64_decode asks for length * 3 / 4 */
    size_t size;

    if (text.data == NULL)
        return DUET_STAMP_MISSING;
    if (text.size != DUET_STAMP_TEXT_SIZE ||
        !dt_base64_decode(bytes, &size, (const char *)text.data, text.size))
        return DUET_STAMP_BAD_SIZE;
    return duet_stamp_decode(stamp, dt_span_of(bytes, size), key, kafka_topic, partition);
}
