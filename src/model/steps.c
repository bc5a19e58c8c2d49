#include "model/steps.h"

#include <string.h>

static const char *const step_names[DUET_STEP_COUNT] = {
    [DUET_STEP_PLANNED] = "planned",     [DUET_STEP_DUAL_WRITE] = "dual-write",
    [DUET_STEP_DUAL_READ] = "dual-read", [DUET_STEP_SWITCHING] = "switching",
    [DUET_STEP_SWITCHED] = "switched",   [DUET_STEP_FINISHED] = "finished",
};

/* Every step but the last can be walked back: until then Kafka still gets each write. */
#define TO(name) (1u << DUET_STEP_##name)
static const uint32_t next_of[DUET_STEP_COUNT] = {
    [DUET_STEP_PLANNED] = TO(DUAL_WRITE),
    [DUET_STEP_DUAL_WRITE] = TO(DUAL_READ) | TO(PLANNED),
    [DUET_STEP_DUAL_READ] = TO(SWITCHING) | TO(SWITCHED) | TO(DUAL_WRITE),
    [DUET_STEP_SWITCHING] = TO(SWITCHED) | TO(DUAL_READ),
    [DUET_STEP_SWITCHED] = TO(FINISHED) | TO(SWITCHING) | TO(DUAL_READ),
    [DUET_STEP_FINISHED] = 0, /* Kafka no longer written: no way back */
};
#undef TO

static const struct {
    const char *name;
    uint8_t count;
    enum duet_side side[DUET_SIDES]; /* the primary first */
} writes[] = {
    [DUET_WRITE_KAFKA] = {"kafka", 1, {DUET_KAFKA, DUET_KAFKA}},
    [DUET_WRITE_KAFKA_ROCKETMQ] = {"kafka+rocketmq", 2, {DUET_KAFKA, DUET_ROCKETMQ}},
    [DUET_WRITE_ROCKETMQ_KAFKA] = {"rocketmq+kafka", 2, {DUET_ROCKETMQ, DUET_KAFKA}},
    [DUET_WRITE_ROCKETMQ] = {"rocketmq", 1, {DUET_ROCKETMQ, DUET_ROCKETMQ}},
};

enum { WRITE_COUNT = sizeof(writes) / sizeof(writes[0]) };

/* A number read from a store may be anything: unknown steps have a name and lead nowhere. */
static bool is_step(enum duet_step step)
{
    return (unsigned)step < DUET_STEP_COUNT;
}

const char *duet_step_name(enum duet_step step)
{
    return is_step(step) ? step_names[step] : "unknown";
}

bool duet_step_parse(const char *text, enum duet_step *step)
{
    for (unsigned i = 0; i < DUET_STEP_COUNT; i++) {
        if (strcmp(text, step_names[i]) == 0) {
            *step = (enum duet_step)i;
            return true;
        }
    }
    return false;
}

bool duet_step_may(enum duet_step from, enum duet_step to)
{
    return is_step(from) && is_step(to) && (next_of[from] >> to & 1) != 0;
}

bool duet_step_next(enum duet_step from, enum duet_step *next)
{
    switch (from) {
    case DUET_STEP_PLANNED:
        *next = DUET_STEP_DUAL_WRITE;
        return true;
    case DUET_STEP_DUAL_WRITE:
        *next = DUET_STEP_DUAL_READ;
        return true;
    case DUET_STEP_DUAL_READ: /* everything at once; a part of it leads to SWITCHING */
    case DUET_STEP_SWITCHING:
        *next = DUET_STEP_SWITCHED;
        return true;
    case DUET_STEP_SWITCHED: /* finishing is a command of its own */
    case DUET_STEP_FINISHED:
    case DUET_STEP_COUNT:
        break;
    }
    return false;
}

static bool is_write(enum duet_write write)
{
    return (unsigned)write < WRITE_COUNT;
}

const char *duet_write_name(enum duet_write write)
{
    return is_write(write) ? writes[write].name : "unknown";
}

bool duet_write_parse(const char *text, enum duet_write *write)
{
    for (unsigned i = 0; i < WRITE_COUNT; i++) {
        if (strcmp(text, writes[i].name) == 0) {
            *write = (enum duet_write)i;
            return true;
        }
    }
    return false;
}

bool duet_write_has(enum duet_write write, enum duet_side side)
{
    return is_write(write) &&
           (writes[write].side[0] == side || writes[write].side[1] == side);
}

enum duet_side duet_write_primary(enum duet_write write)
{
    return is_write(write) ? writes[write].side[0] : DUET_KAFKA;
}

enum duet_write duet_step_write(enum duet_step step)
{
    switch (step) {
    case DUET_STEP_DUAL_WRITE:
    case DUET_STEP_DUAL_READ:
    case DUET_STEP_SWITCHING:
        return DUET_WRITE_KAFKA_ROCKETMQ;
    case DUET_STEP_SWITCHED:
        return DUET_WRITE_ROCKETMQ_KAFKA;
    case DUET_STEP_FINISHED:
        return DUET_WRITE_ROCKETMQ;
    case DUET_STEP_PLANNED:
    case DUET_STEP_COUNT:
        break;
    }
    return DUET_WRITE_KAFKA;
}

bool duet_step_has_shadow(enum duet_step step)
{
    return step == DUET_STEP_DUAL_READ || step == DUET_STEP_SWITCHING ||
           step == DUET_STEP_SWITCHED;
}
