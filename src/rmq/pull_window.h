/*
 * pull_window.h - which requests to send ahead for one queue, and their answers in queue order.
 *
 * A broker gives a few messages per request, 8 from disk, whatever is asked; with one request
 * under way a queue is read at so many messages per round trip. Here several are: beside the
 * request at the place where reading stands, others at places where the answers before them are
 * likely to end.
 *
 *     next                                                        max
 *      |  piece 0  |  piece 1  |   gap   |  piece 2  |  piece 3  |
 *      +-----------+-----------+         +-----------+-----------+
 *       asked       answered              answered    asked, up to a guess
 *
 * A guess costs nothing but a round trip: an answer that ends early leaves a gap, which is asked
 * for; one that ends late overlaps the next, whose front is left out then. What is taken out
 * follows exactly: each piece begins where the one before it ended.
 *
 * Invariants: pieces are sorted by `offset`; only answered ones begin before `next`; no request
 * is made at or beyond `max` unless it is the only one; ids of requests under way differ.
 *
 * Pure: no clock, lock, allocation or socket. Payloads are the caller's, who gets each back once,
 * by take or by discard.
 */
#ifndef RMQ_PULL_WINDOW_H
#define RMQ_PULL_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RMQ_PULL_DEPTH_MAX = 32,
    RMQ_PULL_PIECES_MAX = RMQ_PULL_DEPTH_MAX + 1 /* one more closes the gap in front */
};

struct rmq_pull_piece {
    unsigned id;
    bool is_answered;
    int64_t offset; /* asked for */
    int64_t next;   /* answered: where it ends; else where it is thought to end */
    void *payload;  /* answered; NULL: there was nothing from `offset` to `next` */
    size_t size;    /* that the payload takes */
};

struct rmq_pull_window {
    int64_t next;   /* all before was taken */
    int64_t max;    /* the queue's end as a broker last said; -1: not said yet */
    int64_t stride; /* offsets that an answer covers; 0: not known yet */
    unsigned depth; /* requests that may be under way now: 1 to depth_max */
    unsigned depth_max;
    int32_t count_max; /* messages that a request may ask for */
    unsigned asked;    /* requests; every few of them one tries a longer stride */
    unsigned count;
    size_t held; /* bytes of answered pieces */
    struct rmq_pull_piece pieces[RMQ_PULL_PIECES_MAX];
    unsigned discarded_count; /* payloads to be given back */
    void *discarded[RMQ_PULL_PIECES_MAX];
};

/* What to ask for. */
struct rmq_pull_wish {
    unsigned id; /* below RMQ_PULL_PIECES_MAX; of no other request under way */
    int64_t offset;
    int32_t count;
    bool is_first; /* reading stands there: the broker may hold it until something comes */
};

/* What was taken: everything of the queue from `offset` to `next`. */
struct rmq_pull_taken {
    int64_t offset, next;
    void *payload; /* may hold something before `offset`: not to be used. NULL: nothing */
    size_t size;
};

/* An empty window at `offset`; what was learnt is forgotten. depth_max: 1 to
 * RMQ_PULL_DEPTH_MAX. Nothing may be in the window (see clear). */
void rmq_pull_window_init(struct rmq_pull_window *window, int64_t offset,
                          unsigned depth_max, int32_t count_max);

/* The next request to send, if there is one; it counts as sent. `ahead`: false allows only the
 * one that everything waits for. */
bool rmq_pull_window_ask(struct rmq_pull_window *window, bool ahead,
                         struct rmq_pull_wish *wish);

/* The request `id` was answered: all there is from its offset to `next`, which is beyond it, is
 * in `payload`. `max` as the broker says, -1 if it does not. Takes the payload. */
void rmq_pull_window_answer(struct rmq_pull_window *window, unsigned id, int64_t next,
                            int64_t max, void *payload, size_t size);

/* The request `id` came to nothing: it is forgotten, and for a while there are fewer guesses. */
void rmq_pull_window_drop(struct rmq_pull_window *window, unsigned id, int64_t max);

/* The next piece in order, if it has been answered. */
bool rmq_pull_window_take(struct rmq_pull_window *window, struct rmq_pull_taken *out);

/* A payload that is of no use: the caller's to free. NULL: no more. To be emptied after every
 * answer, take and clear. */
void *rmq_pull_window_discard(struct rmq_pull_window *window);

/* Forgets every piece; reading stands at `offset` from now on. Payloads come by discard. */
void rmq_pull_window_clear(struct rmq_pull_window *window, int64_t offset);

/* True if this request, which is under way, is for the very place where reading stands. */
bool rmq_pull_window_is_first(const struct rmq_pull_window *window, unsigned id);

/* Requests under way. */
unsigned rmq_pull_window_under_way(const struct rmq_pull_window *window);

#endif
