/*
 * log_part.h - one partition of one side as the log counter sees it: what a record changes, and
 * what to do when the log is not the one that was counted. No reader and no store in here.
 */
#ifndef VERIFY_LOG_PART_H
#define VERIFY_LOG_PART_H

#include "side/reader.h"
#include "store/control_store.h"

struct duet_log_part {
    struct duet_log_state state;
    int64_t saved;    /* the position that the store has: a save is against it */
    bool loaded;      /* state is from the store */
    bool assigned;    /* the reader reads it */
    bool verify;      /* the next record should be one that has been counted: the last */
    int64_t unsaved;  /* records since the last save */
    int64_t leave_ms; /* monotonic: somebody else counts it until then */
    int64_t target;   /* of a catch-up, -1 none */
    uint32_t kind_number; /* the route's topic number, for ids of whole ranges */
    struct duet_ledger_entry foreign; /* the range that may still grow */
    bool has_foreign, foreign_dirty;
};

/* Where the ledger entries of a part go: never lost before the state that they explain. */
struct duet_log_notes {
    struct duet_ledger_entry *entries;
    size_t count;
};
void duet_log_notes_fini(struct duet_log_notes *notes);

/* Counts one record at the position that is due or above; DT_ENOMEM leaves it uncounted. */
dt_status duet_log_part_count(struct duet_log_part *part,
                              const struct duet_read_record *record,
                              struct duet_log_notes *notes);

/* Whether the record found where the last counted one stood may be that one. */
bool duet_log_part_is_known(const struct duet_log_part *part,
                            const struct duet_read_record *record);

/* The log holds [begin, end) only, or what stands before the position is not what was counted:
 * lists what that means and moves the position. @param replaced the latter. */
dt_status duet_log_part_moved(struct duet_log_part *part, int64_t begin, int64_t end,
                              bool replaced, struct duet_log_notes *notes);

/* Puts the open range of foreign records, if any, among the notes (it may go on growing). */
dt_status duet_log_part_note_foreign(struct duet_log_part *part,
                                     struct duet_log_notes *notes);

#endif
