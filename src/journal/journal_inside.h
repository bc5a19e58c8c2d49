/*
 * journal_inside.h - what a journal is made of: journal.c appends and answers, writer.c has the
 * thread that writes, recover.c reads what an earlier process left, reader.c gives it back.
 *
 * Lock: journal->lock held, for all of it but where another thing is said.
 */
#ifndef JOURNAL_JOURNAL_INSIDE_H
#define JOURNAL_JOURNAL_INSIDE_H

#include <limits.h>
#include <pthread.h>

#include "journal/journal.h"

enum { DUET_JOURNAL_CACHED = 3, DUET_JOURNAL_PATH_SIZE = PATH_MAX };

struct journal_lane {
    char *topic;
    int32_t partition;
    uint8_t side;
    enum duet_fsync policy;
    uint64_t done_lsn, accepted_lsn;
    uint64_t messages, bytes; /* owed */
    bool is_done_dirty;       /* done_lsn is not yet in a DONE record */
    bool is_accept_dirty;     /* the same of accepted_lsn */
    uint64_t *cancelled;      /* beyond done_lsn, ascending */
    size_t cancelled_count, cancelled_capacity;
};

struct journal_segment {
    struct journal_segment *next; /* younger */
    struct duet_segment_header header;
    uint32_t seed;
    int fd;              /* for writing; -1: only read any more */
    size_t size;         /* bytes that exist, logically: header and records */
    size_t written_size; /* of them in the file */
    uint64_t end_lsn;    /* behind its last record */
    /* per lane: its last message here (0: none) */
    uint64_t *last_lsn;
    size_t lane_count;       /* of last_lsn */
    size_t torn_at, torn_to; /* as opening found it: bytes at its end that are no record */
    size_t owing;            /* lanes with a message here that is owed */
};

/* Bytes on their way to a file. */
struct journal_chunk {
    struct journal_chunk *next;
    struct journal_segment *segment;
    size_t at; /* in the file */
    struct dt_buf bytes;
};

/* A segment as read back: where its messages are. */
struct journal_cached {
    uint64_t number; /* 0: unused */
    uint64_t used;   /* a clock, for the oldest to be replaced */
    uint8_t *bytes;
    size_t loaded;
    struct duet_walk walk;
    struct journal_spot {
        uint64_t lsn;
        uint32_t lane;
        uint32_t at;
    } * spots;
    size_t spot_count, spot_capacity;
    struct journal_hole {
        uint64_t lsn_from, lsn_to;
    } * holes; /* damaged since it was opened, ascending */
    size_t hole_count;
};

enum journal_spare_state { SPARE_NONE, SPARE_READY, SPARE_FULL_DISK, SPARE_BOUND };

struct duet_journal {
    /* fixed */
    char *dir;
    const struct duet_disk *disk;
    int64_t size_max;
    size_t segment_size;
    enum duet_fsync fsync;
    int64_t fsync_interval_ms;
    void (*progress)(void *context, const struct duet_journal_progress *progress);
    void (*broken)(void *context, const char *reason);
    void *context;
    int lock_fd;
    uint8_t id[DUET_JOURNAL_ID_SIZE];
    struct duet_journal_damage *damages;
    size_t damage_count;
    pthread_t thread;
    bool has_thread;

    pthread_mutex_t lock;
    pthread_cond_t wake;    /* the writer's */
    pthread_cond_t changed; /* reached, broken, room */
    bool is_closing, is_broken, has_told_broken;
    bool is_look; /* only read: no file is changed, and there is no thread */
    char broken_reason[160];
    struct journal_lane *lanes;
    size_t lane_count, lane_capacity;
    struct journal_segment *oldest, *current;
    size_t segment_count; /* without the spare */
    enum journal_spare_state spare;
    int spare_fd;
    int64_t spare_tried_ms;
    uint64_t spare_number;
    uint64_t next_lsn;
    struct duet_journal_progress reached;
    /* the newest record that has to be synced at once, and in its interval */
    uint64_t sync_now_lsn, sync_later_lsn;
    struct journal_chunk *first_chunk, *last_chunk;
    size_t pending_size;
    int64_t synced_ms, done_ms;
    uint64_t syncs, writes;

    pthread_mutex_t
        read_lock; /* of what is below; never taken with `lock` held, nor it with this */
    struct journal_cached cached[DUET_JOURNAL_CACHED];
    uint64_t clock;
    struct duet_journal_damage *found; /* by reading */
    size_t found_count;
};

/* What a RESULT record says of its number. */
enum { JOURNAL_CANCELLED = 1, JOURNAL_ACCEPTED = 2 };

/* lanes.c */
dt_status journal_lane_put(struct duet_journal *journal, uint32_t id, const char *topic,
                           int32_t partition, uint8_t side);
void journal_lane_fini(struct journal_lane *lane);
/* Notes that the message is cancelled. DT_ENOMEM. */
dt_status journal_lane_cancel(struct journal_lane *lane, uint64_t lsn);
void journal_lane_keep(struct journal_lane *lane,
                       uint64_t lsn); /* not cancelled after all */
bool journal_lane_is_cancelled(const struct journal_lane *lane, uint64_t lsn);
/* A lane that owes no message has nothing to keep: what is left of it are cancelled ones. */
void journal_release_empty(struct duet_journal *journal, uint32_t lane);

/* journal.c */
struct journal_segment *journal_segment_add(struct duet_journal *journal,
                                            const struct duet_segment_header *header);
void journal_segment_free(struct duet_journal *journal, struct journal_segment *segment);
/* The lane has a message in the segment. DT_ENOMEM. */
dt_status journal_segment_owes(struct journal_segment *segment, uint32_t lane,
                               uint64_t lsn);
/* Lanes that are done with a segment do not owe there any more. */
void journal_settle(struct duet_journal *journal, uint32_t lane);
/* Puts a record for each lane that was done or accepted further, as far as there is room now.
 * False: not for all of them. */
bool journal_put_done(struct duet_journal *journal);
void journal_path(const struct duet_journal *journal, uint64_t number,
                  char path[DUET_JOURNAL_PATH_SIZE]);

/* wait.c: waits until something changed. False: until_ms is over, or the journal ends. */
bool journal_wait_changed(struct duet_journal *journal, int64_t until_ms);

/* damage.c: puts the damage behind `count` others. Bytes from `from` to `to` of the segment's file;
 * both 0: they are gone. DT_ENOMEM. */
dt_status journal_damage_add(struct duet_journal_damage **damages, size_t *count,
                             const struct duet_journal_damage *damage);
void journal_damage_place(struct duet_journal_damage *damage, uint64_t segment, size_t from,
                          size_t to);

/* recover.c; before the thread runs. */
dt_status journal_recover(struct duet_journal *journal);

/* writer.c */
dt_status journal_writer_start(struct duet_journal *journal);
void journal_writer_stop(struct duet_journal *journal); /* Lock: not held */

/* reader.c; Lock: neither held */
void journal_cache_forget(struct duet_journal *journal, uint64_t number);
void journal_cache_free(struct duet_journal *journal);

#endif
