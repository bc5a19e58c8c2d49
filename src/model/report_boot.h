/*
 * report_boot.h - one boot of a producer in one partition: which sequences it fixed when, where
 * they went, and which of them are in no log.
 *
 * The windows of a boot ascend with its sequences and it reports how many numbers it fixed in
 * each, so the reported part of the sequences is cut into segments of known windows. Part of
 * report.c's arithmetic. Pure.
 */
#ifndef MODEL_REPORT_BOOT_H
#define MODEL_REPORT_BOOT_H

#include "model/report.h"

struct duet_boot_segment { /* sequences [from, to) fixed in one window */
    uint32_t window;
    uint64_t from, to;
    struct duet_interval due; /* those that were meant for RocketMQ, too */
    int64_t not_done;
};

struct duet_boot_view {
    const struct duet_tally_boot *boot;
    const struct duet_idset_entry *entry[DUET_SIDES]; /* in the logs, or NULL */
    uint64_t end;                       /* one above the highest number known to be fixed */
    struct duet_boot_segment *segments; /* ascending; the last is what was not reported */
    size_t segment_count;
    struct duet_interval *nowhere; /* below end, in no log; ascending */
    size_t nowhere_count;
};

dt_status duet_boot_view_make(const struct duet_tally *tally,
                              const struct duet_tally_boot *boot,
                              struct duet_boot_view *out);
void duet_boot_view_fini(struct duet_boot_view *view);

/* How many of [from, to) are in the entry; NULL is empty. */
uint64_t duet_entry_size(const struct duet_idset_entry *entry, uint64_t from, uint64_t to);
/* How many of [from, to) the ledger lists as cancelled. */
uint64_t duet_boot_cancelled(const struct duet_tally *tally,
                             const struct duet_tally_boot *boot, uint64_t from,
                             uint64_t to);

#endif
