#include "dual/consumer_statistics.h"

#include "base/clock.h"

enum { TEXT_SIZE_MAX = 64 << 20 }; /* a partition takes some 300 bytes */

static void put_log(struct dt_json *json, const struct duet_role_report *report,
                    enum duet_side side)
{
    int64_t position = report->position[side], end = report->end[side];

    dt_json_key(json, duet_side_name(side));
    dt_json_object(json);
    dt_json_kv_int(json, "position", position);
    dt_json_kv_int(json, "read_to", report->read_to[side]);
    dt_json_kv_int(json, "end", end);
    dt_json_kv_int(json, "lag", end < 0 ? -1 : end > position ? end - position : 0);
    dt_json_object_end(json);
}

/* Lock: role->lock held. */
static void put_part(struct dt_json *json, const struct duet_part *part)
{
    const struct duet_role_report *report = &part->report;

    dt_json_object(json);
    dt_json_kv_int(json, "partition", report->partition);
    dt_json_kv_string(json, "side", duet_side_name(report->side));
    dt_json_kv_int(json, "state_version", report->version);
    dt_json_kv_bool(json, "starting", report->starting);
    for (int side = 0; side < DUET_SIDES; side++)
        put_log(json, report, (enum duet_side)side);
    dt_json_object_end(json);
}

static void put_role(struct dt_json *json, struct duet_role_thread *role)
{
    dt_json_object(json);
    dt_json_kv_bool(json, "enabled", atomic_load(&role->enabled));
    dt_json_kv_int(json, "processed", atomic_load(&role->processed));
    dt_json_kv_int(json, "duplicates", atomic_load(&role->duplicates));
    dt_json_kv_int(json, "failed", atomic_load(&role->failed));
    dt_json_key(json, "partitions");
    dt_json_array(json);
    pthread_mutex_lock(&role->lock);
    for (size_t p = 0; p < role->part_count; p++)
        if (role->parts[p].report.updated_ms != 0) /* it has begun */
            put_part(json, &role->parts[p]);
    pthread_mutex_unlock(&role->lock);
    dt_json_array_end(json);
    dt_json_object_end(json);
}

void duet_consumer_give_statistics(struct duet_statistics *statistics,
                                   const struct duet_session *session, const char *group,
                                   struct duet_role_thread roles[DUET_ROLES])
{
    int64_t now_ms = dt_clock_ms();
    struct dt_json json;
    struct dt_buf text;

    if (!duet_statistics_are_due(statistics, now_ms))
        return;
    dt_buf_init(&text, TEXT_SIZE_MAX);
    dt_json_start(&json, &text);
    duet_statistics_begin(&json, statistics, session, "consumer", now_ms);
    dt_json_kv_int(&json, "plan", session->plan->version);
    dt_json_kv_string(&json, "topic", roles[DUET_LIVE].route->topic);
    dt_json_kv_string(&json, "group", group);
    dt_json_key(&json, "roles");
    dt_json_object(&json);
    for (int which = 0; which < DUET_ROLES; which++) {
        dt_json_key(&json, duet_role_name((enum duet_role)which));
        put_role(&json, &roles[which]);
    }
    dt_json_object_end(&json);
    dt_json_object_end(&json);
    duet_statistics_give(statistics, &text, now_ms);
}
