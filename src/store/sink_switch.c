/* The switch of a partition: one conditional statement, whoever runs it and whatever else goes on. */
#include "base/status.h"
#include "store/sink_internal.h"

struct move {
    const char *group, *topic;
    int32_t partition;
    enum duet_side from, to;
};

static dt_status why_not(struct duet_sql *sql, const struct move *move)
{
    struct duet_rows rows;
    bool there;
    dt_status status;

    duet_sql_select(sql, &rows,
                    "SELECT 1 FROM main.duet_state"
                    " WHERE grp = ?1 AND topic = ?2 AND partition = ?3",
                    DUET_BIND(duet_text(move->group), duet_text(move->topic),
                              duet_integer(move->partition)));
    there = duet_rows_next(&rows);
    status = duet_rows_end(&rows);
    if (status != DT_OK)
        return status;
    if (there)
        return dt_error_set(DT_ECONFLICT, "%s/%d of group %s does not read %s", move->topic,
                            (int)move->partition, move->group, duet_side_name(move->from));
    return dt_error_set(DT_ECONFLICT, "%s/%d of group %s has no state in %s", move->topic,
                        (int)move->partition, move->group, sql->path);
}

static dt_status switch_side(struct duet_sql *sql, void *context)
{
    const struct move *move = context;
    int64_t changed = 0;
    dt_status status =
        duet_sql_run(sql,
                     "UPDATE main.duet_state SET side = ?4, version = version + 1"
                     " WHERE grp = ?1 AND topic = ?2 AND partition = ?3 AND side = ?5",
                     DUET_BIND(duet_text(move->group), duet_text(move->topic),
                               duet_integer(move->partition), duet_integer(move->to),
                               duet_integer(move->from)),
                     &changed);

    if (status == DT_OK && changed == 0)
        return why_not(sql, move);
    return status;
}

dt_status duet_sink_switch(struct duet_sink *sink, const char *topic, int32_t partition,
                           enum duet_side from, enum duet_side to)
{
    struct move move = {sink->group, topic, partition, from, to};

    if (sink->in_transaction)
        return dt_error_set(DT_ESTATE, "%s: a switch is a transaction of its own",
                            sink->sql.path);
    return duet_sql_write(&sink->sql, switch_side, &move);
}
