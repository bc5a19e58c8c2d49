/*
 * waiting.h - waiting for living instances to confirm a plan and to carry out its wishes.
 */
#ifndef CONTROL_WAITING_H
#define CONTROL_WAITING_H

#include "control/change.h"

enum duet_wait_for {
    DUET_WAIT_PRODUCERS, /* every producer that has not ended in order works by the plan */
    DUET_WAIT_ALL /* every living instance does, and where a group has a living consumer
                            its live role reads from the sides wished for */
};

/**
 * Asks the store again and again. @param plan whose version and wishes are waited for; only the
 * routes that the change selects are looked at.
 * @returns DT_OK: carried out; DT_ETIMEDOUT: the sentence names who has not; DT_ECLOSED:
 * interrupted; else as the store says.
 */
dt_status duet_wait(struct duet_store *store, const struct duet_plan *plan,
                    const struct duet_change *change, enum duet_wait_for what,
                    int64_t wait_ms);

#endif
