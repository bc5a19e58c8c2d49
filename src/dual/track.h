/*
 * track.h - one role's reading of one partition of one side: where it is, and whether the log
 * is still the one that was read.
 *
 * Every role reads both sides. On the side that its state names, records are processed and the
 * cursor follows at once. On the other side the *keeper* reads: records are only remembered
 * (id and position), and the cursor moves over those whose ids are in the processed set; others
 * that nothing brings stay beside it (model/exceptions.h) and are fetched (role_fetch.h).
 *
 * Before reading goes on (at the start, after a reconnect) the record before the cursor must
 * be the one that was read then: the track reads it again and compares id and broker mark; if
 * it differs, the next older mark is tried, down to the beginning of the log.
 *
 * Thread: the role's. No I/O of its own; the role assigns readers as the track says.
 */
#ifndef DUAL_TRACK_H
#define DUAL_TRACK_H

#include "model/exceptions.h"
#include "side/reader.h"
#include "store/sink.h"

/* How far the keeper reads ahead of an id that is not in the set yet. */
#define DUET_KEEPER_AHEAD 10000

/* An id stays beside the cursor when it has been waited for so long, or for `consumer.hold.ms` if
 * that is less: most come at once. */
#define DUET_KEEPER_LEAVES_MS 1000

/* Kafka's mark is a hash of up to so many ids before the record. */
#define DUET_MARK_IDS 64

struct duet_track_item {
    int64_t position;
    struct duet_id id;
    uint64_t broker_mark; /* as the reader gave it */
    int64_t read_ms;      /* monotonic */
    int64_t other_end;    /* of the other side's log then; -1 unknown */
};

enum duet_track_phase {
    DUET_TRACK_IDLE,     /* not assigned */
    DUET_TRACK_CHECKING, /* reading again what stands before the cursor */
    DUET_TRACK_READING,
    DUET_TRACK_FULL, /* the keeper is DUET_KEEPER_AHEAD ahead: not assigned until it moved */
    DUET_TRACK_FETCHING /* the keeper reads again what it has left, up to `fetch_to` */
};

struct duet_track {
    enum duet_side side;
    struct duet_cursor *cursor; /* in the role's state */
    enum duet_track_phase phase;
    int64_t next;           /* the position to read next */
    int64_t begin, end;     /* of the log, as last known; -1 unknown */
    struct duet_mark check; /* what is being looked for */
    bool checked_back;      /* a mark did not match: the log has changed under the cursor */
    int64_t moved_ms;       /* monotonic: when a record last came from there */
    struct duet_exceptions left;
    int64_t fetch_next, fetch_to; /* while FETCHING: to be read next, the last to be read */
    /* Records read, oldest first: [history | not yet under the cursor]. */
    struct duet_track_item *items;
    size_t first, history, pending, capacity; /* a ring */
};

void duet_track_init(struct duet_track *track, enum duet_side side,
                     struct duet_cursor *cursor);
void duet_track_fini(struct duet_track *track);

/* Forgets what was read ahead and starts again at the cursor, with a check where there is a
 * mark. @returns the position to assign the reader at. */
int64_t duet_track_restart(struct duet_track *track);

enum duet_check { DUET_CHECK_MORE, DUET_CHECK_READ_ON, DUET_CHECK_RESTART };
/* While checking: looks at one record. RESTART: assign again at *position (an older mark, or
 * the begin of the log: then checked_back is set and the cursor has been moved back). */
enum duet_check duet_track_check(struct duet_track *track,
                                 const struct duet_read_record *record, int64_t *position);
/* While checking, the log ends (or begins) beyond the record looked for. */
enum duet_check duet_track_check_failed(struct duet_track *track, int64_t begin,
                                        int64_t *position);

/* Remembers a record that was read, when, and where the other side's log ended then (-1:
 * unknown). DT_ENOMEM. */
dt_status duet_track_push(struct duet_track *track, const struct duet_read_record *record,
                          int64_t read_ms, int64_t other_end);

/* Moves the cursor over all that was read (the role has processed it), and marks it; but not
 * beyond `held`, the first record that the role has set aside (-1: none). */
void duet_track_pass_all(struct duet_track *track, int64_t next_position, int64_t held);
/* The keeper: moves the cursor over what is in the set or stays beside it. True if it moved. */
bool duet_track_keep(struct duet_track *track, const struct duet_exceptions_view *view);

/* What stays beside the cursor, from and to its stored form. DT_ENOMEM, DT_ECORRUPT. */
dt_status duet_track_load_left(struct duet_track *track);
dt_status duet_track_store_left(struct duet_track *track);
/* The side is read from now on: the cursor goes back before all that it has left. */
void duet_track_take_back(struct duet_track *track);

/* Messages between the cursor and the log's end; 0 if the end is unknown. */
int64_t duet_track_distance(const struct duet_track *track);

#endif
