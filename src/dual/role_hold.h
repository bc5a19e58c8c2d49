/*
 * role_hold.h - what an ordered role sets aside: the messages of a producer that come after one
 * that is missing.
 *
 * Numbers are dense, so a gap is seen at once. The role reads on (the missing copy may stand
 * behind, or come from the other side), keeps that producer's later messages in memory, and
 * hands them to the handler in order as soon as nothing before them is missing. What does not
 * come in `consumer.hold.ms`, or when more than `consumer.hold.bytes` are held, is given up: it
 * is listed as a gap, and the rest goes on. Other producers' messages never wait.
 *
 * The cursor stays before the first message held, so nothing of this has to be stored.
 *
 * Thread: the role's.
 */
#ifndef DUAL_ROLE_HOLD_H
#define DUAL_ROLE_HOLD_H

#include "dual/role.h"
#include "model/before.h"

struct duet_held; /* one message, copied */

struct duet_held_producer {
    uint32_t instance;
    struct duet_held *first, *last; /* by boot and number, each once */
    size_t bytes;
};

struct duet_hold {
    struct duet_held_producer *producers;
    size_t count, capacity;
    struct duet_idset given_up; /* numbers that are not waited for any more */
};

/* What the role knows, for model/before.h. Borrows the part. */
struct duet_before_view duet_role_before(const struct duet_part *part);

/* Processes a record of the side that is read, or sets it aside. */
dt_status duet_role_take(struct duet_role_thread *role, struct duet_part *part,
                         const struct duet_read_record *record);

/* Processes what may be by now; gives up what was waited for long enough. */
dt_status duet_role_release(struct duet_role_thread *role, struct duet_part *part);

/* How long a missing number is waited for: `consumer.hold.ms`; where the other side's log has it,
 * until the fetch, which comes after that time, had the same time again and a little more. */
int64_t duet_role_patience_ms(const struct duet_role_thread *role, bool on_other_side);

/* The position of the first message held; -1: none is. */
int64_t duet_role_held_from(const struct duet_part *part);

/* Whether this message is among those held: what waits here is not to be taken from elsewhere. */
bool duet_role_holds(const struct duet_part *part, const struct duet_id *id);

void duet_role_forget_held(struct duet_role_thread *role, struct duet_part *part);

#endif
