#include "model/windows_inner.h"

#include <stdlib.h>

#include "base/status.h"

void duet_windows_enter(struct duet_windows *windows, struct duet_window *window,
                        enum duet_window_state to)
{
    if (window->state == to || !duet_window_may(window->state, to))
        return;
    if (to == DUET_WINDOW_OPEN || to == DUET_WINDOW_SEALED || to == DUET_WINDOW_REPAIRED)
        window->asked_ends = window->has_ends = false;
    if (to == DUET_WINDOW_VERIFIED || to == DUET_WINDOW_DIVERGED ||
        to == DUET_WINDOW_UNVERIFIABLE) {
        window->verdict = to;
        window->verdict_version = window->version;
    } else if (window->verdict == window->state && window->verdict != DUET_WINDOW_OPEN) {
        window->unsettled_ms = windows->now_ms; /* it had a verdict until now */
    }
    window->state = to;
}

/* ---- settling ---- */

bool duet_windows_want_ends(struct duet_windows *windows)
{
    bool want = false;

    for (size_t i = 0; i < windows->count; i++) {
        struct duet_window *window = windows->windows[i];

        if ((window->state != DUET_WINDOW_SEALED &&
             window->state != DUET_WINDOW_REPAIRED) ||
            window->has_ends)
            continue;
        window->asked_ends = true;
        want = true;
    }
    return want;
}

dt_status duet_windows_give_ends(struct duet_windows *windows, const uint64_t *ends,
                                 size_t count)
{
    for (size_t i = 0; i < windows->count; i++) {
        struct duet_window *window = windows->windows[i];
        uint64_t *copy;

        if (!window->asked_ends)
            continue; /* sealed after these were read */
        copy = malloc((count + 1) * sizeof(*copy));
        if (copy == NULL)
            return duet_windows_no_memory();
        memcpy(copy, ends, count * sizeof(*copy));
        free(window->ends);
        window->ends = copy;
        window->end_count = count;
        window->has_ends = true;
        window->asked_ends = false;
    }
    return DT_OK;
}

/* Whether there is a position below the ends that nobody has counted. */
static bool first_hole(const struct duet_windows *windows, const struct duet_window *window,
                       size_t *next_lane, struct duet_waiting *waiting)
{
    size_t nth = 0;

    for (size_t i = 0; i < windows->lane_count; i++) {
        const struct duet_windows_lane *lane = &windows->lanes[i];

        if (!lane->is_expected)
            continue;
        if (i >= *next_lane && nth < window->end_count &&
            duet_ranges_hole(&lane->covered, lane->begin, window->ends[nth],
                             &waiting->hole)) {
            waiting->what = DUET_WAITS_READER;
            waiting->lane = &lane->lane;
            *next_lane = i + 1;
            return true;
        }
        nth++;
    }
    return false;
}

static bool is_settled(const struct duet_windows *windows, const struct duet_window *window)
{
    struct duet_waiting hole;
    size_t next = 0, expected = 0;

    for (size_t i = 0; i < windows->lane_count; i++)
        expected += windows->lanes[i].is_expected;
    return window->has_ends && window->end_count == expected &&
           !first_hole(windows, window, &next, &hole);
}

/* ---- sealing ---- */

/* Whether the window has to wait for what the producer may still do. */
static bool holds(const struct duet_windows *windows,
                  const struct duet_windows_producer *producer, uint32_t number)
{
    if (producer->is_dead)
        return false;
    if (producer->has_spoken &&
        (uint64_t)number > (uint64_t)windows->now_window + windows->ahead_max)
        return producer->newest >= number && producer->open_from <= number;
    return producer->open_from <= number;
}

static const struct duet_windows_lane *
told_lane(const struct duet_windows *windows, enum duet_stage stage,
          const struct duet_windows_producer *producer, const struct duet_windows_end *end,
          struct duet_lane *lane)
{
    *lane = (struct duet_lane){.stage = stage,
                               .partition = end->partition,
                               .id_kind = producer->id_kind,
                               .instance = producer->instance,
                               .boot = end->boot};
    for (size_t i = 0; i < windows->lane_count; i++) {
        const struct duet_lane *one = &windows->lanes[i].lane;

        lane->topic = one->topic; /* all of `windows` are of one route */
        if (duet_lane_equal(one, lane))
            return &windows->lanes[i];
    }
    return NULL;
}

/* The first of its numbers that it has fixed, or cancelled, and not told. Which of the cancelled
 * ones is missing, only their number tells. */
static bool has_issued_hole(const struct duet_windows *windows,
                            const struct duet_windows_producer *producer,
                            struct duet_lane *lane, struct duet_interval *hole)
{
    for (size_t i = 0; i < producer->end_count && !producer->is_dead; i++) {
        const struct duet_windows_end *end = &producer->ends[i];
        const struct duet_windows_lane *at =
            told_lane(windows, DUET_STAGE_I, producer, end, lane);
        uint64_t cancelled = 0;

        *hole = (struct duet_interval){0, end->to};
        if (at == NULL ? end->to > 0 : duet_ranges_hole(&at->covered, 0, end->to, hole))
            return true;
        at = told_lane(windows, DUET_STAGE_X, producer, end, lane);
        if (at != NULL)
            cancelled = duet_ranges_covered(&at->covered, 0, end->to);
        *hole = (struct duet_interval){0, end->to};
        if (cancelled < end->cancelled)
            return true;
    }
    return false;
}

static bool can_seal(const struct duet_windows *windows, const struct duet_window *window)
{
    for (size_t i = 0; i < windows->producer_count; i++) {
        struct duet_lane lane;
        struct duet_interval hole;

        if (holds(windows, &windows->producers[i], window->number) ||
            has_issued_hole(windows, &windows->producers[i], &lane, &hole))
            return false;
    }
    return true;
}

void duet_windows_step(struct duet_windows *windows, int64_t now_ms, uint32_t now_window)
{
    windows->now_ms = now_ms;
    windows->now_window = now_window;
    for (size_t i = 0; i < windows->count; i++) {
        struct duet_window *window = windows->windows[i];

        if (window->state == DUET_WINDOW_OPEN && can_seal(windows, window))
            duet_windows_enter(windows, window, DUET_WINDOW_SEALED);
        if (window->state == DUET_WINDOW_SEALED && is_settled(windows, window))
            duet_windows_enter(windows, window, DUET_WINDOW_SETTLED);
        if (window->state == DUET_WINDOW_SETTLED ||
            (window->state == DUET_WINDOW_REPAIRED && is_settled(windows, window)))
            duet_windows_enter(windows, window,
                               window->tainted ? DUET_WINDOW_UNVERIFIABLE
                               : duet_window_unequal(window, windows->compared) != 0
                                   ? DUET_WINDOW_DIVERGED
                                   : DUET_WINDOW_VERIFIED);
    }
}

dt_status duet_windows_repaired(struct duet_windows *windows, uint32_t number)
{
    struct duet_window *window = duet_windows_find(windows, number);

    if (window == NULL || !duet_window_may(window->state, DUET_WINDOW_REPAIRED))
        return dt_error_set(
            DT_ESTATE, "window %u is %s, so there is nothing to repair", number,
            window == NULL ? "not here" : duet_window_state_name(window->state));
    duet_windows_enter(windows, window, DUET_WINDOW_REPAIRED);
    return DT_OK;
}

/* ---- waiting ---- */

void duet_windows_waiting(const struct duet_windows *windows,
                          const struct duet_window *window, duet_waiting_fn visit,
                          void *context)
{
    struct duet_waiting waiting = {.what = DUET_WAITS_ENDS};
    size_t next = 0;

    if (window->state == DUET_WINDOW_OPEN) {
        for (size_t i = 0; i < windows->producer_count; i++) {
            const struct duet_windows_producer *producer = &windows->producers[i];
            struct duet_lane lane;

            waiting = (struct duet_waiting){.producer = producer};
            waiting.what = DUET_WAITS_PRODUCER;
            if (holds(windows, producer, window->number))
                visit(context, &waiting);
            waiting.what = DUET_WAITS_ISSUED;
            waiting.lane = &lane;
            if (has_issued_hole(windows, producer, &lane, &waiting.hole))
                visit(context, &waiting);
        }
    } else if (window->state == DUET_WINDOW_SEALED ||
               window->state == DUET_WINDOW_REPAIRED) {
        if (!window->has_ends) {
            visit(context, &waiting);
            return;
        }
        while (first_hole(windows, window, &next, &waiting))
            visit(context, &waiting);
    }
}
