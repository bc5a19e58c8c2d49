#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

static const char *const level_names[] = {"error", "warning", "info", "debug"};
static atomic_int level_max = DT_LOG_INFO;
static pthread_once_t from_environment = PTHREAD_ONCE_INIT;
static dt_log_fn sink_fn;
static void *sink_context;

static void read_environment(void)
{
    const char *wish = getenv("DUET_LOG");

    for (int i = 0; wish != NULL && i < 4; i++)
        if (strcmp(wish, level_names[i]) == 0)
            atomic_store(&level_max, i);
}

void dt_log_set_sink(dt_log_fn sink, void *context)
{
    sink_fn = sink;
    sink_context = context;
}

void dt_log_set_level(enum dt_log_level level)
{
    atomic_store(&level_max, (int)level);
}

void dt_log(enum dt_log_level level, const char *format, ...)
{
    char text[1536];
    va_list args;

    pthread_once(&from_environment, read_environment);
    if ((int)level > atomic_load(&level_max))
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (sink_fn != NULL) {
        sink_fn(sink_context, (int)level, text);
        return;
    }
    int64_t now_ms = dt_clock_wall_ms();
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm utc;
    char stamp[32];

    gmtime_r(&seconds, &utc);
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc);
    /* one call, so that lines of several threads do not mix */
    fprintf(stderr, "%s.%03dZ %-7s %s\n", stamp, (int)(now_ms % 1000), level_names[level],
            text);
}

bool dt_log_due(int64_t *last_ms, int64_t every_ms)
{
    int64_t now_ms = dt_clock_ms();

    if (*last_ms != 0 && now_ms - *last_ms < every_ms)
        return false;
    *last_ms = now_ms;
    return true;
}
