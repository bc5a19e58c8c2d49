#include "dual/adopt.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "dual/outbox.h"
#include "dual/producer_report.h"
#include "dual/spill.h"

#define TICK_MS    50
#define REPORT_MS  500
#define SYNC_MS    10000
#define CLOSE_MS   3000
#define SPARE_SIZE (64 << 20) /* beside what is there: for what is said about it */

struct adoption {
    const struct duet_adopt_config *config;
    struct duet_adopt_result *result;
    struct duet_session session;
    struct duet_outbox outbox;
    struct duet_side_client *client[DUET_SIDES];
    bool has_outbox;
};

/* Of the folder as it is; it must be a journal, since opening would make one. */
static dt_status disk_bytes(const char *dir, int64_t *bytes)
{
    struct duet_journal *look;
    struct duet_journal_stats stats;
    dt_status status = duet_journal_look(dir, &look);

    if (status != DT_OK)
        return status;
    duet_journal_stats(look, &stats);
    duet_journal_close(look);
    *bytes = stats.disk_bytes;
    return DT_OK;
}

static dt_status open_sides(struct adoption *adoption)
{
    struct duet_outbox *outbox = &adoption->outbox;
    dt_status status = DT_OK;

    for (int side = 0; side < DUET_SIDES && status == DT_OK; side++) {
        status = duet_side_open(adoption->session.config, (enum duet_side)side,
                                adoption->session.name, &adoption->client[side]);
        outbox->client[side] = adoption->client[side];
        if (status == DT_OK)
            status = duet_sender_new(adoption->client[side], (size_t)outbox->memory_max * 4,
                                     duet_outbox_sent, &outbox->seat[side],
                                     &outbox->sender[side]);
    }
    return status;
}

static dt_status open_all(struct adoption *adoption)
{
    struct duet_session *session = &adoption->session;
    struct duet_plan *plan;
    int64_t bytes = 0;
    dt_status status = disk_bytes(adoption->config->dir, &bytes);

    if (status == DT_OK)
        status = duet_session_join(adoption->config->config_path, "journal-adopt", session);
    if (status != DT_OK)
        return status;
    plan = session->plan; /* the outbox owns it from here on */
    session->plan = NULL;
    adoption->has_outbox = true;
    status =
        duet_outbox_init(&adoption->outbox, plan, &session->keys, session->config, 0, 0);
    if (status == DT_OK)
        status = open_sides(adoption);
    if (status == DT_OK)
        status =
            duet_spill_adopt(&adoption->outbox, adoption->config->dir, bytes + SPARE_SIZE);
    return status == DT_EBUSY ? dt_error_wrap(DT_ESTATE, "its producer lives") : status;
}

static dt_status mark(const struct adoption *adoption, enum duet_journal_adoption state)
{
    char about[1024], host[65] = "";

    (void)gethostname(host, sizeof(host) - 1);
    snprintf(about, sizeof(about), "by uid %ld on %s, process %ld\nat %lld ms\nreason %s",
             (long)geteuid(), host, (long)getpid(), (long long)dt_clock_wall_ms(),
             adoption->config->reason);
    return duet_journal_adopt_mark(adoption->config->dir, state, about);
}

/* In this order: who did it, then the folder is no longer the producer's, then what is damaged is
 * listed; only then anything is sent. */
static dt_status begin(struct adoption *adoption)
{
    struct duet_store *store = adoption->session.store;
    char detail[512];
    dt_status status;

    snprintf(detail, sizeof(detail), "%.400s: %lld messages owed", adoption->config->dir,
             (long long)adoption->result->messages);
    status = duet_store_audit(store, "journal adopt", detail, adoption->config->reason);
    if (status == DT_OK)
        status = mark(adoption, DUET_JOURNAL_TAKING);
    if (status == DT_OK)
        status = duet_producer_report_ledger(&adoption->session, &adoption->outbox);
    if (status == DT_OK)
        status = duet_spill_start(&adoption->outbox);
    return status;
}

/* Everything that is listed or stored counts: as long as it changes there is progress. */
static int64_t settled(struct adoption *adoption, int64_t *left)
{
    struct duet_outbox *outbox = &adoption->outbox;
    struct duet_adopt_result *result = adoption->result;

    pthread_mutex_lock(&outbox->lock);
    *left = outbox->secondary_count + outbox->spilled_count;
    result->sent = outbox->stats.secondary_done;
    result->refused = outbox->stats.refused;
    result->isolated = outbox->stats.isolated;
    result->in_doubt = outbox->doubtful_copies;
    result->cancelled = outbox->cancelled_copies;
    pthread_mutex_unlock(&outbox->lock);
    result->left = *left;
    return result->messages - *left;
}

static dt_status send_all(struct adoption *adoption)
{
    const struct duet_adopt_config *config = adoption->config;
    int64_t progress_ms = dt_clock_ms(), report_ms = 0, left, known = -1;

    for (;;) {
        int64_t now_ms = dt_clock_ms(), reached;

        duet_outbox_tick(&adoption->outbox);
        if (now_ms - report_ms >= REPORT_MS) {
            report_ms = now_ms;
            if (duet_producer_report_ledger(&adoption->session, &adoption->outbox) != DT_OK)
                duet_session_store_failed(&adoption->session, "writing the ledger");
        }
        reached = settled(adoption, &left);
        if (left == 0)
            return DT_OK;
        if (reached != known) {
            known = reached;
            progress_ms = now_ms;
        }
        if (config->interrupted != NULL && config->interrupted())
            return dt_error_set(DT_ECLOSED,
                                "interrupted; %lld messages are still owed, the "
                                "same command goes on",
                                (long long)left);
        if (now_ms - progress_ms > config->patience_ms)
            return dt_error_set(DT_ETIMEDOUT,
                                "nothing was stored for %lld s; %lld messages are still "
                                "owed, the same command goes on",
                                (long long)(config->patience_ms / 1000), (long long)left);
        (void)duet_outbox_wait_empty(&adoption->outbox, now_ms + TICK_MS);
    }
}

/* What came to an end is known on the disk and in the control store before the folder says so. */
static dt_status finish(struct adoption *adoption)
{
    dt_status status = duet_journal_sync(adoption->outbox.journal, dt_clock_ms() + SYNC_MS);

    if (status == DT_OK)
        status = duet_producer_report_ledger(&adoption->session, &adoption->outbox);
    if (status == DT_OK)
        status = mark(adoption, DUET_JOURNAL_TAKEN);
    return status;
}

static void close_all(struct adoption *adoption)
{
    struct duet_outbox *outbox = &adoption->outbox;
    int64_t left;

    if (adoption->has_outbox) {
        duet_spill_stop(outbox);
        duet_outbox_close(outbox);
        duet_outbox_end_senders(outbox, CLOSE_MS);
        (void)settled(adoption, &left); /* until the journal has them back */
        duet_spill_keep(outbox);
        duet_outbox_give_up(outbox);
        if (outbox->journal != NULL &&
            duet_producer_report_ledger(&adoption->session, outbox) != DT_OK)
            dt_log_warning("the last ledger entries did not reach the control store: %s",
                           dt_error_text());
        duet_spill_close(outbox);
        duet_outbox_fini(outbox);
    }
    for (int side = 0; side < DUET_SIDES; side++)
        if (adoption->client[side] != NULL)
            duet_side_close(adoption->client[side]);
    duet_session_close(&adoption->session);
}

dt_status duet_adopt(const struct duet_adopt_config *config,
                     struct duet_adopt_result *result)
{
    struct adoption adoption = {.config = config, .result = result};
    enum duet_journal_adoption state;
    dt_status status;

    memset(result, 0, sizeof(*result));
    adoption.session.home.lock_fd = -1;
    status = duet_journal_adoption(config->dir, &state);
    if (status == DT_OK && state == DUET_JOURNAL_TAKEN) {
        result->was_taken = true;
        return DT_OK;
    }
    if (status == DT_OK)
        status = open_all(&adoption);
    if (status == DT_OK) {
        result->messages = result->left = adoption.outbox.spilled_count;
        status = begin(&adoption);
    }
    if (status == DT_OK)
        status = send_all(&adoption);
    if (status == DT_OK)
        status = finish(&adoption);
    if (status != DT_OK) { /* closing may fail in its own way */
        char text[400];

        snprintf(text, sizeof(text), "%.390s", dt_error_text());
        close_all(&adoption);
        return dt_error_set(status, "%s", text);
    }
    close_all(&adoption);
    return DT_OK;
}
