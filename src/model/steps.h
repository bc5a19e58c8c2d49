/*
 * steps.h - the steps of a route, and what may follow what.
 *
 *   PLANNED <-> DUAL_WRITE <-> DUAL_READ <-> SWITCHING <-> SWITCHED --> FINISHED
 *
 * What is true in each:
 *   planned     producers write Kafka only; consumers run their live role on Kafka
 *   dual-write  both sides are written, Kafka first
 *   dual-read   shadow roles run, reading RocketMQ
 *   switching   some (group, partition) is live on RocketMQ, some on Kafka
 *   switched    all are live on RocketMQ, which is written first; Kafka goes on being written:
 *               the way back
 *   finished    RocketMQ alone; no way back
 *
 * Pure.
 */
#ifndef MODEL_STEPS_H
#define MODEL_STEPS_H

#include "model/id.h"

enum duet_step {
    DUET_STEP_PLANNED,
    DUET_STEP_DUAL_WRITE,
    DUET_STEP_DUAL_READ,
    DUET_STEP_SWITCHING,
    DUET_STEP_SWITCHED,
    DUET_STEP_FINISHED,
    DUET_STEP_COUNT
};

const char *duet_step_name(enum duet_step step); /* "dual-write", ... */
bool duet_step_parse(const char *text, enum duet_step *step);
bool duet_step_may(enum duet_step from, enum duet_step to);
/* The step after, as `advance` without options takes it; false at switched and finished. */
bool duet_step_next(enum duet_step from, enum duet_step *next);

/* How a route is written: the first side is the primary. */
enum duet_write {
    DUET_WRITE_KAFKA,
    DUET_WRITE_KAFKA_ROCKETMQ,
    DUET_WRITE_ROCKETMQ_KAFKA,
    DUET_WRITE_ROCKETMQ
};
const char *duet_write_name(enum duet_write write); /* "kafka+rocketmq", ... */
bool duet_write_parse(const char *text, enum duet_write *write);
bool duet_write_has(enum duet_write write, enum duet_side side);
enum duet_side duet_write_primary(enum duet_write write);
/* What a step writes. */
enum duet_write duet_step_write(enum duet_step step);
bool duet_step_has_shadow(enum duet_step step); /* shadow roles run */

#endif
