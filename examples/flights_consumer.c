/*
 * flights_consumer - keeps two tables about flights, live and shadow, from whichever side.
 *
 *     flights_consumer --config F --group G --name N --sink sqlite:DIR [--topic T]
 *                      [--until-idle S]
 *
 * carrier_day counts per carrier and day; last_seen follows each aircraft: the handler reads the
 * row it wrote for the flight before, so a lost, doubled or reordered message shows in it.
 *
 * Runs until SIGTERM or SIGINT, or until nothing was there to do for S seconds. The last line on
 * stdout is {"live":N,"shadow":N,"duplicates":N,"failed":N}. Exit: 0 stopped or idle, 2 wrong
 * usage or configuration, 3 store or brokers not reachable, 5 no disk or memory.
 */
#include <cjson/cJSON.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duet/duet.h"

static const char usage_text[] =
    "usage: flights_consumer --config F --group G --name N --sink sqlite:DIR [--topic T]\n"
    "                        [--until-idle S]\n";

static const char *const schema[] = {
    "CREATE TABLE IF NOT EXISTS carrier_day (carrier TEXT NOT NULL, day TEXT NOT NULL,"
    " flights BIGINT NOT NULL, cancelled BIGINT NOT NULL, dep_delay_min_sum BIGINT NOT "
    "NULL,"
    " PRIMARY KEY (carrier, day))",
    "CREATE TABLE IF NOT EXISTS last_seen (tailnum TEXT NOT NULL PRIMARY KEY, origin TEXT,"
    " dest TEXT, time_hour TEXT, legs BIGINT NOT NULL, chained BIGINT NOT NULL)",
    NULL,
};

/* ------------------------------------------------------------------ the handler */

/* What the tables need of a flight; texts are NULL where the value is null. */
struct flight {
    const char *carrier, *tailnum, *origin, *dest, *time_hour;
    char day[32];
    bool cancelled;
    int64_t dep_delay;
};

/* A text column: false unless it is a string, or null where that is allowed. */
static bool get_text(const cJSON *object, const char *name, bool null_allowed,
                     const char **out)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

    *out = cJSON_GetStringValue(item);
    return *out || (null_allowed && cJSON_IsNull(item));
}

/* An integer column; *is_null may be NULL where null is not allowed. */
static bool get_integer(const cJSON *object, const char *name, bool *is_null, int64_t *out)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

    *out = 0;
    if (is_null) {
        *is_null = cJSON_IsNull(item);
        if (*is_null)
            return true;
    }
    if (!cJSON_IsNumber(item) || item->valuedouble < -1e15 || item->valuedouble > 1e15)
        return false;
    *out = (int64_t)item->valuedouble;
    return (double)*out == item->valuedouble;
}

static bool get_flight(const cJSON *object, struct flight *flight)
{
    int64_t year, month, day, dep_time;
    bool no_delay;

    if (!get_text(object, "carrier", false, &flight->carrier) ||
        !get_text(object, "tailnum", true, &flight->tailnum) ||
        !get_text(object, "origin", true, &flight->origin) ||
        !get_text(object, "dest", true, &flight->dest) ||
        !get_text(object, "time_hour", true, &flight->time_hour) ||
        !get_integer(object, "year", NULL, &year) ||
        !get_integer(object, "month", NULL, &month) ||
        !get_integer(object, "day", NULL, &day) ||
        !get_integer(object, "dep_time", &flight->cancelled, &dep_time) ||
        !get_integer(object, "dep_delay", &no_delay, &flight->dep_delay))
        return false;
    if (year < 0 || year > 9999 || month < 1 || month > 12 || day < 1 || day > 31)
        return false;
    snprintf(flight->day, sizeof(flight->day), "%04d-%02d-%02d", (int)year, (int)month,
             (int)day);
    return true;
}

static dt_status count_carrier_day(duet_delivery *delivery, const struct flight *flight)
{
    const duet_value values[] = {duet_text(flight->carrier), duet_text(flight->day),
                                 duet_integer(flight->cancelled),
                                 duet_integer(flight->dep_delay)};

    return duet_exec(delivery,
                     "INSERT INTO carrier_day VALUES ($1, $2, 1, $3, $4)"
                     " ON CONFLICT (carrier, day) DO UPDATE SET"
                     " flights = carrier_day.flights + 1,"
                     " cancelled = carrier_day.cancelled + excluded.cancelled,"
                     " dep_delay_min_sum ="
                     " carrier_day.dep_delay_min_sum + excluded.dep_delay_min_sum",
                     values, 4, NULL);
}

/* The row of the flight before. */
struct previous {
    bool found;
    char dest[64];
    int64_t legs, chained;
};

static bool take_previous(void *context, const duet_value *values, size_t count)
{
    struct previous *previous = context;

    (void)count;
    previous->found = true;
    if (values[0].type == DUET_TEXT && values[0].size < sizeof(previous->dest))
        memcpy(previous->dest, values[0].data, values[0].size);
    previous->legs = values[1].integer;
    previous->chained = values[2].integer;
    return false;
}

static dt_status follow_aircraft(duet_delivery *delivery, const struct flight *flight)
{
    struct previous before = {0};
    duet_value values[6] = {duet_text(flight->tailnum), duet_text(flight->origin),
                            duet_text(flight->dest), duet_text(flight->time_hour)};
    dt_status status =
        duet_query(delivery, "SELECT dest, legs, chained FROM last_seen WHERE tailnum = $1",
                   values, 1, take_previous, &before);

    if (status != DT_OK)
        return status;
    const bool chained = before.found && flight->origin && before.dest[0] != '\0' &&
                         strcmp(flight->origin, before.dest) == 0;
    values[4] = duet_integer(before.legs + 1);
    values[5] = duet_integer(before.chained + (chained ? 1 : 0));
    return duet_exec(delivery,
                     before.found
                         ? "UPDATE last_seen SET origin = $2, dest = $3, time_hour = $4,"
                           " legs = $5, chained = $6 WHERE tailnum = $1"
                         : "INSERT INTO last_seen VALUES ($1, $2, $3, $4, $5, $6)",
                     values, 6, NULL);
}

static dt_status handle(duet_delivery *delivery, void *state)
{
    struct flight flight;
    size_t size;
    const char *value = duet_delivery_value(delivery, &size);
    cJSON *object = value ? cJSON_ParseWithLength(value, size) : NULL;
    dt_status status = DT_ECORRUPT; /* no flight: duet isolates the message and lists it */

    (void)state;
    if (object && get_flight(object, &flight)) {
        status = count_carrier_day(delivery, &flight);
        if (status == DT_OK && flight.tailnum)
            status = follow_aircraft(delivery, &flight);
    }
    cJSON_Delete(object);
    return status;
}

/* ------------------------------------------------------------------ the run */

static duet_consumer *consumer;

static void on_signal(int number)
{
    (void)number;
    duet_consumer_stop(consumer);
}

static int exit_code(dt_status status)
{
    switch (status) {
    case DT_OK:
        return 0;
    case DT_EINVAL:
    case DT_EBUSY:
    case DT_ENOTFOUND:
    case DT_EUNSUPPORTED:
        return 2;
    case DT_EUNREACH:
    case DT_ENOROUTE:
    case DT_ETIMEDOUT:
        return 3;
    default:
        return 5;
    }
}

/* 0, or an exit code with the reason printed; -1: help was asked for. */
static int parse_options(int argc, char **argv, duet_consumer_config *config,
                         int64_t *until_idle_ms)
{
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'},
        {"group", required_argument, NULL, 'g'},
        {"name", required_argument, NULL, 'n'},
        {"sink", required_argument, NULL, 's'},
        {"topic", required_argument, NULL, 't'},
        {"until-idle", required_argument, NULL, 'u'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;

    config->config_path = getenv("DUET_CONFIG");
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'c':
            config->config_path = optarg;
            break;
        case 'g':
            config->group = optarg;
            break;
        case 'n':
            config->name = optarg;
            break;
        case 's':
            config->sink = optarg;
            break;
        case 't':
            config->topic = optarg;
            break;
        case 'u': {
            char *end;
            double seconds = strtod(optarg, &end);
            if (end == optarg || *end != '\0' || !(seconds >= 0.001) || seconds > 1e6) {
                fprintf(stderr, "'%s' does not fit --until-idle: seconds, above 0\n",
                        optarg);
                return 2;
            }
            *until_idle_ms = (int64_t)(seconds * 1000);
            break;
        }
        case 'h':
            return -1;
        default:
            fputs(usage_text, stderr);
            return 2;
        }
    }
    if (optind < argc || !config->config_path || !config->group || !config->name ||
        !config->sink) {
        fputs(usage_text, stderr);
        return 2;
    }
    return 0;
}

int main(int argc, char **argv)
{
    duet_consumer_config config = {.schema = schema, .handler = handle};
    duet_consumer_stats stats;
    struct sigaction action = {.sa_handler = on_signal};
    int64_t until_idle_ms = 0;
    sigset_t ends, before;
    int code = parse_options(argc, argv, &config, &until_idle_ms);
    dt_status status;

    if (code == -1)
        return fputs(usage_text, stdout), 0;
    if (code != 0)
        return code;

    /* A signal that comes while it opens waits until there is something to stop. */
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, &before);
    status = duet_consumer_open(&config, &consumer);
    if (status == DT_OK) {
        sigaction(SIGTERM, &action, NULL);
        sigaction(SIGINT, &action, NULL);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        status = duet_consumer_run(consumer, until_idle_ms);
    }
    if (status != DT_OK)
        fprintf(stderr, "%s\n", dt_error_text());
    code = exit_code(status);
    if (consumer) {
        duet_consumer_statistics(consumer, &stats);
        pthread_sigmask(SIG_BLOCK, &ends, NULL);
        duet_consumer_close(consumer);
        printf("{\"live\":%" PRId64 ",\"shadow\":%" PRId64 ",\"duplicates\":%" PRId64
               ",\"failed\":%" PRId64 "}\n",
               stats.live, stats.shadow, stats.duplicates, stats.failed);
    }
    return code;
}
