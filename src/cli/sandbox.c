/* sandbox.c - embedded brokers until interrupted, with a socket to make them misbehave. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/status.h"
#include "cli/brokers.h"
#include "cli/cli.h"

#define TOPICS_MAX 64
#define PEERS_MAX  16
#define LINE_MAX_  1024
#define POLL_MS    200

struct topics {
    const char *text[TOPICS_MAX];
    size_t count;
};

struct peer { /* of the control socket */
    int fd;
    char line[LINE_MAX_];
    size_t used;
};

struct control {
    const char *path; /* NULL: no socket */
    int fd;
    struct peer peers[PEERS_MAX];
    size_t count;
};

static void add_topic(void *context, const char *value)
{
    struct topics *topics = context;

    if (topics->count < TOPICS_MAX)
        topics->text[topics->count] = value;
    topics->count++;
}

/* "NAME:N", where the name may hold colons no more than Kafka allows (none). */
static dt_status make_topic(struct cli_brokers *brokers, const char *text)
{
    const char *colon = strrchr(text, ':');
    char name[256], *end;
    long partitions;

    if (colon == NULL || colon == text || (size_t)(colon - text) >= sizeof(name))
        return dt_error_set(DT_EINVAL, "--topic '%s' is not of the form NAME:PARTITIONS",
                            text);
    partitions = strtol(colon + 1, &end, 10);
    if (end == colon + 1 || *end != '\0' || partitions < 1 || partitions > 1000)
        return dt_error_set(DT_EINVAL,
                            "--topic '%s': partitions are a number from 1 to 1000", text);
    snprintf(name, sizeof(name), "%.*s", (int)(colon - text), text);
    return cli_brokers_topic(brokers, name, (int32_t)partitions);
}

/* ---- the control socket ---- */

static dt_status open_control(struct control *control)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (control->path == NULL)
        return DT_OK;
    if (strlen(control->path) >= sizeof(address.sun_path))
        return dt_error_set(DT_EINVAL, "--control '%s' is longer than %zu characters",
                            control->path, sizeof(address.sun_path) - 1);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", control->path);
    control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (control->fd < 0)
        return dt_error_errno(errno, "a socket for --control");
    /* what a sandbox that was killed has left does not answer; a living one is not replaced */
    if (connect(control->fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return dt_error_set(DT_EINVAL, "--control '%s' is used by another sandbox",
                            control->path);
    if (errno == ECONNREFUSED)
        unlink(control->path);
    if (bind(control->fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(control->fd, PEERS_MAX) != 0)
        return dt_error_set(DT_EINVAL, "--control '%s': %s", control->path,
                            strerror(errno));
    return DT_OK;
}

static void close_peer(struct control *control, size_t index)
{
    close(control->peers[index].fd);
    control->peers[index] = control->peers[--control->count];
}

/* One line is one command, and one line is its answer. */
static bool answer(rmq_mock *mock, struct peer *peer, const char *line)
{
    char reply[512], text[544];
    dt_status status = rmq_mock_control(mock, line, reply, sizeof(reply));
    int length =
        snprintf(text, sizeof(text), "%s%s\n",
                 status == DT_OK || strncmp(reply, "error: ", 7) == 0 ? "" : "error: ",
                 status == DT_OK ? "ok" : reply);

    return send(peer->fd, text, (size_t)length, MSG_NOSIGNAL) == length;
}

/* False: the peer is done with. */
static bool read_peer(rmq_mock *mock, struct peer *peer)
{
    ssize_t size = recv(peer->fd, peer->line + peer->used,
                        sizeof(peer->line) - 1 - peer->used, MSG_DONTWAIT);
    char *end;

    if (size < 0)
        return errno == EAGAIN || errno == EINTR;
    if (size == 0)
        return false;
    peer->used += (size_t)size;
    peer->line[peer->used] = '\0';
    while ((end = strchr(peer->line, '\n')) != NULL) {
        *end = '\0';
        if (end > peer->line && end[-1] == '\r')
            end[-1] = '\0';
        if (!answer(mock, peer, peer->line))
            return false;
        peer->used -= (size_t)(end + 1 - peer->line);
        memmove(peer->line, end + 1, peer->used + 1);
    }
    return peer->used < sizeof(peer->line) - 1; /* a line without end */
}

static void serve(struct control *control, rmq_mock *mock)
{
    struct pollfd polled[PEERS_MAX + 1];
    nfds_t count = 0;

    if (control->fd >= 0) {
        for (size_t i = 0; i < control->count; i++)
            polled[count++] = (struct pollfd){control->peers[i].fd, POLLIN, 0};
        if (control->count < PEERS_MAX)
            polled[count++] = (struct pollfd){control->fd, POLLIN, 0};
    }
    if (poll(polled, count, POLL_MS) <= 0)
        return;
    for (size_t i = control->count; i > 0; i--)
        if (polled[i - 1].revents != 0 && !read_peer(mock, &control->peers[i - 1]))
            close_peer(control, i - 1);
    if (control->count < PEERS_MAX && polled[count - 1].fd == control->fd &&
        polled[count - 1].revents != 0) {
        int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC);

        if (fd >= 0)
            control->peers[control->count++] = (struct peer){.fd = fd};
    }
}

static void close_control(struct control *control, bool opened)
{
    while (control->count > 0)
        close_peer(control, control->count - 1);
    if (control->fd >= 0)
        close(control->fd);
    if (opened && control->path != NULL)
        unlink(control->path);
}

/* ---- the command ---- */

static bool announce(struct cli *cli, const struct cli_brokers *brokers)
{
    struct dt_json json;
    struct dt_buf out;

    if (!cli->json) {
        printf("KAFKA=%s\nNAMESRV=%s\n", duet_kafka_mock_address(brokers->kafka),
               rmq_mock_namesrv(brokers->rocketmq));
        return fflush(stdout) == 0;
    }
    cli_json_start(&json, &out);
    dt_json_object(&json);
    dt_json_kv_string(&json, "kafka", duet_kafka_mock_address(brokers->kafka));
    dt_json_kv_string(&json, "namesrv", rmq_mock_namesrv(brokers->rocketmq));
    dt_json_object_end(&json);
    return cli_json_end(cli, &out);
}

int cli_sandbox(struct cli *cli, int argc, char **argv)
{
    struct topics topics = {.count = 0};
    struct control control = {.fd = -1};
    const struct cli_option options[] = {{"--topic", NULL, NULL, add_topic, &topics},
                                         {"--control", NULL, &control.path, NULL, NULL},
                                         {NULL, NULL, NULL, NULL, NULL}};
    struct cli_brokers brokers;
    size_t words;
    bool opened;
    int exit_code = CLI_OK;
    dt_status status;

    if (!cli_parse(cli, argc, argv, options, NULL, 0, &words))
        return CLI_USAGE;
    if (topics.count > TOPICS_MAX)
        return cli_usage(cli, "more than %d topics", TOPICS_MAX);
    cli_catch_signals();
    status = cli_brokers_start(&brokers);
    if (status != DT_OK)
        return cli_fail(cli, status);
    for (size_t i = 0; i < topics.count && status == DT_OK; i++)
        status = make_topic(&brokers, topics.text[i]);
    if (status == DT_OK)
        status = open_control(&control);
    opened = status == DT_OK;
    if (opened) {
        if (!announce(cli, &brokers))
            exit_code = CLI_INTERNAL;
        while (exit_code == CLI_OK && !cli_interrupted())
            serve(&control, brokers.rocketmq);
    } else {
        exit_code = cli_fail(cli, status);
    }
    close_control(&control, opened);
    cli_brokers_stop(&brokers);
    return exit_code;
}
