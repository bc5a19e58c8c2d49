/*
 * mapping_encode.h - writing a Kafka record as a RocketMQ message; see mapping.h.
 *
 * Only writers include this: what verifies copies must not share the code that made them.
 */
#ifndef MODEL_MAPPING_ENCODE_H
#define MODEL_MAPPING_ENCODE_H

#include "model/mapping.h"

#define DUET_PROPERTIES_MAX 32000 /* above it the record counts as refused by RocketMQ */
#define DUET_BODY_MAX       (4u << 20)

/* Stamp flags that the record's value asks for (null, empty). */
uint16_t duet_mapping_flags(const struct duet_record *record);

/**
 * @param stamp_text the 38 characters; becomes property DUET.
 * @param scratch    names and values are appended to it; the properties borrow from it and from
 *                   the record. It must not be moved or cleared while they are used.
 * @param properties room for DUET_HEADERS_MAX + 4.
 * @returns DT_OK; DT_ETOOBIG: properties over DUET_PROPERTIES_MAX, body over DUET_BODY_MAX, or
 *          more headers than DUET_HEADERS_MAX: RocketMQ would refuse it; DT_ENOMEM.
 */
dt_status duet_mapping_encode(struct duet_rmq_message *message,
                              const struct duet_record *record, struct dt_span stamp_text,
                              struct dt_buf *scratch, struct duet_property *properties);

/* Adds DUET_LINK to a message that was just encoded into `properties`, if it fits; false: it
 * would be too much for RocketMQ, and the message is as it was. */
bool duet_mapping_add_link(struct duet_rmq_message *message, struct dt_span link_text,
                           struct duet_property *properties);

#endif
