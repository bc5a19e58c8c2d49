/* rmq: which requests read a queue ahead, and their answers in order */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rmq/pull_window.h"
#include "support/case.h"
#include "support/random.h"

/* ---------------------------------------------------------------- a model of a broker */

enum { QUEUE_MAX = 3000, PAYLOADS_MAX = 70 };

/* A queue of which every message, or only some, match the reader's filter. */
struct model {
    struct test_random random;
    bool matches[QUEUE_MAX];
    int64_t end;       /* of the queue: grows */
    size_t answer_max; /* messages per answer, of which it may give fewer */
    bool is_uneven;
};

/* What one answer held: the offsets of its messages. */
struct payload {
    size_t count;
    int64_t offsets[40];
};

struct request {
    struct rmq_pull_wish wish;
    bool is_open;
};

struct run {
    struct model model;
    struct rmq_pull_window window;
    struct request requests[RMQ_PULL_PIECES_MAX];
    int64_t read;    /* all before was taken */
    size_t payloads; /* that were made and not given back */
    size_t messages; /* given */
    size_t asked, round_trips;
};

static struct payload *payload_new(struct run *run)
{
    struct payload *payload = calloc(1, sizeof(*payload));

    assert_non_null(payload);
    run->payloads++;
    return payload;
}

static void payload_free(struct run *run, struct payload *payload)
{
    run->payloads -= payload != NULL;
    free(payload);
}

static void discard(struct run *run)
{
    void *payload;

    while ((payload = rmq_pull_window_discard(&run->window)) != NULL)
        payload_free(run, payload);
}

static void answer(struct run *run, struct request *request)
{
    struct model *model = &run->model;
    struct payload *payload = payload_new(run);
    size_t most = model->answer_max;
    int64_t at = request->wish.offset;

    if (model->is_uneven)
        most = 1 + test_random_below(&model->random, most);
    if (most > (size_t)request->wish.count)
        most = (size_t)request->wish.count;
    for (; at < model->end && payload->count < most; at++)
        if (model->matches[at])
            payload->offsets[payload->count++] = at;
    if (payload->count == 0) {
        payload_free(run, payload);
        payload = NULL;
    }
    request->is_open = false;
    assert_true(at > request->wish.offset);
    rmq_pull_window_answer(&run->window, request->wish.id, at, model->end, payload,
                           payload == NULL ? 0 : sizeof(*payload));
    discard(run);
}

/* Sends whatever may be sent, and looks at each wish. */
static void ask(struct run *run)
{
    struct rmq_pull_wish wish;

    while (rmq_pull_window_ask(&run->window, true, &wish)) {
        assert_true(wish.id < RMQ_PULL_PIECES_MAX);
        assert_false(run->requests[wish.id].is_open);
        assert_true(wish.count >= 1 && wish.count <= run->window.count_max);
        assert_true(wish.offset >= run->read);
        if (wish.is_first)
            assert_int_equal(wish.offset, run->read);
        else
            assert_true(wish.offset < run->window.max);
        run->requests[wish.id].wish = wish;
        run->requests[wish.id].is_open = true;
        run->asked++;
        assert_true(rmq_pull_window_under_way(&run->window) <=
                    run->window.depth_max + 1); /* the front's gap beside the guesses */
    }
    assert_true(rmq_pull_window_under_way(&run->window) >= 1);
}

/* Takes what there is: each message once, in order, none left out. */
static void take(struct run *run)
{
    struct rmq_pull_taken taken;

    while (rmq_pull_window_take(&run->window, &taken)) {
        struct payload *payload = taken.payload;
        size_t i = 0;

        assert_int_equal(taken.offset, run->read);
        assert_true(taken.next > taken.offset);
        while (payload != NULL && i < payload->count && payload->offsets[i] < taken.offset)
            i++;
        for (; run->read < taken.next; run->read++) {
            if (!run->model.matches[run->read])
                continue;
            assert_non_null(payload);
            assert_true(i < payload->count);
            assert_int_equal(payload->offsets[i], run->read);
            i++;
            run->messages++;
        }
        assert_true(payload == NULL || i == payload->count);
        payload_free(run, payload);
    }
    discard(run);
}

static struct request *some_open(struct run *run)
{
    size_t start = test_random_below(&run->model.random, RMQ_PULL_PIECES_MAX);

    for (size_t i = 0; i < RMQ_PULL_PIECES_MAX; i++) {
        struct request *request = &run->requests[(start + i) % RMQ_PULL_PIECES_MAX];

        if (request->is_open)
            return request;
    }
    return NULL;
}

static void lose_all(struct run *run)
{
    rmq_pull_window_clear(&run->window, run->read);
    discard(run);
    for (size_t i = 0; i < RMQ_PULL_PIECES_MAX; i++)
        run->requests[i].is_open = false;
    assert_int_equal(run->payloads, 0);
}

static void start(struct run *run, uint64_t seed, unsigned depth, int64_t end)
{
    memset(run, 0, sizeof(*run));
    run->model.random.state = seed;
    run->model.end = end;
    run->model.answer_max = 8;
    for (size_t i = 0; i < QUEUE_MAX; i++)
        run->model.matches[i] = true;
    rmq_pull_window_init(&run->window, 0, depth, 32);
}

/* One request after the other is answered, oldest first: as many as were under way at the start
 * are one round trip. */
static void read_by_round_trips(struct run *run)
{
    while (run->read < run->model.end) {
        ask(run);
        run->round_trips++;
        for (size_t id = 0, open[RMQ_PULL_PIECES_MAX], n = 0;; id++) {
            if (id < RMQ_PULL_PIECES_MAX) {
                if (run->requests[id].is_open)
                    open[n++] = id;
                continue;
            }
            while (n > 0)
                answer(run, &run->requests[open[--n]]);
            break;
        }
        take(run);
    }
}

/* ---------------------------------------------------------------- cases */

static void nothing_is_lost_repeated_or_out_of_order_whatever_comes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct run run;
        struct test_random *random = &run.model.random;
        size_t steps = 0, expected = 0, share;

        start(&run, seed, (unsigned)(1 + seed % 12), (int64_t)(seed % 50));
        run.model.answer_max = 1 + test_random_below(random, 32);
        run.model.is_uneven = seed % 3 == 0;
        share = seed % 4 == 0 ? 1 + test_random_below(random, 30) : 1;
        for (size_t i = 0; i < QUEUE_MAX; i++) {
            run.model.matches[i] = test_random_once_in(random, share);
            expected += run.model.matches[i];
        }
        while (run.read < QUEUE_MAX) {
            struct request *request;

            assert_true(++steps < 100000);
            if (run.model.end < QUEUE_MAX && test_random_once_in(random, 3))
                run.model.end += 1 + (int64_t)test_random_below(
                                         random, (size_t)(QUEUE_MAX - run.model.end));
            ask(&run);
            request = some_open(&run);
            assert_non_null(request);
            if (test_random_once_in(random, 60)) {
                lose_all(&run);
            } else if (request->wish.offset >= run.model.end) {
                /* held at the end until something comes */
                assert_true(rmq_pull_window_is_first(&run.window, request->wish.id));
            } else if (test_random_once_in(random, 40)) {
                request->is_open = false;
                rmq_pull_window_drop(&run.window, request->wish.id, run.model.end);
            } else {
                answer(&run, request);
            }
            take(&run);
        }
        assert_int_equal(run.messages, expected);
        lose_all(&run);
    }
}

static void a_single_request_waits_at_the_end_of_the_queue(void **state)
{
    struct run run;
    struct rmq_pull_wish wish;

    (void)state;
    start(&run, 1, 8, 100);
    read_by_round_trips(&run);
    assert_true(rmq_pull_window_ask(&run.window, true, &wish));
    assert_true(wish.is_first);
    assert_int_equal(wish.offset, 100);
    assert_int_equal(wish.count, 32);
    assert_false(rmq_pull_window_ask(&run.window, true, &wish));
    lose_all(&run);
}

static void several_requests_divide_the_round_trips(void **state)
{
    struct run alone, ahead;

    (void)state;
    start(&alone, 1, 1, 2400);
    read_by_round_trips(&alone);
    assert_int_equal(alone.round_trips, 300);
    start(&ahead, 1, 8, 2400);
    read_by_round_trips(&ahead);
    assert_true(ahead.round_trips < 50); /* 300 / 8, and a few to find out */
    assert_true(ahead.asked < 310);      /* hardly any in vain */
    lose_all(&alone);
    lose_all(&ahead);
}

static void a_longer_stride_is_found_again(void **state)
{
    struct run run;
    size_t before;

    (void)state;
    start(&run, 1, 8, 600);
    read_by_round_trips(&run); /* 8 at a time */
    run.model.answer_max = 32;
    run.model.end = 3000;
    before = run.asked;
    read_by_round_trips(&run);
    assert_true(run.asked - before < 100); /* 75 at 32, 300 at 8 */
    lose_all(&run);
}

static void an_answer_that_ends_early_leaves_a_gap_that_is_asked_for(void **state)
{
    struct run run;
    struct rmq_pull_wish wish;

    (void)state;
    start(&run, 1, 4, 1000);
    while (run.window.depth < 4) {
        ask(&run);
        answer(&run, some_open(&run));
        take(&run);
    }
    ask(&run);
    for (size_t i = 0; i < RMQ_PULL_PIECES_MAX; i++) {
        struct request *request = &run.requests[i];

        if (!request->is_open || !rmq_pull_window_is_first(&run.window, request->wish.id))
            continue;
        run.model.answer_max = 3;
        answer(&run, request);
        run.model.answer_max = 8;
        take(&run);
        assert_true(rmq_pull_window_ask(&run.window, false, &wish));
        assert_true(wish.is_first);
        assert_int_equal(wish.offset, run.read);
        assert_int_equal(wish.count,
                         3); /* as answers are now; never beyond the next piece */
        run.requests[wish.id] = (struct request){wish, true};
        break;
    }
    read_by_round_trips(&run);
    assert_int_equal(run.messages, 1000);
    lose_all(&run);
}

static void without_room_only_the_first_is_asked_for(void **state)
{
    struct run run;
    struct rmq_pull_wish wish;

    (void)state;
    start(&run, 1, 8, 1000);
    ask(&run);
    answer(&run, some_open(&run));
    take(&run);
    assert_true(rmq_pull_window_ask(&run.window, false, &wish));
    assert_true(wish.is_first);
    assert_false(rmq_pull_window_ask(&run.window, false, &wish));
    assert_true(rmq_pull_window_ask(&run.window, true, &wish));
    assert_false(wish.is_first);
    lose_all(&run);
}

static void offsets_near_the_largest_do_not_wrap(void **state)
{
    struct rmq_pull_window window;
    struct rmq_pull_wish wish;

    (void)state;
    rmq_pull_window_init(&window, INT64_MAX - 1, 8, 32);
    assert_true(rmq_pull_window_ask(&window, true, &wish));
    assert_int_equal(wish.offset, INT64_MAX - 1);
    rmq_pull_window_answer(&window, wish.id, INT64_MAX, INT64_MAX, NULL, 0);
    assert_false(rmq_pull_window_ask(&window, true, &wish) && !wish.is_first);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_repeated_or_out_of_order_whatever_comes),
        cmocka_unit_test(a_single_request_waits_at_the_end_of_the_queue),
        cmocka_unit_test(several_requests_divide_the_round_trips),
        cmocka_unit_test(a_longer_stride_is_found_again),
        cmocka_unit_test(an_answer_that_ends_early_leaves_a_gap_that_is_asked_for),
        cmocka_unit_test(without_room_only_the_first_is_asked_for),
        cmocka_unit_test(offsets_near_the_largest_do_not_wrap),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
