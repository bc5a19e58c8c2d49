/*
 * Memory that runs out at the n-th allocation, for every n of a client's life: one allocation
 * fails, or all from then on. Nothing leaks (AddressSanitizer's builds), nothing hangs, and no
 * outcome is wrong: what was reported done is in the broker's log, what was reported not done is not.
 *
 * The allocations of our objects are wrapped by the linker. The broker is another process, which
 * has all the memory it wants.
 */
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "rmq_world.h"
#include "support/case.h"

enum { MESSAGES = 40, TRIAL_MESSAGES = 6, SHORT_MS = 300, FAR_MS = 5000 };

/* ---------------------------------------------------------------- allocations */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);

static atomic_bool armed, stays_out;
static atomic_long made, fails_at;

static bool fails(void)
{
    long number;

    if (!armed)
        return false;
    number = ++made;
    return stays_out ? number >= fails_at : number == fails_at;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails() ? NULL : __real_realloc(memory, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

static void arm(long number, bool for_good)
{
    made = 0;
    fails_at = number;
    stays_out = for_good;
    armed = true;
}

/* Whether the n-th was reached. */
static bool disarm(void)
{
    armed = false;
    return made >= fails_at;
}

/* ---------------------------------------------------------------- the broker */

static pid_t broker;
static int broker_stdin;
static struct world world;

/* Runs in the child: a broker until the parent has ended. */
static void serve(int in, int out)
{
    rmq_mock *mock;
    char byte;

    if (rmq_mock_new(NULL, &mock) != DT_OK)
        _exit(1);
    if (write(out, rmq_mock_namesrv(mock), strlen(rmq_mock_namesrv(mock)) + 1) < 0)
        _exit(1);
    while (read(in, &byte, 1) > 0)
        continue;
    _exit(0);
}

static void fill(rmq_client *client);

static int64_t log_end; /* behind what earlier trials stored */

static void begin(void)
{
    int to[2], from[2];
    ssize_t size;

    memset(&world, 0, sizeof(world));
    assert_int_equal(pipe(to), 0);
    assert_int_equal(pipe(from), 0);
    broker = fork();
    if (broker == 0) {
        close(to[1]);
        close(from[0]);
        serve(to[0], from[1]);
    }
    close(to[0]);
    close(from[1]);
    broker_stdin = to[1];
    size = read(from[0], world.namesrv, sizeof(world.namesrv));
    assert_true(size > 1);
    close(from[0]);
    snprintf(world.topic, sizeof(world.topic), "T");
    world.client = world_client(&world, NULL);
    assert_done(rmq_topic_create(world.client, world.topic, 1, LONG_MS));
    assert_done(rmq_topic_write_queues(world.client, world.topic, &world.queues,
                                       &world.queue_count, LONG_MS));
    fill(world.client);
    rmq_client_free(world.client);
    world.client = NULL;
    log_end = MESSAGES;
}

static void end(void)
{
    rmq_free(world.queues);
    close(broker_stdin);
    waitpid(broker, NULL, 0);
}

/* The topic's first messages: number i has the body "i", some compressed, some with a tag. */
static void fill(rmq_client *client)
{
    const rmq_producer_config config = {.group = "fillers",
                                        .compression = RMQ_COMPRESSION_ZLIB,
                                        .compression_size_min = 64};
    rmq_producer *producer;

    assert_done(rmq_producer_new(client, &config, &producer));
    for (int i = 0; i < MESSAGES; i++) {
        char text[512] = "";
        rmq_message message;

        memset(text, ' ', i % 4 == 0 ? sizeof(text) - 1 : 16);
        text[snprintf(text, 8, "%d", i)] = ' ';
        message = text_message(&world, text);
        message.tags = i % 2 == 0 ? "even" : NULL;
        assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL));
    }
    rmq_producer_free(producer);
}

static const rmq_client_config hasty = {
    .request_timeout_ms = 1000, .backoff_ms_min = 1, .backoff_ms_max = 10};

/* A client, or NULL for want of memory. */
static rmq_client *try_client(void)
{
    rmq_client_config config = hasty;
    rmq_client *client = NULL;
    dt_status status;

    config.namesrv = world.namesrv;
    status = rmq_client_new(&config, &client);
    if (status != DT_OK) {
        assert_null(client);
        assert_true(status == DT_ENOMEM || status == DT_EIO);
    }
    return client;
}

/* Runs a trial for each n that it reaches; then once more with memory enough: that must be good. */
static void each_allocation(bool (*trial)(int serial, bool out_for_good))
{
    int serial = 0;

    begin();
    for (int for_good = 0; for_good < 2; for_good++) {
        bool was_reached = true;

        for (long n = 1; was_reached; n += for_good ? 1 + n / 8 : 1) {
            arm(n, for_good != 0);
            (void)trial(serial++, for_good != 0);
            was_reached = disarm();
        }
        print_message("%d trials, %ld allocations in the last\n", serial, (long)made);
    }
    fails_at = 0;
    assert_true(trial(serial, false));
    end();
}

/* ---------------------------------------------------------------- sending */

struct outcome {
    atomic_int calls;
    dt_status accepted, status;
};

static void outcome_fn(void *opaque, dt_status status, const char *reason,
                       const rmq_receipt *receipt)
{
    struct outcome *outcome = opaque;

    (void)reason;
    if (status == DT_OK && receipt == NULL)
        abort();
    outcome->status = status;
    outcome->calls++;
}

static void outcomes_fn(void *opaque, dt_status status, const char *reason,
                        rmq_receipts *receipts)
{
    (void)receipts;
    outcome_fn(opaque, status, reason, status == DT_OK ? &(rmq_receipt){0} : NULL);
}

/* How often message i of a trial is in the log, behind `from`; *next is the log's end. */
static void count_stored(int64_t from, int serial, int times[TRIAL_MESSAGES], int64_t *next)
{
    rmq_pull_consumer *consumer;
    int64_t end_offset;

    memset(times, 0, TRIAL_MESSAGES * sizeof(times[0]));
    world.client = world_client(&world, NULL);
    assert_done(
        rmq_offset_max(world.client, world.topic, &world.queues[0], LONG_MS, &end_offset));
    consumer = world_consumer(&world, NULL);
    *next = from;
    if (from < end_offset)
        assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], from));
    while (*next < end_offset) {
        rmq_batch *batch;

        assert_done(rmq_pull_consumer_poll(consumer, LONG_MS, &batch));
        for (size_t i = 0; i < batch->count; i++) {
            char text[32] = "";
            int trial, number;

            assert_true(batch->messages[i].body_size < sizeof(text));
            memcpy(text, batch->messages[i].body, batch->messages[i].body_size);
            assert_int_equal(sscanf(text, "%d-%d", &trial, &number), 2);
            assert_int_equal(trial, serial);
            times[number]++;
        }
        *next = batch->next_offset;
        rmq_batch_free(batch);
    }
    rmq_pull_consumer_free(consumer);
    rmq_client_free(world.client);
    world.client = NULL;
}

enum how { HOW_ORDERED, HOW_BY_TURNS, HOW_BATCH };

static void hand_over(rmq_producer *producer, enum how how, int serial,
                      struct outcome outcomes[TRIAL_MESSAGES])
{
    rmq_message messages[TRIAL_MESSAGES];
    char texts[TRIAL_MESSAGES][32];

    for (int i = 0; i < TRIAL_MESSAGES; i++) {
        snprintf(texts[i], sizeof(texts[i]), "%d-%d", serial, i);
        messages[i] = text_message(&world, texts[i]);
        messages[i].keys = "k1 k2";
        if (how == HOW_ORDERED)
            outcomes[i].accepted = rmq_send_async(producer, &world.queues[0], &messages[i],
                                                  FAR_MS, outcome_fn, &outcomes[i]);
        else if (how == HOW_BY_TURNS)
            outcomes[i].accepted = rmq_send_to_async(producer, NULL, &messages[i], FAR_MS,
                                                     outcome_fn, &outcomes[i]);
    }
    if (how == HOW_BATCH)
        outcomes[0].accepted = rmq_send_batch_async(
            producer, &(rmq_target){.queue = &world.queues[0]}, messages, TRIAL_MESSAGES,
            FAR_MS, outcomes_fn, &outcomes[0]);
}

static bool try_sends(int serial, enum how how, bool out_for_good)
{
    const rmq_producer_config config = {.group = "producers"};
    struct outcome outcomes[TRIAL_MESSAGES];
    rmq_client *client = try_client();
    rmq_producer *producer = NULL;
    int times[TRIAL_MESSAGES], done = 0;

    memset(outcomes, 0, sizeof(outcomes));
    for (int i = 0; i < TRIAL_MESSAGES; i++)
        outcomes[i].accepted = DT_ECLOSED;
    if (client != NULL && rmq_producer_new(client, &config, &producer) == DT_OK) {
        hand_over(producer, how, serial, outcomes);
        /* with no memory at all messages wait for their deadline: they are cut short */
        if (!out_for_good)
            assert_true(rmq_producer_flush(producer, 2 * FAR_MS) != DT_ETIMEDOUT);
        else
            (void)!rmq_producer_flush(producer, SHORT_MS / 6);
    }
    rmq_producer_free(producer);
    rmq_client_free(client);
    armed = false;
    count_stored(log_end, serial, times, &log_end);
    for (int i = 0; i < TRIAL_MESSAGES; i++) {
        const struct outcome *outcome = &outcomes[how == HOW_BATCH ? 0 : i];

        assert_int_equal(outcome->calls, outcome->accepted == DT_OK);
        if (outcome->accepted != DT_OK ||
            (outcome->status != DT_OK && outcome->status != DT_EINDOUBT))
            assert_int_equal(times[i], 0);
        else if (outcome->status == DT_OK)
            assert_true(times[i] >= 1);
        done += outcome->accepted == DT_OK && outcome->status == DT_OK;
    }
    return done == TRIAL_MESSAGES;
}

static bool try_ordered(int serial, bool out_for_good)
{
    return try_sends(serial, HOW_ORDERED, out_for_good);
}

static bool try_by_turns(int serial, bool out_for_good)
{
    return try_sends(serial, HOW_BY_TURNS, out_for_good);
}

static bool try_batch(int serial, bool out_for_good)
{
    return try_sends(serial, HOW_BATCH, out_for_good);
}

static void sends_on_an_ordered_lane_end_right_wherever_memory_fails(void **state)
{
    (void)state;
    each_allocation(try_ordered);
}

static void sends_by_turns_end_right_wherever_memory_fails(void **state)
{
    (void)state;
    each_allocation(try_by_turns);
}

static void a_batch_ends_right_wherever_memory_fails(void **state)
{
    (void)state;
    each_allocation(try_batch);
}

/* ---------------------------------------------------------------- reading */

/* Every message once, in order and whole, and no more. */
static bool need_messages(const rmq_batch *batch, int *next)
{
    for (size_t i = 0; i < batch->count; i++) {
        const rmq_received *message = &batch->messages[i];
        char text[8] = "";

        assert_int_equal(message->offset, *next);
        assert_false(message->corrupt_body);
        memcpy(text, message->body, 7);
        assert_int_equal(atoi(text), *next);
        if (message->offset % 2 == 0)
            assert_string_equal(rmq_received_property(message, "TAGS"), "even");
        ++*next;
    }
    assert_false(batch->moved);
    return *next < MESSAGES;
}

static bool try_pull(int serial, bool out_for_good)
{
    const rmq_pull_consumer_config config = {.topic = world.topic, .group = "readers"};
    int64_t until_ms = dt_clock_ms() + (out_for_good ? SHORT_MS / 3 : 2 * FAR_MS);
    rmq_client *client = try_client();
    rmq_pull_consumer *consumer = NULL;
    bool is_reading = false;
    int next = 0;

    (void)serial;
    if (client != NULL && rmq_pull_consumer_new(client, &config, &consumer) == DT_OK)
        is_reading = rmq_pull_consumer_assign(consumer, &world.queues[0], 0) == DT_OK;
    while (is_reading && dt_clock_ms() < until_ms) {
        rmq_batch *batch = NULL;
        dt_status status = rmq_pull_consumer_poll(consumer, SHORT_MS / 6, &batch);

        assert_true(status == DT_OK || status == DT_ETIMEDOUT || status == DT_ENOMEM);
        if (status == DT_OK) {
            is_reading = need_messages(batch, &next);
            rmq_batch_free(batch);
        }
    }
    if (is_reading && !out_for_good)
        fail_msg("only %d of %d messages came", next, MESSAGES);
    rmq_pull_consumer_free(consumer);
    rmq_client_free(client);
    return next == MESSAGES;
}

static void a_queue_is_read_without_gap_wherever_memory_fails(void **state)
{
    (void)state;
    each_allocation(try_pull);
}

/* ---------------------------------------------------------------- a member of a group */

struct handled {
    atomic_int times[MESSAGES];
    atomic_int different;
    sem_t all; /* have been */
};

static rmq_handled handle(void *opaque, rmq_delivery *delivery)
{
    struct handled *handled = opaque;

    for (size_t i = 0; i < delivery->count; i++) {
        char text[8] = "";

        memcpy(text, delivery->messages[i].body, 7);
        if (delivery->messages[i].corrupt_body || atoi(text) >= MESSAGES)
            abort();
        if (handled->times[atoi(text)]++ == 0 && ++handled->different == MESSAGES)
            sem_post(&handled->all);
    }
    return RMQ_HANDLED;
}

/* What was committed was handled. */
static void need_committed(const char *group, const struct handled *handled)
{
    int64_t committed = 0;
    dt_status status;

    world.client = world_client(&world, NULL);
    status = rmq_offset_query(world.client, group, world.topic, &world.queues[0], LONG_MS,
                              &committed);
    assert_true(status == DT_OK || status == DT_ENOTFOUND);
    for (int i = 0; status == DT_OK && i < committed; i++)
        assert_true(handled->times[i] > 0);
    rmq_client_free(world.client);
    world.client = NULL;
}

static bool try_member(int serial, bool out_for_good)
{
    rmq_subscription subscription = {.topic = world.topic};
    struct handled handled = {0};
    char group[32];
    rmq_consumer_config config = {.group = group,
                                  .subscriptions = &subscription,
                                  .subscription_count = 1,
                                  .handler = handle,
                                  .opaque = &handled,
                                  .threads = 2,
                                  .local_retry_ms = 50,
                                  .rebalance_period_ms = 200,
                                  .commit_period_ms = 100,
                                  .start = RMQ_START_FIRST};
    rmq_client *client = try_client();
    rmq_consumer *consumer = NULL;
    bool is_whole = false;
    struct timespec until;

    sem_init(&handled.all, 0, 0);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += out_for_good ? 0 : 10;
    until.tv_nsec += out_for_good ? 100000000 : 0;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    snprintf(group, sizeof(group), "members-%d", serial);
    if (client != NULL && rmq_consumer_new(client, &config, &consumer) == DT_OK) {
        if (sem_timedwait(&handled.all, &until) != 0 && !out_for_good)
            fail_msg("only %d of %d messages were handled", handled.different, MESSAGES);
        is_whole =
            rmq_consumer_stop(consumer, FAR_MS) == DT_OK && handled.different == MESSAGES;
    }
    rmq_consumer_free(consumer);
    rmq_client_free(client);
    armed = false;
    sem_destroy(&handled.all);
    need_committed(group, &handled);
    return is_whole;
}

static void a_member_handles_all_wherever_memory_fails(void **state)
{
    (void)state;
    each_allocation(try_member);
}

/* ---------------------------------------------------------------- administration */

static bool try_admin(int serial, bool out_for_good)
{
    rmq_client *client = try_client();
    rmq_queue *queues = NULL;
    size_t count = 0, members = 0;
    char **names = NULL;
    char topic[32];
    int64_t offset;
    int good = 0;

    (void)out_for_good;
    if (client == NULL)
        return false;
    snprintf(topic, sizeof(topic), "A-%d", serial);
    if (rmq_topic_create(client, topic, 3, SHORT_MS) == DT_OK &&
        rmq_topic_read_queues(client, topic, &queues, &count, SHORT_MS) == DT_OK) {
        assert_int_equal(count, 3);
        good++;
    }
    rmq_free(queues);
    if (rmq_offset_min(client, world.topic, &world.queues[0], SHORT_MS, &offset) == DT_OK) {
        assert_int_equal(offset, 0);
        good++;
    }
    if (rmq_offset_max(client, world.topic, &world.queues[0], SHORT_MS, &offset) == DT_OK) {
        assert_int_equal(offset, MESSAGES);
        good++;
    }
    if (rmq_offset_by_time(client, world.topic, &world.queues[0], 1, RMQ_BOUNDARY_LOWER,
                           SHORT_MS, &offset) == DT_OK) {
        assert_int_equal(offset, 0);
        good++;
    }
    if (rmq_group_members(client, "nobody", world.topic, SHORT_MS, &names, &members) ==
        DT_OK) {
        assert_int_equal(members, 0);
        good++;
    }
    rmq_free(names);
    rmq_client_free(client);
    return good == 5;
}

static void administration_answers_right_wherever_memory_fails(void **state)
{
    (void)state;
    each_allocation(try_admin);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_on_an_ordered_lane_end_right_wherever_memory_fails),
        cmocka_unit_test(sends_by_turns_end_right_wherever_memory_fails),
        cmocka_unit_test(a_batch_ends_right_wherever_memory_fails),
        cmocka_unit_test(a_queue_is_read_without_gap_wherever_memory_fails),
        cmocka_unit_test(a_member_handles_all_wherever_memory_fails),
        cmocka_unit_test(administration_answers_right_wherever_memory_fails),
    };

    signal(SIGPIPE, SIG_IGN);
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
