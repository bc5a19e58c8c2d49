#include "dual/statistics.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"

enum { INTERVAL_MS_MIN = 10, WARN_MS = 60000 };

dt_status duet_statistics_set(struct duet_statistics *statistics, int64_t interval_ms,
                              duet_statistics_fn fn, void *opaque)
{
    if (interval_ms < INTERVAL_MS_MIN || fn == NULL)
        return dt_error_set(DT_EINVAL,
                            "the interval of statistics is below %d ms, or there is no "
                            "function that takes them",
                            INTERVAL_MS_MIN);
    if (statistics->interval_ms != 0)
        return dt_error_set(DT_ESTATE, "statistics are given already");
    statistics->started_ms = dt_clock_ms();
    statistics->next_ms = statistics->started_ms + interval_ms;
    statistics->fn = fn;
    statistics->opaque = opaque;
    statistics->interval_ms = interval_ms;
    return DT_OK;
}

bool duet_statistics_are_due(const struct duet_statistics *statistics, int64_t now_ms)
{
    return statistics->interval_ms != 0 && now_ms >= statistics->next_ms;
}

void duet_statistics_begin(struct dt_json *json, const struct duet_statistics *statistics,
                           const struct duet_session *session, const char *role,
                           int64_t now_ms)
{
    dt_json_object(json);
    dt_json_kv_string(json, "name", session->name);
    dt_json_kv_string(json, "role", role);
    dt_json_kv_string(json, "version", duet_version());
    dt_json_kv_int(json, "time_ms", dt_clock_wall_ms());
    dt_json_kv_int(json, "age_ms", now_ms - statistics->started_ms);
    dt_json_kv_int(json, "interval_ms", statistics->interval_ms);
}

void duet_statistics_give(struct duet_statistics *statistics, struct dt_buf *text,
                          int64_t now_ms)
{
    statistics->next_ms += statistics->interval_ms;
    if (statistics->next_ms <= now_ms) /* those that were missed are not made up for */
        statistics->next_ms = now_ms + statistics->interval_ms;
    dt_buf_put_u8(text, 0);
    if (!text->failed)
        statistics->fn(statistics->opaque, (const char *)text->data, text->size - 1);
    else if (dt_log_due(&statistics->warned_ms, WARN_MS))
        dt_log_warning("statistics are left out: no memory for them");
    dt_buf_fini(text);
}
