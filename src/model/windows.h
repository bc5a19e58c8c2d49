/*
 * windows.h - a collector's state: which positions are counted, which windows are open, why.
 *
 * Deltas of producers and readers come in, in any order and as often as they like; windows are
 * sealed, settled and compared by position (docs/windows.md). Nothing waits for a time: a silent
 * producer keeps its windows open and is named, until it speaks or a person declares it dead.
 *
 * A window further ahead of the present than `ahead_max` is held open only by producers that have
 * issued ids in it: one message of the year 2099 keeps nothing open.
 *
 * At most DUET_WINDOWS_MAX windows are in memory. The caller puts others away as bytes
 * (model/window.h) and gives them back when a delta needs them.
 *
 * Pure: times come from the caller. Not thread-safe.
 */
#ifndef MODEL_WINDOWS_H
#define MODEL_WINDOWS_H

#include "model/differ.h"
#include "model/ranges.h"
#include "model/window.h"

enum { DUET_WINDOWS_MAX = 64, DUET_WINDOWS_AHEAD = 10 };

struct duet_windows_lane {
    struct duet_lane lane;
    bool is_expected; /* windows wait for it: a reader's lane */
    uint64_t begin;   /* where counting begins */
    struct duet_ranges covered;
};

struct duet_windows_end {
    uint16_t boot; /* its own, or an earlier one whose counts it has found */
    uint16_t partition;
    uint64_t to;        /* one above the highest number that is fixed */
    uint64_t cancelled; /* how many below it were definitely not sent */
};

struct duet_windows_producer {
    uint8_t id_kind;
    uint32_t instance;
    uint16_t boot;
    bool has_spoken; /* else it is only known to exist */
    bool is_dead;    /* a person has said so; until it speaks again */
    uint32_t
        open_from; /* it may still issue ids in, or owes copies of, this window and later */
    uint32_t newest;               /* the last window in which it issued */
    int64_t heard_ms;              /* -1: never */
    struct duet_windows_end *ends; /* of its numbers in all windows before open_from */
    size_t end_count;
};

struct duet_windows {
    uint16_t key;
    unsigned compared; /* enum duet_compared */
    uint32_t ahead_max;
    int64_t now_ms;
    uint32_t now_window;
    uint32_t tainted_below; /* new windows below it may have lost a part to retention */
    struct duet_window *windows[DUET_WINDOWS_MAX]; /* ascending */
    size_t count;
    struct duet_windows_lane *lanes;
    size_t lane_count;
    struct duet_windows_producer *producers;
    size_t producer_count;
    uint32_t *away; /* windows that were put away, ascending */
    size_t away_count;
};

void duet_windows_init(struct duet_windows *windows, uint16_t key, unsigned compared);
void duet_windows_fini(struct duet_windows *windows);

/* ---- who and what is waited for ---- */

/* A reader's lane, from `begin` on: windows settle when it is covered. Before any delta of it. */
dt_status duet_windows_expect(struct duet_windows *windows, const struct duet_lane *lane,
                              uint64_t begin);

/* A producer that is registered: it may issue ids from window `since` on. */
dt_status duet_windows_declare(struct duet_windows *windows, uint8_t id_kind,
                               uint32_t instance, uint32_t since);

/* What a producer says of itself; `ends` is copied. An older boot of it is over. What is older
 * than what it said before changes nothing. */
dt_status duet_windows_hear(struct duet_windows *windows,
                            const struct duet_windows_producer *said);

/* A person declares it dead. DT_ENOTFOUND: it is not known. What it had not told is a tail
 * (model/differ.h); if it speaks again, it counts again. */
dt_status duet_windows_forget(struct duet_windows *windows, uint8_t id_kind,
                              uint32_t instance);

/* ---- deltas ---- */

enum duet_applied {
    DUET_APPLIED,  /* added; its range is covered */
    DUET_REPEATED, /* its range was covered before: nothing to do */
    DUET_OVERLAPS, /* a part was: *rest is the first part that is to be counted by itself */
    DUET_FULL,     /* no room for its windows: put one away (duet_windows_evictable()) */
    DUET_AWAY      /* rest->from is a window that was put away: give it back first */
};

/* Adds a delta, whole or not at all. DT_EINVAL: another key, or a lane that is not expected;
 * DT_ENOMEM. *rest is set as said above. */
dt_status duet_windows_apply(struct duet_windows *windows, const struct duet_delta *delta,
                             enum duet_applied *applied, struct duet_interval *rest);

/* [from, to) of a lane was removed before anybody counted it, at the latest in minute `newest`.
 * Windows up to that which are not settled become unverifiable. */
dt_status duet_windows_purged(struct duet_windows *windows, const struct duet_lane *lane,
                              uint64_t from, uint64_t to, uint32_t newest);

/* ---- seal, settle, compare ---- */

/* Does what can be done now: seals, settles, compares. */
void duet_windows_step(struct duet_windows *windows, int64_t now_ms, uint32_t now_window);

/* Whether windows wait for the ends of the logs. Those that do now get the ends that are read
 * from now on. */
bool duet_windows_want_ends(struct duet_windows *windows);

/* The ends, one for each expected lane in the order of duet_windows_expect(). */
dt_status duet_windows_give_ends(struct duet_windows *windows, const uint64_t *ends,
                                 size_t count);

/* All that was listed of a diverged window has been repaired. DT_ESTATE: it is not diverged. */
dt_status duet_windows_repaired(struct duet_windows *windows, uint32_t number);

/* ---- looking ---- */

struct duet_window *duet_windows_find(struct duet_windows *windows, uint32_t number);

/* What is known of an id (for duet_differ_stored(); `windows` is the context). */
enum duet_known duet_windows_known(void *windows, const struct duet_id *id);

/* Why a window is not settled: called for each reason. */
enum duet_waits_for {
    DUET_WAITS_PRODUCER, /* producer: it has not said that it is done with the window */
    DUET_WAITS_ISSUED, /* lane and hole: numbers that a producer fixed, or cancelled, and has not told */
    DUET_WAITS_ENDS,  /* the ends of the logs have to be read */
    DUET_WAITS_READER /* lane and hole: positions that nobody has counted */
};
struct duet_waiting {
    enum duet_waits_for what;
    const struct duet_windows_producer *producer;
    const struct duet_lane *lane;
    struct duet_interval hole; /* the first of that lane */
};
typedef void (*duet_waiting_fn)(void *context, const struct duet_waiting *waiting);
void duet_windows_waiting(const struct duet_windows *windows,
                          const struct duet_window *window, duet_waiting_fn visit,
                          void *context);

/* ---- putting away ---- */

/* The window whose absence hurts least: verified, then otherwise compared, then far ahead, then
 * the oldest. False: there is none at all. */
bool duet_windows_evictable(const struct duet_windows *windows, uint32_t *number);
/* Moves it out; *out is the caller's, duet_window_fini(). DT_ENOTFOUND, DT_ENOMEM. */
dt_status duet_windows_take(struct duet_windows *windows, uint32_t number,
                            struct duet_window *out);
/* Takes it back, and its memory. DT_EEXIST: it is here; DT_ETOOBIG: there is no room. */
dt_status duet_windows_give(struct duet_windows *windows, struct duet_window *window);

#endif
