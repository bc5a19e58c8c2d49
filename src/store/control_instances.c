/* Who takes part: numbers and boots, heartbeats, who holds a group, where its results lie. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/status.h"
#include "store/control.h"

/* ---- numbers and boots ---- */

struct boot {
    const char *name;
    int64_t floor;
    uint32_t number;
    uint16_t boot;
};

static dt_status new_number(struct duet_sql *sql, struct boot *boot)
{
    int64_t number;
    dt_status status =
        duet_sql_run(sql, "INSERT INTO producer (name, boot) VALUES (?1, ?2)",
                     DUET_BIND(duet_text(boot->name), duet_integer(boot->boot)), NULL);

    if (status != DT_OK)
        return status;
    number = sqlite3_last_insert_rowid(sql->db);
    if (number > DUET_INSTANCE_MAX)
        return dt_error_set(DT_EUNSUPPORTED, "%s: all %u instance numbers are used",
                            sql->path, DUET_INSTANCE_MAX);
    boot->number = (uint32_t)number;
    return DT_OK;
}

static dt_status next_boot(struct duet_sql *sql, void *context)
{
    struct boot *boot = context;
    struct duet_rows rows;
    int64_t number = 0, next;
    int64_t last = boot->floor;
    dt_status status;

    duet_sql_select(sql, &rows,
                    "SELECT number, boot FROM producer WHERE name = ?1"
                    " ORDER BY number DESC LIMIT 1",
                    DUET_BIND(duet_text(boot->name)));
    if (duet_rows_next(&rows)) {
        number = duet_rows_int(&rows, 0);
        if (duet_rows_int(&rows, 1) > last)
            last = duet_rows_int(&rows, 1);
    }
    status = duet_rows_end(&rows);
    if (status != DT_OK)
        return status;
    next = last < 0 ? 0 : last + 1;
    boot->boot = next > UINT16_MAX ? 0 : (uint16_t)next;
    if (number == 0 || next > UINT16_MAX)
        return new_number(sql, boot);
    boot->number = (uint32_t)number;
    return duet_sql_run(sql, "UPDATE producer SET boot = ?2 WHERE number = ?1",
                        DUET_BIND(duet_integer(number), duet_integer(boot->boot)), NULL);
}

dt_status duet_store_producer_boot(struct duet_store *store, const char *name,
                                   int64_t boot_floor, uint32_t *number, uint16_t *boot)
{
    struct boot next = {.name = name, .floor = boot_floor};
    dt_status status = duet_sql_write(&store->sql, next_boot, &next);

    *number = status == DT_OK ? next.number : 0;
    *boot = status == DT_OK ? next.boot : 0;
    return status;
}

/* ---- heartbeats ---- */

static dt_status heartbeat(struct duet_sql *sql, void *context)
{
    const struct duet_instance *it = context;

    return duet_sql_run(
        sql,
        "REPLACE INTO instance (name, role, grp, number, boot, pid, host, plan, "
        "heartbeat_ms,"
        " closed, in_doubt, dropped, pending_messages, pending_bytes, oldest_s, "
        "breaker_kafka,"
        " breaker_rocketmq, minute) VALUES"
        " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, "
        "?18)",
        DUET_BIND(duet_text(it->name), duet_integer(it->role), duet_text(it->group),
                  duet_integer(it->number), duet_integer(it->boot), duet_integer(it->pid),
                  duet_text(it->host), duet_integer(it->plan),
                  duet_integer(it->heartbeat_ms), duet_integer(it->closed),
                  duet_integer(it->in_doubt), duet_integer(it->dropped),
                  duet_integer(it->pending_messages), duet_integer(it->pending_bytes),
                  duet_integer(it->oldest_s), duet_text(it->breaker[DUET_KAFKA]),
                  duet_text(it->breaker[DUET_ROCKETMQ]), duet_integer(it->window)),
        NULL);
}

dt_status duet_store_heartbeat(struct duet_store *store,
                               const struct duet_instance *instance)
{
    struct duet_instance copy = *instance; /* a duet_sql_work takes what it may change */

    return duet_sql_write(&store->sql, heartbeat, &copy);
}

static void read_instance(const struct duet_rows *rows, struct duet_instance *it)
{
    DUET_ROWS_TEXT(rows, 0, it->name);
    it->role = (enum duet_instance_role)duet_rows_int(rows, 1);
    DUET_ROWS_TEXT(rows, 2, it->group);
    it->number = (uint32_t)duet_rows_int(rows, 3);
    it->boot = (uint16_t)duet_rows_int(rows, 4);
    it->pid = duet_rows_int(rows, 5);
    DUET_ROWS_TEXT(rows, 6, it->host);
    it->plan = duet_rows_int(rows, 7);
    it->heartbeat_ms = duet_rows_int(rows, 8);
    it->closed = duet_rows_int(rows, 9) != 0;
    it->in_doubt = duet_rows_int(rows, 10);
    it->dropped = duet_rows_int(rows, 11);
    it->pending_messages = duet_rows_int(rows, 12);
    it->pending_bytes = duet_rows_int(rows, 13);
    it->oldest_s = duet_rows_int(rows, 14);
    DUET_ROWS_TEXT(rows, 15, it->breaker[DUET_KAFKA]);
    DUET_ROWS_TEXT(rows, 16, it->breaker[DUET_ROCKETMQ]);
    it->window = (uint32_t)duet_rows_int(rows, 17);
}

dt_status duet_store_instances(struct duet_store *store, struct duet_instance **out,
                               size_t *count)
{
    struct duet_rows rows;
    dt_status status;

    *out = NULL;
    *count = 0;
    duet_sql_select(
        &store->sql, &rows,
        "SELECT name, role, grp, number, boot, pid, host, plan, heartbeat_ms, closed,"
        " in_doubt, dropped, pending_messages, pending_bytes, oldest_s,"
        " breaker_kafka, breaker_rocketmq, minute FROM instance ORDER BY role, name",
        DUET_NO_BIND);
    while (duet_rows_next(&rows)) {
        struct duet_instance *instance = duet_array_add(out, count, sizeof(*instance));

        if (instance == NULL)
            rows.status = DT_ENOMEM;
        else
            read_instance(&rows, instance);
    }
    status = duet_rows_end(&rows);
    if (status != DT_OK) {
        free(*out);
        *out = NULL;
        *count = 0;
    }
    return status;
}

/* ---- one holder per group ---- */

struct take {
    const char *topic, *group, *name;
    int64_t stale_ms;
    char holder[DUET_NAME_SIZE];
};

/* The holder lives if it has been heard of lately: by a heartbeat, or by the taking itself,
 * which comes before the first heartbeat. One that ended in order is gone at once. */
static dt_status find_living(struct duet_sql *sql, struct take *take, bool *living)
{
    struct duet_rows rows;

    *living = false;
    duet_sql_select(
        sql, &rows,
        "SELECT h.name, h.taken_ms, i.heartbeat_ms, i.closed FROM group_holder h"
        " LEFT JOIN instance i ON i.name = h.name AND i.role = ?3"
        " WHERE h.topic = ?1 AND h.grp = ?2",
        DUET_BIND(duet_text(take->topic), duet_text(take->group),
                  duet_integer(DUET_CONSUMER)));
    if (duet_rows_next(&rows)) {
        int64_t taken_ms = duet_rows_int(&rows, 1), heard_ms = duet_rows_int(&rows, 2);
        bool closed = duet_rows_int(&rows, 3) != 0 && heard_ms >= taken_ms;

        DUET_ROWS_TEXT(&rows, 0, take->holder);
        if (heard_ms < taken_ms)
            heard_ms = taken_ms;
        *living = !closed && dt_clock_wall_ms() - heard_ms < take->stale_ms;
    }
    return duet_rows_end(&rows);
}

static dt_status take_group(struct duet_sql *sql, void *context)
{
    struct take *take = context;
    bool living;
    dt_status status = find_living(sql, take, &living);

    if (status != DT_OK)
        return status;
    if (living && strcmp(take->holder, take->name) != 0)
        return dt_error_set(DT_EBUSY,
                            "group %s of topic %s is held by '%s', which is alive",
                            take->group, take->topic, take->holder);
    snprintf(take->holder, sizeof(take->holder), "%s", take->name);
    return duet_sql_run(
        sql,
        "REPLACE INTO group_holder (topic, grp, name, taken_ms) VALUES (?1, ?2, ?3, ?4)",
        DUET_BIND(duet_text(take->topic), duet_text(take->group), duet_text(take->name),
                  duet_integer(dt_clock_wall_ms())),
        NULL);
}

dt_status duet_store_group_take(struct duet_store *store, const char *topic,
                                const char *group, const char *name, int64_t stale_ms,
                                char holder[DUET_NAME_SIZE])
{
    struct take take = {.topic = topic, .group = group, .name = name, .stale_ms = stale_ms};
    dt_status status = duet_sql_write(&store->sql, take_group, &take);

    memcpy(holder, take.holder, DUET_NAME_SIZE);
    return status;
}

static dt_status release_group(struct duet_sql *sql, void *context)
{
    const struct take *take = context;

    return duet_sql_run(
        sql, "DELETE FROM group_holder WHERE topic = ?1 AND grp = ?2 AND name = ?3",
        DUET_BIND(duet_text(take->topic), duet_text(take->group), duet_text(take->name)),
        NULL);
}

dt_status duet_store_group_release(struct duet_store *store, const char *topic,
                                   const char *group, const char *name)
{
    struct take take = {.topic = topic, .group = group, .name = name};

    return duet_sql_write(&store->sql, release_group, &take);
}

/* ---- where the results lie ---- */

struct place {
    const char *topic, *group, *url;
};

static dt_status register_sink(struct duet_sql *sql, void *context)
{
    const struct place *place = context;

    return duet_sql_run(
        sql, "REPLACE INTO sink (topic, grp, url) VALUES (?1, ?2, ?3)",
        DUET_BIND(duet_text(place->topic), duet_text(place->group), duet_text(place->url)),
        NULL);
}

dt_status duet_store_sink_register(struct duet_store *store, const char *topic,
                                   const char *group, const char *url)
{
    struct place place = {topic, group, url};

    return duet_sql_write(&store->sql, register_sink, &place);
}

dt_status duet_store_sink(struct duet_store *store, const char *topic, const char *group,
                          char *url, size_t size)
{
    struct duet_rows rows;
    bool there;
    dt_status status;

    url[0] = '\0';
    duet_sql_select(&store->sql, &rows,
                    "SELECT url FROM sink WHERE topic = ?1 AND grp = ?2",
                    DUET_BIND(duet_text(topic), duet_text(group)));
    there = duet_rows_next(&rows);
    if (there) {
        if (duet_rows_bytes(&rows, 0).size < size)
            duet_rows_text(&rows, 0, url, size);
        else
            rows.status = dt_error_set(DT_ETOOBIG, "the sink's address has %zu bytes",
                                       duet_rows_bytes(&rows, 0).size);
    }
    status = duet_rows_end(&rows);
    if (status == DT_OK && !there)
        return dt_error_set(DT_ENOTFOUND, "no sink of group %s of topic %s is known", group,
                            topic);
    return status;
}
