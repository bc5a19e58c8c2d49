#include "model/replay_pace.h"

void duet_replay_pace_init(struct duet_replay_pace *pace, int64_t percent, int64_t now_ms)
{
    *pace =
        (struct duet_replay_pace){.percent = percent, .look_ms = now_ms, .at_ms = now_ms};
    pace->messages.rate = DUET_REPLAY_MESSAGES_MIN;
    pace->bytes.rate = DUET_REPLAY_BYTES_MIN;
}

/* Half of what it was and half of what it is now: one quiet or busy moment is not the traffic. */
static void follow(struct duet_replay_flow *flow, int64_t total, int64_t elapsed_ms,
                   int64_t percent, int64_t least)
{
    int64_t live = (total - flow->total) * 1000 / elapsed_ms;
    int64_t rate = (flow->rate + live * percent / 100) / 2;

    flow->total = total;
    flow->rate = rate > least ? rate : least;
}

static void earn(struct duet_replay_flow *flow, int64_t elapsed_ms)
{
    int64_t most = flow->rate * DUET_REPLAY_BURST_MS;

    flow->credit += flow->rate * elapsed_ms;
    if (flow->credit > most)
        flow->credit = most;
}

void duet_replay_pace_look(struct duet_replay_pace *pace, int64_t messages, int64_t bytes,
                           int64_t now_ms)
{
    int64_t elapsed_ms = now_ms - pace->look_ms;

    earn(&pace->messages, now_ms - pace->at_ms);
    earn(&pace->bytes, now_ms - pace->at_ms);
    pace->at_ms = now_ms;
    if (elapsed_ms < DUET_REPLAY_LOOK_MS)
        return;
    pace->look_ms = now_ms;
    follow(&pace->messages, messages, elapsed_ms, pace->percent, DUET_REPLAY_MESSAGES_MIN);
    follow(&pace->bytes, bytes, elapsed_ms, pace->percent, DUET_REPLAY_BYTES_MIN);
}

static int64_t wait_ms(const struct duet_replay_flow *flow)
{
    return flow->credit >= 0 ? 0 : (-flow->credit + flow->rate - 1) / flow->rate;
}

int64_t duet_replay_pace_wait_ms(const struct duet_replay_pace *pace)
{
    int64_t messages_ms = wait_ms(&pace->messages), bytes_ms = wait_ms(&pace->bytes);

    if (pace->percent == 0)
        return 0;
    return messages_ms > bytes_ms ? messages_ms : bytes_ms;
}

void duet_replay_pace_took(struct duet_replay_pace *pace, int64_t messages, int64_t bytes)
{
    pace->messages.credit -= messages * 1000;
    pace->bytes.credit -= bytes * 1000;
}
