#include <arpa/inet.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/status.h"
#include "mockmq/mock.h"

#define EVENTS_MAX      64
#define ACCEPT_AGAIN_MS 100

void mock_watch(struct mockmq *mock, int fd, uint64_t id, uint32_t events, bool is_new)
{
    struct epoll_event event;

    memset(&event, 0, sizeof(event));
    event.events = events;
    event.data.u64 = id;
    if (fd >= 0)
        (void)epoll_ctl(mock->epoll_fd, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
}

static dt_status listen_on(struct mockmq *mock, uint16_t *port, int *out)
{
    struct sockaddr_in address;
    socklen_t size = sizeof(address);
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    dt_status status = DT_OK;

    if (fd < 0)
        return dt_error_errno(errno, "socket");
    memset(&address, 0, sizeof(address));
    address.sin_family = AF_INET;
    address.sin_addr = mock->ip;
    address.sin_port = htons(*port);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 128) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        status = dt_error_errno(errno, "listening on %s:%u", mock->host, (unsigned)*port);
        close(fd);
        return status;
    }
    *port = ntohs(address.sin_port); /* a free one stays ours over down and up */
    *out = fd;
    return DT_OK;
}

static uint64_t id_of(const struct mockmq *mock, const struct mock_node *node)
{
    uint64_t i = 0;

    while (mock->nodes[i] != node)
        i++;
    return MOCK_ID_NODES + i;
}

dt_status mock_listen(struct mockmq *mock, struct mock_node *node)
{
    dt_status status = DT_OK;

    if (node->fd < 0) {
        status = listen_on(mock, &node->port, &node->fd);
        mock_watch(mock, node->fd, id_of(mock, node), EPOLLIN, true);
    }
    return status;
}

void mock_listen_end(struct mock_node *node)
{
    if (node->fd >= 0)
        close(node->fd);
    node->fd = -1;
}

void mock_accept_again(struct mockmq *mock, bool again)
{
    mock->accepting = again;
    for (size_t i = 0; i < mock->node_count; i++)
        mock_watch(mock, mock->nodes[i]->fd, MOCK_ID_NODES + i, again ? EPOLLIN : 0u,
                   false);
}

/* Between the wait and now another thread may have closed a listener or a connection: what is
 * no more is passed over. */
static void handle(struct mockmq *mock, const struct epoll_event *event)
{
    uint64_t id = event->data.u64;
    struct mock_conn *conn;

    if (id == MOCK_ID_WAKE)
        return; /* `stopping` was set */
    if (id < MOCK_ID_CONNS) {
        if (mock->nodes[id - MOCK_ID_NODES]->fd >= 0)
            mock_conn_accept(mock, mock->nodes[id - MOCK_ID_NODES]);
        return;
    }
    conn = mock_conn_find(mock, id);
    if (conn != NULL)
        mock_conn_event(mock, conn, event->events);
}

/* How long to wait for events until something is due. */
static int wait_ms(const struct mockmq *mock)
{
    int64_t due_ms = mock->is_virtual ? INT64_MAX : mock_due_ms(mock);
    int64_t now_ms = dt_clock_ms();

    if (!mock->accepting && due_ms > now_ms + ACCEPT_AGAIN_MS)
        due_ms = now_ms + ACCEPT_AGAIN_MS;
    if (due_ms == INT64_MAX)
        return -1;
    if (due_ms <= now_ms)
        return 0;
    return due_ms - now_ms > 60000 ? 60000 : (int)(due_ms - now_ms);
}

void *mock_serve(void *opaque)
{
    struct mockmq *mock = opaque;
    struct epoll_event events[EVENTS_MAX];

    pthread_mutex_lock(&mock->lock);
    while (!mock->stopping) {
        int count, timeout_ms;

        mock_run_due(mock);
        mock_conns_settle(mock);
        timeout_ms = wait_ms(mock);
        pthread_mutex_unlock(&mock->lock);
        count = epoll_wait(mock->epoll_fd, events, EVENTS_MAX, timeout_ms);
        pthread_mutex_lock(&mock->lock);
        if (!mock->accepting)
            mock_accept_again(mock, true);
        for (int i = 0; i < count; i++)
            handle(mock, &events[i]);
    }
    pthread_mutex_unlock(&mock->lock);
    return NULL;
}
