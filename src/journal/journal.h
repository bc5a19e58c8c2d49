/*
 * journal.h - a durable, bounded queue of messages per lane: append-only segments in a folder.
 *
 * A lane is a FIFO: what is appended to it is read back in that order and taken off at its
 * front. Records of all lanes share the segments; a segment is deleted when it and all before
 * it hold nothing that is still owed. Appending never touches the disk: a thread of the
 * journal's own writes what has gathered, in one write, and syncs it as the lanes' policies say
 * (group commit: however many threads append meanwhile, they share one sync); progress() then
 * tells how far everything is written and synced.
 *
 * What a record may count on was reserved before it was accepted: a full disk, or the bound, is
 * the answer of append(), never a failure behind it. One process at a time has a journal open;
 * the lock dies with it.
 *
 * Thread: any, all of it, but for open and close.
 */
#ifndef JOURNAL_JOURNAL_H
#define JOURNAL_JOURNAL_H

#include "journal/disk.h"
#include "journal/segment.h"

struct duet_journal;

/*
 * What a lane promises of a record that it calls kept:
 *
 *   always    it is synced: it survives the process and the machine's power
 *   interval  it is written: it survives the process; synced within the interval
 *   never     it is written; when it is synced is the operating system's affair
 */
enum duet_fsync { DUET_FSYNC_ALWAYS, DUET_FSYNC_INTERVAL, DUET_FSYNC_NEVER };

/* How far the journal is: up to and including these numbers. Never goes back; written >= synced. */
struct duet_journal_progress {
    uint64_t written, synced;
};

/* The number up to which a lane of that policy keeps its promise: what is at or below it is kept. */
uint64_t duet_journal_kept(enum duet_fsync policy,
                           const struct duet_journal_progress *progress);

struct duet_journal_config {
    const char *dir;              /* made if it is missing; copied */
    int64_t size_max;             /* bytes of all segments; at least two segments */
    size_t segment_size;          /* 4 KiB to 1 GiB */
    enum duet_fsync fsync;        /* of lanes that are given no other */
    int64_t fsync_interval_ms;    /* for DUET_FSYNC_INTERVAL */
    const struct duet_disk *disk; /* NULL: the system's */
    bool takes_over;              /* also what somebody else has taken, or begun to */
    /* The journal has come further: once for all that one write or sync carried. Called on the
     * journal's thread, without its lock; it writes nothing until it returns. May be NULL. */
    void (*progress)(void *context, const struct duet_journal_progress *progress);
    /* Nothing is taken or kept any more, what was not told by progress() never will be: the disk
     * failed. Once, as progress(). May be NULL. */
    void (*broken)(void *context, const char *reason);
    void *context;
};

/* What was damaged: a hole in the numbers, and where. */
struct duet_journal_damage {
    uint64_t segment;
    uint64_t lsn_from, lsn_to; /* from <= lsn < to; both 0: a whole segment, set aside */
    char what[96];             /* a few words, such as "bytes 4096 to 4160 are no record" */
    /* where its bytes are, as far as they are anywhere: in the folder; "" if they are gone */
    char file[40];
    size_t from, to;
};

struct duet_journal_lane {
    uint32_t id;
    int32_t partition;
    uint8_t side;
    char topic[256];
    uint64_t messages; /* still owed */
    uint64_t bytes;
    uint64_t accepted_lsn; /* duet_journal_accept(); 0: never */
    uint64_t done_lsn;     /* owes nothing up to there */
    uint64_t last_lsn;     /* of its last message that is owed, or was; 0: none is there */
};

/**
 * Opens the journal, or makes an empty one. What a killed process left half written at the very
 * end is cut; damage before that is kept apart and listed.
 *
 * @returns DT_OK; DT_EBUSY: a living process has it (the text says which); DT_ESTATE: somebody else
 *          has taken it over, or begun to (duet_journal_adoption()); DT_ECORRUPT: the
 *          folder holds segments of two journals, or of another version; DT_ENOSPC, DT_EIO,
 *          DT_EINVAL, DT_ENOMEM.
 */
DT_MUST_USE dt_status duet_journal_open(const struct duet_journal_config *config,
                                        struct duet_journal **out);

/**
 * Looks into a journal without touching it, also while a process has it open: lanes, damages and
 * stats as they are now; duet_journal_next() gives what is owed; nothing can be appended.
 *
 * @returns DT_OK; DT_ENOTFOUND: there is no such folder, or it holds no journal; DT_EBUSY: the
 *          process that writes it was faster, again; else as duet_journal_open().
 */
DT_MUST_USE dt_status duet_journal_look(const char *dir, struct duet_journal **out);

/* Whose the journal in a folder is. */
enum duet_journal_adoption {
    DUET_JOURNAL_OWN,    /* its producer's */
    DUET_JOURNAL_TAKING, /* somebody has begun to send what it owes */
    DUET_JOURNAL_TAKEN   /* ... and has sent all */
};

/* Reads the mark. A folder that is not there is its producer's. DT_EIO, DT_ECORRUPT: no mark. */
DT_MUST_USE dt_status duet_journal_adoption(const char *dir,
                                            enum duet_journal_adoption *state);

/* Writes the mark, durable when it returns: by who holds the journal open with `takes_over`.
 * `about`: lines for people. */
DT_MUST_USE dt_status duet_journal_adopt_mark(const char *dir,
                                              enum duet_journal_adoption state,
                                              const char *about);

/* Writes and syncs what was appended, then ends. NULL: no-op. */
void duet_journal_close(struct duet_journal *journal);

/* The damages found when it was opened; the array lives as long as the journal. */
size_t duet_journal_damages(const struct duet_journal *journal,
                            const struct duet_journal_damage **out);

/* The n-th damage, from 0 on, that duet_journal_next() came across since. DT_ENOTFOUND: there are
 * no more. */
DT_MUST_USE dt_status duet_journal_found(struct duet_journal *journal, size_t n,
                                         struct duet_journal_damage *out);

/* The bytes of the damage, into `out`, which is cleared; none if they are gone. */
DT_MUST_USE dt_status duet_journal_damage_read(const struct duet_journal *journal,
                                               const struct duet_journal_damage *damage,
                                               struct dt_buf *out);

/* Calls `visit` for each message that can be read, owed or not, in the order of the numbers.
 * Only while nobody appends: before the first append, or of a journal that is looked at. */
typedef void duet_journal_visit_fn(void *context, const struct duet_record_view *record);
DT_MUST_USE dt_status duet_journal_visit(const struct duet_journal *journal,
                                         duet_journal_visit_fn *visit, void *context);

/* Names a lane whose name is damaged everywhere (its topic is ""), from its messages. DT_EINVAL:
 * it has a name, or another lane has that one. DT_ENOMEM. */
DT_MUST_USE dt_status duet_journal_name(struct duet_journal *journal, uint32_t lane,
                                        const char *topic, int32_t partition, uint8_t side);

/* The folder; lives as long as the journal. */
const char *duet_journal_dir(const struct duet_journal *journal);

/* 28 bits of the journal's random id: tells journals apart in lists. */
uint32_t duet_journal_tag(const struct duet_journal *journal);

/* The number of the lane, new or known. DT_ENOMEM, DT_EINVAL: the topic's name is too long. */
DT_MUST_USE dt_status duet_journal_lane(struct duet_journal *journal, const char *topic,
                                        int32_t partition, uint8_t side, uint32_t *id);

/* From the next append on. Lanes of several policies may share a journal: a sync for one is a sync
 * for all. The policy is not on the disk: say it after each opening. */
void duet_journal_lane_policy(struct duet_journal *journal, uint32_t lane,
                              enum duet_fsync policy);

/**
 * Adds a message to the end of a lane. Does not wait.
 *
 * @returns DT_OK: accepted; progress() will say when it is kept. DT_ENOSPC: the bound is reached or the
 *          disk is full. DT_EBUSY: the disk is behind, again in a moment. DT_ETOOBIG: larger than
 *          a segment holds. DT_EIO: the disk failed, nothing is taken any more. DT_ENOMEM.
 *          In all but the first case nothing was added.
 */
DT_MUST_USE dt_status duet_journal_append(struct duet_journal *journal, uint32_t lane,
                                          uint16_t flags, struct dt_span payload,
                                          uint64_t *lsn);

/* The same, but where the disk is behind (DT_EBUSY) it waits for it, until then at most. */
DT_MUST_USE dt_status duet_journal_append_until(struct duet_journal *journal, uint32_t lane,
                                                uint16_t flags, struct dt_span payload,
                                                int64_t until_ms, uint64_t *lsn);

/* Waits until `lsn` is kept, as the policy promises. DT_OK, DT_ETIMEDOUT, DT_EIO: it never will
 * be. For one or a few callers; who has many messages under way is told by progress(). */
DT_MUST_USE dt_status duet_journal_wait(struct duet_journal *journal,
                                        enum duet_fsync policy, uint64_t lsn,
                                        int64_t until_ms);

/* Waits until everything that was appended, done, accepted and cancelled before is synced. As
 * duet_journal_wait(), and DT_ENOSPC: there is no room for the records that would say it. */
DT_MUST_USE dt_status duet_journal_sync(struct duet_journal *journal, int64_t until_ms);

/* Where a lane is read. Begin with {0}: at its first message that is owed. */
struct duet_journal_cursor {
    uint64_t lsn; /* of the last message read */
    /* the journal's: where the next may be found */
    uint64_t segment;
    size_t spot;
};

/**
 * The lane's next message behind the cursor, which moves. `payload` is cleared and filled.
 * @returns DT_OK; DT_ENOTFOUND: there is none (yet: what was appended can be read once it is
 *          written); DT_ECORRUPT: what comes next was damaged since the journal was opened, and
 *          may hold messages of the lane: duet_journal_found() says what; the cursor is behind it.
 *          DT_EIO: it cannot be read now. DT_ENOMEM.
 */
DT_MUST_USE dt_status duet_journal_next(struct duet_journal *journal, uint32_t lane,
                                        struct duet_journal_cursor *cursor,
                                        struct dt_buf *payload,
                                        struct duet_record_view *record);

/* The lane owes nothing up to and including `lsn` any more. Durable some time later: after a
 * crash messages may be given again, never fewer. `messages` and `bytes` are how much that is since
 * the last call. */
DT_MUST_USE dt_status duet_journal_done(struct duet_journal *journal, uint32_t lane,
                                        uint64_t lsn, uint64_t messages, uint64_t bytes);

/**
 * The lane's message is owed no longer, though others before it are: duet_journal_next() passes
 * over it, also after a restart, and done() does not count it.
 *
 * @param size of its payload
 * @param at   out: the number of the record that says so. Once that is kept, the message is never
 *             given back, whatever happens.
 * @returns as duet_journal_append(); but for DT_OK the message is owed as before. Messages leave
 *          some room for these records: hundreds fit into a journal that is full.
 */
DT_MUST_USE dt_status duet_journal_cancel(struct duet_journal *journal, uint32_t lane,
                                          uint64_t lsn, uint64_t size, uint64_t *at);

/* The side that is not the lane's has everything of the lane up to `lsn` that is not cancelled. The
 * journal draws nothing from it but gives it back after a restart (`accepted_lsn`). Durable some
 * time later, as done(); after a crash it may be less, never more. */
DT_MUST_USE dt_status duet_journal_accept(struct duet_journal *journal, uint32_t lane,
                                          uint64_t lsn);

/* Whether a journal in `dir`, which need not be there yet, would be gone after a power loss: it
 * is on a file system that lives in memory (tmpfs, ramfs). DT_EIO: the system does not tell. */
DT_MUST_USE dt_status duet_journal_is_volatile(const char *dir, bool *is_volatile);

struct duet_journal_stats {
    uint64_t messages, bytes; /* owed */
    int64_t disk_bytes;       /* of all segments */
    int64_t
        oldest_wall_ms; /* when the oldest segment that owes something was begun; 0: none */
    uint64_t syncs, writes;
};

void duet_journal_stats(struct duet_journal *journal, struct duet_journal_stats *out);

/* Lists the lanes in the order of their numbers. Free with free(). */
DT_MUST_USE dt_status duet_journal_lanes(struct duet_journal *journal,
                                         struct duet_journal_lane **out, size_t *count);

#endif
