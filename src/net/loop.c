#include "net/loop.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/status.h"
#include "net/loop_uv.h"

/* ---------------------------------------------------------------- fork */

/* Cheaper to compare on every call than the process id, which is a system call. */
static atomic_uint forks;
static pthread_once_t forks_watched = PTHREAD_ONCE_INIT;

static void on_fork(void)
{
    atomic_fetch_add(&forks, 1);
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, on_fork);
}

bool dt_loop_is_forked(const struct dt_loop *loop)
{
    return atomic_load_explicit(&forks, memory_order_relaxed) != loop->forks;
}

/* ---------------------------------------------------------------- mailbox */

void dt_loop_post(struct dt_loop *loop, struct dt_op *op)
{
    struct dt_op *first = atomic_load(&loop->mailbox);

    do
        op->next = first;
    while (!atomic_compare_exchange_weak(&loop->mailbox, &first, op));
    /* The loop says that it goes to sleep before it looks into the mailbox for the last time,
     * and we look whether it sleeps after we have posted: one of the two sees the other. */
    if (atomic_load(&loop->asleep) && atomic_exchange(&loop->asleep, false))
        uv_async_send(&loop->wake);
}

bool dt_loop_is_here(const struct dt_loop *loop)
{
    return pthread_equal(pthread_self(), loop->thread) != 0;
}

/* Runs what is in the mailbox, oldest first. False: there was nothing. */
static bool run_posted(struct dt_loop *loop)
{
    struct dt_op *op = atomic_exchange(&loop->mailbox, NULL);
    struct dt_op *oldest = NULL;

    if (op == NULL)
        return false;
    while (op != NULL) {
        struct dt_op *next = op->next;

        op->next = oldest;
        oldest = op;
        op = next;
    }
    while (oldest != NULL) {
        op = oldest;
        oldest = op->next; /* op may be freed by its own run() */
        op->run(op);
    }
    return true;
}

static void write_all(struct dt_loop *loop)
{
    while (!dt_list_is_empty(&loop->written)) {
        struct dt_write_turn *turn =
            DT_CONTAINER(loop->written.next, struct dt_write_turn, link);

        dt_list_remove(&turn->link);
        turn->write(turn);
    }
}

/* The end of a turn: called by libuv before it sleeps. */
static void on_turn(uv_prepare_t *handle)
{
    struct dt_loop *loop = handle->data;

    atomic_store(&loop->asleep, false);
    do {
        while (run_posted(loop))
            ;
        write_all(loop);
        atomic_store(&loop->asleep, true);
    } while (atomic_load(&loop->mailbox) != NULL && atomic_exchange(&loop->asleep, false));
}

static void on_wake(uv_async_t *handle)
{
    (void)handle; /* the turn that follows does the work */
}

/* ---------------------------------------------------------------- thread */

static void *thread_main(void *argument)
{
    struct dt_loop *loop = argument;

    uv_run(&loop->uv, UV_RUN_DEFAULT); /* until every handle is closed */
    return NULL;
}

static dt_status start_thread(struct dt_loop *loop, const char *name)
{
    sigset_t blocked, before;
    int failed;

    sigfillset(&blocked);
    sigdelset(&blocked, SIGSEGV);
    sigdelset(&blocked, SIGBUS);
    sigdelset(&blocked, SIGFPE);
    sigdelset(&blocked, SIGILL);
    sigdelset(&blocked, SIGABRT);
    pthread_sigmask(SIG_SETMASK, &blocked, &before); /* the new thread inherits it */
    failed = pthread_create(&loop->thread, NULL, thread_main, loop);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0)
        return dt_error_errno(failed, "starting a network thread");
    pthread_setname_np(loop->thread, name);
    return DT_OK;
}

dt_status dt_loop_start(const char *name, struct dt_loop **out)
{
    struct dt_loop *loop = calloc(1, sizeof(*loop));
    dt_status status;
    int failed;

    *out = NULL;
    if (loop == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for an event loop");
    pthread_once(&forks_watched, watch_forks);
    loop->forks = atomic_load(&forks);
    dt_list_init(&loop->written);
    failed = uv_loop_init(&loop->uv);
    if (failed != 0) {
        free(loop);
        return dt_error_errno(-failed, "making an event loop");
    }
    failed = uv_async_init(&loop->uv, &loop->wake, on_wake);
    if (failed != 0) {
        uv_loop_close(&loop->uv);
        free(loop);
        return dt_error_errno(-failed, "making an event loop");
    }
    uv_prepare_init(&loop->uv, &loop->turn);
    loop->turn.data = loop;
    uv_prepare_start(&loop->turn, on_turn);
    status = start_thread(loop, name);
    if (status != DT_OK) {
        uv_close((uv_handle_t *)&loop->wake, NULL);
        uv_close((uv_handle_t *)&loop->turn, NULL);
        uv_run(&loop->uv, UV_RUN_DEFAULT);
        uv_loop_close(&loop->uv);
        free(loop);
        return status;
    }
    *out = loop;
    return DT_OK;
}

struct stop_op {
    struct dt_op op;
    struct dt_loop *loop;
};

static void close_own_handles(struct dt_op *op)
{
    struct dt_loop *loop = DT_CONTAINER(op, struct stop_op, op)->loop;

    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->turn, NULL);
}

void dt_loop_stop(struct dt_loop *loop)
{
    struct stop_op stop = {{close_own_handles, NULL}, loop};
    int failed;

    if (loop == NULL || dt_loop_is_forked(loop))
        return;
    assert(!dt_loop_is_here(loop));
    dt_loop_post(loop, &stop.op);
    pthread_join(loop->thread, NULL);
    failed = uv_loop_close(&loop->uv);
    assert(failed == 0); /* else something on it was not freed */
    (void)failed;
    free(loop->raw);
    free(loop);
}

/* ---------------------------------------------------------------- timers */

struct dt_timer {
    uv_timer_t uv;
    struct dt_loop *loop;
    void (*fn)(void *context);
    void *context;
    int64_t at_ms;
    bool known; /* to libuv: it may be told only on the loop's thread */
};

dt_status dt_timer_new(struct dt_loop *loop, void (*fn)(void *context), void *context,
                       struct dt_timer **out)
{
    struct dt_timer *timer = calloc(1, sizeof(*timer));

    *out = timer;
    if (timer == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a timer");
    timer->loop = loop;
    timer->fn = fn;
    timer->context = context;
    timer->at_ms = INT64_MAX;
    return DT_OK;
}

static void on_timer(uv_timer_t *handle)
{
    struct dt_timer *timer = handle->data;

    /* libuv's clock is a coarse one and may be a little ahead of ours */
    if (timer->at_ms > dt_clock_ms()) {
        dt_timer_set(timer, timer->at_ms);
        return;
    }
    timer->at_ms = INT64_MAX;
    timer->fn(timer->context); /* may free the timer */
}

void dt_timer_set(struct dt_timer *timer, int64_t at_ms)
{
    int64_t wait_ms;

    if (at_ms == INT64_MAX) {
        dt_timer_stop(timer);
        return;
    }
    if (!timer->known) {
        uv_timer_init(&timer->loop->uv, &timer->uv);
        timer->uv.data = timer;
        timer->known = true;
    }
    timer->at_ms = at_ms;
    wait_ms = at_ms - dt_clock_ms();
    uv_update_time(&timer->loop->uv);
    uv_timer_start(&timer->uv, on_timer, wait_ms > 0 ? (uint64_t)wait_ms : 0, 0);
}

void dt_timer_set_sooner(struct dt_timer *timer, int64_t at_ms)
{
    if (at_ms < timer->at_ms)
        dt_timer_set(timer, at_ms);
}

void dt_timer_stop(struct dt_timer *timer)
{
    timer->at_ms = INT64_MAX;
    if (timer->known)
        uv_timer_stop(&timer->uv);
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void dt_timer_free(struct dt_timer *timer)
{
    if (timer == NULL)
        return;
    if (timer->known)
        uv_close((uv_handle_t *)&timer->uv, on_timer_closed);
    else
        free(timer);
}
