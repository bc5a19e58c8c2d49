/*
 * message_id.h - the two ids of a message.
 *
 * Offset id: upper-case hex of the broker's IP (4 or 16 bytes), port (32 bits) and commit-log
 * offset (64 bits): an address. UNIQ_KEY: upper-case hex of the sender's IP, the low 16 bits of
 * its pid, a 32-bit constant of the process, milliseconds in the local month (32 bits) and a
 * counter (16 bits): what people see as the message's id.
 *
 * No clock in here; the time zone is asked for the start of the month.
 */
#ifndef RMQ_MESSAGE_ID_H
#define RMQ_MESSAGE_ID_H

#include "base/span.h"

struct rmq_host {
    uint8_t ip[16]; /* the first ip_size bytes */
    size_t ip_size; /* 4 or 16 */
    int32_t port;
};

#define RMQ_MESSAGE_ID_SIZE 57 /* 28 bytes in hex (IPv6) and NUL; 32 digits with IPv4 */

/* Writes the offset id, NUL-terminated. */
void rmq_offset_id(char out[RMQ_MESSAGE_ID_SIZE], const struct rmq_host *host,
                   int64_t physical_offset);

/* Reads one, upper or lower case. False if it is not 32 or 56 hex digits. */
bool rmq_offset_id_parse(struct dt_span text, struct rmq_host *host,
                         int64_t *physical_offset);

/* Makes UNIQ_KEYs. Not for two threads at once: its owner serialises. */
struct rmq_uniq_key {
    char text[RMQ_MESSAGE_ID_SIZE]; /* the last one, less its counter */
    size_t prefix_size;             /* of text: IP, pid, constant */
    uint16_t counter;
    int64_t wall_ms; /* that stands in text */
    int64_t month_start_ms, month_end_ms;
};

/* `ip` has 4 or 16 bytes; `constant` and `counter` are best random. */
void rmq_uniq_key_init(struct rmq_uniq_key *key, struct dt_span ip, uint32_t pid,
                       uint32_t constant, uint16_t counter);

/* The next one, NUL-terminated; unique within 65,536 per millisecond. */
void rmq_uniq_key_next(struct rmq_uniq_key *key, int64_t wall_ms,
                       char out[RMQ_MESSAGE_ID_SIZE]);

#endif
