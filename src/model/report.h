/*
 * report.h - the arithmetic of the daily report: what was issued, stored, read and processed.
 *
 * A tally holds, for one route, what the control store knows: the producers' own counts, what
 * log readers found, what the roles of each group counted, what the ledger lists. From it come
 * lines per day (the report) or per window (the gates), whether they are equal, and the exact
 * ids that a log lacks.
 *
 * What was issued, when a producer died
 * -------------------------------------
 * A producer reports its counts twice a second; one that is killed takes the last half second
 * with it. Its ids are dense (0, 1, 2, ... per boot and partition), so nothing is guessed about
 * how many there were. Of a dead boot, with E one above the highest sequence that was reported
 * or is in a log:
 *   - an id from `issued_to` up that is in Kafka's log was fixed and stored: it counts as issued
 *     on each side the boot wrote. Its day is one where that log holds more than was reported,
 *     from the boot's last reported window on;
 *   - an id below E in no log, and not given up (not done, cancelled), is issued and
 *     `unresolved`. Below `issued_to` its window is known (windows ascend with the sequence, and
 *     the boot reported how many it fixed in each) and its day is one of that window's where
 *     less is stored than reported; from `issued_to` up it belongs to the boot's last day;
 *   - whatever the days cannot take stands on the boot's last day: none is hidden.
 * So for a dead boot issued = stored + unresolved on the primary side, and on the other side
 * what is issued, not stored and not unresolved is a hole: duet_missing_find() names its ids.
 *
 * Pure.
 */
#ifndef MODEL_REPORT_H
#define MODEL_REPORT_H

#include "model/counts.h"
#include "model/idset.h"
#include "model/plan.h"

/* Counters in the tables below; the control store's have the same order. */
enum duet_tally_issue {
    DUET_TALLY_ISSUED_KAFKA,
    DUET_TALLY_ISSUED_ROCKETMQ,
    DUET_TALLY_NOT_DONE
};
enum duet_tally_log { DUET_TALLY_STORED, DUET_TALLY_EXTRA, DUET_TALLY_FOREIGN };
enum duet_tally_role {
    DUET_TALLY_READ,
    DUET_TALLY_PROCESSED,
    DUET_TALLY_DUPLICATE,
    DUET_TALLY_FAILED,
    DUET_TALLY_UNSTAMPED
};

struct duet_tally_boot { /* one boot of a producer, one partition */
    int32_t partition;
    uint32_t instance;
    uint16_t boot;
    uint64_t issued_to;        /* sequences below were fixed when it last reported */
    bool dead;                 /* fixes no more, and its last report may be missing */
    uint32_t settled;          /* windows below: each copy is stored, or listed as given up.
                           UINT32_MAX when it fixes no more */
    struct duet_counts counts; /* duet_tally_issue */
};

struct duet_tally_log_state { /* one partition of one side */
    struct duet_idset ids;
    struct duet_counts counts; /* duet_tally_log */
};

struct duet_tally_listed { /* ids that the ledger lists as given up on a side */
    int32_t partition;
    enum duet_side side;
    bool cancelled;    /* on no side, else on this one */
    struct duet_id id; /* the first */
    uint64_t sequence_to;
};

struct duet_tally_group {
    char name[DUET_NAME_SIZE];
    bool reads[DUET_SIDES]; /* some role or its keeper has read there */
    struct duet_counts read[DUET_SIDES], live[DUET_SIDES], shadow[DUET_SIDES];
};

struct duet_tally { /* one route */
    char topic[DUET_NAME_SIZE];
    enum duet_write write;
    bool shadow_due; /* the step has shadow roles */
    int32_t partitions;
    struct duet_tally_log_state *log[DUET_SIDES]; /* [partition] */
    struct duet_tally_boot *boots;
    size_t boot_count;
    struct duet_tally_listed *listed;
    size_t listed_count;
    struct duet_tally_group *groups;
    size_t group_count;
};

void duet_tally_fini(struct duet_tally *tally);

/* ---- what was issued ---- */

enum duet_issued_counter {
    DUET_ISSUED_KAFKA, /* + side: ids fixed while that side is written */
    DUET_ISSUED_ROCKETMQ,
    DUET_UNRESOLVED_KAFKA, /* + side: ids of a dead producer whose fate is not known */
    DUET_UNRESOLVED_ROCKETMQ
};
/* Per (window, day), over all partitions and boots. `issued` is initialised. DT_ENOMEM. */
dt_status duet_tally_issued(const struct duet_tally *tally, struct duet_counts *issued);

/* ---- lines: one per day, or one per window ---- */

enum duet_fold { DUET_BY_DAY, DUET_BY_WINDOW };

struct duet_line_group { /* per side */
    int64_t read[DUET_SIDES], duplicates[DUET_SIDES], live[DUET_SIDES], shadow[DUET_SIDES],
        failed[DUET_SIDES];
};

struct duet_line {
    uint32_t key; /* day or window */
    int64_t issued[DUET_SIDES], stored[DUET_SIDES], duplicates[DUET_SIDES],
        unresolved[DUET_SIDES];
    struct duet_line_group *groups; /* as the tally's */
};

struct duet_lines {
    struct duet_line *line; /* ascending keys */
    size_t count;
    bool written[DUET_SIDES]; /* is, or was: only such sides have rows */
};

dt_status duet_lines_make(const struct duet_tally *tally, enum duet_fold fold,
                          struct duet_lines *out);
void duet_lines_fini(struct duet_lines *lines);

/* Whether everything of the line agrees: on each written side issued = stored and nothing
 * unresolved; for each group that has read anything, on each side it reads, read = stored +
 * duplicates of the side; nothing failed; live summed over both sides = issued, and the same for
 * shadow where shadow roles are due. If not, `why` says the first disagreement. */
bool duet_line_equal(const struct duet_tally *tally, const struct duet_lines *lines,
                     const struct duet_line *line, char *why, size_t why_size);

/* ---- the report ---- */

struct duet_report_row {
    uint16_t day;
    char topic[DUET_NAME_SIZE];
    char group[DUET_NAME_SIZE]; /* "": a row of the topic, with the first three numbers */
    enum duet_side side;
    int64_t issued, stored, unresolved;
    int64_t duplicates; /* both kinds of row */
    int64_t read, live, shadow, failed;
};

struct duet_report {
    struct duet_report_row *rows; /* by day, topic, group, side */
    size_t count;
    bool equal;
    char why[256]; /* the first disagreement, "" if equal */
};

void duet_report_init(struct duet_report *report);
void duet_report_fini(struct duet_report *report);
/* Adds a route's days from..to (inclusive); routes are added in the order of their names. */
dt_status duet_report_add(struct duet_report *report, const struct duet_tally *tally,
                          uint16_t from, uint16_t to);
/* Orders the rows. */
void duet_report_finish(struct duet_report *report);
/* Adds the days up: one row per topic, group and side, in `total` (initialised), day 0. */
dt_status duet_report_total(const struct duet_report *report, struct duet_report *total);

/* ---- exact ids ---- */

struct duet_missing { /* ids of one window that a log lacks and the ledger does not list */
    int32_t partition;
    enum duet_side side; /* that lacks them */
    bool nowhere;    /* in no log at all: of a producer that died, else on the other side */
    uint32_t window; /* when they were fixed; 0: not known */
    struct duet_id id; /* the first */
    uint64_t sequence_to;
};

/* Only ids of settled windows. @param out the caller's, free(); NULL if there are none. By
 * partition, side, id. */
dt_status duet_missing_find(const struct duet_tally *tally, struct duet_missing **out,
                            size_t *count);

/* The minute that a window is: "2013-01-01T09:15Z". */
void duet_window_text(char out[18], uint32_t window);

#endif
