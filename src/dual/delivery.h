/*
 * delivery.h - what stands behind the handler's duet_delivery.
 */
#ifndef DUAL_DELIVERY_H
#define DUAL_DELIVERY_H

#include "side/reader.h"
#include "store/sink.h"

struct duet_delivery {
    const struct duet_read_record *record;
    const char *topic;
    int32_t partition;
    enum duet_role role;
    enum duet_side side;
    struct duet_sink *sink;
    char id[DUET_ID_TEXT_SIZE];
    dt_status fatal; /* the store failed under the handler: its answer does not count */
};

void duet_delivery_init(struct duet_delivery *delivery,
                        const struct duet_read_record *record, const char *topic,
                        int32_t partition, enum duet_role role, enum duet_side side,
                        struct duet_sink *sink);

#endif
