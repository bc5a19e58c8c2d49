/*
 * mapping.h - reading a RocketMQ message back into the Kafka record it was made from.
 *
 * The mapping is reversible: for every record that mapping_encode.h accepts,
 * duet_mapping_decode() gives the same key, value, headers in the same order with null apart
 * from empty, whatever properties a broker has added. The timestamp is not carried. The table
 * stands in docs/wire-format.md. A reader (verify, too) needs only this half.
 *
 * Pure; allocates only inside the given dt_buf and header array.
 */
#ifndef MODEL_MAPPING_H
#define MODEL_MAPPING_H

#include "base/buf.h"
#include "model/record.h"

/* Properties of duet's own. All start with DUET; headers whose names do are written out. */
#define DUET_PROPERTY_KEY "DUET_KEY" /* key bytes, base64url, when KEYS cannot say it */
#define DUET_PROPERTY_HEADERS                                                              \
    "DUET_HEADERS"                     /* order and what is no legal property, base64url */
#define DUET_PROPERTY_LINK "DUET_LINK" /* given-up numbers and the boot before */

struct duet_property {
    struct dt_span name;
    struct dt_span value;
};

/* What a RocketMQ message is to the mapping: body, KEYS is among the properties. */
struct duet_rmq_message {
    struct dt_span body;
    const struct duet_property *properties;
    size_t property_count;
};

enum { DUET_HEADERS_MAX = 1024 };

/**
 * @param flags   of the stamp (null or empty value).
 * @param scratch decoded bytes are appended to it (which may move what stands in it); the
 *                record borrows from it and from the message. Its maximum bounds what can be
 *                decoded: room for the texts of DUET_KEY and DUET_HEADERS is needed.
 * @param headers room for DUET_HEADERS_MAX headers.
 * @returns DT_OK; DT_ECORRUPT: the properties break the mapping's own format (the sentence says
 *          which); DT_ETOOBIG.
 */
dt_status duet_mapping_decode(struct duet_record *record,
                              const struct duet_rmq_message *message, uint16_t flags,
                              struct dt_buf *scratch, struct duet_header *headers);

/* As the above for a message that carries no stamp of ours: body and user properties as they
 * are (KEYS is the key), the broker's own properties left out. */
dt_status duet_mapping_decode_foreign(struct duet_record *record,
                                      const struct duet_rmq_message *message,
                                      struct duet_header *headers);

/* Whether the broker or client of RocketMQ owns this property name (CLUSTER, UNIQ_KEY, ...). */
bool duet_property_reserved(struct dt_span name);

/* Topic and group names: Kafka's may hold dots and be long, RocketMQ's may not. Reversible:
 * what is legal and has no escape in it stays as it is; the escape is "_x" and two hex digits
 * in lower case. A name of RocketMQ's own (TBW102, DEFAULT_CONSUMER, ...) has its first
 * character escaped. DT_EINVAL: empty, or longer than `max` once mapped or than fits; from
 * RocketMQ: no Kafka name maps to it. */
#define DUET_RMQ_TOPIC_MAX 127
#define DUET_RMQ_GROUP_MAX 120
dt_status duet_name_to_rocketmq(char *out, size_t out_size, const char *kafka_name,
                                size_t max);
dt_status duet_name_from_rocketmq(char *out, size_t out_size, const char *rocketmq_name);

#endif
