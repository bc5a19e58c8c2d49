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

dt_status mock_listen(struct mockmq *mock)
{
    dt_status status;

    if (mock->namesrv_fd >= 0)
        return DT_OK;
    status = listen_on(mock, &mock->namesrv_port, &mock->namesrv_fd);
    if (status == DT_OK)
        status = listen_on(mock, &mock->broker_port, &mock->broker_fd);
    if (status != DT_OK) {
        mock_listen_end(mock);
        return status;
    }
    mock->accepting = true;
    mock_watch(mock, mock->namesrv_fd, MOCK_ID_NAMESRV, EPOLLIN, true);
    mock_watch(mock, mock->broker_fd, MOCK_ID_BROKER, EPOLLIN, true);
    return DT_OK;
}

void mock_listen_end(struct mockmq *mock)
{
    if (mock->namesrv_fd >= 0)
        close(mock->namesrv_fd);
    if (mock->broker_fd >= 0)
        close(mock->broker_fd);
    mock->namesrv_fd = mock->broker_fd = -1;
    mock->accepting = true; /* there is nothing to try again */
}

void mock_accept_again(struct mockmq *mock, bool again)
{
    mock->accepting = again;
    mock_watch(mock, mock->namesrv_fd, MOCK_ID_NAMESRV, again ? EPOLLIN : 0u, false);
    mock_watch(mock, mock->broker_fd, MOCK_ID_BROKER, again ? EPOLLIN : 0u, false);
}

/* Between the wait and now another thread may have closed a listener or a connection: what is
 * no more is passed over. */
static void handle(struct mockmq *mock, const struct epoll_event *event)
{
    struct mock_conn *conn;

    switch (event->data.u64) {
    case MOCK_ID_WAKE:
        break; /* `stopping` was set */
    case MOCK_ID_NAMESRV:
        if (mock->namesrv_fd >= 0)
            mock_conn_accept(mock, mock->namesrv_fd, true);
        break;
    case MOCK_ID_BROKER:
        if (mock->broker_fd >= 0)
            mock_conn_accept(mock, mock->broker_fd, false);
        break;
    default:
        conn = mock_conn_find(mock, event->data.u64);
        if (conn != NULL && !conn->closing)
            mock_conn_event(mock, conn, event->events);
    }
}

/* How long to wait for events until something is due. */
static int wait_ms(const struct mockmq *mock)
{
    int64_t due_ms = mock_delayed_due_ms(mock), pulls_due_ms = mock_pulls_due_ms(mock);
    int64_t now_ms = dt_clock_ms();

    if (pulls_due_ms < due_ms)
        due_ms = pulls_due_ms;
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

        mock_pulls_run(mock, dt_clock_ms());
        mock_delayed_run(mock, dt_clock_ms());
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
