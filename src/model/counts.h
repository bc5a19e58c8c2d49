/*
 * counts.h - counters per window and day: sums that can be added, kept within each window.
 *
 * Pure. A table is small (some windows times some days) and kept sorted by (window, day).
 */
#ifndef MODEL_COUNTS_H
#define MODEL_COUNTS_H

#include "base/buf.h"

enum { DUET_COUNTERS = 6 };

struct duet_count {
    uint32_t window; /* minutes since 1970 */
    uint16_t day;    /* days since 1970 in the migration's zone */
    bool dirty;
    int64_t n[DUET_COUNTERS]; /* meaning is the owner's */
};

struct duet_counts {
    struct duet_count *rows; /* sorted by (window, day) */
    size_t count, capacity;
    size_t last; /* the row found last: messages come in runs of one window and day */
};

void duet_counts_init(struct duet_counts *counts);
void duet_counts_fini(struct duet_counts *counts);

/* The row of (window, day), made if missing and marked dirty; NULL without memory. Valid until
 * the next call that makes a row. */
struct duet_count *duet_counts_at(struct duet_counts *counts, uint32_t window,
                                  uint16_t day);

/* Adds `amount` to counter `which`. */
dt_status duet_counts_add(struct duet_counts *counts, uint32_t window, uint16_t day,
                          int which, int64_t amount);
/* Adds each row of `other`. On DT_ENOMEM nothing has been added. */
dt_status duet_counts_merge(struct duet_counts *counts, const struct duet_counts *other);
int64_t duet_counts_total(const struct duet_counts *counts, int which);
void duet_counts_clean(struct duet_counts *counts);

/* The window of a wall-clock time, and text of a day: "2013-01-01". */
uint32_t duet_window_of(int64_t wall_ms);
void duet_day_text(char out[11], uint16_t day);
bool duet_day_parse(const char *text, uint16_t *day); /* YYYY-MM-DD, a real date */

/* The day of a moment at a fixed distance from UTC; earlier than 1970 gives 0, later than
 * 2149-06-06 gives 65535. */
uint16_t duet_day_of(int64_t wall_ms, int32_t utc_offset_s);

#endif
