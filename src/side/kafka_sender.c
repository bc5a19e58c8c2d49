/*
 * kafka_sender.c - one idempotent producer, and a thread that takes its delivery reports.
 *
 * message.timeout.ms is 0: librdkafka never gives a message up by itself, so an outcome is
 * "not done" or "in doubt" only by the broker's word or because the sender is freed. The value
 * is sent from the caller's memory; key and headers are copied by librdkafka.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "side/kafka.h"

enum {
    POLL_MS = 100,
    FLUSH_MS = 20,    /* long enough for the broker threads to see that linger is over */
    SILENT_MS = 3000, /* no outcome for so long: ask whether anybody is there */
    PROBE_EVERY_MS = 1000,
    PROBE_WAIT_MS = 500,  /* so long waits one question */
    RECORD_OVERHEAD = 64, /* the most that a record and its batch take beside the bytes */
    HEADER_OVERHEAD = 10
};

struct topic {
    struct topic *next;
    rd_kafka_topic_t *handle;
    char name[];
};

struct kafka_sender {
    struct duet_sender base;
    rd_kafka_t *handle;
    rd_kafka_queue_t *reports;
    size_t record_max; /* librdkafka's own limit */
    duet_sent_fn sent;
    void *context;
    _Atomic(struct topic *) topics; /* only grows; searched without the lock */
    pthread_mutex_t lock;           /* of adding a topic */
    pthread_t thread;
    atomic_bool flush_wanted, stopping, reachable;
    int64_t end_timeout_ms; /* written before `stopping` */
    /* the thread's own */
    bool doubted; /* something failed since the broker last answered */
    int64_t outcome_ms, probe_ms;
};

/* ---- sending ---- */

static dt_status topic_add(struct kafka_sender *sender, const char *name,
                           struct topic **out)
{
    size_t size = strlen(name) + 1;
    struct topic *topic = calloc(1, sizeof(*topic) + size);

    if (topic == NULL)
        return dt_error_set(DT_ENOMEM, "kafka: no memory for a topic");
    memcpy(topic->name, name, size);
    topic->handle = rd_kafka_topic_new(sender->handle, name, NULL);
    if (topic->handle == NULL) {
        free(topic);
        return duet_kafka_error(rd_kafka_last_error(), "topic '%s'", name);
    }
    topic->next = atomic_load(&sender->topics);
    atomic_store(&sender->topics, topic);
    *out = topic;
    return DT_OK;
}

static struct topic *topic_find(struct kafka_sender *sender, const char *name)
{
    struct topic *topic = atomic_load_explicit(&sender->topics, memory_order_acquire);

    while (topic != NULL && strcmp(topic->name, name) != 0)
        topic = topic->next;
    return topic;
}

static dt_status topic_of(struct kafka_sender *sender, const char *name,
                          struct topic **topic)
{
    dt_status status = DT_OK;

    *topic = topic_find(sender, name);
    if (*topic != NULL)
        return DT_OK;
    pthread_mutex_lock(&sender->lock);
    *topic = topic_find(sender, name);
    if (*topic == NULL)
        status = topic_add(sender, name, topic);
    pthread_mutex_unlock(&sender->lock);
    return status;
}

/* librdkafka tells null from empty by the pointer. */
static void *bytes_of(struct dt_span span)
{
    return (void *)(uintptr_t)span.data;
}

static rd_kafka_headers_t *headers_of(const struct duet_send *send)
{
    const struct duet_record *record = send->record;
    rd_kafka_headers_t *headers = rd_kafka_headers_new(record->header_count + 2);

    for (size_t i = 0; i < record->header_count; i++) {
        const struct duet_header *header = &record->headers[i];
        const char *name = header->name.size > 0 ? (const char *)header->name.data : "";

        rd_kafka_header_add(headers, name, (ssize_t)header->name.size, header->value.data,
                            (ssize_t)header->value.size);
    }
    if (send->link.data != NULL)
        rd_kafka_header_add(headers, DUET_LINK_KAFKA_HEADER,
                            sizeof(DUET_LINK_KAFKA_HEADER) - 1, send->link.data,
                            (ssize_t)send->link.size);
    rd_kafka_header_add(headers, DUET_STAMP_KAFKA_HEADER,
                        sizeof(DUET_STAMP_KAFKA_HEADER) - 1, send->stamp, DUET_STAMP_SIZE);
    return headers;
}

static dt_status refused(rd_kafka_error_t *error, const struct duet_send *send)
{
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    dt_status status =
        dt_error_set(duet_kafka_status(code), "kafka: sending to %s partition %d: %s",
                     send->route->topic, send->partition, rd_kafka_error_string(error));

    rd_kafka_error_destroy(error);
    return status;
}

static dt_status sender_send(struct duet_sender *base, const struct duet_send *send)
{
    struct kafka_sender *sender = (struct kafka_sender *)base;
    const struct duet_record *record = send->record;
    struct topic *topic;
    dt_status status = topic_of(sender, send->route->topic, &topic);
    rd_kafka_headers_t *headers;
    rd_kafka_error_t *error;

    if (status != DT_OK)
        return status;
    headers = headers_of(send);
    /* A time of 0 means "now" to librdkafka. */
    const rd_kafka_vu_t message[] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic->handle},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = send->partition},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = 0},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {.ptr = bytes_of(record->value), .size = record->value.size}},
        {.vtype = RD_KAFKA_VTYPE_KEY,
         .u.mem = {.ptr = bytes_of(record->key), .size = record->key.size}},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP,
         .u.i64 = record->timestamp_ms > 0 ? record->timestamp_ms : 0},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = send->token}};

    error =
        rd_kafka_produceva(sender->handle, message, sizeof(message) / sizeof(message[0]));
    if (error == NULL)
        return DT_OK;
    rd_kafka_headers_destroy(headers); /* still ours after a failure */
    return refused(error, send);
}

static void sender_flush(struct duet_sender *base)
{
    struct kafka_sender *sender = (struct kafka_sender *)base;

    atomic_store(&sender->flush_wanted, true);
    rd_kafka_queue_yield(sender->reports);
}

static bool sender_reachable(const struct duet_sender *base)
{
    return atomic_load(&((const struct kafka_sender *)base)->reachable);
}

/* As librdkafka reckons: 25 bytes of envelope at most, and each header with two lengths. */
static dt_status sender_takes(const struct duet_sender *base,
                              const struct duet_record *record)
{
    const struct kafka_sender *sender = (const struct kafka_sender *)base;
    size_t size = RECORD_OVERHEAD + record->key.size + record->value.size +
                  HEADER_OVERHEAD + sizeof(DUET_STAMP_KAFKA_HEADER) + DUET_STAMP_SIZE;

    for (size_t i = 0; i < record->header_count; i++)
        size +=
            HEADER_OVERHEAD + record->headers[i].name.size + record->headers[i].value.size;
    if (size <= sender->record_max)
        return DT_OK;
    return dt_error_set(DT_ETOOBIG, "kafka: a record of %zu bytes, %zu are allowed", size,
                        sender->record_max);
}

/* ---- the thread of the reports ---- */

/* librdkafka calls it not persisted when it cannot read the broker's answer; but an answer there
 * was, so the request had arrived. */
static bool is_unreadable_answer(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR__UNDERFLOW || error == RD_KAFKA_RESP_ERR__BAD_MSG;
}

static void delivered(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque)
{
    struct kafka_sender *sender = opaque;
    enum duet_outcome outcome = DUET_NOT_DONE;

    (void)handle;
    switch (rd_kafka_message_status(message)) {
    case RD_KAFKA_MSG_STATUS_PERSISTED:
        outcome = DUET_DONE;
        sender->outcome_ms = 0; /* the clock is asked once per round, not per message */
        break;
    case RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED:
        outcome = DUET_IN_DOUBT;
        break;
    case RD_KAFKA_MSG_STATUS_NOT_PERSISTED:
        if (is_unreadable_answer(message->err))
            outcome = DUET_IN_DOUBT;
        break;
    }
    sender->sent(sender->context, message->_private, outcome,
                 outcome == DUET_DONE ? "" : rd_kafka_err2str(message->err),
                 outcome == DUET_DONE && message->offset >= 0 ? message->offset : -1);
}

static void failed(rd_kafka_t *handle, int error, const char *reason, void *opaque)
{
    struct kafka_sender *sender = opaque;

    if (error == RD_KAFKA_RESP_ERR__FATAL) {
        char text[512];

        rd_kafka_fatal_error(handle, text, sizeof(text));
        dt_log_error("kafka: the producer cannot go on: %s", text);
    } else {
        dt_log_debug("kafka: producer: %s", reason);
    }
    sender->doubted = true;
}

/* Neither a broken connection of one broker nor silence says that all are away: ask. */
static void probe(struct kafka_sender *sender)
{
    const struct rd_kafka_metadata *metadata;
    int64_t now_ms = dt_clock_ms();

    if (sender->outcome_ms == 0 || rd_kafka_outq_len(sender->handle) == 0)
        sender->outcome_ms = now_ms;
    if (now_ms - sender->outcome_ms >= SILENT_MS)
        sender->doubted = true;
    if (!sender->doubted || now_ms - sender->probe_ms < PROBE_EVERY_MS)
        return;
    if (rd_kafka_metadata(sender->handle, 0, NULL, &metadata, PROBE_WAIT_MS) ==
        RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_metadata_destroy(metadata);
        sender->doubted = false;
        sender->outcome_ms = dt_clock_ms();
    }
    atomic_store(&sender->reachable, !sender->doubted);
    sender->probe_ms = dt_clock_ms();
}

/* After a purge each message has its report, sooner or later. */
static void end_all(struct kafka_sender *sender)
{
    if (rd_kafka_flush(sender->handle, duet_kafka_timeout(sender->end_timeout_ms)) ==
        RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    while (rd_kafka_outq_len(sender->handle) > 0) {
        rd_kafka_purge(sender->handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_flush(sender->handle, POLL_MS);
    }
}

static void *serve(void *opaque)
{
    struct kafka_sender *sender = opaque;

    while (!atomic_load(&sender->stopping)) {
        if (atomic_exchange(&sender->flush_wanted, false))
            rd_kafka_flush(sender->handle, FLUSH_MS);
        else
            rd_kafka_poll(sender->handle, POLL_MS);
        probe(sender);
    }
    end_all(sender);
    return NULL;
}

/* ---- new and free ---- */

static void sender_destroy(struct kafka_sender *sender)
{
    struct topic *topic = atomic_load(&sender->topics);

    while (topic != NULL) {
        struct topic *next = topic->next;

        rd_kafka_topic_destroy(topic->handle);
        free(topic);
        topic = next;
    }
    if (sender->reports != NULL)
        rd_kafka_queue_destroy(sender->reports);
    if (sender->handle != NULL)
        rd_kafka_destroy(sender->handle);
    pthread_mutex_destroy(&sender->lock);
    free(sender);
}

static void sender_free(struct duet_sender *base, int64_t timeout_ms)
{
    struct kafka_sender *sender = (struct kafka_sender *)base;

    sender->end_timeout_ms = timeout_ms;
    atomic_store(&sender->stopping, true);
    rd_kafka_queue_yield(sender->reports);
    pthread_join(sender->thread, NULL);
    sender_destroy(sender);
}

static const struct duet_sender_ops sender_ops = {
    .send = sender_send,
    .flush = sender_flush,
    .free = sender_free,
    .reachable = sender_reachable,
    .takes = sender_takes,
};

static size_t record_max_of(const rd_kafka_conf_t *conf)
{
    char text[32];
    size_t size = sizeof(text);

    if (rd_kafka_conf_get(conf, "message.max.bytes", text, &size) != RD_KAFKA_CONF_OK)
        return 1000000;
    return strtoul(text, NULL, 10);
}

static dt_status sender_conf(rd_kafka_conf_t *conf, size_t memory_max)
{
    int64_t kib = memory_max / 1024 > INT32_MAX ? INT32_MAX : (int64_t)(memory_max / 1024);
    dt_status status = duet_kafka_set(conf, "enable.idempotence", "true");

    if (status == DT_OK)
        status = duet_kafka_set(conf, "message.timeout.ms", "0");
    if (status == DT_OK)
        status = duet_kafka_set_int(conf, "queue.buffering.max.kbytes", kib > 0 ? kib : 1);
    if (status == DT_OK) /* bytes are the bound */
        status = duet_kafka_set(conf, "queue.buffering.max.messages", "10000000");
    return status;
}

dt_status duet_kafka_sender_new(struct duet_side_client *base, size_t memory_max,
                                duet_sent_fn sent, void *context, struct duet_sender **out)
{
    struct duet_kafka_client *client = (struct duet_kafka_client *)base;
    struct kafka_sender *sender = calloc(1, sizeof(*sender));
    rd_kafka_conf_t *conf;
    dt_status status;

    if (sender == NULL)
        return dt_error_set(DT_ENOMEM, "kafka: no memory for a sender");
    sender->base.ops = &sender_ops;
    sender->sent = sent;
    sender->context = context;
    atomic_init(&sender->topics, NULL);
    atomic_init(&sender->reachable, true);
    pthread_mutex_init(&sender->lock, NULL);
    conf = rd_kafka_conf_dup(client->template);
    rd_kafka_conf_set_opaque(conf, sender);
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    rd_kafka_conf_set_error_cb(conf, failed);
    sender->record_max = record_max_of(conf);
    status = sender_conf(conf, memory_max);
    if (status != DT_OK)
        rd_kafka_conf_destroy(conf);
    else
        status =
            duet_kafka_handle_take(conf, RD_KAFKA_PRODUCER, "producer", &sender->handle);
    if (status == DT_OK) {
        sender->reports = rd_kafka_queue_get_main(sender->handle);
        if (pthread_create(&sender->thread, NULL, serve, sender) != 0)
            status = dt_error_set(DT_ENOMEM, "kafka: no thread for a sender");
    }
    if (status != DT_OK) {
        sender_destroy(sender);
        return status;
    }
    *out = &sender->base;
    return DT_OK;
}
