/* net: the loop's mailbox and timers, and TCP connections */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/status.h"
#include "fake_peer.h"
#include "net/address.h"
#include "net/event.h"
#include "net/list.h"
#include "net/tcp.h"
#include "support/case.h"
#include "support/certs.h"
#include "support/tls_front.h"

enum { LONG_MS = 20000 };

/* Runs fn(context) on the loop and waits for it. */
struct run {
    struct dt_op op;
    void (*fn)(void *context);
    void *context;
    struct dt_event done;
};

static void run_op(struct dt_op *op)
{
    struct run *run = DT_CONTAINER(op, struct run, op);

    run->fn(run->context);
    dt_event_set(&run->done);
}

static void run_on(struct dt_loop *loop, void (*fn)(void *context), void *context)
{
    struct run run;

    run.op.run = run_op;
    run.fn = fn;
    run.context = context;
    dt_event_init(&run.done);
    dt_loop_post(loop, &run.op);
    assert_true(dt_event_wait(&run.done, dt_clock_ms() + LONG_MS));
    dt_event_fini(&run.done);
}

static struct dt_loop *started(void)
{
    struct dt_loop *loop;

    assert_int_equal(dt_loop_start("test", &loop), DT_OK);
    return loop;
}

/* ---------------------------------------------------------------- mailbox */

struct numbered {
    struct dt_op op;
    struct poster *poster;
    int number;
};

struct poster {
    struct dt_loop *loop;
    struct numbered *ops;
    int count;
    int next; /* the loop's */
    bool in_order, on_loop;
    pthread_t thread;
};

static void take_number(struct dt_op *op)
{
    struct numbered *numbered = DT_CONTAINER(op, struct numbered, op);
    struct poster *poster = numbered->poster;

    poster->in_order &= numbered->number == poster->next++;
    poster->on_loop &= dt_loop_is_here(poster->loop);
}

static void *post_all(void *argument)
{
    struct poster *poster = argument;

    for (int i = 0; i < poster->count; i++)
        dt_loop_post(poster->loop, &poster->ops[i].op);
    return NULL;
}

static void operations_run_in_the_order_of_each_poster(void **state)
{
    enum { POSTERS = 3, COUNT = 20000 };
    struct dt_loop *loop = started();
    struct poster posters[POSTERS];

    (void)state;
    assert_false(dt_loop_is_here(loop));
    for (int p = 0; p < POSTERS; p++) {
        posters[p] = (struct poster){
            loop, calloc(COUNT, sizeof(struct numbered)), COUNT, 0, true, true, 0};
        for (int i = 0; i < COUNT; i++)
            posters[p].ops[i] = (struct numbered){{take_number, NULL}, &posters[p], i};
        pthread_create(&posters[p].thread, NULL, post_all, &posters[p]);
    }
    for (int p = 0; p < POSTERS; p++)
        pthread_join(posters[p].thread, NULL);
    dt_loop_stop(loop); /* runs what was posted */
    for (int p = 0; p < POSTERS; p++) {
        assert_int_equal(posters[p].next, COUNT);
        assert_true(posters[p].in_order);
        assert_true(posters[p].on_loop);
        free(posters[p].ops);
    }
}

static void count_up(void *context)
{
    int *count = context;

    (*count)++;
}

static void a_sleeping_loop_is_woken_each_time(void **state)
{
    struct dt_loop *loop = started();
    int count = 0;

    (void)state;
    for (int i = 0; i < 2000; i++)
        run_on(loop, count_up, &count); /* waits for it, so the loop sleeps in between */
    dt_loop_stop(loop);
    assert_int_equal(count, 2000);
}

/* ---------------------------------------------------------------- timers */

struct alarm {
    struct alarms *all;
    struct dt_timer *timer;
    int64_t at_ms, fired_ms;
    int order;
};

struct alarms {
    struct dt_loop *loop;
    struct alarm one[5];
    int fired;
    struct dt_event done;
};

static void on_alarm(void *context)
{
    struct alarm *alarm = context;

    alarm->fired_ms = dt_clock_ms();
    alarm->order = alarm->all->fired++;
    if (alarm->all->fired == 3)
        dt_event_set(&alarm->all->done);
}

static void set_alarms(void *context)
{
    static const int64_t after_ms[5] = {60, 20, 40, 30, 10};
    struct alarms *alarms = context;

    for (int i = 0; i < 5; i++) {
        struct alarm *alarm = &alarms->one[i];

        alarm->at_ms = dt_clock_ms() + after_ms[i];
        assert_int_equal(dt_timer_new(alarms->loop, on_alarm, alarm, &alarm->timer), DT_OK);
        dt_timer_set(alarm->timer, alarm->at_ms);
    }
    dt_timer_stop(alarms->one[3].timer);
    dt_timer_free(alarms->one[4].timer);
    alarms->one[4].timer = NULL;
    dt_timer_set_sooner(alarms->one[2].timer, alarms->one[2].at_ms + 1000); /* stays */
    dt_timer_set_sooner(alarms->one[2].timer, alarms->one[2].at_ms - 30);
}

static void free_alarms(void *context)
{
    struct alarms *alarms = context;

    for (int i = 0; i < 5; i++)
        dt_timer_free(alarms->one[i].timer);
}

static void timers_fire_once_in_time_and_never_when_stopped(void **state)
{
    struct alarms alarms = {0};

    (void)state;
    alarms.loop = started();
    dt_event_init(&alarms.done);
    for (int i = 0; i < 5; i++)
        alarms.one[i].all = &alarms;
    run_on(alarms.loop, set_alarms, &alarms);
    assert_true(dt_event_wait(&alarms.done, dt_clock_ms() + LONG_MS));
    run_on(alarms.loop, free_alarms, &alarms);
    dt_loop_stop(alarms.loop);
    assert_int_equal(alarms.fired, 3);
    assert_int_equal(alarms.one[2].order, 0);
    assert_int_equal(alarms.one[1].order, 1);
    assert_int_equal(alarms.one[0].order, 2);
    assert_true(alarms.one[1].fired_ms >= alarms.one[1].at_ms);
    assert_true(alarms.one[0].fired_ms >= alarms.one[0].at_ms);
    assert_int_equal(alarms.one[3].fired_ms, 0);
    dt_event_fini(&alarms.done);
}

static void an_event_that_does_not_come_is_not_waited_for_longer(void **state)
{
    struct dt_event event;
    int64_t started_ms = dt_clock_ms();

    (void)state;
    dt_event_init(&event);
    assert_false(dt_event_wait(&event, started_ms + 30));
    assert_true(dt_clock_ms() >= started_ms + 30);
    dt_event_set(&event);
    assert_true(dt_event_wait(&event, 0));
    dt_event_fini(&event);
}

/* ---------------------------------------------------------------- connections */

/* A connection that sends a pattern and takes everything that comes back. */
struct talk {
    struct dt_loop *loop;
    struct dt_tcp *tcp;
    const char *address;
    int64_t connect_timeout_ms;
    size_t to_send, in_max;
    size_t received;
    struct dt_tls *tls; /* NULL: plain */
    bool flush_often;   /* after each byte */
    uint64_t writes;    /* when it was over */
    size_t block; /* only as many whole ones as are there are used; 0: everything is */
    bool is_right;
    bool close_inside; /* closes itself when the first bytes come */
    int opened, closed;
    dt_status open_status, status;
    char reason[300];
    struct dt_event done;
};

static uint8_t pattern(size_t at)
{
    return (uint8_t)(at * 131 + at / 256);
}

static void on_opened(void *context)
{
    struct talk *talk = context;

    talk->opened++;
}

static size_t on_received(void *context, struct dt_span bytes)
{
    struct talk *talk = context;
    size_t used = talk->block == 0 ? bytes.size : bytes.size - bytes.size % talk->block;

    for (size_t i = 0; i < used; i++)
        talk->is_right &= bytes.data[i] == pattern(talk->received + i);
    talk->received += used;
    if (talk->close_inside) {
        dt_tcp_close(talk->tcp);
        talk->tcp = NULL;
        dt_event_set(&talk->done);
    } else if (talk->received == talk->to_send) {
        dt_event_set(&talk->done);
    }
    return used;
}

static void on_closed(void *context, dt_status status, const char *reason)
{
    struct talk *talk = context;

    talk->tcp = NULL;
    talk->closed++;
    talk->status = status;
    snprintf(talk->reason, sizeof(talk->reason), "%s", reason);
    dt_event_set(&talk->done);
}

static const struct dt_tcp_events events = {on_opened, on_received, on_closed};

static void start_talk(void *context)
{
    struct talk *talk = context;
    struct dt_tcp_config config = {talk->address, talk->connect_timeout_ms, talk->in_max,
                                   64 << 20, talk->tls};
    struct dt_buf *out;

    talk->open_status = dt_tcp_open(talk->loop, &config, &events, talk, &talk->tcp);
    if (talk->open_status != DT_OK)
        return;
    out = dt_tcp_out(talk->tcp);
    for (size_t i = 0; i < talk->to_send; i++) {
        dt_buf_put_u8(out, pattern(i));
        if (talk->flush_often)
            dt_tcp_flush(talk->tcp);
    }
    dt_tcp_flush(talk->tcp);
    assert_int_equal(dt_tcp_put_position(talk->tcp), talk->to_send);
    assert_int_equal(dt_tcp_sent_position(talk->tcp), 0);
}

static void end_talk(void *context)
{
    struct talk *talk = context;

    if (talk->tcp != NULL) {
        assert_int_equal(dt_tcp_sent_position(talk->tcp), talk->to_send);
        assert_true(dt_tcp_received(talk->tcp) >= talk->received);
        talk->writes = dt_tcp_writes(talk->tcp);
    }
    dt_tcp_close(talk->tcp);
    talk->tcp = NULL;
}

static void talk_init(struct talk *talk, const char *address)
{
    memset(talk, 0, sizeof(*talk));
    talk->loop = started();
    talk->address = address;
    talk->connect_timeout_ms = LONG_MS;
    talk->in_max = 1 << 20;
    talk->is_right = true;
    dt_event_init(&talk->done);
}

static void talk_run(struct talk *talk)
{
    run_on(talk->loop, start_talk, talk);
    if (talk->open_status == DT_OK)
        assert_true(dt_event_wait(&talk->done, dt_clock_ms() + LONG_MS));
    run_on(talk->loop, end_talk, talk);
    dt_loop_stop(talk->loop);
    dt_event_fini(&talk->done);
}

/* Sends everything back, in pieces and only after the far side has had to wait. */
static void echo(struct fake_peer *fake, int fd)
{
    char bytes[30000];
    size_t count;

    while ((count = fake_read(fake, fd, bytes, sizeof(bytes))) > 0)
        fake_write(fd, bytes, count);
}

static void what_is_written_comes_back_whatever_its_size(void **state)
{
    static const size_t sizes[] = {1, 100, 65536, 65537, 20 << 20};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct fake_peer fake;
        struct talk talk;

        fake_start(&fake, echo, NULL);
        talk_init(&talk, fake.address);
        talk.to_send = sizes[i];
        talk_run(&talk);
        fake_stop(&fake);
        assert_int_equal(talk.opened, 1);
        assert_int_equal(talk.closed, 0);
        assert_int_equal(talk.received, sizes[i]);
        assert_true(talk.is_right);
    }
}

/* A server that sends everything back, and what a client needs to trust it. */
struct secure {
    char dir[32];
    struct tls_front *front;
    struct dt_tls *tls;
};

static void secure_start(struct secure *secure)
{
    struct tls_front_config front = {.dir = secure->dir, .name = "server"};
    struct dt_tls_config config = {0};
    char ca[64];

    strcpy(secure->dir, "/tmp/duet-net-XXXXXX");
    assert_non_null(mkdtemp(secure->dir));
    certs_make(secure->dir);
    snprintf(ca, sizeof(ca), "%s/ca.pem", secure->dir);
    config.ca_file = ca;
    assert_int_equal(dt_tls_new(&config, &secure->tls), DT_OK);
    secure->front = tls_front_start(&front);
}

static void secure_stop(struct secure *secure)
{
    tls_front_stop(secure->front);
    dt_tls_free(secure->tls);
    certs_remove(secure->dir);
}

static void what_is_written_comes_back_through_tls_as_well(void **state)
{
    static const size_t sizes[] = {1, 16383, 16384, 16385, 65536, 20 << 20};
    struct secure secure;

    (void)state;
    secure_start(&secure);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct talk talk;

        talk_init(&talk, tls_front_address(secure.front));
        talk.tls = secure.tls;
        talk.to_send = sizes[i];
        talk.block = i == 4 ? 4096 : 0; /* and some of it again and again */
        talk_run(&talk);
        assert_int_equal(talk.opened, 1);
        assert_int_equal(talk.closed, 0);
        assert_int_equal(talk.received, sizes[i]);
        assert_true(talk.is_right);
    }
    secure_stop(&secure);
}

static void a_reader_through_tls_that_uses_nothing_is_bounded(void **state)
{
    struct secure secure;
    struct talk talk;

    (void)state;
    secure_start(&secure);
    talk_init(&talk, tls_front_address(secure.front));
    talk.tls = secure.tls;
    talk.to_send = 4 << 20;
    talk.in_max = 100000;
    talk.block = 1 << 20;
    talk_run(&talk);
    secure_stop(&secure);
    assert_int_equal(talk.closed, 1);
    assert_int_equal(talk.received, 0);
}

static void what_one_turn_puts_leaves_in_one_write(void **state)
{
    struct secure secure;
    struct fake_peer fake;
    struct talk talk;

    (void)state;
    fake_start(&fake, echo, NULL);
    talk_init(&talk, fake.address);
    talk.to_send = 50000;
    talk.flush_often = true;
    talk_run(&talk);
    fake_stop(&fake);
    assert_int_equal(talk.writes, 1);
    secure_start(&secure);
    talk_init(&talk, tls_front_address(secure.front));
    talk.to_send = 50000;
    talk.flush_often = true;
    talk.tls = secure.tls;
    talk_run(&talk);
    secure_stop(&secure);
    assert_int_equal(talk.writes,
                     2); /* the hello, then the end of the handshake with it all */
}

static void unused_bytes_come_again_with_more_behind_them(void **state)
{
    struct fake_peer fake;
    struct talk talk;

    (void)state;
    fake_start(&fake, echo, NULL);
    talk_init(&talk, fake.address);
    talk.to_send = 300000;
    talk.block = 100000;
    talk_run(&talk);
    fake_stop(&fake);
    assert_int_equal(talk.received, 300000);
    assert_true(talk.is_right);
}

static void a_reader_that_uses_nothing_is_bounded(void **state)
{
    struct fake_peer fake;
    struct talk talk;

    (void)state;
    fake_start(&fake, echo, NULL);
    talk_init(&talk, fake.address);
    talk.to_send = 4 << 20;
    talk.in_max = 100000;
    talk.block = 1 << 20;
    talk_run(&talk);
    fake_stop(&fake);
    assert_int_equal(talk.closed, 1);
    assert_int_equal(talk.received, 0);
}

static void a_connection_may_be_closed_from_its_own_event(void **state)
{
    struct fake_peer fake;
    struct talk talk;

    (void)state;
    fake_start(&fake, echo, NULL);
    talk_init(&talk, fake.address);
    talk.to_send = 1000;
    talk.close_inside = true;
    talk_run(&talk);
    fake_stop(&fake);
    assert_int_equal(talk.closed, 0); /* no event for what the owner did */
}

static void why_there_is_no_connection_is_told(void **state)
{
    char closed[32];
    struct talk talk;

    (void)state;
    fake_closed_address(closed);
    talk_init(&talk, closed);
    talk_run(&talk);
    assert_int_equal(talk.opened, 0);
    assert_int_equal(talk.closed, 1);
    assert_int_equal(talk.status, DT_EUNREACH);
    assert_non_null(strstr(talk.reason, closed));
    assert_non_null(strstr(talk.reason, "refused"));

    talk_init(&talk, "nonsense");
    talk_run(&talk);
    assert_int_equal(talk.open_status, DT_EINVAL);
}

static void only_open(struct fake_peer *fake, int fd)
{
    (void)fake_wait(fake, -1); /* never reads */
    (void)fd;
}

static void put_too_much(void *context)
{
    struct talk *talk = context;
    struct dt_buf *out = dt_tcp_out(talk->tcp);
    size_t before = out->size;
    static uint8_t megabyte[1 << 20];

    for (int i = 0; i < 65 && !out->failed; i++)
        dt_buf_put(out, megabyte, sizeof(megabyte));
    talk->is_right = out->failed && before <= 64u << 20 && out->size <= 64u << 20;
    out->size = before;
    out->failed = false;
    dt_tcp_flush(talk->tcp);
    talk->is_right &= talk->closed == 0; /* what was put stays on its way */
}

static void a_peer_that_does_not_read_fills_a_bounded_buffer(void **state)
{
    struct fake_peer fake;
    struct talk talk;

    (void)state;
    fake_start(&fake, only_open, NULL);
    talk_init(&talk, fake.address);
    talk.to_send = 50 << 20;
    run_on(talk.loop, start_talk, &talk);
    run_on(talk.loop, put_too_much, &talk);
    assert_true(talk.is_right);
    fake_stop(&fake);
    assert_true(dt_event_wait(&talk.done, dt_clock_ms() + LONG_MS));
    dt_loop_stop(talk.loop);
    dt_event_fini(&talk.done);
    assert_int_equal(talk.closed, 1);
}

static void close_at_once(struct fake_peer *fake, int fd)
{
    char byte;

    (void)fake_read(fake, fd, &byte, 1);
}

static void a_peer_that_closes_is_noticed(void **state)
{
    struct fake_peer fake;
    struct talk talk;

    (void)state;
    fake_start(&fake, close_at_once, NULL);
    talk_init(&talk, fake.address);
    talk.to_send = 1;
    talk_run(&talk);
    fake_stop(&fake);
    assert_int_equal(talk.opened, 1);
    assert_int_equal(talk.closed, 1);
    assert_int_equal(talk.status, DT_EUNREACH);
}

static void never_accept(struct fake_peer *fake, int fd)
{
    (void)fake;
    (void)fd;
}

static void writing_to_a_closed_peer_raises_no_signal(void **state)
{
    /* SIGPIPE is at its default: it would end the process */
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct fake_peer fake;
        struct talk talk;

        fake_start(&fake, never_accept, NULL);
        talk_init(&talk, fake.address);
        talk.to_send = 4 << 20;
        talk_run(&talk);
        fake_stop(&fake);
        assert_int_equal(talk.closed, 1);
    }
}

/* ---------------------------------------------------------------- addresses */

static void addresses_are_split_at_the_last_colon(void **state)
{
    static const struct {
        const char *text, *host, *port;
    } good[] = {{"localhost:9876", "localhost", "9876"},
                {"10.0.0.1:1", "10.0.0.1", "1"},
                {"[::1]:65535", "::1", "65535"},
                {"::1:10911", "::1", "10911"}};
    static const char *const bad[] = {
        "",           ":",           "host",    "host:", ":1",     "host:0",
        "host:65536", "host:999999", "host:1x", "[]:1",  "ho st:1"};
    struct dt_address address;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(dt_address_parse(good[i].text, strlen(good[i].text), &address));
        assert_string_equal(address.host, good[i].host);
        assert_string_equal(address.port, good[i].port);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(dt_address_parse(bad[i], strlen(bad[i]), &address));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_run_in_the_order_of_each_poster),
        cmocka_unit_test(a_sleeping_loop_is_woken_each_time),
        cmocka_unit_test(timers_fire_once_in_time_and_never_when_stopped),
        cmocka_unit_test(an_event_that_does_not_come_is_not_waited_for_longer),
        cmocka_unit_test(what_is_written_comes_back_whatever_its_size),
        cmocka_unit_test(what_is_written_comes_back_through_tls_as_well),
        cmocka_unit_test(a_reader_through_tls_that_uses_nothing_is_bounded),
        cmocka_unit_test(what_one_turn_puts_leaves_in_one_write),
        cmocka_unit_test(unused_bytes_come_again_with_more_behind_them),
        cmocka_unit_test(a_reader_that_uses_nothing_is_bounded),
        cmocka_unit_test(a_connection_may_be_closed_from_its_own_event),
        cmocka_unit_test(why_there_is_no_connection_is_told),
        cmocka_unit_test(a_peer_that_closes_is_noticed),
        cmocka_unit_test(a_peer_that_does_not_read_fills_a_bounded_buffer),
        cmocka_unit_test(writing_to_a_closed_peer_raises_no_signal),
        cmocka_unit_test(addresses_are_split_at_the_last_colon),
    };

    signal(SIGPIPE, SIG_DFL);
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
