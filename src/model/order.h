/*
 * order.h - the order of a key's messages, as pairs that can be summed up and compared.
 *
 * A multiset knows no order. So a second sketch gets, for each message with a key, the pair (id,
 * o) where o is 16 bits of a keyed hash of the key, and 32 bits that stand for the id of the
 * message of the same key before it (for the first one: for the key). The sums of the two sides
 * are equal if each key's messages stand in the same order; else the pairs that differ name the
 * messages that have another predecessor.
 *
 * Windows are apart: one struct duet_order per window, partition and side. Only first copies
 * count (the caller knows which they are), in the order of their offsets.
 *
 * Pure.
 */
#ifndef MODEL_ORDER_H
#define MODEL_ORDER_H

#include "model/differ.h"

struct duet_order_entry {
    struct dt_u128 key; /* keyed hash of the message key */
    struct duet_id last;
    bool used;
};

struct duet_order {
    struct duet_order_entry *entries; /* open addressing; capacity a power of two, or 0 */
    size_t count, capacity, max;
};

/* At most `max` keys are followed. */
void duet_order_init(struct duet_order *order, size_t max);
void duet_order_fini(struct duet_order *order);

/* The content to add for `id`, whose message key is `key`. DT_ENOMEM: no memory, or `max` keys
 * are followed already; then this window's order is not covered, and must not be compared. */
dt_status duet_order_next(struct duet_order *order, const struct duet_digest_key *key,
                          struct dt_span message_key, const struct duet_id *id,
                          uint64_t *content);

/* Of the order pairs of `side` minus those of the other. An id is reordered if the message before
 * it, of those that both sides have under its key, is another one. DT_ENOMEM. */
dt_status duet_differ_order(struct duet_differences *list, const struct duet_nets *nets,
                            const struct duet_digest_key *key, enum duet_side side);

#endif
