/*
 * outgoing_bytes.h - a message on its way as bytes of the journal, and back.
 *
 *   | format 1: 1 | stamp: 28 | key | value | number of headers: 4 | name, value ... |
 *   | format 2: 1 | stamp: 28 | link | key | ...              a message that carries a link
 *
 * Each of link, key, value, name is its size in 4 bytes and its bytes; null is the size ffffffff alone.
 * The stamp is that of both copies: what comes back is never stamped again.
 */
#ifndef DUAL_OUTGOING_BYTES_H
#define DUAL_OUTGOING_BYTES_H

#include "base/buf.h"
#include "dual/outgoing.h"

/* Appends what may stand before a message: a position in a side's log. */
void duet_outgoing_note(struct dt_buf *out, int64_t position);
/* That position, 0 where none stands there. The functions below pass over it. */
int64_t duet_outgoing_noted(struct dt_span bytes);

/* Appends; the buffer's failure says that it did not fit. */
void duet_outgoing_encode(struct dt_buf *out, const struct duet_outgoing *outgoing);

/**
 * @param topic Kafka's, and the partition: those of the lane that it was found in.
 * @param out   the caller's, free(); its lane is not set.
 * @returns DT_OK; DT_ECORRUPT: these bytes are no message, or its stamp is not for this lane;
 *          DT_ENOMEM.
 */
dt_status duet_outgoing_decode(struct dt_span bytes, const struct duet_keys *keys,
                               const char *topic, int32_t partition,
                               struct duet_outgoing **out);

/* The same without a key, for who only looks: the stamp is not checked. What is given borrows
 * from `bytes`; headers are not read. False: no such message. */
bool duet_outgoing_peek(struct dt_span bytes, struct dt_span *stamp, struct dt_span *key,
                        struct dt_span *value);

/* The stamp alone, of bytes that may be damaged behind it. False: no message begins so. */
bool duet_outgoing_stamp(struct dt_span bytes, struct dt_span *stamp);

#endif
