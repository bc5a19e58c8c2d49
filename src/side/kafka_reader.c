/*
 * kafka_reader.c - reads partitions of one topic with librdkafka's consumer without a group.
 *
 * Each partition is started at a position and feeds one queue. Stopping a partition raises its
 * version inside librdkafka, so that nothing fetched before a stop comes out of the queue after
 * it; what was already taken out (`held`) is dropped here.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/status.h"
#include "side/kafka.h"
#include "side/kafka_batch.h"
#include "side/kafka_bounds.h"

enum { HELD_MAX = 1000, MEMORY_DEFAULT = 16 << 20, NOISE_EVERY_MS = 5000 };

struct partition {
    bool assigned;
    int64_t next_position;
};

struct kafka_reader {
    struct duet_reader base;
    rd_kafka_t *handle;
    rd_kafka_topic_t *topic;
    rd_kafka_queue_t *queue; /* of records */
    rd_kafka_queue_t *main;  /* of errors */
    struct duet_kafka_bounds *bounds;
    char name[DUET_NAME_SIZE];
    struct duet_stamp_key stamp_key;
    struct duet_kafka_origin origin;
    void (*notify)(void *context);
    void *context;
    rd_kafka_message_t *held[HELD_MAX]; /* taken out of the queue and not handed out */
    size_t held_next, held_count;
    bool broken; /* a connection failed since the last interruption was reported */
    int64_t noise_ms;
    int32_t partition_count;
    struct partition partitions[];
};

/* ---- positions ---- */

static void drop_held(struct kafka_reader *reader, int32_t partition)
{
    size_t kept = 0;

    for (size_t i = reader->held_next; i < reader->held_count; i++) {
        if (reader->held[i]->partition == partition)
            rd_kafka_message_destroy(reader->held[i]);
        else
            reader->held[kept++] = reader->held[i];
    }
    reader->held_next = 0;
    reader->held_count = kept;
}

static void stop(struct kafka_reader *reader, int32_t partition)
{
    rd_kafka_consume_stop(reader->topic, partition);
    drop_held(reader, partition);
    reader->partitions[partition].assigned = false;
}

static void reader_unassign(struct duet_reader *base, int32_t partition)
{
    struct kafka_reader *reader = (struct kafka_reader *)base;

    if (partition < 0 || partition >= reader->partition_count)
        return;
    duet_kafka_bounds_forget(reader->bounds, partition);
    if (reader->partitions[partition].assigned)
        stop(reader, partition);
}

static dt_status reader_assign(struct duet_reader *base, int32_t partition,
                               int64_t position)
{
    struct kafka_reader *reader = (struct kafka_reader *)base;

    if (partition < 0 || partition >= reader->partition_count || position < 0)
        return dt_error_set(DT_EINVAL, "kafka: %s has no partition %d, position %lld",
                            reader->name, partition, (long long)position);
    reader_unassign(base, partition);
    if (rd_kafka_consume_start_queue(reader->topic, partition, position, reader->queue) !=
        0)
        return duet_kafka_error(rd_kafka_last_error(), "reading %s partition %d from %lld",
                                reader->name, partition, (long long)position);
    reader->partitions[partition].assigned = true;
    reader->partitions[partition].next_position = position;
    return DT_OK;
}

/* ---- polling ---- */

/* rd_kafka_poll() in reader_poll() calls this on the reader's thread. */
static void failed(rd_kafka_t *handle, int error, const char *reason, void *opaque)
{
    struct kafka_reader *reader = opaque;

    (void)handle;
    dt_log_debug("kafka: reader of %s: %s", reader->name, reason);
    if (error == RD_KAFKA_RESP_ERR__TRANSPORT ||
        error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        reader->broken = true;
}

static dt_status no_memory(void)
{
    return dt_error_set(DT_ENOMEM, "kafka: no memory for what was read");
}

static dt_status give_event(enum duet_read_event event, int32_t partition,
                            int64_t next_position, int64_t begin, int64_t end,
                            struct duet_read_batch **out)
{
    *out = duet_batch_event(event, partition, next_position, begin, end);
    return *out != NULL ? DT_OK : no_memory();
}

static void known_bounds(struct kafka_reader *reader, int32_t partition, int64_t *begin,
                         int64_t *end)
{
    if (rd_kafka_get_watermark_offsets(reader->handle, reader->name, partition, begin,
                                       end) != RD_KAFKA_RESP_ERR_NO_ERROR)
        *begin = *end = -1;
    *begin = *begin < 0 ? -1 : *begin;
    *end = *end < 0 ? -1 : *end;
}

/* The front of what is held is no record. Gives a batch if it means something to the user. */
static dt_status handle_error(struct kafka_reader *reader, struct duet_read_batch **out)
{
    rd_kafka_message_t *message = reader->held[reader->held_next++];
    int32_t number = message->partition;
    rd_kafka_resp_err_t error = message->err;
    int64_t position = message->offset;
    bool known = number >= 0 && number < reader->partition_count &&
                 reader->partitions[number].assigned;
    dt_status status = DT_OK;

    if (known && error == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        /* beyond the last record where control records stand at the end */
        if (position > reader->partitions[number].next_position) {
            int64_t begin, end;

            reader->partitions[number].next_position = position;
            known_bounds(reader, number, &begin, &end);
            status = give_event(DUET_READ_RECORDS, number, position, begin, end, out);
        }
    } else if (known && (error == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
                         error == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE)) {
        dt_log_debug("kafka: reading %s partition %d from %lld: %s", reader->name, number,
                     (long long)position, rd_kafka_message_errstr(message));
        rd_kafka_message_destroy(message);
        stop(reader, number); /* this changes `held` */
        return duet_kafka_bounds_ask(reader->bounds, number);
    } else if (error != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        if (dt_log_due(&reader->noise_ms, NOISE_EVERY_MS))
            dt_log_warning("kafka: reading %s partition %d: %s", reader->name, number,
                           rd_kafka_message_errstr(message));
    }
    rd_kafka_message_destroy(message);
    return status;
}

/* Consecutive records of one partition. */
static dt_status give_records(struct kafka_reader *reader, size_t records_max,
                              struct duet_read_batch **out)
{
    rd_kafka_message_t **first = &reader->held[reader->held_next];
    size_t left = reader->held_count - reader->held_next, count = 1;
    struct duet_read_batch *batch;

    while (count < left && count < records_max &&
           first[count]->partition == first[0]->partition &&
           first[count]->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        count++;
    batch = duet_kafka_batch_take(&reader->origin, first, count);
    if (batch == NULL)
        return no_memory();
    reader->held_next += count;
    reader->partitions[batch->partition].next_position = batch->next_position;
    known_bounds(reader, batch->partition, &batch->begin, &batch->end);
    *out = batch;
    return DT_OK;
}

/* Errors are served after the records are taken: a record fetched over a new connection is
 * never handed out before the loss of the old one is reported. */
static void refill(struct kafka_reader *reader)
{
    ssize_t got = 0;

    if (reader->held_next == reader->held_count) {
        got = rd_kafka_consume_batch_queue(reader->queue, 0, reader->held, HELD_MAX);
        reader->held_next = 0;
        reader->held_count = got > 0 ? (size_t)got : 0;
    }
    rd_kafka_poll(reader->handle, 0);
}

static dt_status reader_poll(struct duet_reader *base, size_t records_max,
                             struct duet_read_batch **out)
{
    struct kafka_reader *reader = (struct kafka_reader *)base;
    struct duet_kafka_answer moved;
    char text[256];

    if (rd_kafka_fatal_error(reader->handle, text, sizeof(text)) !=
        RD_KAFKA_RESP_ERR_NO_ERROR)
        return dt_error_set(DT_EUNREACH, "kafka: the reader of %s cannot go on: %s",
                            reader->name, text);
    for (;;) {
        dt_status status;

        refill(reader);
        if (reader->broken && reader->held_count > reader->held_next) {
            reader->broken = false;
            return give_event(DUET_READ_INTERRUPTED, -1, -1, -1, -1, out);
        }
        if (duet_kafka_bounds_take(reader->bounds, &moved))
            return give_event(DUET_READ_MOVED, moved.partition,
                              reader->partitions[moved.partition].next_position,
                              moved.begin, moved.end, out);
        if (reader->held_next == reader->held_count)
            return DT_OK;
        if (reader->held[reader->held_next]->err == RD_KAFKA_RESP_ERR_NO_ERROR)
            return give_records(reader, records_max, out);
        status = handle_error(reader, out);
        if (status != DT_OK || *out != NULL)
            return status;
    }
}

/* ---- new and free ---- */

static void notify(rd_kafka_t *handle, void *opaque)
{
    struct kafka_reader *reader = opaque;

    (void)handle;
    reader->notify(reader->context);
}

static void answered(void *opaque)
{
    struct kafka_reader *reader = opaque;

    if (reader->notify != NULL)
        reader->notify(reader->context);
}

static void reader_free(struct duet_reader *base)
{
    struct kafka_reader *reader = (struct kafka_reader *)base;

    if (reader->queue != NULL)
        rd_kafka_queue_cb_event_enable(reader->queue, NULL, NULL);
    if (reader->main != NULL)
        rd_kafka_queue_cb_event_enable(reader->main, NULL, NULL);
    duet_kafka_bounds_free(reader->bounds);
    for (int32_t i = 0; i < reader->partition_count; i++)
        if (reader->partitions[i].assigned)
            stop(reader, i);
    while (reader->held_next < reader->held_count)
        rd_kafka_message_destroy(reader->held[reader->held_next++]);
    if (reader->queue != NULL)
        rd_kafka_queue_destroy(reader->queue);
    if (reader->main != NULL)
        rd_kafka_queue_destroy(reader->main);
    if (reader->topic != NULL)
        rd_kafka_topic_destroy(reader->topic);
    if (reader->handle != NULL)
        rd_kafka_destroy(reader->handle);
    free(reader);
}

static const struct duet_reader_ops reader_ops = {
    .free = reader_free,
    .assign = reader_assign,
    .unassign = reader_unassign,
    .poll = reader_poll,
};

static dt_status reader_conf(struct duet_kafka_client *client, rd_kafka_conf_t *conf,
                             size_t memory_max)
{
    int64_t bytes = memory_max > 0 ? (int64_t)memory_max : MEMORY_DEFAULT;
    int64_t kib = bytes / 1024 > 2097151 ? 2097151 : bytes / 1024;
    dt_status status = duet_kafka_set(conf, "auto.offset.reset", "error");

    if (status == DT_OK)
        status = duet_kafka_set(conf, "enable.auto.commit", "false");
    if (status == DT_OK)
        status = duet_kafka_set(conf, "enable.auto.offset.store", "false");
    if (status == DT_OK)
        status = duet_kafka_set(conf, "enable.partition.eof", "true");
    if (status == DT_OK)
        status = duet_kafka_set_default(conf, client, "queued.max.messages.kbytes",
                                        kib > 0 ? kib : 1);
    /* A partition that is started waits for the answer to the fetch before: 0.1 s instead of
     * 0.5 s, for ten requests a second where nothing happens. */
    if (status == DT_OK)
        status = duet_kafka_set_default(conf, client, "fetch.wait.max.ms", 100);
    return status;
}

static dt_status reader_start(struct kafka_reader *reader, struct duet_kafka_client *client,
                              size_t memory_max)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(client->template);
    dt_status status = reader_conf(client, conf, memory_max);

    rd_kafka_conf_set_opaque(conf, reader);
    rd_kafka_conf_set_error_cb(conf, failed);
    if (status != DT_OK) {
        rd_kafka_conf_destroy(conf);
        return status;
    }
    status = duet_kafka_handle_take(conf, RD_KAFKA_CONSUMER, "reader", &reader->handle);
    if (status != DT_OK)
        return status;
    reader->topic = rd_kafka_topic_new(reader->handle, reader->name, NULL);
    if (reader->topic == NULL)
        return duet_kafka_error(rd_kafka_last_error(), "topic '%s'", reader->name);
    reader->queue = rd_kafka_queue_new(reader->handle);
    reader->main = rd_kafka_queue_get_main(reader->handle);
    if (reader->notify != NULL) {
        rd_kafka_queue_cb_event_enable(reader->queue, notify, reader);
        rd_kafka_queue_cb_event_enable(reader->main, notify, reader);
    }
    return duet_kafka_bounds_new(reader->handle, reader->name, reader->partition_count,
                                 answered, reader, &reader->bounds);
}

dt_status duet_kafka_reader_new(struct duet_side_client *base,
                                const struct duet_reader_config *config,
                                struct duet_reader **out)
{
    const struct duet_plan_route *route = config->route;
    struct kafka_reader *reader =
        calloc(1, sizeof(*reader) + (size_t)route->partitions * sizeof(struct partition));
    dt_status status;

    if (reader == NULL)
        return no_memory();
    reader->base.ops = &reader_ops;
    memcpy(reader->name, route->topic, sizeof(reader->name));
    reader->partition_count = route->partitions;
    reader->stamp_key = *config->stamp_key;
    reader->origin.topic = reader->name;
    reader->origin.stamp_key = &reader->stamp_key;
    reader->origin.derive.key_number = config->stamp_key->number;
    reader->origin.derive.topic_number = route->topic_number;
    reader->origin.derive.zone = config->zone;
    reader->notify = config->notify;
    reader->context = config->context;
    status = reader_start(reader, (struct duet_kafka_client *)base, config->memory_max);
    if (status != DT_OK) {
        reader_free(&reader->base);
        return status;
    }
    *out = &reader->base;
    return DT_OK;
}
