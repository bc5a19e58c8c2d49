/* Handles of librdkafka: their properties, logs and errors. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "base/log.h"
#include "base/status.h"
#include "side/kafka.h"

enum { ERROR_TEXT_SIZE = 512, NOISE_EVERY_MS = 5000 };

dt_status duet_kafka_set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char text[ERROR_TEXT_SIZE];

    if (rd_kafka_conf_set(conf, name, value, text, sizeof(text)) == RD_KAFKA_CONF_OK)
        return DT_OK;
    return dt_error_set(DT_EINVAL, "kafka '%s': %s; allowed is what librdkafka's list says",
                        name, text);
}

dt_status duet_kafka_set_int(rd_kafka_conf_t *conf, const char *name, int64_t value)
{
    char text[32];

    snprintf(text, sizeof(text), "%lld", (long long)value);
    return duet_kafka_set(conf, name, text);
}

dt_status duet_kafka_set_default(rd_kafka_conf_t *conf,
                                 const struct duet_kafka_client *client, const char *name,
                                 int64_t value)
{
    for (size_t i = 0; i < client->setting_count; i++)
        if (strcmp(client->settings[i], name) == 0)
            return DT_OK;
    return duet_kafka_set_int(conf, name, value);
}

/* Lines about connections repeat as long as a broker is away: one in five seconds is enough.
 * What librdkafka calls an error is a warning here: it goes on by itself. */
static void log_line(const rd_kafka_t *handle, int level, const char *facility,
                     const char *text)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static int64_t last_ms;
    bool noise = strcmp(facility, "FAIL") == 0 || strcmp(facility, "ERROR") == 0;
    bool due = true;

    (void)handle;
    if (noise) {
        pthread_mutex_lock(&lock);
        due = dt_log_due(&last_ms, NOISE_EVERY_MS);
        pthread_mutex_unlock(&lock);
    }
    /* CONFWARN: a property of producers was given to a consumer, as our template does */
    if (level <= LOG_WARNING && due && strcmp(facility, "CONFWARN") != 0)
        dt_log_warning("kafka: %s", text);
    else
        dt_log_debug("kafka: %s: %s", facility, text);
}

dt_status duet_kafka_handle_take(rd_kafka_conf_t *conf, rd_kafka_type_t type,
                                 const char *what, rd_kafka_t **out)
{
    char text[ERROR_TEXT_SIZE];

    rd_kafka_conf_set_log_cb(conf, log_line);
    *out = rd_kafka_new(type, conf, text, sizeof(text));
    if (*out != NULL)
        return DT_OK;
    rd_kafka_conf_destroy(conf);
    return dt_error_set(DT_EINVAL, "kafka: making a %s: %s", what, text);
}

dt_status duet_kafka_status(rd_kafka_resp_err_t error)
{
    switch (error) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return DT_OK;
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR__DESTROY:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
        return DT_EUNREACH;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        return DT_ENOTFOUND;
    case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS:
        return DT_EEXIST;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        return DT_ETOOBIG;
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
        return DT_ENOMEM;
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
        return DT_EUNSUPPORTED;
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
        return DT_EINVAL;
    case RD_KAFKA_RESP_ERR__FATAL:
        return DT_ESTATE;
    default:
        return DT_EREFUSED;
    }
}

dt_status duet_kafka_error(rd_kafka_resp_err_t error, const char *format, ...)
{
    char what[ERROR_TEXT_SIZE];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    return dt_error_set(duet_kafka_status(error), "kafka: %s: %s", what,
                        rd_kafka_err2str(error));
}
