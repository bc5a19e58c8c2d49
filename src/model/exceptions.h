/*
 * exceptions.h - what a cursor has passed although its id is not in the processed set.
 *
 * The cursor of the side that a role does not read moves over ids that are in the set. So that one
 * missing id does not pin it, up to DUET_EXCEPTIONS_MAX others stay beside it: where they lie, who
 * they are, and since when nothing else brings them. They are fetched from there, or read again
 * when the side becomes the one that is read.
 *
 * Only positions are stored (as an id set whose numbers are positions); who lies there is read
 * again after a restart.
 *
 * Pure: time is given. Thread: the caller's.
 */
#ifndef MODEL_EXCEPTIONS_H
#define MODEL_EXCEPTIONS_H

#include "model/idset.h"

enum { DUET_EXCEPTIONS_MAX = 10000 };

struct duet_exception {
    int64_t position;
    struct duet_id id;
    bool known; /* the id; false after a restart, until it is read again */
    /* Of the other side, when this was read: what is brought from there lies before it. -1: that
     * end was not known. */
    int64_t other_end;
    int64_t due_ms; /* since when nothing else brings it; 0: something still may */
};

struct duet_exceptions {
    struct duet_exception *items; /* ascending positions */
    size_t count, capacity;
    bool dirty; /* the positions changed since duet_exceptions_store() */
};

void duet_exceptions_init(struct duet_exceptions *list);
void duet_exceptions_fini(struct duet_exceptions *list);

/* Appends; its position must be above all others, and fewer than DUET_EXCEPTIONS_MAX there.
 * DT_ENOMEM leaves the list as it was. */
dt_status duet_exceptions_add(struct duet_exceptions *list,
                              const struct duet_exception *exception);

/* The first whose position is >= `position`; `count` if there is none. */
size_t duet_exceptions_at(const struct duet_exceptions *list, int64_t position);

void duet_exceptions_remove(struct duet_exceptions *list, size_t index);
/* Drops all at `position` and above: the log lost them. */
void duet_exceptions_truncate(struct duet_exceptions *list, int64_t position);
/* Drops the first `count`. */
void duet_exceptions_shift(struct duet_exceptions *list, size_t count);

/* What the other side has shown so far. */
struct duet_exceptions_view {
    const struct duet_idset *processed;
    int64_t other_next; /* the position to be read next there */
    bool other_still; /* nothing came from there for a while: nothing is to be waited for */
    int64_t now_ms;   /* monotonic, above 0 */
    int64_t leave_ms; /* the cursor waits so long for an id that may come yet */
};

/* Drops what is in the set by now, and finds since when the others are due. */
void duet_exceptions_look(struct duet_exceptions *list,
                          const struct duet_exceptions_view *view);
/* Whether something that lies before `other_end` of the other side has been read there. */
bool duet_exceptions_passed(const struct duet_exceptions_view *view, int64_t other_end);

/* To and from the stored form: a set of positions. store() replaces what `positions` holds,
 * makes it dirty, and leaves an empty entry where there are none. DT_ENOMEM; DT_ECORRUPT for a
 * set of more than DUET_EXCEPTIONS_MAX. */
dt_status duet_exceptions_store(struct duet_exceptions *list, struct duet_idset *positions);
dt_status duet_exceptions_load(struct duet_exceptions *list,
                               const struct duet_idset *positions);

#endif
