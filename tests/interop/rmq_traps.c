/*
 * rmq_traps - what is known to wreck a real broker, tried through librmq.
 *
 *   rmq_traps NAMESRV TOPIC      goes on to its second half with a line on stdin
 *
 * First half: messages and batches at and beyond the limits of properties, bodies and batches, and
 * with properties that mean something to brokers. Each ends as it must: refused by librmq, or
 * stored. Then whoever runs this restarts the broker. Second half: all that was reported done is
 * there, once, whole and in order; new messages are stored and seen at once.
 *
 * Stands on the public header alone. Exit: 0, or 1 with the reason on stderr.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rmq/rmq.h"

enum {
    TIMEOUT_MS = 60000,
    PLACES_MAX = 8192,
    TEXT_MAX = 80000,
    /* what a batch may have, see rmq_send_batch_async() */
    BATCH_MAX = 4 * 1024 * 1024 - 65536,
    BATCH_EACH = 384
};

static rmq_client *client;
static rmq_producer *producer;
static const char *topic;
static rmq_queue *queues;
static size_t queue_count;
static int failures, tried;

static void need(bool is_so, const char *what, long number, dt_status status)
{
    tried++;
    if (is_so)
        return;
    failures++;
    fprintf(stderr, "rmq_traps: %s, %ld: %s: %s\n", what, number, dt_status_name(status),
            status == DT_OK ? "" : dt_error_text());
}

/* ---------------------------------------------------------------- messages and their fates */

/* What was stored: read back in the second half. */
struct place {
    int number;
    size_t body_size, value_size; /* of property "p" */
    rmq_receipt receipt;
    dt_status status;
};

static struct place places[PLACES_MAX];
static int place_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static char body[(4 << 20) + 2], value[TEXT_MAX];
static rmq_property property = {"p", value};

/* A body of `size` bytes that begins with its number; property "p" such that all properties that
 * the caller gives have `properties` bytes. */
static rmq_message make(struct place *place, size_t size, size_t properties)
{
    rmq_message message = {.topic = topic, .body = body, .body_size = size};
    char text[16];

    memset(value, 'v', sizeof(value));
    value[properties > 3 ? properties - 3 : 0] = '\0';
    if (properties > 3) {
        message.properties = &property;
        message.property_count = 1;
    }
    snprintf(text, sizeof(text), "%07d ", place->number);
    memcpy(body, text, 8);
    place->body_size = size;
    place->value_size = properties > 3 ? properties - 3 : 0;
    return message;
}

static struct place *next_place(void)
{
    struct place *place = &places[place_count];

    if (place_count == PLACES_MAX - 1)
        abort();
    place->number = place_count++;
    place->status = DT_ECLOSED;
    return place;
}

static dt_status send_one(size_t size, size_t properties)
{
    struct place *place = next_place();
    rmq_message message = make(place, size, properties);

    place->status = rmq_send(producer, &queues[0], &message, TIMEOUT_MS, &place->receipt);
    return place->status;
}

static void on_sent(void *opaque, dt_status status, const char *reason,
                    const rmq_receipt *receipt)
{
    struct place *place = opaque;

    pthread_mutex_lock(&lock);
    place->status = status;
    if (status == DT_OK)
        place->receipt = *receipt;
    else
        fprintf(stderr, "rmq_traps: message %d: %s\n", place->number, reason);
    pthread_mutex_unlock(&lock);
}

/* Hands over; automatic batches take what comes within the linger. */
static dt_status hand_over(size_t size, size_t properties)
{
    struct place *place = next_place();
    rmq_message message = make(place, size, properties);

    return rmq_send_async(producer, &queues[place->number % (int)queue_count], &message,
                          TIMEOUT_MS, on_sent, place);
}

static void need_all_done(const char *what, int from)
{
    dt_status status = rmq_producer_flush(producer, TIMEOUT_MS);

    need(status == DT_OK, what, -1, status);
    for (int i = from; i < place_count; i++)
        if (places[i].status != DT_ECLOSED) /* handed over */
            need(places[i].status == DT_OK, what, i, places[i].status);
}

/* An explicit batch of `count`, each with a body and properties of these sizes. */
static dt_status send_batch(int count, size_t size, size_t properties)
{
    rmq_message *messages = calloc((size_t)count, sizeof(*messages));
    rmq_receipt *receipts = calloc((size_t)count, sizeof(*receipts));
    char *bodies = malloc((size_t)count * size + 1);
    const rmq_target target = {.queue = &queues[0]};
    int first = place_count;
    dt_status status;

    if (messages == NULL || receipts == NULL || bodies == NULL)
        abort();
    for (int i = 0; i < count; i++) {
        messages[i] = make(next_place(), size, properties);
        messages[i].body = memcpy(bodies + (size_t)i * size, body, size);
    }
    status =
        rmq_send_batch(producer, &target, messages, (size_t)count, TIMEOUT_MS, receipts);
    for (int i = 0; i < count; i++) {
        places[first + i].status = status;
        places[first + i].receipt = receipts[i];
    }
    free(messages);
    free(receipts);
    free(bodies);
    return status;
}

/* ---------------------------------------------------------------- the traps */

/* Over 32,000 bytes are refused, over 16 KiB travel alone: brokers add to each message of a
 * batch without looking at the 16 bits of the length again. */
static void try_properties(void)
{
    static const size_t good[] = {16000, 16383, 16384, 16385, 20000, 31000, 31999, 32000};
    static const size_t bad[] = {32001, 32600, 32690, 32696, 32766,
                                 32767, 32768, 65535, 70000};
    int first;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        dt_status status = send_one(10, good[i]);
        need(status == DT_OK, "properties that brokers take", (long)good[i], status);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        dt_status status = send_one(10, bad[i]);
        need(status == DT_ETOOBIG, "properties over the limit", (long)bad[i], status);
        status = send_batch(2, 10, bad[i]);
        need(status == DT_ETOOBIG || status == DT_EINVAL, "the same in a batch",
             (long)bad[i], status);
    }
    first = place_count;
    for (int round = 0; round < 10; round++)
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
            dt_status status = hand_over(10, good[i]);
            need(status == DT_OK, "properties between others", (long)good[i], status);
            status = hand_over(10, 0);
            need(status == DT_OK, "a message between", round, status);
        }
    need_all_done("batches with large properties", first);
}

static void try_batches(void)
{
    size_t fit = BATCH_MAX / 4 - BATCH_EACH - 100; /* of four */
    dt_status status;
    int first;

    status = send_batch(32, 10, 16300);
    need(status == DT_OK, "32 times as many properties as a batch may have", 16300, status);
    status = send_batch(2, 10, 16384);
    need(status == DT_EINVAL, "too many", 16384, status);
    status = send_batch(4, fit, 0);
    need(status == DT_OK, "the largest batch", (long)fit, status);
    for (size_t more = 64; more <= 65536;
         more *= 4) { /* across what a broker's store takes */
        status = send_batch(4, fit + more, 0);
        need(status == DT_OK || status == DT_ETOOBIG, "a batch about the limit",
             (long)(fit + more), status);
    }
    status = send_batch(1000, 4000, 0);
    need(status == DT_ETOOBIG || status == DT_OK, "1000 messages of 4000 bytes", 0, status);
    first = place_count;
    for (int i = 0; i < 120; i++) {
        status = hand_over(i % 3 == 0 ? 100 : 100000, i % 5 == 0 ? 16000 : 0);
        need(status == DT_OK, "bodies that no one batch holds", i, status);
    }
    need_all_done("automatic batches of large bodies", first);
}

static void try_bodies(void)
{
    rmq_message empty = {.topic = topic, .body = "", .body_size = 0}, pair[2];
    dt_status status = rmq_send(producer, &queues[0], &empty, TIMEOUT_MS, NULL);

    need(status == DT_EINVAL, "an empty body", 0, status);
    pair[0] = pair[1] = empty;
    pair[0].body_size = 1;
    status = rmq_send_batch(producer, NULL, pair, 2, TIMEOUT_MS, NULL);
    need(status == DT_EINVAL, "an empty body in a batch", 0, status);
    status = send_one((4 << 20) + 1, 0);
    need(status == DT_ETOOBIG, "a body over the limit", 1, status);
    status = send_one(4 << 20, 0);
    need(status == DT_OK || status == DT_EREFUSED, "the largest body", 0, status);
    status = send_one((4 << 20) - 40000, 30000);
    need(status == DT_OK || status == DT_EREFUSED, "the largest body and properties", 0,
         status);
    pair[0] = (rmq_message){.topic = topic, .body = "x", .body_size = 1};
    pair[1] = pair[0];
    pair[1].delay_level = 1;
    status = rmq_send_batch(producer, NULL, pair, 2, TIMEOUT_MS, NULL);
    need(status == DT_EINVAL, "a delay in a batch", 0, status);
}

/* Names that mean something to brokers, and values that do not. Whether they take it is theirs to
 * say; the outcome is one of the definite ones. */
static void try_odd_properties(void)
{
    static const rmq_property odd[] = {
        {"DELAY", "99"},
        {"DELAY", "abc"},
        {"DELAY", "-5"},
        {"TIMER_DELAY_MS", "x"},
        {"TIMER_DELIVER_MS", "-1"},
        {"TIMER_DELAY_SEC", "99999999999"},
        {"INNER_NUM", "1000000"},
        {"INNER_BASE", "7"},
        {"REAL_TOPIC", "other"},
        {"REAL_QID", "99"},
        {"WAIT", "perhaps"},
        {"CLUSTER", "none"},
        {"INNER_MULTI_DISPATCH", "a,b"},
        {"RETRY_TOPIC", "x"},
        {"MSG_REGION", ""},
        {"UNIQ_KEY", "not an id"},
        {"TRACE_ON", "x"},
        {"__SHARDINGKEY", "k"},
        {"\x01", "x"},
        {"x", "\x02"},
        {"", "x"},
        {"DUET", "\xff\xfe\x80"},
    };
    static char keys[20001];
    rmq_message message = {
        .topic = topic, .body = "odd", .body_size = 3, .property_count = 1};
    dt_status status;

    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        bool has_no_form =
            odd[i].name[0] <= '\x02' || odd[i].value[0] == 0 || odd[i].value[0] == '\x02';

        message.properties = &odd[i];
        status = rmq_send(producer, &queues[queue_count - 1], &message, TIMEOUT_MS, NULL);
        if (has_no_form)
            need(status == DT_EINVAL, odd[i].name, (long)i, status);
        else
            need(status == DT_OK || status == DT_EREFUSED, odd[i].name, (long)i, status);
    }
    for (size_t i = 0; i + 2 < sizeof(keys); i += 2)
        memcpy(keys + i, "k ", 2);
    message.properties = NULL;
    message.property_count = 0;
    message.keys = keys;
    status = rmq_send(producer, &queues[queue_count - 1], &message, TIMEOUT_MS, NULL);
    need(status == DT_OK, "ten thousand keys", 0, status);
}

/* ---------------------------------------------------------------- what is there */

static bool is_whole(const rmq_received *message, const struct place *place)
{
    const char *text = rmq_received_property(message, "p");

    return !message->corrupt_body && message->body_size == place->body_size &&
           (text == NULL ? 0 : strlen(text)) == place->value_size;
}

/* Reads a queue to its end: the number of messages that are as reported; -1: it cannot. */
static int read_queue(const rmq_queue *queue, int last_number)
{
    const rmq_pull_consumer_config config = {.topic = topic, .group = "trap-readers"};
    rmq_pull_consumer *consumer = NULL;
    int64_t end = 0, next = 0;
    int whole = 0, last = -1;

    if (rmq_offset_max(client, topic, queue, TIMEOUT_MS, &end) != DT_OK ||
        rmq_pull_consumer_new(client, &config, &consumer) != DT_OK ||
        rmq_pull_consumer_assign(consumer, queue, 0) != DT_OK)
        return -1;
    while (next < end) {
        rmq_batch *batch;
        dt_status status = rmq_pull_consumer_poll(consumer, TIMEOUT_MS, &batch);

        need(status == DT_OK, "reading", (long)next, status);
        if (status != DT_OK)
            break;
        for (size_t i = 0; i < batch->count; i++) {
            const rmq_received *message = &batch->messages[i];
            char text[9] = "";
            int number;

            if (message->body_size < 8)
                continue; /* an odd one */
            memcpy(text, message->body, 8);
            number = atoi(text);
            if (number >= 0 && number <= last_number &&
                places[number].receipt.offset == message->offset &&
                places[number].receipt.queue.queue_id == queue->queue_id &&
                places[number].status == DT_OK) {
                need(number > last, "order", number, DT_OK);
                need(is_whole(message, &places[number]), "contents", number, DT_OK);
                last = number;
                whole++;
            } else {
                need(false, "a message that was not reported", number, DT_OK);
            }
        }
        next = batch->next_offset;
        rmq_batch_free(batch);
    }
    rmq_pull_consumer_free(consumer);
    return whole;
}

/* All that was done is in the queues, and a message to each of them is stored and seen. */
static void need_health(const char *when)
{
    int done = 0, found = 0;

    for (size_t i = 0; i < queue_count; i++) {
        struct place *place = next_place();
        rmq_message message = make(place, 20, 0);

        place->status =
            rmq_send(producer, &queues[i], &message, TIMEOUT_MS, &place->receipt);
        need(place->status == DT_OK, when, (long)i, place->status);
    }
    for (int i = 0; i < place_count; i++)
        done += places[i].status == DT_OK;
    for (size_t i = 0; i < queue_count; i++)
        found += read_queue(&queues[i], place_count - 1);
    need(found == done, when, found, DT_OK);
    printf("%s: %d messages done, %d found\n", when, done, found);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    rmq_client_config config = {0};
    const rmq_producer_config settings = {.group = "trappers",
                                          .linger_ms = 20,
                                          .batch_count_max = 1000,
                                          .batch_size_max = 4 << 20};
    char line[16];

    if (argc != 3) {
        fprintf(stderr, "usage: rmq_traps NAMESRV TOPIC\n");
        return 1;
    }
    config.namesrv = argv[1];
    topic = argv[2];
    memset(body, 'b', sizeof(body));
    if (rmq_client_new(&config, &client) != DT_OK ||
        rmq_topic_create(client, topic, 3, TIMEOUT_MS) != DT_OK ||
        rmq_topic_write_queues(client, topic, &queues, &queue_count, TIMEOUT_MS) != DT_OK ||
        rmq_producer_new(client, &settings, &producer) != DT_OK) {
        fprintf(stderr, "rmq_traps: %s\n", dt_error_text());
        return 1;
    }
    try_properties();
    try_batches();
    try_bodies();
    try_odd_properties();
    need_health("before the restart");
    if (fgets(line, sizeof(line), stdin) == NULL)
        return 1;
    need_health("after the restart");
    printf("%d checks, %d failures\n", tried, failures);
    rmq_producer_free(producer);
    rmq_free(queues);
    rmq_client_free(client);
    return failures > 0;
}
