/*
 * fake_peer.h - a listening socket on loopback whose connections are served by a function of the
 * test, one after the other, on a thread of its own.
 *
 * Include it after <cmocka.h>.
 */
#ifndef COMPONENT_FAKE_PEER_H
#define COMPONENT_FAKE_PEER_H

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct fake_peer {
    int listener;
    int stop[2]; /* a pipe: readable when the peer shall end */
    char address[32];
    void (*serve)(struct fake_peer *fake, int fd); /* the connection is closed after it */
    void *context;
    atomic_int connections;
    pthread_t thread;
};

/* Waits until the socket can be read. False: the peer shall end. */
static inline bool fake_wait(struct fake_peer *fake, int fd)
{
    struct pollfd both[2] = {{fd, POLLIN, 0}, {fake->stop[0], POLLIN, 0}};

    while (poll(both, 2, -1) < 0)
        ;
    return (both[1].revents & POLLIN) == 0;
}

/* Reads what is there; 0: closed, or the peer shall end. */
static inline size_t fake_read(struct fake_peer *fake, int fd, void *data, size_t size)
{
    ssize_t count = fake_wait(fake, fd) ? recv(fd, data, size, 0) : 0;

    return count < 0 ? 0 : (size_t)count;
}

static inline void fake_write(int fd, const void *data, size_t size)
{
    const char *next = data;

    while (size > 0) {
        ssize_t count = send(fd, next, size, MSG_NOSIGNAL);

        if (count <= 0)
            return;
        next += count;
        size -= (size_t)count;
    }
}

static inline void *fake_main(void *argument)
{
    struct fake_peer *fake = argument;

    while (fake_wait(fake, fake->listener)) {
        int fd = accept(fake->listener, NULL, NULL);

        if (fd < 0)
            continue;
        atomic_fetch_add(&fake->connections, 1);
        if (fake->serve != NULL)
            fake->serve(fake, fd);
        close(fd);
    }
    return NULL;
}

static inline void fake_listen(struct fake_peer *fake)
{
    struct sockaddr_in address = {0};
    socklen_t size = sizeof(address);

    memset(fake, 0, sizeof(*fake));
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fake->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fake->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fake->listener, 16), 0);
    assert_int_equal(getsockname(fake->listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(pipe(fake->stop), 0);
    snprintf(fake->address, sizeof(fake->address), "127.0.0.1:%d", ntohs(address.sin_port));
}

static inline void fake_start(struct fake_peer *fake,
                              void (*serve)(struct fake_peer *fake, int fd), void *context)
{
    fake_listen(fake);
    fake->serve = serve;
    fake->context = context;
    assert_int_equal(pthread_create(&fake->thread, NULL, fake_main, fake), 0);
}

static inline void fake_stop(struct fake_peer *fake)
{
    assert_int_equal(write(fake->stop[1], "x", 1), 1);
    pthread_join(fake->thread, NULL);
    close(fake->listener);
    close(fake->stop[0]);
    close(fake->stop[1]);
}

/* An address where nobody listens. */
static inline void fake_closed_address(char out[32])
{
    struct fake_peer fake;

    fake_listen(&fake);
    memcpy(out, fake.address, 32);
    close(fake.listener);
    close(fake.stop[0]);
    close(fake.stop[1]);
}

#endif
