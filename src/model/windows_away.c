#include "model/windows_inner.h"

#include <stdlib.h>

#include "base/status.h"

size_t duet_windows_away(const struct duet_windows *windows, uint32_t number, bool *found)
{
    size_t index = 0;

    while (index < windows->away_count && windows->away[index] < number)
        index++;
    *found = index < windows->away_count && windows->away[index] == number;
    return index;
}

/* How much a window is needed here: the least goes first. */
static int need_of(const struct duet_windows *windows, const struct duet_window *window)
{
    if (window->state == DUET_WINDOW_VERIFIED)
        return 0;
    if (window->state == DUET_WINDOW_DIVERGED || window->state == DUET_WINDOW_UNVERIFIABLE)
        return 1;
    return (uint64_t)window->number > (uint64_t)windows->now_window + windows->ahead_max
               ? 2
               : 3;
}

bool duet_windows_evictable(const struct duet_windows *windows, uint32_t *number)
{
    int least = 4;

    for (size_t i = 0; i < windows->count; i++) {
        int need = need_of(windows, windows->windows[i]);

        if (need < least ||
            (need == 2 && need == least)) { /* of those ahead, the farthest */
            least = need;
            *number = windows->windows[i]->number;
        }
    }
    return least < 4;
}

dt_status duet_windows_take(struct duet_windows *windows, uint32_t number,
                            struct duet_window *out)
{
    bool found, is_away;
    size_t index = duet_windows_index(windows, number, &found), at;
    uint32_t *away;

    if (!found)
        return dt_error_set(DT_ENOTFOUND, "window %u is not here", number);
    away = realloc(windows->away, (windows->away_count + 1) * sizeof(*away));
    if (away == NULL)
        return duet_windows_no_memory();
    windows->away = away;
    at = duet_windows_away(windows, number, &is_away);
    memmove(&away[at + 1], &away[at], (windows->away_count - at) * sizeof(*away));
    away[at] = number;
    windows->away_count++;
    *out = *windows->windows[index];
    free(windows->windows[index]);
    windows->count--;
    memmove(&windows->windows[index], &windows->windows[index + 1],
            (windows->count - index) * sizeof(windows->windows[0]));
    return DT_OK;
}

dt_status duet_windows_give(struct duet_windows *windows, struct duet_window *window)
{
    bool found, is_away;
    size_t index = duet_windows_index(windows, window->number, &found);
    size_t at = duet_windows_away(windows, window->number, &is_away);
    struct duet_window *owned;

    if (found)
        return dt_error_set(DT_EEXIST, "window %u is here already", window->number);
    if (windows->count == DUET_WINDOWS_MAX)
        return dt_error_set(DT_ETOOBIG, "there are %d windows already", DUET_WINDOWS_MAX);
    owned = malloc(sizeof(*owned));
    if (owned == NULL)
        return duet_windows_no_memory();
    *owned = *window;
    memset(window, 0, sizeof(*window));
    duet_windows_put(windows, index, owned);
    if (is_away) {
        windows->away_count--;
        memmove(&windows->away[at], &windows->away[at + 1],
                (windows->away_count - at) * sizeof(*windows->away));
    }
    return DT_OK;
}
