/* librmq: the log of one client */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "rmq_world.h"
#include "support/case.h"

enum { LINES_MAX = 256 };

struct lines {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int count;
    int levels[LINES_MAX];
    char texts[LINES_MAX][200];
};

static struct lines *lines_new(void)
{
    struct lines *lines = calloc(1, sizeof(*lines));

    assert_non_null(lines);
    pthread_mutex_init(&lines->mutex, NULL);
    pthread_cond_init(&lines->changed, NULL);
    return lines;
}

static void lines_free(struct lines *lines)
{
    pthread_cond_destroy(&lines->changed);
    pthread_mutex_destroy(&lines->mutex);
    free(lines);
}

static void take(void *opaque, int level, const char *line)
{
    struct lines *lines = opaque;

    pthread_mutex_lock(&lines->mutex);
    if (lines->count < LINES_MAX) {
        lines->levels[lines->count] = level;
        snprintf(lines->texts[lines->count++], sizeof(lines->texts[0]), "%s", line);
    }
    pthread_cond_broadcast(&lines->changed);
    pthread_mutex_unlock(&lines->mutex);
}

/* The first line with both texts in it. Lock: mutex held. */
static int find(const struct lines *lines, const char *text, const char *other)
{
    for (int i = 0; i < lines->count; i++)
        if (strstr(lines->texts[i], text) != NULL && strstr(lines->texts[i], other) != NULL)
            return i;
    return -1;
}

/* Waits for it; its level. ctest has the time-out. */
static int wait_for(struct lines *lines, const char *text, const char *other)
{
    int at, level;

    pthread_mutex_lock(&lines->mutex);
    while ((at = find(lines, text, other)) < 0)
        pthread_cond_wait(&lines->changed, &lines->mutex);
    level = lines->levels[at];
    pthread_mutex_unlock(&lines->mutex);
    return level;
}

static int count_of(struct lines *lines)
{
    int count;

    pthread_mutex_lock(&lines->mutex);
    count = lines->count;
    pthread_mutex_unlock(&lines->mutex);
    return count;
}

/* A broker is away and comes back while the client sends. */
static void away_and_back(struct world *world)
{
    rmq_producer *producer = world_producer(world, NULL);
    rmq_message message = text_message(world, "1");

    assert_done(rmq_send(producer, &world->queues[0], &message, LONG_MS, NULL));
    world_down(world);
    assert_done(rmq_mock_up(world->mock));
    assert_done(rmq_send(producer, &world->queues[0], &message, LONG_MS, NULL));
    rmq_producer_free(producer);
}

static void a_broker_that_goes_away_and_comes_back_is_told(void **state)
{
    struct world world;
    struct lines *lines = lines_new();
    rmq_client_config config = {.backoff_ms_min = 1, .backoff_ms_max = 4};
    char broker[300];

    (void)state;
    config.log = take;
    config.log_opaque = lines;
    world_open(&world, true, 1, &config);
    snprintf(broker, sizeof(broker), "%s", rmq_mock_broker(world.mock));
    away_and_back(&world);
    assert_int_equal(wait_for(lines, broker, "closed"), DT_LOG_INFO);
    assert_int_equal(wait_for(lines, broker, "connected again"), DT_LOG_INFO);
    pthread_mutex_lock(&lines->mutex);
    for (int i = 0; i < lines->count; i++)
        assert_in_range(lines->levels[i], DT_LOG_ERROR, DT_LOG_INFO);
    pthread_mutex_unlock(&lines->mutex);
    world_close(&world);
    lines_free(lines); /* a late line would be seen by a sanitizer */
}

static void each_client_has_a_log_and_a_level_of_its_own(void **state)
{
    struct world world;
    struct lines *chatty = lines_new(), *quiet = lines_new(), *process = lines_new();
    rmq_client_config config = {.backoff_ms_min = 1, .backoff_ms_max = 4};
    rmq_client *other;
    rmq_queue *queues;
    size_t count;

    (void)state;
    rmq_log_set(take, process);
    config.log = take;
    config.log_opaque = chatty;
    world_open(&world, true, 1, &config);
    assert_done(rmq_client_set_log_level(world.client, DT_LOG_DEBUG));
    config.log_opaque = quiet;
    other = world_client(&world, &config);
    assert_done(rmq_client_set_log_level(other, DT_LOG_ERROR));
    assert_done(rmq_topic_write_queues(other, world.topic, &queues, &count, LONG_MS));
    rmq_free(queues);
    away_and_back(&world);
    /* attempts in vain are for who wants to know all */
    assert_int_equal(wait_for(chatty, rmq_mock_broker(world.mock), "refused"),
                     DT_LOG_DEBUG);
    assert_done(rmq_topic_write_queues(other, world.topic, &queues, &count, LONG_MS));
    rmq_free(queues);
    rmq_client_free(other); /* it has lost its connections, too, and would have said so */
    assert_int_equal(count_of(quiet), 0);
    assert_int_equal(count_of(process), 0);

    /* without a function of its own a client says it to the process's */
    config.log = NULL;
    other = world_client(&world, &config);
    assert_done(rmq_topic_write_queues(other, world.topic, &queues, &count, LONG_MS));
    rmq_free(queues);
    rmq_mock_cut(world.mock);
    wait_for(process, rmq_mock_namesrv(world.mock), "closed");
    rmq_client_free(other);
    assert_int_equal(count_of(quiet), 0);
    world_close(&world);
    rmq_log_set(NULL, NULL);
    lines_free(chatty);
    lines_free(quiet);
    lines_free(process);
}

static void a_level_that_is_none_is_refused(void **state)
{
    const rmq_client_config config = {.namesrv = "127.0.0.1:9"};
    rmq_client *client;

    (void)state;
    assert_done(rmq_client_new(&config, &client));
    assert_status(rmq_client_set_log_level(client, (dt_log_level)4), DT_EINVAL);
    assert_status(rmq_client_set_log_level(NULL, DT_LOG_INFO), DT_EINVAL);
    rmq_client_free(client);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broker_that_goes_away_and_comes_back_is_told),
        cmocka_unit_test(each_client_has_a_log_and_a_level_of_its_own),
        cmocka_unit_test(a_level_that_is_none_is_refused),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
