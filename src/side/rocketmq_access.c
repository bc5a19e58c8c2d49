/* How the RocketMQ side is reached: TLS, credentials, namespace; secrets come from files of their
 * own or from the environment, and stay here no longer than it takes. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "side/rocketmq.h"

enum { SECRET_SIZE_MAX = 16384 };

/* What is read of files; wiped at the end. */
struct secrets {
    struct dt_buf secret_key, security_token, key_password;
};

static void init_secrets(struct secrets *secrets)
{
    dt_buf_init(&secrets->secret_key, SECRET_SIZE_MAX);
    dt_buf_init(&secrets->security_token, SECRET_SIZE_MAX);
    dt_buf_init(&secrets->key_password, SECRET_SIZE_MAX);
}

static void wipe(struct dt_buf *secret)
{
    if (secret->data != NULL)
        explicit_bzero(secret->data, secret->capacity);
    dt_buf_fini(secret);
}

static void wipe_secrets(struct secrets *secrets)
{
    wipe(&secrets->secret_key);
    wipe(&secrets->security_token);
    wipe(&secrets->key_password);
}

/* The text of a file without the line's end; of the variable where no file is given; else NULL. */
static dt_status read_secret(const char *path, const char *variable, struct dt_buf *room,
                             const char **out)
{
    struct stat about;
    dt_status status;

    *out = NULL;
    if (path == NULL) {
        const char *text = variable == NULL ? NULL : getenv(variable);

        *out = text != NULL && text[0] != 0 ? text : NULL;
        return DT_OK;
    }
    status = dt_file_read(path, room);
    if (status != DT_OK)
        return status;
    if (stat(path, &about) == 0 && (about.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        dt_log_warning(
            "rocketmq: '%s' holds a secret, and others than its owner have rights to it",
            path);
    while (room->size > 0 &&
           (room->data[room->size - 1] == '\n' || room->data[room->size - 1] == '\r'))
        room->size--;
    *out = dt_buf_str(room);
    if (room->failed || (*out)[0] == 0 || strlen(*out) != room->size)
        return dt_error_set(DT_EINVAL, "'%s' is no file with one line of text", path);
    return DT_OK;
}

static rmq_tls_verify verify_of(const char *word)
{
    if (word == NULL)
        return RMQ_TLS_VERIFY_FULL;
    if (strcmp(word, "none") == 0)
        return RMQ_TLS_VERIFY_NONE;
    return strcmp(word, "chain") == 0 ? RMQ_TLS_VERIFY_CHAIN : RMQ_TLS_VERIFY_FULL;
}

static dt_status connect_with(const struct duet_config *config, const char *name,
                              struct secrets *secrets, rmq_client **out)
{
    const struct duet_rocketmq_config *how = &config->rocketmq;
    rmq_client_config settings = {.namesrv = config->namesrv,
                                  .instance_name = name,
                                  .name_space = how->name_space,
                                  .access_key = how->access_key};
    rmq_tls_config tls = {.ca_file = how->tls_ca_file,
                          .certificate_file = how->tls_certificate_file,
                          .key_file = how->tls_key_file,
                          .verify = verify_of(how->tls_verify)};
    dt_status status;

    if (settings.access_key == NULL)
        settings.access_key = getenv("DUET_ROCKETMQ_ACCESS_KEY");
    if (settings.access_key != NULL && settings.access_key[0] == 0)
        settings.access_key = NULL;
    status = read_secret(how->secret_key_file, "DUET_ROCKETMQ_SECRET_KEY",
                         &secrets->secret_key, &settings.secret_key);
    if (status == DT_OK)
        status = read_secret(how->security_token_file, "DUET_ROCKETMQ_SECURITY_TOKEN",
                             &secrets->security_token, &settings.security_token);
    if (status == DT_OK)
        status = read_secret(how->tls_key_password_file, NULL, &secrets->key_password,
                             &tls.key_password);
    if (status != DT_OK)
        return status;
    if (how->tls)
        settings.tls = &tls;
    return rmq_client_new(&settings, out);
}

dt_status duet_rocketmq_connect(const struct duet_config *config, const char *name,
                                rmq_client **out)
{
    struct secrets secrets;
    dt_status status;

    init_secrets(&secrets);
    status = connect_with(config, name, &secrets, out);
    wipe_secrets(&secrets);
    return status;
}
