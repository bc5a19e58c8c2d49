/*
 * rmq_interop - our client as the Apache client's peer; the lines are those of Interop.java.
 *
 *   rmq_interop send NAMESRV TOPIC GROUP [MODE] messages on stdin, ids on stdout
 *   rmq_interop receive NAMESRV TOPIC GROUP COUNT [TAGS]
 *   rmq_interop topic NAMESRV TOPIC QUEUES       creates it
 *
 * MODE: zlib, lz4 or zstd compress; batch sends those of a queue as one; key lets each message's
 * keys choose its queue; unordered sends several at a time; oneway waits for no answer (no ids);
 * delay and timer have them delivered a second or two later.
 *
 * Stands on the public header alone. Exit: 0, or 1 with the reason on stderr.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rmq/rmq.h"

enum { TIMEOUT_MS = 20000, PROPERTIES_MAX = 64, LINES_MAX = 1000 };

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "rmq_interop: %s: %s\n", what, why);
    return 1;
}

/* ------------------------------------------------------------------ lines */

/* Decodes hex in place, ends it with a NUL; NULL for "-". */
static char *unhex(char *text, size_t *size)
{
    size_t n = 0;

    *size = 0;
    if (strcmp(text, "-") == 0)
        return NULL;
    for (; text[2 * n] && text[2 * n + 1]; n++) {
        const char pair[3] = {text[2 * n], text[2 * n + 1], 0};
        text[n] = (char)strtoul(pair, NULL, 16);
    }
    text[n] = '\0';
    *size = n;
    return text;
}

static void put_hex(const void *data, size_t size)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < size; i++)
        printf("%02x", bytes[i]);
}

static void put_text(const char *text)
{
    if (text)
        put_hex(text, strlen(text));
    else
        putchar('-');
}

/* ------------------------------------------------------------------ send */

struct sent {
    char id[64];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static size_t outstanding, failures;

static void answered(void *opaque, dt_status status, const char *reason,
                     const rmq_receipt *receipt)
{
    struct sent *sent = opaque;

    pthread_mutex_lock(&lock);
    if (status == DT_OK) {
        memcpy(sent->id, receipt->message_id, sizeof(sent->id));
    } else {
        failures++;
        fprintf(stderr, "rmq_interop: %s: %s\n", dt_status_name(status), reason);
    }
    outstanding--;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

/* A message, and the line that it stands in. */
struct line {
    char *text;
    rmq_property properties[PROPERTIES_MAX];
    rmq_message message;
    size_t queue;
    struct sent sent;
};

static int parse_line(struct line *line, const char *topic)
{
    rmq_message *message = &line->message;
    size_t size, field = 0;
    char *rest = line->text;

    *message = (rmq_message){.topic = topic, .properties = line->properties};
    for (char *text; (text = strsep(&rest, "\t")) != NULL; field++) {
        if (field == 1) {
            line->queue = strtoul(text, NULL, 10);
        } else if (field == 2) {
            message->body = unhex(text, &message->body_size);
        } else if (field == 3) {
            message->keys = unhex(text, &size);
        } else if (field == 4) {
            message->tags = unhex(text, &size);
        } else if (field > 5 && message->property_count < PROPERTIES_MAX) {
            char *value = strchr(text, '=');
            if (!value)
                return fail("line", "a property without a value");
            *value++ = '\0';
            line->properties[message->property_count].name = unhex(text, &size);
            line->properties[message->property_count++].value = unhex(value, &size);
        }
    }
    return 0;
}

static size_t read_lines(struct line *lines, size_t max, const char *topic)
{
    char *text = NULL;
    size_t count = 0, capacity = 0;

    while (count < max && getline(&text, &capacity, stdin) > 0) {
        text[strcspn(text, "\n")] = '\0';
        lines[count].text = strdup(text);
        if (lines[count].text == NULL || parse_line(&lines[count], topic) != 0)
            break;
        count++;
    }
    free(text);
    return count;
}

static dt_status send_line(rmq_producer *producer, const rmq_queue *queue,
                           struct line *line, const char *mode)
{
    rmq_target target = {.queue = queue, .unordered = strcmp(mode, "unordered") == 0};
    rmq_message message = line->message;
    dt_status status;

    if (strcmp(mode, "key") == 0)
        target = (rmq_target){.key = message.keys, .key_size = strlen(message.keys)};
    if (strcmp(mode, "oneway") == 0)
        return rmq_send_oneway(producer, &target, &message);
    message.delay_level = strcmp(mode, "delay") == 0;
    message.delay_ms = strcmp(mode, "timer") == 0 ? 2000 : 0;
    pthread_mutex_lock(&lock);
    outstanding++;
    pthread_mutex_unlock(&lock);
    status =
        rmq_send_to_async(producer, &target, &message, TIMEOUT_MS, answered, &line->sent);
    if (status != DT_OK) {
        pthread_mutex_lock(&lock);
        outstanding--;
        pthread_mutex_unlock(&lock);
    }
    return status;
}

/* Those of one queue as one request. */
static dt_status send_batch(rmq_producer *producer, const rmq_queue *queue,
                            struct line *lines, size_t count, size_t index)
{
    static rmq_message messages[LINES_MAX];
    static rmq_receipt receipts[LINES_MAX];
    const rmq_target target = {.queue = queue};
    size_t members = 0;
    dt_status status;

    for (size_t i = 0; i < count; i++)
        if (lines[i].queue == index)
            messages[members++] = lines[i].message;
    if (members == 0)
        return DT_OK;
    status = rmq_send_batch(producer, &target, messages, members, TIMEOUT_MS, receipts);
    for (size_t i = 0, n = 0; status == DT_OK && i < count; i++)
        if (lines[i].queue == index)
            memcpy(lines[i].sent.id, receipts[n++].message_id, sizeof(lines[i].sent.id));
    return status;
}

static rmq_compression compression_of(const char *mode)
{
    static const char *const names[] = {"none", "zlib", "lz4", "zstd"};

    for (int i = 0; i < 4; i++)
        if (strcmp(mode, names[i]) == 0)
            return (rmq_compression)i;
    return RMQ_COMPRESSION_NONE;
}

static int command_send(rmq_client *client, const char *topic, const char *group,
                        const char *mode)
{
    static struct line lines[LINES_MAX];
    const rmq_producer_config config = {.group = group,
                                        .compression = compression_of(mode)};
    rmq_producer *producer = NULL;
    rmq_queue *queues = NULL;
    size_t queue_count = 0, count = read_lines(lines, LINES_MAX, topic);
    dt_status status = rmq_producer_new(client, &config, &producer);

    if (status == DT_OK)
        status = rmq_topic_write_queues(client, topic, &queues, &queue_count, TIMEOUT_MS);
    if (status == DT_OK && strcmp(mode, "batch") == 0)
        for (size_t i = 0; status == DT_OK && i < queue_count; i++)
            status = send_batch(producer, &queues[i], lines, count, i);
    else
        for (size_t i = 0; status == DT_OK && i < count; i++)
            status =
                send_line(producer, &queues[lines[i].queue % queue_count], &lines[i], mode);
    if (status == DT_OK) /* callbacks have run when this returns */
        status = rmq_producer_flush(producer, TIMEOUT_MS);
    if (status != DT_OK)
        fail("send", dt_error_text());
    rmq_producer_free(producer);
    for (size_t i = 0; i < count; i++) {
        if (status == DT_OK && failures == 0)
            puts(lines[i].sent.id);
        free(lines[i].text);
    }
    rmq_free(queues);
    return status != DT_OK || failures > 0;
}

/* ------------------------------------------------------------------ receive */

static void print_message(const rmq_received *message)
{
    printf("%s\t%d\t", message->message_id, message->queue.queue_id);
    put_hex(message->body, message->body_size);
    putchar('\t');
    put_text(rmq_received_property(message, "KEYS"));
    putchar('\t');
    put_text(rmq_received_property(message, "TAGS"));
    printf("\t%lld", (long long)(message->store_ms - message->born_ms));
    for (size_t i = 0; i < message->property_count; i++) {
        putchar('\t');
        put_text(message->properties[i].name);
        putchar('=');
        put_text(message->properties[i].value);
    }
    putchar('\n');
}

static int command_receive(rmq_client *client, const char *topic, const char *group,
                           size_t wanted, const char *tags)
{
    const rmq_pull_consumer_config config = {
        .topic = topic, .group = group, .subscription = tags, .suspend_ms = 1000};
    rmq_pull_consumer *consumer = NULL;
    rmq_queue *queues = NULL;
    size_t queue_count = 0, got = 0;
    int code = 0;

    if (rmq_pull_consumer_new(client, &config, &consumer) != DT_OK ||
        rmq_topic_read_queues(client, topic, &queues, &queue_count, TIMEOUT_MS) != DT_OK)
        return fail("consumer", dt_error_text());
    for (size_t i = 0; i < queue_count && code == 0; i++) {
        int64_t begin = 0;
        if (rmq_offset_min(client, topic, &queues[i], TIMEOUT_MS, &begin) != DT_OK ||
            rmq_pull_consumer_assign(consumer, &queues[i], begin) != DT_OK)
            code = fail("assign", dt_error_text());
    }
    while (got < wanted && code == 0) {
        rmq_batch *batch = NULL;
        if (rmq_pull_consumer_poll(consumer, TIMEOUT_MS, &batch) != DT_OK) {
            code = fail("poll", dt_error_text());
            break;
        }
        for (size_t i = 0; i < batch->count; i++, got++)
            print_message(&batch->messages[i]);
        rmq_batch_free(batch);
    }
    rmq_pull_consumer_free(consumer);
    rmq_free(queues);
    return code;
}

static int command_topic(rmq_client *client, const char *topic, const char *queues)
{
    if (rmq_topic_create(client, topic, atoi(queues), TIMEOUT_MS) != DT_OK)
        return fail("topic", dt_error_text());
    return 0;
}

int main(int argc, char **argv)
{
    rmq_client_config config = {0};
    rmq_client *client = NULL;
    int code = 1;

    if (argc < 5)
        return fail("usage", "send|receive|topic NAMESRV TOPIC GROUP|QUEUES [MODE|COUNT]");
    config.namesrv = argv[2];
    if (rmq_client_new(&config, &client) != DT_OK)
        return fail("client", dt_error_text());
    if (strcmp(argv[1], "send") == 0)
        code = command_send(client, argv[3], argv[4], argc > 5 ? argv[5] : "none");
    else if (strcmp(argv[1], "topic") == 0)
        code = command_topic(client, argv[3], argv[4]);
    else if (argc > 5)
        code = command_receive(client, argv[3], argv[4], strtoul(argv[5], NULL, 10),
                               argc > 6 ? argv[6] : NULL);
    rmq_client_free(client);
    return code;
}
