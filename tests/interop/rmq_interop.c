/*
 * rmq_interop - our client as the Apache client's peer; the lines are those of Interop.java.
 *
 *   rmq_interop send NAMESRV TOPIC GROUP        messages on stdin, ids on stdout
 *   rmq_interop receive NAMESRV TOPIC GROUP COUNT
 *
 * Stands on the public header alone. Exit: 0, or 1 with the reason on stderr.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rmq/rmq.h"

enum { TIMEOUT_MS = 20000, PROPERTIES_MAX = 64 };

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
    bool answered;
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
        sent->answered = true;
    } else {
        failures++;
        fprintf(stderr, "rmq_interop: %s: %s\n", dt_status_name(status), reason);
    }
    outstanding--;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static int send_line(rmq_producer *producer, const rmq_queue *queues, size_t queue_count,
                     const char *topic, char *line, struct sent *sent)
{
    rmq_property properties[PROPERTIES_MAX];
    rmq_message message = {.topic = topic, .properties = properties};
    size_t queue = 0, size, field = 0;
    char *rest = line;

    for (char *text; (text = strsep(&rest, "\t")) != NULL; field++) {
        if (field == 1) {
            queue = strtoul(text, NULL, 10);
        } else if (field == 2) {
            message.body = unhex(text, &message.body_size);
        } else if (field == 3) {
            message.keys = unhex(text, &size);
        } else if (field == 4) {
            message.tags = unhex(text, &size);
        } else if (field > 4 && message.property_count < PROPERTIES_MAX) {
            char *value = strchr(text, '=');
            if (!value)
                return fail("line", "a property without a value");
            *value++ = '\0';
            properties[message.property_count].name = unhex(text, &size);
            properties[message.property_count++].value = unhex(value, &size);
        }
    }
    if (queue >= queue_count)
        return fail("line", "no such queue");
    pthread_mutex_lock(&lock);
    outstanding++;
    pthread_mutex_unlock(&lock);
    if (rmq_send_async(producer, &queues[queue], &message, TIMEOUT_MS, answered, sent) !=
        DT_OK)
        return fail("send", dt_error_text());
    return 0;
}

static int command_send(rmq_client *client, const char *topic, const char *group)
{
    enum { LINES_MAX = 1000 };
    static struct sent sent[LINES_MAX];
    const rmq_producer_config config = {.group = group};
    rmq_producer *producer = NULL;
    rmq_queue *queues = NULL;
    size_t queue_count = 0, count = 0, capacity = 0;
    char *line = NULL;
    int code = 0;

    if (rmq_producer_new(client, &config, &producer) != DT_OK ||
        rmq_topic_write_queues(client, topic, &queues, &queue_count, TIMEOUT_MS) != DT_OK)
        return fail("producer", dt_error_text());
    while (code == 0 && count < LINES_MAX && getline(&line, &capacity, stdin) > 0) {
        line[strcspn(line, "\n")] = '\0';
        code = send_line(producer, queues, queue_count, topic, line, &sent[count++]);
    }
    pthread_mutex_lock(&lock);
    while (code == 0 && outstanding > 0)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    rmq_producer_free(producer);
    for (size_t i = 0; i < count && code == 0; i++)
        puts(sent[i].id);
    free(line);
    rmq_free(queues);
    return failures > 0 ? 1 : code;
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
    for (size_t i = 0; i < message->property_count; i++) {
        putchar('\t');
        put_text(message->properties[i].name);
        putchar('=');
        put_text(message->properties[i].value);
    }
    putchar('\n');
}

static int command_receive(rmq_client *client, const char *topic, const char *group,
                           size_t wanted)
{
    const rmq_pull_consumer_config config = {
        .topic = topic, .group = group, .suspend_ms = 1000};
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

int main(int argc, char **argv)
{
    rmq_client_config config = {0};
    rmq_client *client = NULL;
    int code = 1;

    if (argc < 5)
        return fail("usage", "send|receive NAMESRV TOPIC GROUP [COUNT]");
    config.namesrv = argv[2];
    if (rmq_client_new(&config, &client) != DT_OK)
        return fail("client", dt_error_text());
    if (strcmp(argv[1], "send") == 0)
        code = command_send(client, argv[3], argv[4]);
    else if (argc > 5)
        code = command_receive(client, argv[3], argv[4], strtoul(argv[5], NULL, 10));
    rmq_client_free(client);
    return code;
}
