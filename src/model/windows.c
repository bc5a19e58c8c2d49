#include "model/windows_inner.h"

#include <stdlib.h>

#include "base/status.h"

void duet_windows_init(struct duet_windows *windows, uint16_t key, unsigned compared)
{
    memset(windows, 0, sizeof(*windows));
    windows->key = key;
    windows->compared = compared;
    windows->ahead_max = DUET_WINDOWS_AHEAD;
}

static void free_window(struct duet_window *window)
{
    duet_window_fini(window);
    free(window);
}

void duet_windows_fini(struct duet_windows *windows)
{
    for (size_t i = 0; i < windows->count; i++)
        free_window(windows->windows[i]);
    for (size_t i = 0; i < windows->lane_count; i++)
        duet_ranges_fini(&windows->lanes[i].covered);
    for (size_t i = 0; i < windows->producer_count; i++)
        free(windows->producers[i].ends);
    free(windows->lanes);
    free(windows->producers);
    free(windows->away);
    duet_windows_init(windows, windows->key, windows->compared);
}

dt_status duet_windows_no_memory(void)
{
    return dt_error_set(DT_ENOMEM, "no memory for windows");
}

/* ---- lanes ---- */

struct duet_windows_lane *duet_windows_lane_of(const struct duet_windows *windows,
                                               const struct duet_lane *lane)
{
    for (size_t i = 0; i < windows->lane_count; i++)
        if (duet_lane_equal(&windows->lanes[i].lane, lane))
            return &windows->lanes[i];
    return NULL;
}

static struct duet_windows_lane *add_lane(struct duet_windows *windows,
                                          const struct duet_lane *lane, bool is_expected,
                                          uint64_t begin)
{
    struct duet_windows_lane *lanes =
        realloc(windows->lanes, (windows->lane_count + 1) * sizeof(*lanes));

    if (lanes == NULL)
        return NULL;
    windows->lanes = lanes;
    lanes += windows->lane_count++;
    *lanes = (struct duet_windows_lane){
        .lane = *lane, .is_expected = is_expected, .begin = begin};
    return lanes;
}

dt_status duet_windows_expect(struct duet_windows *windows, const struct duet_lane *lane,
                              uint64_t begin)
{
    if (duet_windows_lane_of(windows, lane) != NULL)
        return dt_error_set(DT_EEXIST, "stage %s of partition %u is expected already",
                            duet_stage_name(lane->stage), lane->partition);
    return add_lane(windows, lane, true, begin) == NULL ? duet_windows_no_memory() : DT_OK;
}

/* ---- windows in memory ---- */

size_t duet_windows_index(const struct duet_windows *windows, uint32_t number, bool *found)
{
    size_t index = windows->count;

    while (index > 0 && windows->windows[index - 1]->number > number)
        index--;
    *found = index > 0 && windows->windows[index - 1]->number == number;
    return *found ? index - 1 : index;
}

struct duet_window *duet_windows_find(struct duet_windows *windows, uint32_t number)
{
    bool found;
    size_t index = duet_windows_index(windows, number, &found);

    return found ? windows->windows[index] : NULL;
}

void duet_windows_put(struct duet_windows *windows, size_t index,
                      struct duet_window *window)
{
    memmove(&windows->windows[index + 1], &windows->windows[index],
            (windows->count - index) * sizeof(windows->windows[0]));
    windows->windows[index] = window;
    windows->count++;
}

static struct duet_window *add_window(struct duet_windows *windows, uint32_t number)
{
    struct duet_window *window = calloc(1, sizeof(*window));
    bool found;
    size_t index = duet_windows_index(windows, number, &found);

    if (window == NULL)
        return NULL;
    window->number = number;
    window->unsettled_ms = windows->now_ms;
    window->tainted = number < windows->tainted_below;
    duet_windows_put(windows, index, window);
    return window;
}

/* ---- deltas ---- */

/* The first of the delta's windows that was put away; counts those that are not here. */
static bool needs_away(struct duet_windows *windows, const struct duet_delta *delta,
                       size_t *missing, uint32_t *number)
{
    *missing = 0;
    for (size_t i = 0; i < delta->window_count; i++) {
        bool is_away;

        if (duet_windows_find(windows, delta->windows[i].window) != NULL)
            continue;
        ++*missing;
        (void)duet_windows_away(windows, delta->windows[i].window, &is_away);
        if (is_away) {
            *number = delta->windows[i].window;
            return true;
        }
    }
    return false;
}

static dt_status add_all(struct duet_windows *windows, const struct duet_delta *delta)
{
    enum duet_stage stage = delta->lane.stage;
    dt_status status = DT_OK;
    size_t done = 0;

    for (; done < delta->window_count; done++) {
        const struct duet_delta_window *counted = &delta->windows[done];
        struct duet_window *window = duet_windows_find(windows, counted->window);

        if (window == NULL)
            window = add_window(windows, counted->window);
        status = window == NULL ? duet_windows_no_memory()
                                : duet_window_add(window, stage, counted);
        if (status != DT_OK)
            break;
    }
    if (status == DT_OK)
        return DT_OK;
    while (done-- > 0)
        duet_window_undo(duet_windows_find(windows, delta->windows[done].window), stage,
                         &delta->windows[done]);
    return status;
}

/* What comes late opens a window again: ids are to be sealed anew, copies to be settled anew. */
static void reopen(struct duet_windows *windows, const struct duet_delta *delta)
{
    bool issued = delta->lane.stage == DUET_STAGE_I || delta->lane.stage == DUET_STAGE_X;

    for (size_t i = 0; i < delta->window_count; i++) {
        struct duet_window *window = duet_windows_find(windows, delta->windows[i].window);

        if (issued)
            duet_windows_enter(windows, window, DUET_WINDOW_OPEN);
        else if (window->state != DUET_WINDOW_OPEN)
            duet_windows_enter(windows, window, DUET_WINDOW_SEALED);
    }
}

static dt_status add_new(struct duet_windows *windows, const struct duet_delta *delta,
                         struct duet_windows_lane *lane)
{
    dt_status status = duet_ranges_add(&lane->covered, delta->from, delta->to);

    if (status == DT_OK)
        status = add_all(windows, delta);
    if (status == DT_OK)
        reopen(windows, delta);
    return status;
}

/* The lane of a delta: that of a producer is made. */
static dt_status lane_for(struct duet_windows *windows, const struct duet_delta *delta,
                          struct duet_windows_lane **lane)
{
    enum duet_stage stage = delta->lane.stage;

    *lane = duet_windows_lane_of(windows, &delta->lane);
    if (*lane == NULL && (stage == DUET_STAGE_I || stage == DUET_STAGE_X)) {
        *lane = add_lane(windows, &delta->lane, false, 0);
        return *lane == NULL ? duet_windows_no_memory() : DT_OK;
    }
    if (*lane == NULL)
        return dt_error_set(DT_EINVAL, "stage %s of partition %u is not expected",
                            duet_stage_name(stage), delta->lane.partition);
    if (delta->from < (*lane)->begin)
        return dt_error_set(DT_EINVAL, "stage %s of partition %u begins later",
                            duet_stage_name(stage), delta->lane.partition);
    return DT_OK;
}

dt_status duet_windows_apply(struct duet_windows *windows, const struct duet_delta *delta,
                             enum duet_applied *applied, struct duet_interval *rest)
{
    struct duet_windows_lane *lane;
    uint64_t covered, size = delta->to - delta->from;
    uint32_t number = 0;
    size_t missing;
    dt_status status;

    *applied = DUET_APPLIED;
    *rest = (struct duet_interval){0, 0};
    if (delta->key != windows->key)
        return dt_error_set(DT_EINVAL, "a delta under key %u, where key %u counts",
                            delta->key, windows->key);
    status = lane_for(windows, delta, &lane);
    if (status != DT_OK || size == 0)
        return status;
    covered = duet_ranges_covered(&lane->covered, delta->from, delta->to);
    if (covered > 0) {
        *applied = covered == size ? DUET_REPEATED : DUET_OVERLAPS;
        if (covered < size)
            duet_ranges_hole(&lane->covered, delta->from, delta->to, rest);
        return DT_OK;
    }
    if (needs_away(windows, delta, &missing, &number)) {
        *applied = DUET_AWAY;
        *rest = (struct duet_interval){number, number};
        return DT_OK;
    }
    if (windows->count + missing > DUET_WINDOWS_MAX) {
        *applied = DUET_FULL;
        return DT_OK;
    }
    return add_new(windows, delta, lane);
}

dt_status duet_windows_purged(struct duet_windows *windows, const struct duet_lane *lane,
                              uint64_t from, uint64_t to, uint32_t newest)
{
    struct duet_windows_lane *at = duet_windows_lane_of(windows, lane);
    dt_status status;

    if (at == NULL)
        return dt_error_set(DT_EINVAL, "stage %s of partition %u is not expected",
                            duet_stage_name(lane->stage), lane->partition);
    if (from >= to || duet_ranges_covered(&at->covered, from, to) == to - from)
        return DT_OK; /* it had been counted */
    status = duet_ranges_add(&at->covered, from, to);
    if (status != DT_OK)
        return status;
    for (size_t i = 0; i < windows->count; i++) {
        struct duet_window *window = windows->windows[i];

        if (window->number <= newest && window->state != DUET_WINDOW_VERIFIED &&
            window->state != DUET_WINDOW_DIVERGED)
            window->tainted = true;
    }
    if (newest >= windows->tainted_below)
        windows->tainted_below = newest == UINT32_MAX ? newest : newest + 1;
    return DT_OK;
}
