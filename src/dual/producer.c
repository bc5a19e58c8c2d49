/*
 * producer.c - the public producer: opens session, sides and outbox; one thread of its own
 * adopts plans, answers what is late and reports.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "dual/outbox.h"
#include "dual/producer_report.h"
#include "dual/producer_statistics.h"
#include "dual/spill.h"
#include "dual/wake.h"

#define TICK_MS        50
#define PLAN_MS        100
#define REPORT_MS      500
#define CLOSE_MS       3000
#define BOUNDS_MS      1000
#define TIMEOUT_MS_MAX (INT64_C(24) * 3600 * 1000)

struct duet_producer {
    struct duet_session session;
    struct duet_outbox outbox;
    bool outbox_made, thread_made;
    struct duet_side_client *client[DUET_SIDES];
    struct duet_wake wake;
    pthread_t thread;
    atomic_bool stop;
    pthread_mutex_t
        statistics_lock; /* of setting them; the document is written without it */
    struct duet_statistics statistics;
};

const char *duet_version(void)
{
    return DUET_VERSION;
}

/* The boot goes to disk before it is used: no id is given out twice after a crash. */
static dt_status take_boot(struct duet_session *session, uint32_t *number, uint16_t *boot)
{
    dt_status status = duet_store_producer_boot(
        session->store, session->name, session->home.known ? session->home.boot : -1,
        number, boot);

    if (status != DT_OK)
        return dt_error_wrap(duet_session_store_status(status),
                             "taking a boot number for '%s'", session->name);
    session->home.number = *number;
    session->home.boot = *boot;
    session->home.plan = session->plan->version;
    return duet_home_save(&session->home);
}

static dt_status open_side(struct duet_producer *producer, enum duet_side side)
{
    struct duet_outbox *outbox = &producer->outbox;
    /* The bound is ours (outbox.h); the library's is larger so that it never decides. */
    size_t memory_max = (size_t)outbox->memory_max * 4;
    dt_status status = duet_side_open(producer->session.config, side,
                                      producer->session.name, &producer->client[side]);

    if (status != DT_OK)
        return status;
    outbox->client[side] = producer->client[side];
    return duet_sender_new(producer->client[side], memory_max, duet_outbox_sent,
                           &outbox->seat[side], &outbox->sender[side]);
}

static void look_for_plan(struct duet_producer *producer)
{
    struct duet_session *session = &producer->session;
    struct duet_plan *plan;
    dt_status status = duet_session_newer_plan(session, session->home.plan, &plan);

    if (status != DT_OK) {
        duet_session_store_failed(session, "looking for a newer plan");
        return;
    }
    if (plan == NULL)
        return;
    dt_log_info("producer '%s': plan %lld", session->name, (long long)plan->version);
    session->home.plan = plan->version;
    duet_outbox_adopt(&producer->outbox, plan);
    if (duet_home_save(&session->home) != DT_OK)
        dt_log_warning("producer '%s': %s", session->name, dt_error_text());
    if (duet_producer_report(session, &producer->outbox, false) != DT_OK)
        duet_session_store_failed(session, "confirming a plan");
}

/* What was set stays: only whether it was is asked under the lock, and no callback runs with it. */
static void give_statistics(struct duet_producer *producer)
{
    bool wanted;

    pthread_mutex_lock(&producer->statistics_lock);
    wanted = producer->statistics.interval_ms != 0;
    pthread_mutex_unlock(&producer->statistics_lock);
    if (wanted)
        duet_producer_give_statistics(&producer->statistics, &producer->session,
                                      &producer->outbox);
}

static void *run(void *context)
{
    struct duet_producer *producer = context;
    int64_t plan_ms = 0, report_ms = 0;

    while (!atomic_load(&producer->stop)) {
        int64_t now_ms;

        duet_outbox_tick(&producer->outbox);
        give_statistics(producer);
        now_ms = dt_clock_ms();
        if (now_ms - plan_ms >= PLAN_MS) {
            plan_ms = now_ms;
            look_for_plan(producer);
        }
        if (now_ms - report_ms >= REPORT_MS) {
            report_ms = now_ms;
            if (duet_producer_report(&producer->session, &producer->outbox, false) != DT_OK)
                duet_session_store_failed(&producer->session, "reporting counts");
        }
        duet_wake_wait(&producer->wake, TICK_MS);
    }
    return NULL;
}

static bool has_intent(const struct duet_outbox *outbox)
{
    for (size_t b = 0; b < outbox->box_count; b++)
        if (outbox->boxes[b].is_intent)
            return true;
    return false;
}

/* Where the logs end now, so that a restart need not read them from their beginnings. A side that
 * does not answer costs that, no more. */
static void note_ends(struct duet_outbox *outbox)
{
    for (size_t b = 0; b < outbox->box_count; b++)
        for (size_t p = 0; p < outbox->boxes[b].lane_count && outbox->boxes[b].is_intent;
             p++) {
            struct duet_lane *lane = &outbox->boxes[b].lanes[p];
            int64_t begin, end;

            if (duet_side_bounds(outbox->client[lane->primary], lane->box->route,
                                 (int32_t)p, BOUNDS_MS, &begin, &end) != DT_OK)
                return;
            lane->known_end[lane->primary] = end;
        }
}

/* `journal: intent` promises what survives a host that goes down. */
static dt_status check_intent(const struct duet_config *config, const char *folder)
{
    bool is_volatile;
    dt_status status;

    if (config->journal_max == 0)
        return dt_error_set(DT_EINVAL, "journal: intent needs a journal, and "
                                       "producer.journal.max is 0");
    if (config->journal_volatile)
        return DT_OK;
    status = duet_journal_is_volatile(folder, &is_volatile);
    if (status != DT_OK || !is_volatile)
        return status;
    return dt_error_set(
        DT_EINVAL,
        "journal: intent in %s, which is in memory and gone with the host: "
        "give a state_dir on a disk, or say producer.journal.volatile: true",
        folder);
}

/* What it owed has been sent by somebody else: it is kept for who wants to look, and a new one
 * begins. One that is still being sent stays in the way: its messages are older than all new ones. */
static dt_status leave_taken(const struct duet_outbox *outbox, const char *folder)
{
    enum duet_journal_adoption state;
    char aside[PATH_MAX + 64];
    dt_status status = duet_journal_adoption(folder, &state);

    assert(outbox->journal == NULL);
    if (status != DT_OK)
        return status;
    if (state != DUET_JOURNAL_TAKEN)
        return dt_error_set(
            DT_EBUSY,
            "journal '%s' is being taken over: run `duet journal adopt %s` to "
            "its end first",
            folder, folder);
    snprintf(aside, sizeof(aside), "%s.taken-%lld", folder, (long long)dt_clock_wall_ms());
    if (rename(folder, aside) != 0)
        return dt_error_set(DT_EIO, "'%s': %s", folder, strerror(errno));
    dt_log_warning(
        "journal '%s' was taken over while this producer was away; it is kept as "
        "'%s', and a new one begins",
        folder, aside);
    return DT_OK;
}

static dt_status open_journal(struct duet_producer *producer)
{
    struct duet_session *session = &producer->session;
    char folder[PATH_MAX + 16];
    dt_status status;

    snprintf(folder, sizeof(folder), "%s/journal", session->home.folder);
    if (has_intent(&producer->outbox)) {
        status = check_intent(session->config, folder);
        if (status != DT_OK)
            return status;
        note_ends(&producer->outbox);
    }
    if (session->config->journal_max == 0)
        return DT_OK;
    status = duet_spill_open(&producer->outbox, folder, session->config->journal_max);
    if (status != DT_ESTATE)
        return status;
    status = leave_taken(&producer->outbox, folder);
    return status == DT_OK
               ? duet_spill_open(&producer->outbox, folder, session->config->journal_max)
               : status;
}

static dt_status open_parts(struct duet_producer *producer, const char *config_path,
                            const char *name)
{
    struct duet_session *session = &producer->session;
    struct duet_plan *plan;
    uint32_t number;
    uint16_t boot;
    dt_status status = duet_session_open(config_path, name, session);

    if (status == DT_OK)
        status = take_boot(session, &number, &boot);
    if (status != DT_OK)
        return status;
    plan = session->plan; /* the outbox owns it from here on */
    session->plan = NULL;
    producer->outbox_made = true;
    status = duet_outbox_init(&producer->outbox, plan, &session->keys, session->config,
                              number, boot);
    producer->outbox.stats.plan_version = session->home.plan;
    if (status == DT_OK)
        status = open_side(producer, DUET_KAFKA);
    if (status == DT_OK)
        status = open_side(producer, DUET_ROCKETMQ);
    if (status == DT_OK)
        status = duet_outbox_open_numbers(&producer->outbox, session->home.folder);
    if (status == DT_OK)
        status = open_journal(producer);
    if (status == DT_OK)
        status = duet_producer_report(session, &producer->outbox, false);
    if (status == DT_OK)
        status = duet_spill_start(&producer->outbox);
    if (status != DT_OK)
        return status;
    if (pthread_create(&producer->thread, NULL, run, producer) != 0)
        return dt_error_set(DT_ENOMEM, "cannot start the producer's thread");
    producer->thread_made = true;
    return DT_OK;
}

dt_status duet_producer_open(const char *config_path, const char *name, duet_producer **out)
{
    struct duet_producer *producer;
    dt_status status;

    if (out == NULL || config_path == NULL || name == NULL)
        return dt_error_set(DT_EINVAL,
                            "a configuration, a name and a place for the producer "
                            "are needed");
    *out = NULL;
    producer = calloc(1, sizeof(*producer));
    if (producer == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a producer");
    producer->session.home.lock_fd = -1;
    pthread_mutex_init(&producer->statistics_lock, NULL);
    status = duet_wake_init(&producer->wake);
    if (status == DT_OK)
        status = open_parts(producer, config_path, name);
    if (status != DT_OK) {
        duet_producer_close(producer);
        return status;
    }
    *out = producer;
    return DT_OK;
}

dt_status duet_produce(duet_producer *producer, const duet_message *message,
                       int64_t timeout_ms, duet_produce_fn callback, void *opaque)
{
    if (producer == NULL || message == NULL)
        return dt_error_set(DT_EINVAL, "a producer and a message are needed");
    if (message->header_count > 0 && message->headers == NULL)
        return dt_error_set(DT_EINVAL, "header_count is %zu, but there are no headers",
                            message->header_count);
    if (timeout_ms <= 0)
        timeout_ms = producer->session.config->send_timeout_ms;
    if (timeout_ms > TIMEOUT_MS_MAX)
        timeout_ms = TIMEOUT_MS_MAX;
    return duet_outbox_put(&producer->outbox, message, dt_clock_ms() + timeout_ms, callback,
                           opaque);
}

dt_status duet_producer_flush(duet_producer *producer, int64_t timeout_ms)
{
    int64_t until_ms = timeout_ms < 0 || timeout_ms > TIMEOUT_MS_MAX
                           ? INT64_MAX
                           : dt_clock_ms() + timeout_ms;

    for (;;) {
        int64_t now_ms = dt_clock_ms();
        int64_t next_ms = now_ms + 1000 < until_ms ? now_ms + 1000 : until_ms;

        for (int side = 0; side < DUET_SIDES; side++)
            duet_sender_flush(producer->outbox.sender[side]);
        if (duet_outbox_wait_empty(&producer->outbox, next_ms))
            return DT_OK;
        if (dt_clock_ms() >= until_ms)
            return dt_error_set(DT_ETIMEDOUT,
                                "not everything is on each side after %lld ms",
                                (long long)timeout_ms);
    }
}

void duet_producer_statistics(duet_producer *producer, duet_producer_stats *out)
{
    duet_outbox_statistics(&producer->outbox, out);
}

dt_status duet_producer_set_statistics(duet_producer *producer, int64_t interval_ms,
                                       duet_statistics_fn fn, void *opaque)
{
    dt_status status;

    if (producer == NULL)
        return dt_error_set(DT_EINVAL, "a producer is needed");
    pthread_mutex_lock(&producer->statistics_lock);
    status = duet_statistics_set(&producer->statistics, interval_ms, fn, opaque);
    pthread_mutex_unlock(&producer->statistics_lock);
    return status;
}

const char *duet_producer_state_dir(const duet_producer *producer)
{
    return producer->session.home.folder;
}

void duet_producer_close(duet_producer *producer)
{
    struct duet_outbox *outbox;

    if (producer == NULL)
        return;
    outbox = &producer->outbox;
    if (producer->thread_made) {
        atomic_store(&producer->stop, true);
        duet_wake_raise(&producer->wake);
        pthread_join(producer->thread, NULL);
    }
    if (producer->outbox_made) {
        duet_spill_stop(outbox);
        duet_outbox_close(outbox);
        duet_outbox_end_senders(outbox, CLOSE_MS);
        duet_outbox_answer_unsent(outbox);
        duet_spill_keep(outbox);
        duet_outbox_give_up(outbox);
        duet_spill_close(outbox);
        if (producer->thread_made &&
            duet_producer_report(&producer->session, outbox, true) != DT_OK)
            dt_log_warning(
                "producer '%s': the last report did not reach the control store: %s",
                producer->session.name, dt_error_text());
        duet_outbox_fini(outbox);
    }
    for (int side = 0; side < DUET_SIDES; side++)
        if (producer->client[side] != NULL)
            duet_side_close(producer->client[side]);
    duet_session_close(&producer->session);
    if (producer->wake.fd > 0)
        duet_wake_fini(&producer->wake);
    pthread_mutex_destroy(&producer->statistics_lock);
    free(producer);
}
