#include "side/kafka_bounds.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/status.h"

enum { QUERY_MS = 1000, AGAIN_MS = 200 };

enum state { IDLE, ASKED, ANSWERED };

struct question {
    enum state state;
    unsigned version; /* an answer to an older question is dropped */
    int64_t begin, end;
};

struct duet_kafka_bounds {
    rd_kafka_t *handle;
    const char *topic;
    void (*answered)(void *context);
    void *context;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    pthread_t thread;
    bool running, stopping;
    atomic_int answers; /* also read without the lock: a poll mostly finds 0 */
    int32_t partitions;
    struct question questions[];
};

dt_status duet_kafka_bounds_new(rd_kafka_t *handle, const char *topic, int32_t partitions,
                                void (*answered)(void *context), void *context,
                                struct duet_kafka_bounds **out)
{
    struct duet_kafka_bounds *bounds =
        calloc(1, sizeof(*bounds) + (size_t)partitions * sizeof(struct question));
    pthread_condattr_t attributes;

    *out = bounds;
    if (bounds == NULL)
        return dt_error_set(DT_ENOMEM, "kafka: no memory for a reader");
    bounds->handle = handle;
    bounds->topic = topic;
    bounds->partitions = partitions;
    bounds->answered = answered;
    bounds->context = context;
    atomic_init(&bounds->answers, 0);
    pthread_mutex_init(&bounds->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&bounds->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return DT_OK;
}

/* Lock held. -1: nothing is asked. */
static int32_t next_question(const struct duet_kafka_bounds *bounds)
{
    for (int32_t i = 0; i < bounds->partitions; i++)
        if (bounds->questions[i].state == ASKED)
            return i;
    return -1;
}

/* Lock held. */
static void wait_before_again(struct duet_kafka_bounds *bounds)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += AGAIN_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&bounds->changed, &bounds->lock, &until);
}

static void *serve(void *opaque)
{
    struct duet_kafka_bounds *bounds = opaque;

    pthread_mutex_lock(&bounds->lock);
    while (!bounds->stopping) {
        int32_t partition = next_question(bounds);
        struct question *question = &bounds->questions[partition < 0 ? 0 : partition];
        unsigned version = question->version;
        int64_t begin, end;
        rd_kafka_resp_err_t error;

        if (partition < 0) {
            pthread_cond_wait(&bounds->changed, &bounds->lock);
            continue;
        }
        pthread_mutex_unlock(&bounds->lock);
        error = rd_kafka_query_watermark_offsets(bounds->handle, bounds->topic, partition,
                                                 &begin, &end, QUERY_MS);
        pthread_mutex_lock(&bounds->lock);
        if (question->state != ASKED || question->version != version)
            continue;
        if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
            wait_before_again(bounds);
            continue;
        }
        question->state = ANSWERED;
        question->begin = begin;
        question->end = end;
        atomic_fetch_add(&bounds->answers, 1);
        pthread_mutex_unlock(&bounds->lock);
        bounds->answered(bounds->context);
        pthread_mutex_lock(&bounds->lock);
    }
    pthread_mutex_unlock(&bounds->lock);
    return NULL;
}

/* Lock held. */
static void forget(struct duet_kafka_bounds *bounds, int32_t partition)
{
    struct question *question = &bounds->questions[partition];

    if (question->state == ANSWERED)
        atomic_fetch_sub(&bounds->answers, 1);
    question->state = IDLE;
    question->version++;
}

dt_status duet_kafka_bounds_ask(struct duet_kafka_bounds *bounds, int32_t partition)
{
    dt_status status = DT_OK;

    pthread_mutex_lock(&bounds->lock);
    forget(bounds, partition);
    bounds->questions[partition].state = ASKED;
    if (!bounds->running) {
        bounds->running = pthread_create(&bounds->thread, NULL, serve, bounds) == 0;
        if (!bounds->running)
            status = dt_error_set(DT_ENOMEM, "kafka: no thread for a question");
    }
    pthread_cond_signal(&bounds->changed);
    pthread_mutex_unlock(&bounds->lock);
    return status;
}

void duet_kafka_bounds_forget(struct duet_kafka_bounds *bounds, int32_t partition)
{
    pthread_mutex_lock(&bounds->lock);
    forget(bounds, partition);
    pthread_mutex_unlock(&bounds->lock);
}

bool duet_kafka_bounds_take(struct duet_kafka_bounds *bounds,
                            struct duet_kafka_answer *answer)
{
    bool taken = false;

    if (atomic_load_explicit(&bounds->answers, memory_order_relaxed) == 0)
        return false;
    pthread_mutex_lock(&bounds->lock);
    for (int32_t i = 0; i < bounds->partitions && !taken; i++) {
        struct question *question = &bounds->questions[i];

        if (question->state != ANSWERED)
            continue;
        answer->partition = i;
        answer->begin = question->begin;
        answer->end = question->end;
        forget(bounds, i);
        taken = true;
    }
    pthread_mutex_unlock(&bounds->lock);
    return taken;
}

void duet_kafka_bounds_free(struct duet_kafka_bounds *bounds)
{
    if (bounds == NULL)
        return;
    pthread_mutex_lock(&bounds->lock);
    bounds->stopping = true;
    pthread_cond_signal(&bounds->changed);
    pthread_mutex_unlock(&bounds->lock);
    if (bounds->running)
        pthread_join(bounds->thread, NULL);
    pthread_cond_destroy(&bounds->changed);
    pthread_mutex_destroy(&bounds->lock);
    free(bounds);
}
