/*
 * replay_pace.h - how fast what was kept for a side is read back, so that live traffic has room.
 *
 * The rate follows what is produced: at `percent` of it, in messages and in bytes, and never below
 * a floor, which is little to any side. Above 100 it catches up: what an outage of some length has
 * left is gone, at 200, after the same time once more.
 *
 * Pure: no clock; times are the caller's, in ms, and never go back.
 */
#ifndef MODEL_REPLAY_PACE_H
#define MODEL_REPLAY_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    DUET_REPLAY_MESSAGES_MIN = 10000, /* a second */
    DUET_REPLAY_BYTES_MIN = 16 << 20, /* a second */
    DUET_REPLAY_LOOK_MS = 500,        /* so long is looked at what is produced */
    DUET_REPLAY_BURST_MS = 100        /* what was not used is kept for so long */
};

struct duet_replay_flow {
    int64_t total;  /* produced, so far */
    int64_t rate;   /* a second, of what is read back */
    int64_t credit; /* thousandths; below 0: that much was taken too early */
};

struct duet_replay_pace {
    int64_t percent; /* 0: no bound */
    int64_t look_ms; /* when the totals were these */
    int64_t at_ms;   /* when the credits were these */
    struct duet_replay_flow messages, bytes;
};

void duet_replay_pace_init(struct duet_replay_pace *pace, int64_t percent, int64_t now_ms);

/* So much was produced since the beginning. */
void duet_replay_pace_look(struct duet_replay_pace *pace, int64_t messages, int64_t bytes,
                           int64_t now_ms);

/* In how many ms more may be read back; 0: now. */
int64_t duet_replay_pace_wait_ms(const struct duet_replay_pace *pace);

/* So much was read back, at once. */
void duet_replay_pace_took(struct duet_replay_pace *pace, int64_t messages, int64_t bytes);

#endif
