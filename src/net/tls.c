#include "net/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/status.h"

enum { REASON_SIZE = 160, HOST_SIZE = 256 };

struct dt_tls {
    SSL_CTX *context;
    BIO_METHOD *bytes; /* reads and writes the buffers of a session */
    enum dt_tls_verify verify;
    bool has_certificate;
};

struct dt_tls_session {
    struct dt_tls *tls;
    SSL *ssl;
    struct dt_span in; /* from the peer, not taken yet */
    struct dt_buf out;
    bool is_open;
    char host[HOST_SIZE];
    char reason[REASON_SIZE];
};

/* ---------------------------------------------------------------- buffers for OpenSSL */

static int bio_read(BIO *bio, char *to, size_t size, size_t *count)
{
    struct dt_tls_session *session = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    *count = size < session->in.size ? size : session->in.size;
    if (*count == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(to, session->in.data, *count);
    session->in = dt_span_of(session->in.data + *count, session->in.size - *count);
    return 1;
}

static int bio_write(BIO *bio, const char *from, size_t size, size_t *count)
{
    struct dt_tls_session *session = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    dt_buf_put(&session->out, from, size);
    *count = session->out.failed ? 0 : size;
    return session->out.failed ? 0 : 1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *make_bytes(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "bytes");

    if (method == NULL)
        return NULL;
    if (BIO_meth_set_read_ex(method, bio_read) == 1 &&
        BIO_meth_set_write_ex(method, bio_write) == 1 &&
        BIO_meth_set_ctrl(method, bio_control) == 1)
        return method;
    BIO_meth_free(method);
    return NULL;
}

/* ---------------------------------------------------------------- settings */

static dt_status no_memory(void)
{
    return dt_error_set(DT_ENOMEM, "no memory for TLS");
}

/* What OpenSSL says about the last failure, which is the deepest of its reasons. */
static const char *openssl_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());

    return reason == NULL ? "no reason given" : reason;
}

static dt_status check_readable(const char *what, const char *path)
{
    if (access(path, R_OK) != 0)
        return dt_error_errno(errno, "reading %s '%s'", what, path);
    return DT_OK;
}

static dt_status take_authorities(SSL_CTX *context, const char *path)
{
    dt_status status;

    if (path == NULL) {
        if (SSL_CTX_set_default_verify_paths(context) != 1)
            return dt_error_set(DT_EIO, "the system's certificate authorities: %s",
                                openssl_reason());
        return DT_OK;
    }
    status = check_readable("the file of certificate authorities", path);
    if (status == DT_OK && SSL_CTX_load_verify_file(context, path) != 1)
        status = dt_error_set(DT_EINVAL, "'%s' is no file of certificates (PEM): %s", path,
                              openssl_reason());
    return status;
}

static int give_password(char *to, int size, int writes, void *context)
{
    const char *password = context;
    size_t length = password == NULL ? 0 : strlen(password);

    (void)writes;
    if (length == 0 || length > (size_t)size)
        return -1; /* and never ask on the terminal */
    memcpy(to, password, length);
    return (int)length;
}

static dt_status take_certificate(SSL_CTX *context, const struct dt_tls_config *config)
{
    const char *key_file =
        config->key_file != NULL ? config->key_file : config->certificate_file;
    dt_status status;

    if (config->certificate_file == NULL)
        return config->key_file == NULL
                   ? DT_OK
                   : dt_error_set(DT_EINVAL, "a key is nothing without its certificate");
    status = check_readable("the client certificate", config->certificate_file);
    if (status == DT_OK)
        status = check_readable("the key of the client certificate", key_file);
    if (status != DT_OK)
        return status;
    if (SSL_CTX_use_certificate_chain_file(context, config->certificate_file) != 1)
        return dt_error_set(DT_EINVAL, "'%s' is no certificate (PEM): %s",
                            config->certificate_file, openssl_reason());
    SSL_CTX_set_default_passwd_cb(context, give_password);
    SSL_CTX_set_default_passwd_cb_userdata(context,
                                           (void *)(uintptr_t)config->key_password);
    if (SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM) != 1)
        status = dt_error_set(
            DT_EINVAL,
            "'%s' is no key (PEM), not that of '%s', or the password is wrong: %s",
            key_file, config->certificate_file, openssl_reason());
    SSL_CTX_set_default_passwd_cb_userdata(context, NULL); /* it is only borrowed */
    return status;
}

dt_status dt_tls_new(const struct dt_tls_config *config, struct dt_tls **out)
{
    struct dt_tls *tls = calloc(1, sizeof(*tls));
    dt_status status = DT_OK;

    *out = NULL;
    if (tls == NULL)
        return no_memory();
    ERR_clear_error();
    tls->verify = config->verify;
    tls->has_certificate = config->certificate_file != NULL;
    tls->bytes = make_bytes();
    tls->context = SSL_CTX_new(TLS_client_method());
    if (tls->bytes == NULL || tls->context == NULL ||
        SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION) != 1)
        status = no_memory();
    if (status == DT_OK && config->verify != DT_TLS_VERIFY_NONE)
        status = take_authorities(tls->context, config->ca_file);
    if (status == DT_OK)
        status = take_certificate(tls->context, config);
    ERR_clear_error();
    if (status != DT_OK) {
        dt_tls_free(tls);
        return status;
    }
    SSL_CTX_set_verify(
        tls->context,
        config->verify == DT_TLS_VERIFY_NONE ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_options(tls->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(tls->context, SSL_MODE_AUTO_RETRY | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(tls->context, 1);
    *out = tls;
    return DT_OK;
}

void dt_tls_free(struct dt_tls *tls)
{
    if (tls == NULL)
        return;
    SSL_CTX_free(tls->context);
    BIO_meth_free(tls->bytes);
    free(tls);
}

/* ---------------------------------------------------------------- a connection */

static bool is_ip(const char *host)
{
    unsigned char bytes[16];

    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* SNI, and what the certificate has to be for. */
static bool set_host(struct dt_tls_session *session)
{
    X509_VERIFY_PARAM *wanted = SSL_get0_param(session->ssl);
    bool by_ip = is_ip(session->host);

    if (!by_ip && SSL_set_tlsext_host_name(session->ssl, session->host) != 1)
        return false;
    if (session->tls->verify != DT_TLS_VERIFY_FULL)
        return true;
    if (by_ip)
        return X509_VERIFY_PARAM_set1_ip_asc(wanted, session->host) == 1;
    X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(wanted, session->host, 0) == 1;
}

dt_status dt_tls_session_new(struct dt_tls *tls, const char *host, size_t out_max,
                             struct dt_tls_session **out)
{
    struct dt_tls_session *session = calloc(1, sizeof(*session));
    BIO *bio = NULL;

    *out = NULL;
    if (session == NULL)
        return no_memory();
    ERR_clear_error();
    session->tls = tls;
    snprintf(session->host, sizeof(session->host), "%s", host);
    dt_buf_init(&session->out, out_max);
    session->ssl = SSL_new(tls->context);
    if (session->ssl != NULL)
        bio = BIO_new(tls->bytes);
    if (bio == NULL) {
        dt_tls_session_free(session);
        return no_memory();
    }
    BIO_set_data(bio, session);
    BIO_set_init(bio, 1);
    SSL_set_bio(session->ssl, bio, bio); /* it is the session's from now on */
    SSL_set_connect_state(session->ssl);
    if (!set_host(session)) {
        dt_tls_session_free(session);
        return no_memory();
    }
    *out = session;
    return DT_OK;
}

void dt_tls_session_free(struct dt_tls_session *session)
{
    if (session == NULL)
        return;
    SSL_free(session->ssl);
    dt_buf_fini(&session->out);
    free(session);
}

/* ---------------------------------------------------------------- what went wrong */

static void set_reason(struct dt_tls_session *session, const char *what, const char *why)
{
    snprintf(session->reason, sizeof(session->reason), "TLS: %s%s%s", what,
             why[0] == 0 ? "" : ": ", why);
}

/* The peer's certificate did not hold. */
static void explain_certificate(struct dt_tls_session *session, long error)
{
    char what[120];

    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        set_reason(session, "the peer's certificate has expired", "");
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        set_reason(session, "the peer's certificate is not valid yet", "");
        break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        snprintf(what, sizeof(what), "the peer's certificate is not for '%.60s'",
                 session->host);
        set_reason(session, what, "");
        break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_UNTRUSTED:
        set_reason(session, "no trusted authority has signed the peer's certificate",
                   X509_verify_cert_error_string(error));
        break;
    default:
        set_reason(session, "the peer's certificate is refused",
                   X509_verify_cert_error_string(error));
    }
}

/* The peer said no to us, or does not speak as we do. */
static void explain_protocol(struct dt_tls_session *session)
{
    const char *why = openssl_reason();

    switch (ERR_GET_REASON(ERR_peek_error())) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_BAD_RECORD_TYPE:
    case SSL_R_UNEXPECTED_MESSAGE:
        set_reason(session, "the peer does not speak it", "");
        break;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        set_reason(session, "the peer speaks no version from 1.2 on", "");
        break;
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
        set_reason(session,
                   session->tls->has_certificate
                       ? "the peer does not accept our client certificate"
                       : "the peer refuses us, and no client certificate is set",
                   why);
        break;
    default:
        set_reason(session, session->is_open ? "broken" : "the handshake failed", why);
    }
}

static enum dt_tls_step failed(struct dt_tls_session *session)
{
    long verified = SSL_get_verify_result(session->ssl);

    if (session->reason[0] != 0)
        return DT_TLS_FAILED;
    if (session->out.failed)
        set_reason(session, "too many bytes wait to be written, or no memory", "");
    else if (!session->is_open && session->tls->verify != DT_TLS_VERIFY_NONE &&
             verified != X509_V_OK)
        explain_certificate(session, verified);
    else
        explain_protocol(session);
    ERR_clear_error();
    return DT_TLS_FAILED;
}

/* ---------------------------------------------------------------- bytes */

/* What to make of a call that did not go through. */
static enum dt_tls_step judge(struct dt_tls_session *session, int result)
{
    switch (SSL_get_error(session->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return DT_TLS_GOES_ON;
    case SSL_ERROR_ZERO_RETURN:
        return DT_TLS_ENDED;
    default:
        return failed(session);
    }
}

static enum dt_tls_step read_all(struct dt_tls_session *session, struct dt_buf *plain)
{
    for (;;) {
        uint8_t *to = dt_buf_reserve(plain, DT_TLS_RECORD_MAX);
        size_t count = 0;
        int result;

        if (to == NULL) {
            set_reason(session, "no memory for what the peer sent, or it is too much", "");
            return DT_TLS_FAILED;
        }
        result = SSL_read_ex(session->ssl, to, DT_TLS_RECORD_MAX, &count);
        if (result != 1)
            return judge(session, result);
        dt_buf_commit(plain, count);
    }
}

enum dt_tls_step dt_tls_receive(struct dt_tls_session *session, struct dt_span bytes,
                                struct dt_buf *plain)
{
    enum dt_tls_step step = DT_TLS_GOES_ON;

    ERR_clear_error();
    session->in = bytes;
    if (!session->is_open) {
        int result = SSL_do_handshake(session->ssl);

        if (result == 1)
            session->is_open = true;
        else
            step = judge(session, result);
    }
    if (session->is_open)
        step = read_all(session, plain);
    session->in = dt_span_of(NULL, 0);
    return step;
}

bool dt_tls_is_open(const struct dt_tls_session *session)
{
    return session->is_open;
}

bool dt_tls_send(struct dt_tls_session *session, struct dt_span plain)
{
    size_t count = 0;

    if (plain.size == 0)
        return true;
    ERR_clear_error();
    /* our side of the wire takes everything, so nothing is ever written in part */
    if (SSL_write_ex(session->ssl, plain.data, plain.size, &count) == 1 &&
        count == plain.size)
        return true;
    failed(session);
    return false;
}

struct dt_buf *dt_tls_out(struct dt_tls_session *session)
{
    return &session->out;
}

const char *dt_tls_reason(const struct dt_tls_session *session)
{
    return session->reason;
}
