#include "model/link.h"

#include <assert.h>
#include <string.h>

enum { AT_FLAGS = 1, AT_CHECK = 2, CHECK_SIZE = 8, TOPIC_MAX = 249 /* Kafka's limit */ };

/* No topic begins with it (a space, a NUL), so no link's check is a check of a stamp. */
static const uint8_t label[10] = "duet link";

static void put(uint8_t *out, uint64_t value, int width)
{
    for (int i = width - 1; i >= 0; i--) {
        out[i] = (uint8_t)value;
        value >>= 8;
    }
}

static uint64_t get(const uint8_t *in, int width)
{
    uint64_t value = 0;

    for (int i = 0; i < width; i++)
        value = value << 8 | in[i];
    return value;
}

const char *duet_link_verdict_text(enum duet_link_verdict verdict)
{
    switch (verdict) {
    case DUET_LINK_OK:
        return "link ok";
    case DUET_LINK_MISSING:
        return "no link";
    case DUET_LINK_BAD_SIZE:
        return "the link has the wrong size or alphabet";
    case DUET_LINK_BAD_VERSION:
        return "the link's version is not known";
    case DUET_LINK_BAD_CHECK:
        return "the link's check is wrong: damaged, or copied from another record";
    case DUET_LINK_BAD_ENTRY:
        return "the link has an entry that is not known";
    }
    return "unknown";
}

const char *duet_link_kind_name(unsigned kind)
{
    static const char *const names[DUET_LINK_KINDS] = {
        [DUET_LINK_VOID] = "void",
        [DUET_LINK_ABSENT_KAFKA] = "absent-kafka",
        [DUET_LINK_ABSENT_ROCKETMQ] = "absent-rocketmq",
        [DUET_LINK_ENDED] = "ended",
        [DUET_LINK_ENDED_AT_LEAST] = "ended-at-least"};

    return kind < DUET_LINK_KINDS ? names[kind] : "unknown";
}

bool duet_link_entry_valid(const struct duet_link_entry *entry)
{
    if (entry->kind >= DUET_LINK_KINDS || entry->instance > DUET_INSTANCE_MAX ||
        entry->from >= entry->to || entry->to > DUET_SEQUENCE_MAX + 1)
        return false;
    return entry->kind < DUET_LINK_ENDED || entry->from == 0;
}

/* SipHash-2-4 over label | topic name | carrier (14 bytes, its partition among them) | the link
 * without its check. Names and links have no fixed size, so the link's stands between them. */
static uint64_t check_of(const uint8_t *link, size_t size, const uint8_t *key,
                         const char *topic, const struct duet_id *carrier)
{
    uint8_t input[sizeof(label) + TOPIC_MAX + DUET_ID_SIZE + 2 + DUET_LINK_SIZE_MAX];
    size_t topic_size = strnlen(topic, TOPIC_MAX), at = sizeof(label);

    memcpy(input, label, sizeof(label));
    memcpy(input + at, topic, topic_size);
    at += topic_size;
    put(input + at, size, 2);
    at += 2;
    duet_id_encode(input + at, carrier);
    at += DUET_ID_SIZE;
    memcpy(input + at, link, AT_CHECK);
    at += AT_CHECK;
    memcpy(input + at, link + AT_CHECK + CHECK_SIZE, size - AT_CHECK - CHECK_SIZE);
    at += size - AT_CHECK - CHECK_SIZE;
    return dt_siphash64(key, input, at);
}

size_t duet_link_encode(uint8_t out[DUET_LINK_SIZE_MAX],
                        const struct duet_link_entry *entries, size_t count,
                        const struct duet_stamp_key *key, const char *kafka_topic,
                        const struct duet_id *carrier)
{
    size_t size = DUET_LINK_HEAD_SIZE + count * DUET_LINK_ENTRY_SIZE;

    assert(count > 0 && count <= DUET_LINK_ENTRIES_MAX);
    out[0] = DUET_LINK_VERSION;
    out[AT_FLAGS] = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t *at = out + DUET_LINK_HEAD_SIZE + i * DUET_LINK_ENTRY_SIZE;

        assert(duet_link_entry_valid(&entries[i]));
        at[0] = entries[i].kind;
        put(at + 1, entries[i].instance, 4);
        put(at + 5, entries[i].boot, 2);
        put(at + 7, entries[i].from, 6);
        /* 2^48 itself does not fit: the last number stands here, not the one behind it */
        put(at + 13, entries[i].to - 1, 6);
    }
    put(out + AT_CHECK, check_of(out, size, key->key, kafka_topic, carrier), CHECK_SIZE);
    return size;
}

enum duet_link_verdict duet_link_decode(struct duet_link *link, struct dt_span bytes,
                                        const struct duet_stamp_key *key,
                                        const char *kafka_topic,
                                        const struct duet_id *carrier)
{
    struct duet_link found = {.count = 0};
    const uint8_t *in = bytes.data;

    if (in == NULL)
        return DUET_LINK_MISSING;
    if (bytes.size <= DUET_LINK_HEAD_SIZE || bytes.size > DUET_LINK_SIZE_MAX ||
        (bytes.size - DUET_LINK_HEAD_SIZE) % DUET_LINK_ENTRY_SIZE != 0)
        return DUET_LINK_BAD_SIZE;
    if (in[0] != DUET_LINK_VERSION || in[AT_FLAGS] != 0)
        return DUET_LINK_BAD_VERSION;
    if (get(in + AT_CHECK, CHECK_SIZE) !=
        check_of(in, bytes.size, key->key, kafka_topic, carrier))
        return DUET_LINK_BAD_CHECK;
    for (const uint8_t *at = in + DUET_LINK_HEAD_SIZE; at < in + bytes.size;
         at += DUET_LINK_ENTRY_SIZE) {
        struct duet_link_entry *entry = &found.entries[found.count++];

        entry->kind = at[0];
        entry->instance = (uint32_t)get(at + 1, 4);
        entry->boot = (uint16_t)get(at + 5, 2);
        entry->from = get(at + 7, 6);
        entry->to = get(at + 13, 6) + 1;
        if (!duet_link_entry_valid(entry))
            return DUET_LINK_BAD_ENTRY;
    }
    *link = found;
    return DUET_LINK_OK;
}
