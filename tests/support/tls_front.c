#include "support/tls_front.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 256, CHUNK_SIZE = 64 * 1024 };

struct link {
    struct tls_front *front;
    pthread_t thread;
    int client, backend; /* -1: none */
};

struct tls_front {
    SSL_CTX *context;
    int listener, port;
    int backend_port; /* 0: none */
    bool is_silent;
    char address[32], from[64], to[64], sni[256];
    pthread_t thread;
    pthread_mutex_t mutex; /* the rest */
    bool is_stopping;
    int handshakes;
    int count;
    struct link links[CONNECTIONS_MAX];
};

static void need(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "tls_front: %s\n", what);
    abort();
}

static int connect_to(int port)
{
    struct sockaddr_in address = {0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

static void replace(struct tls_front *front, char *bytes, size_t size)
{
    size_t length = strlen(front->from);
    char *at = bytes;

    if (length == 0)
        return;
    while ((at = memmem(at, size - (size_t)(at - bytes), front->from, length)) != NULL) {
        memcpy(at, front->to, length);
        at += length;
    }
}

static bool send_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t count = send(fd, bytes, size, MSG_NOSIGNAL);

        if (count <= 0)
            return false;
        bytes += count;
        size -= (size_t)count;
    }
    return true;
}

/* Both ways until one end closes. The client of these tests always reads, so that writing to it
 * never waits for ever. */
static void hand_on(struct link *link, SSL *ssl)
{
    char *bytes = malloc(CHUNK_SIZE);
    struct pollfd both[2] = {{link->client, POLLIN, 0}, {link->backend, POLLIN, 0}};

    need(bytes != NULL, "memory");
    while (SSL_pending(ssl) > 0 || poll(both, 2, -1) > 0) {
        if (SSL_pending(ssl) > 0 || both[0].revents != 0) {
            int count = SSL_read(ssl, bytes, CHUNK_SIZE);

            if (count <= 0 ||
                (link->backend < 0 ? SSL_write(ssl, bytes, count) != count
                                   : !send_all(link->backend, bytes, (size_t)count)))
                break;
        } else if (both[1].revents != 0) {
            ssize_t count = recv(link->backend, bytes, CHUNK_SIZE, 0);

            if (count <= 0)
                break;
            replace(link->front, bytes, (size_t)count);
            if (SSL_write(ssl, bytes, (int)count) != count)
                break;
        }
    }
    free(bytes);
}

static int take_sni(SSL *ssl, int *alert, void *context)
{
    struct tls_front *front = context;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    (void)alert;
    pthread_mutex_lock(&front->mutex);
    snprintf(front->sni, sizeof(front->sni), "%s", name == NULL ? "" : name);
    pthread_mutex_unlock(&front->mutex);
    return SSL_TLSEXT_ERR_OK;
}

static void *serve(void *argument)
{
    struct link *link = argument;
    struct tls_front *front = link->front;
    SSL *ssl = SSL_new(front->context);
    char byte;

    need(ssl != NULL, "a session");
    SSL_set_fd(ssl, link->client);
    if (front->is_silent) {
        while (recv(link->client, &byte, 1, 0) > 0)
            ;
    } else if (SSL_accept(ssl) == 1) {
        pthread_mutex_lock(&front->mutex);
        front->handshakes++;
        pthread_mutex_unlock(&front->mutex);
        hand_on(link, ssl);
    }
    ERR_clear_error();
    shutdown(link->client,
             SHUT_RDWR); /* the descriptors are closed at the end of the front */
    if (link->backend >= 0)
        shutdown(link->backend, SHUT_RDWR);
    SSL_free(ssl);
    return NULL;
}

static void add(struct tls_front *front, int client)
{
    struct link *link;

    pthread_mutex_lock(&front->mutex);
    need(front->count < CONNECTIONS_MAX, "too many connections");
    link = &front->links[front->count];
    link->front = front;
    link->client = client;
    link->backend = front->backend_port == 0 ? -1 : connect_to(front->backend_port);
    if (front->is_stopping || (front->backend_port != 0 && link->backend < 0)) {
        close(client);
        if (link->backend >= 0)
            close(link->backend);
    } else {
        need(pthread_create(&link->thread, NULL, serve, link) == 0, "a thread");
        front->count++;
    }
    pthread_mutex_unlock(&front->mutex);
}

static void *accept_all(void *argument)
{
    struct tls_front *front = argument;

    for (;;) {
        int client = accept4(front->listener, NULL, NULL, SOCK_CLOEXEC);

        if (client < 0)
            return NULL; /* shut down */
        add(front, client);
    }
}

static SSL_CTX *make_context(const struct tls_front_config *config)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    char path[512];

    need(context != NULL, "a context");
    if (config->version_max != 0) {
        SSL_CTX_set_cipher_list(context,
                                "ALL:@SECLEVEL=0"); /* or it has no old version at all */
        SSL_CTX_set_min_proto_version(context, config->version_max);
        SSL_CTX_set_max_proto_version(context, config->version_max);
    }
    snprintf(path, sizeof(path), "%s/%s.pem", config->dir, config->name);
    need(SSL_CTX_use_certificate_chain_file(context, path) == 1, path);
    snprintf(path, sizeof(path), "%s/%s.key", config->dir, config->name);
    need(SSL_CTX_use_PrivateKey_file(context, path, SSL_FILETYPE_PEM) == 1, path);
    snprintf(path, sizeof(path), "%s/ca.pem", config->dir);
    if (config->wants_client) {
        need(SSL_CTX_load_verify_file(context, path) == 1, path);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                           NULL);
    }
    return context;
}

struct tls_front *tls_front_start(const struct tls_front_config *config)
{
    struct tls_front *front = calloc(1, sizeof(*front));
    struct sockaddr_in address = {0};
    socklen_t size = sizeof(address);

    need(front != NULL, "memory");
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
    front->context = make_context(config);
    SSL_CTX_set_tlsext_servername_callback(front->context, take_sni);
    SSL_CTX_set_tlsext_servername_arg(front->context, front);
    front->is_silent = config->is_silent;
    if (config->backend != NULL)
        front->backend_port = atoi(strrchr(config->backend, ':') + 1);
    if (config->from != NULL) {
        need(strlen(config->from) == strlen(config->to), "addresses of one length");
        snprintf(front->from, sizeof(front->from), "%s", config->from);
        snprintf(front->to, sizeof(front->to), "%s", config->to);
    }
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    front->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    need(bind(front->listener, (struct sockaddr *)&address, size) == 0, "a port");
    need(listen(front->listener, 64) == 0, "listening");
    getsockname(front->listener, (struct sockaddr *)&address, &size);
    front->port = ntohs(address.sin_port);
    snprintf(front->address, sizeof(front->address), "127.0.0.1:%d", front->port);
    pthread_mutex_init(&front->mutex, NULL);
    need(pthread_create(&front->thread, NULL, accept_all, front) == 0, "a thread");
    return front;
}

void tls_front_stop(struct tls_front *front)
{
    pthread_mutex_lock(&front->mutex);
    front->is_stopping = true;
    for (int i = 0; i < front->count; i++) {
        shutdown(front->links[i].client, SHUT_RDWR);
        if (front->links[i].backend >= 0)
            shutdown(front->links[i].backend, SHUT_RDWR);
    }
    pthread_mutex_unlock(&front->mutex);
    shutdown(front->listener, SHUT_RDWR);
    pthread_join(front->thread, NULL);
    close(front->listener);
    for (int i = 0; i < front->count; i++) {
        pthread_join(front->links[i].thread, NULL);
        close(front->links[i].client);
        if (front->links[i].backend >= 0)
            close(front->links[i].backend);
    }
    SSL_CTX_free(front->context);
    pthread_mutex_destroy(&front->mutex);
    free(front);
}

const char *tls_front_address(const struct tls_front *front)
{
    return front->address;
}

int tls_front_port(const struct tls_front *front)
{
    return front->port;
}

int tls_front_handshakes(struct tls_front *front)
{
    int count;

    pthread_mutex_lock(&front->mutex);
    count = front->handshakes;
    pthread_mutex_unlock(&front->mutex);
    return count;
}

void tls_front_sni(struct tls_front *front, char out[256])
{
    pthread_mutex_lock(&front->mutex);
    memcpy(out, front->sni, sizeof(front->sni));
    pthread_mutex_unlock(&front->mutex);
}
