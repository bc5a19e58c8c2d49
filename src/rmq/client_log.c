#include "rmq/client_log.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "base/status.h"
#include "rmq/client_inside.h"

static bool wants(const struct rmq_client *client, dt_log_level level)
{
    int level_max = atomic_load_explicit(&client->log.level_max, memory_order_relaxed);

    return level_max < 0 ? dt_log_wants(level) : (int)level <= level_max;
}

void rmq_client_log(struct rmq_client *client, dt_log_level level, const char *format, ...)
{
    char line[DT_LOG_LINE_SIZE];
    va_list args;

    if (!wants(client, level))
        return;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (client->log.fn != NULL)
        client->log.fn(client->log.opaque, (int)level, line);
    else
        dt_log_line(level, line);
}

dt_status rmq_client_set_log_level(rmq_client *client, dt_log_level level)
{
    if (client == NULL || (int)level < DT_LOG_ERROR || level > DT_LOG_DEBUG)
        return dt_error_set(DT_EINVAL, "no client, or no level of a log");
    atomic_store(&client->log.level_max, (int)level);
    return DT_OK;
}
