/*
 * rocketmq_sender.c - a producer whose lanes never give up: one request in flight per queue,
 * retried in order until the broker takes or refuses it, or the sender is freed.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/status.h"
#include "side/rocketmq.h"

enum {
    SILENT_MS = 3000, /* no outcome for so long although some are owed: unreachable */
    TEXT_SIZE = 1024, /* names and values of most messages; more is allocated */
    PROPERTIES = 16   /* the same */
};

struct rocketmq_sender {
    struct duet_sender base;
    rmq_producer *producer;
    duet_sent_fn sent;
    void *context;
    atomic_size_t owed;      /* outcomes of accepted records */
    atomic_llong waiting_ms; /* since when one is waited for; of use while owed > 0 */
    pthread_mutex_t lock;    /* of waiting for `ended` only */
    pthread_cond_t ended;    /* nothing is owed */
};

struct sending { /* what librmq gives back with the outcome */
    struct rocketmq_sender *sender;
    void *token;
};

static enum duet_outcome outcome_of(dt_status status)
{
    if (status == DT_OK)
        return DUET_DONE;
    return status == DT_EINDOUBT ? DUET_IN_DOUBT : DUET_NOT_DONE;
}

/* Thread: librmq's. */
static void ended(void *opaque, dt_status status, const char *reason,
                  const rmq_receipt *receipt)
{
    struct sending *sending = opaque;
    struct rocketmq_sender *sender = sending->sender;
    void *token = sending->token;

    free(sending);
    atomic_store(&sender->waiting_ms, dt_clock_ms());
    sender->sent(sender->context, token, outcome_of(status), reason,
                 receipt != NULL ? receipt->offset : -1);
    if (atomic_fetch_sub(&sender->owed, 1) > 1)
        return;
    pthread_mutex_lock(&sender->lock);
    pthread_cond_broadcast(&sender->ended);
    pthread_mutex_unlock(&sender->lock);
}

/* ---- spans as the NUL-terminated texts that librmq takes ---- */

struct texts {
    char text[TEXT_SIZE];
    rmq_property properties[PROPERTIES];
    void *more; /* allocated instead of both */
};

static char *put_text(char **to, struct dt_span span)
{
    char *text = *to;

    if (span.size > 0)
        memcpy(text, span.data, span.size);
    text[span.size] = '\0';
    *to += span.size + 1;
    return text;
}

/* KEYS has its own place in a message of librmq's. */
static dt_status put_properties(struct texts *texts, const struct duet_rmq_message *from,
                                rmq_message *to)
{
    rmq_property *properties = texts->properties;
    char *text = texts->text;
    size_t size = 0;

    texts->more = NULL;
    for (size_t i = 0; i < from->property_count; i++)
        size += from->properties[i].name.size + from->properties[i].value.size + 2;
    if (size > TEXT_SIZE || from->property_count > PROPERTIES) {
        texts->more = malloc(from->property_count * sizeof(rmq_property) + size);
        if (texts->more == NULL)
            return dt_error_set(DT_ENOMEM, "rocketmq: no memory for a message");
        properties = texts->more;
        text = (char *)(properties + from->property_count);
    }
    to->properties = properties;
    for (size_t i = 0; i < from->property_count; i++) {
        const struct duet_property *property = &from->properties[i];

        if (dt_span_equal_str(property->name, "KEYS")) {
            to->keys = put_text(&text, property->value);
            continue;
        }
        properties[to->property_count].name = put_text(&text, property->name);
        properties[to->property_count].value = put_text(&text, property->value);
        to->property_count++;
    }
    return DT_OK;
}

/* ---- sending ---- */

static dt_status sender_send(struct duet_sender *base, const struct duet_send *send)
{
    struct rocketmq_sender *sender = (struct rocketmq_sender *)base;
    rmq_message message = {.topic = send->route->rocketmq_topic,
                           .body = send->message->body.data,
                           .body_size = send->message->body.size};
    struct sending *sending;
    struct texts texts;
    rmq_queue queue;
    dt_status status = duet_rocketmq_queue(send->route, send->partition, &queue);

    if (status == DT_OK)
        status = put_properties(&texts, send->message, &message);
    if (status != DT_OK)
        return status;
    sending = malloc(sizeof(*sending));
    if (sending == NULL) {
        free(texts.more);
        return dt_error_set(DT_ENOMEM, "rocketmq: no memory for a message");
    }
    sending->sender = sender;
    sending->token = send->token;
    if (atomic_fetch_add(&sender->owed, 1) == 0) /* before: the outcome may come at once */
        atomic_store(&sender->waiting_ms, dt_clock_ms());
    status =
        rmq_send_async(sender->producer, &queue, &message, RMQ_NO_DEADLINE, ended, sending);
    if (status != DT_OK) {
        atomic_fetch_sub(&sender->owed, 1);
        free(sending);
    }
    free(texts.more);
    return status == DT_OK ? DT_OK : dt_error_wrap(status, "rocketmq");
}

/* A lane that is free sends at once; there is nothing held back. */
static void sender_flush(struct duet_sender *base)
{
    (void)base;
}

static bool sender_reachable(const struct duet_sender *base)
{
    const struct rocketmq_sender *sender = (const struct rocketmq_sender *)base;

    return atomic_load(&sender->owed) == 0 ||
           dt_clock_ms() - atomic_load(&sender->waiting_ms) < SILENT_MS;
}

/* The mapping tells, when the record is encoded. */
static dt_status sender_takes(const struct duet_sender *base,
                              const struct duet_record *record)
{
    (void)base, (void)record;
    return DT_OK;
}

/* ---- new and free ---- */

static void wait_for_outcomes(struct rocketmq_sender *sender, int64_t timeout_ms)
{
    struct timespec until;
    int failed = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&sender->lock);
    while (atomic_load(&sender->owed) > 0 && failed == 0)
        failed = pthread_cond_timedwait(&sender->ended, &sender->lock, &until);
    pthread_mutex_unlock(&sender->lock);
}

static void sender_free(struct duet_sender *base, int64_t timeout_ms)
{
    struct rocketmq_sender *sender = (struct rocketmq_sender *)base;

    if (timeout_ms > 0)
        wait_for_outcomes(sender, timeout_ms);
    rmq_producer_free(sender->producer);
    pthread_cond_destroy(&sender->ended);
    pthread_mutex_destroy(&sender->lock);
    free(sender);
}

static const struct duet_sender_ops sender_ops = {
    .send = sender_send,
    .flush = sender_flush,
    .free = sender_free,
    .reachable = sender_reachable,
    .takes = sender_takes,
};

dt_status duet_rocketmq_sender_new(struct duet_side_client *client, size_t memory_max,
                                   duet_sent_fn sent, void *context,
                                   struct duet_sender **out)
{
    struct rocketmq_sender *sender = calloc(1, sizeof(*sender));
    rmq_producer_config settings = {.group = "duet-producer", .memory_max = memory_max};
    pthread_condattr_t attributes;
    dt_status status;

    if (sender == NULL)
        return dt_error_set(DT_ENOMEM, "rocketmq: no memory for a sender");
    sender->base.ops = &sender_ops;
    sender->sent = sent;
    sender->context = context;
    atomic_init(&sender->owed, 0);
    atomic_init(&sender->waiting_ms, 0);
    pthread_mutex_init(&sender->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&sender->ended, &attributes);
    pthread_condattr_destroy(&attributes);
    status = rmq_producer_new(((struct duet_rocketmq_client *)client)->rmq, &settings,
                              &sender->producer);
    if (status != DT_OK) {
        sender_free(&sender->base, 0);
        return dt_error_wrap(status, "rocketmq");
    }
    *out = &sender->base;
    return DT_OK;
}
