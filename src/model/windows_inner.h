/*
 * windows_inner.h - what the files windows*.c share.
 */
#ifndef MODEL_WINDOWS_INNER_H
#define MODEL_WINDOWS_INNER_H

#include "model/windows.h"

struct duet_windows_lane *duet_windows_lane_of(const struct duet_windows *windows,
                                               const struct duet_lane *lane);

/* The index of the window in memory, or where it belongs. */
size_t duet_windows_index(const struct duet_windows *windows, uint32_t number, bool *found);
void duet_windows_put(struct duet_windows *windows, size_t index,
                      struct duet_window *window);

/* The same among the numbers of those that were put away. */
size_t duet_windows_away(const struct duet_windows *windows, uint32_t number, bool *found);

/* The only place that changes a window's state; a step that is none of the machine's does
 * nothing. */
void duet_windows_enter(struct duet_windows *windows, struct duet_window *window,
                        enum duet_window_state to);

dt_status duet_windows_no_memory(void);

#endif
