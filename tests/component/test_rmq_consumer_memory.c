/* librmq: a group consumer when memory runs out: each allocation fails once, and nothing is lost */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <cmocka.h>

#include "consumer_world.h"
#include "support/case.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
/* sanitizers have an allocator of their own */
static void set_failing(long nth)
{
    (void)nth;
    skip();
}
static long left(void)
{
    return 0;
}
#else
static atomic_long countdown; /* 0: all succeed; at 1 the next one fails */

static bool refused(void)
{
    return atomic_load_explicit(&countdown, memory_order_relaxed) > 0 &&
           atomic_fetch_sub(&countdown, 1) == 1;
}

/* The C library's own, under the names that it keeps for those who replace malloc(). */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size)
{
    if (!refused())
        return __libc_malloc(size);
    errno = ENOMEM;
    return NULL;
}

void *calloc(size_t count, size_t size)
{
    if (!refused())
        return __libc_calloc(count, size);
    errno = ENOMEM;
    return NULL;
}

void *realloc(void *old, size_t size)
{
    if (!refused())
        return __libc_realloc(old, size);
    errno = ENOMEM;
    return NULL;
}

static void set_failing(long nth)
{
    atomic_store(&countdown, nth);
}

static long left(void)
{
    return atomic_load(&countdown);
}
#endif

static void each_allocation_may_fail_once(void **state)
{
    static const rmq_client_config quick = {
        .backoff_ms_min = 1, .backoff_ms_max = 4, .heartbeat_period_ms = 20};
    struct world world;
    bool orderly = false;
    long nth = 1;
    int refused_new = 0, sent = 0;

    (void)state;
    set_failing(0);
    world_open(&world, true, 2, &quick);
    for (;;) {
        rmq_subscription subscription = {world.topic, NULL};
        struct seen *seen = seen_new();
        rmq_consumer_config config = {.group = world_group(&world),
                                      .subscriptions = &subscription,
                                      .subscription_count = 1,
                                      .handler = seen_handle,
                                      .opaque = seen,
                                      .threads = 2,
                                      .orderly = orderly,
                                      .commit_period_ms = 10,
                                      .lock_period_ms = 10,
                                      .rebalance_period_ms = 10};
        rmq_consumer *consumer;
        dt_status status;
        long rest;

        send_numbers(&world, sent, sent + 4);
        set_failing(nth);
        status = rmq_consumer_new(world.client, &config, &consumer);
        if (status == DT_OK) {
            seen_wait(seen, &seen->handled, 4);
            status = rmq_consumer_stop(consumer, LONG_MS);
            rest = left();
            set_failing(0);
            if (status != DT_OK && status != DT_ENOMEM)
                print_error("allocation %ld: %s\n", nth, dt_error_text());
            assert_true(status == DT_OK || status == DT_ENOMEM);
            rmq_consumer_free(consumer);
            if (status == DT_OK)
                assert_int_equal(committed(&world), sent + 4);
        } else {
            rest = left();
            set_failing(0);
            assert_int_equal(status, DT_ENOMEM);
            refused_new++;
            consumer = NULL;
            config.handler = seen_handle;
            assert_done(rmq_consumer_new(world.client, &config, &consumer));
            seen_wait(seen, &seen->handled, 4);
            assert_done(rmq_consumer_stop(consumer, LONG_MS));
            rmq_consumer_free(consumer);
        }
        sent = (sent + 4) % (SEEN_MAX - 4);
        seen_free(seen);
        if (rest > 0 && orderly)
            break; /* it was never reached: all have failed once */
        if (rest > 0) {
            orderly = true;
            nth = 0;
        }
        nth += nth < 40 ? 1 : 3;
    }
    assert_true(refused_new > 10);
    world_close(&world);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_may_fail_once),
    };
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
