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
static pthread_mutex_t sink_lock = PTHREAD_MUTEX_INITIALIZER; /* of the two below */
static dt_log_fn sink_fn;
static void *sink_opaque;

static void read_environment(void)
{
    const char *wish = getenv("DUET_LOG");

    for (int i = 0; wish != NULL && i < 4; i++)
        if (strcmp(wish, level_names[i]) == 0)
            atomic_store(&level_max, i);
}

void rmq_log_set(dt_log_fn fn, void *opaque)
{
    pthread_mutex_lock(&sink_lock);
    sink_fn = fn;
    sink_opaque = opaque;
    pthread_mutex_unlock(&sink_lock);
}

void rmq_log_set_level(dt_log_level level)
{
    pthread_once(&from_environment, read_environment); /* not after what is set here */
    atomic_store(&level_max, (int)level);
}

static void write_line(dt_log_level level, const char *text)
{
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

bool dt_log_wants(dt_log_level level)
{
    pthread_once(&from_environment, read_environment);
    return (int)level <= atomic_load(&level_max);
}

void dt_log(dt_log_level level, const char *format, ...)
{
    char text[DT_LOG_LINE_SIZE];
    va_list args;

    if (!dt_log_wants(level))
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    dt_log_line(level, text);
}

void dt_log_line(dt_log_level level, const char *line)
{
    dt_log_fn fn;
    void *opaque;

    pthread_mutex_lock(&sink_lock);
    fn = sink_fn;
    opaque = sink_opaque;
    pthread_mutex_unlock(&sink_lock);
    if (fn != NULL)
        fn(opaque, (int)level, line);
    else
        write_line(level, line);
}
