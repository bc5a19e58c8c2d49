/* Topic and group names: Kafka's may hold dots, RocketMQ's may not. */
#include "model/mapping.h"

#include <stdio.h>

#include "base/status.h"

/* Names that mean something to RocketMQ; one that ends in '*' is a prefix. Their first
 * character is escaped, so that a Kafka topic called TBW102 does not become the template that
 * RocketMQ makes topics from. The cluster's and the brokers' names are topics too, but only the
 * cluster knows them. */
static const char *const system_names[] = {
    "BenchmarkTest",      "CHECKPOINT_TOPIC",
    "CID_RMQ_SYS_*",      "CLIENT_INNER_PRODUCER",
    "DEFAULT_CONSUMER",   "DEFAULT_PRODUCER",
    "FILTERSRV_CONSUMER", "OFFSET_MOVED_EVENT",
    "RMQ_SYS_*",          "SCHEDULE_TOPIC_XXXX",
    "SELF_TEST_*",        "TBW102",
    "TOOLS_CONSUMER",     "TRANS_CHECK_MAX_TIME_TOPIC",
    "__MONITOR_CONSUMER", "rmq_sys_*",
};

static bool is_system_name(const char *name)
{
    for (size_t i = 0; i < sizeof(system_names) / sizeof(system_names[0]); i++) {
        size_t size = strlen(system_names[i]);

        if (system_names[i][size - 1] == '*' ? strncmp(name, system_names[i], size - 1) == 0
                                             : strcmp(name, system_names[i]) == 0)
            return true;
    }
    return false;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_escape(const char *text)
{
    return text[0] == '_' && text[1] == 'x' && hex_value(text[2]) >= 0 &&
           hex_value(text[3]) >= 0;
}

static bool is_legal(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '_';
}

dt_status duet_name_to_rocketmq(char *out, size_t out_size, const char *kafka_name,
                                size_t max)
{
    bool escape_first = is_system_name(kafka_name);
    size_t size = 0;

    if (out_size > 0)
        out[0] = '\0';
    if (kafka_name[0] == '\0')
        return dt_error_set(DT_EINVAL, "an empty name has no RocketMQ name");
    for (const char *in = kafka_name; *in != '\0'; in++) {
        bool escaped =
            !is_legal(*in) || is_escape(in) || (in == kafka_name && escape_first);
        size_t more = escaped ? 4 : 1;

        if (size + more > max || size + more >= out_size) {
            if (out_size > 0)
                out[0] = '\0';
            return dt_error_set(
                DT_EINVAL, "the RocketMQ name of '%s' would be longer than %zu characters",
                kafka_name, max);
        }
        if (escaped)
            snprintf(out + size, 5, "_x%02x", (unsigned)(unsigned char)*in);
        else
            out[size] = *in;
        size += more;
    }
    out[size] = '\0';
    return DT_OK;
}

static dt_status not_mapped(char *out, const char *name)
{
    out[0] = '\0';
    return dt_error_set(DT_EINVAL, "no Kafka name maps to the RocketMQ name '%s'", name);
}

dt_status duet_name_from_rocketmq(char *out, size_t out_size, const char *rocketmq_name)
{
    size_t size = 0;

    if (out_size == 0)
        return dt_error_set(DT_EINVAL, "no room for a name");
    for (const char *in = rocketmq_name; *in != '\0'; in++) {
        char c = *in;

        if (size + 1 >= out_size)
            return not_mapped(out, rocketmq_name);
        if (is_escape(in)) {
            c = (char)(hex_value(in[2]) << 4 | hex_value(in[3]));
            in += 3;
        }
        if (c == '\0')
            return not_mapped(out, rocketmq_name);
        out[size++] = c;
    }
    out[size] = '\0';

    /* Only what the other direction writes counts, or two names would mean one. */
    {
        char again[4 * DUET_RMQ_TOPIC_MAX + 1];

        if (duet_name_to_rocketmq(again, sizeof(again), out, sizeof(again) - 1) != DT_OK ||
            strcmp(again, rocketmq_name) != 0)
            return not_mapped(out, rocketmq_name);
    }
    return DT_OK;
}
