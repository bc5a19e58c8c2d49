#include "rmq/pull_window.h"

#include <assert.h>
#include <string.h>

enum {
    PROBE_EVERY = 8 /* requests: so often one asks for all it may */
};

void rmq_pull_window_init(struct rmq_pull_window *window, int64_t offset,
                          unsigned depth_max, int32_t count_max)
{
    assert(depth_max >= 1 && depth_max <= RMQ_PULL_DEPTH_MAX && count_max >= 1);
    memset(window, 0, sizeof(*window));
    window->next = offset;
    window->max = -1;
    window->depth = 1;
    window->depth_max = depth_max;
    window->count_max = count_max;
}

/* ---------------------------------------------------------------- pieces */

static unsigned find(const struct rmq_pull_window *window, unsigned id)
{
    unsigned at = 0;

    while (at < window->count &&
           (window->pieces[at].is_answered || window->pieces[at].id != id))
        at++;
    assert(at < window->count);
    return at;
}

static unsigned free_id(const struct rmq_pull_window *window)
{
    uint8_t used[RMQ_PULL_PIECES_MAX] = {0};
    unsigned id = 0;

    for (unsigned i = 0; i < window->count; i++)
        if (!window->pieces[i].is_answered)
            used[window->pieces[i].id] = 1;
    while (used[id] != 0)
        id++;
    return id;
}

static void remove_piece(struct rmq_pull_window *window, unsigned at)
{
    if (window->pieces[at].is_answered)
        window->held -= window->pieces[at].size;
    window->count--;
    memmove(&window->pieces[at], &window->pieces[at + 1],
            (window->count - at) * sizeof(window->pieces[0]));
}

static void discard_payload(struct rmq_pull_window *window, void *payload)
{
    if (payload == NULL)
        return;
    assert(window->discarded_count < RMQ_PULL_PIECES_MAX);
    window->discarded[window->discarded_count++] = payload;
}

void *rmq_pull_window_discard(struct rmq_pull_window *window)
{
    return window->discarded_count == 0 ? NULL
                                        : window->discarded[--window->discarded_count];
}

bool rmq_pull_window_is_first(const struct rmq_pull_window *window, unsigned id)
{
    return find(window, id) == 0 && window->pieces[0].offset == window->next;
}

unsigned rmq_pull_window_under_way(const struct rmq_pull_window *window)
{
    unsigned under_way = 0;

    for (unsigned i = 0; i < window->count; i++)
        under_way += !window->pieces[i].is_answered;
    return under_way;
}

/* ---------------------------------------------------------------- asking */

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* A request at `offset`, up to `limit` if that is not -1, as piece number `at`. */
static void put_request(struct rmq_pull_window *window, unsigned at, int64_t offset,
                        int64_t limit, struct rmq_pull_wish *wish)
{
    struct rmq_pull_piece *piece = &window->pieces[at];
    int64_t stride = window->stride == 0 ? window->count_max : window->stride;
    bool is_probe = window->count == 0 || ++window->asked % PROBE_EVERY == 0;
    int64_t end = offset > INT64_MAX - stride ? INT64_MAX : offset + stride;

    wish->id = free_id(window);
    wish->offset = offset;
    wish->is_first = at == 0;
    if (limit >= 0)
        end = smaller(end, limit);
    else if (window->max > offset)
        end = smaller(end, window->max);
    wish->count = (int32_t)smaller(end - offset, window->count_max);
    if (is_probe && limit < 0)
        wish->count = window->count_max;
    memmove(piece + 1, piece, (window->count - at) * sizeof(*piece));
    window->count++;
    memset(piece, 0, sizeof(*piece));
    piece->id = wish->id;
    piece->offset = offset;
    piece->next = end;
}

bool rmq_pull_window_ask(struct rmq_pull_window *window, bool ahead,
                         struct rmq_pull_wish *wish)
{
    int64_t end = window->next;
    bool may_guess = ahead && rmq_pull_window_under_way(window) < window->depth &&
                     window->count < window->depth_max;

    for (unsigned at = 0; at < window->count; at++) {
        const struct rmq_pull_piece *piece = &window->pieces[at];

        if (piece->offset > end && (at == 0 || may_guess)) {
            put_request(window, at, end, piece->offset, wish);
            return true;
        }
        if (piece->next > end)
            end = piece->next;
    }
    if (window->count > 0 && (!may_guess || window->stride == 0 || end >= window->max))
        return false;
    put_request(window, window->count, end, -1, wish);
    return true;
}

/* ---------------------------------------------------------------- answers */

static void learn(struct rmq_pull_window *window, int64_t covered, int64_t expected)
{
    /* an answer that was asked for less tells nothing about longer ones */
    if (covered < expected || covered > window->stride)
        window->stride = covered;
}

static void fewer(struct rmq_pull_window *window)
{
    window->depth = window->depth > 1 ? window->depth / 2 : 1;
}

void rmq_pull_window_answer(struct rmq_pull_window *window, unsigned id, int64_t next,
                            int64_t max, void *payload, size_t size)
{
    struct rmq_pull_piece *piece = &window->pieces[find(window, id)];

    assert(next > piece->offset);
    learn(window, next - piece->offset, piece->next - piece->offset);
    window->max = max;
    piece->is_answered = true;
    piece->next = next;
    piece->payload = payload;
    piece->size = size;
    window->held += size;
    if (next < max && window->depth < window->depth_max)
        window->depth =
            window->depth * 2 < window->depth_max ? window->depth * 2 : window->depth_max;
}

void rmq_pull_window_drop(struct rmq_pull_window *window, unsigned id, int64_t max)
{
    window->depth = 1;
    window->max = max;
    remove_piece(window, find(window, id));
}

bool rmq_pull_window_take(struct rmq_pull_window *window, struct rmq_pull_taken *out)
{
    while (window->count > 0 && window->pieces[0].is_answered &&
           window->pieces[0].offset <= window->next) {
        struct rmq_pull_piece piece = window->pieces[0];

        remove_piece(window, 0);
        if (piece.next <= window->next) { /* all of it came before */
            discard_payload(window, piece.payload);
            fewer(window);
            continue;
        }
        out->offset = window->next;
        out->next = piece.next;
        out->payload = piece.payload;
        out->size = piece.size;
        window->next = piece.next;
        return true;
    }
    return false;
}

void rmq_pull_window_clear(struct rmq_pull_window *window, int64_t offset)
{
    while (window->count > 0) {
        struct rmq_pull_piece piece = window->pieces[0];

        remove_piece(window, 0);
        if (piece.is_answered)
            discard_payload(window, piece.payload);
    }
    window->next = offset;
    window->depth = 1;
    window->max = -1;
}
