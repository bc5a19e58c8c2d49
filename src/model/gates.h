/*
 * gates.h - what must hold before a step forward, with the number that decides it.
 *
 *   into dual-write, dual-read      instances
 *   from dual-read on               instances, sides, dual-write-time, retention, counts, lag,
 *                                   debt
 *
 * A gate about all of something holds while there is none of it.
 *
 * Which windows `counts` is about: those in which no producer can issue any more and whose copies
 * are all stored or given up (`settled_below`), as far as every reader has come. Production asks
 * for so many of the newest of them in a row without a difference; with none asked for, no one
 * may differ.
 *
 * Pure.
 */
#ifndef MODEL_GATES_H
#define MODEL_GATES_H

#include "model/report.h"

/* An instance that has not been heard of for so long, and did not end in order, is dead. */
#define DUET_ALIVE_MS 5000

struct duet_gate_limits { /* `gates:` of the configuration */
    int64_t windows_min, span_min_s, dual_write_min_s, lag_max;
    bool retention_compared;
};

struct duet_gate_instance {
    char name[DUET_NAME_SIZE];
    bool producer, closed, alive;
    int64_t plan;
    int64_t pending; /* copies that it still owes to a side */
};

struct
    duet_gate_lag { /* of one role of one group: messages behind the end that it reads to */
    char group[DUET_NAME_SIZE];
    enum duet_role role;
    int64_t lag;
};

struct duet_gate_input { /* of one route */
    enum duet_step step;
    int64_t plan_version;
    int64_t now_ms; /* wall clock */
    int64_t dual_write_since_ms;
    struct duet_gate_limits limits;
    const struct duet_gate_instance *instances; /* all of the migration */
    size_t instance_count;
    const struct duet_gate_lag *lags; /* of what is to be switched */
    size_t lag_count;
    const struct duet_tally *tally;
    const struct duet_lines *windows; /* by window */
    uint32_t settled_below;
    bool unreachable[DUET_SIDES]; /* looked for just now, and not found */
};

struct duet_gate {
    char name[24];
    bool holds;
    char value[96], need[96];
    char why[256]; /* what the gate is about, or who or what it fails at */
};

enum { DUET_GATES_MAX = 8 };

/* Fills `out` with the gates of a step forward from input->step; returns how many. */
size_t duet_gates_check(const struct duet_gate_input *input,
                        struct duet_gate out[DUET_GATES_MAX]);

#endif
