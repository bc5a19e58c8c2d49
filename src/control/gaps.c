/* gaps.c - what one log lacks for good goes into the ledger: nothing is missing silently. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "control/snapshot.h"

static const char reason_start[] = "not in the log";

static const struct duet_tally_boot *find_boot(const struct duet_tally *tally,
                                               const struct duet_missing *missing)
{
    for (size_t i = 0; i < tally->boot_count; i++)
        if (tally->boots[i].partition == missing->partition &&
            tally->boots[i].instance == missing->id.instance &&
            tally->boots[i].boot == missing->id.boot)
            return &tally->boots[i];
    return NULL;
}

static dt_status add(struct duet_ledger_entry **entries, size_t *count,
                     const struct duet_ledger_entry *entry)
{
    void *grown = realloc(*entries, (*count + 1) * sizeof(**entries));

    if (grown == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a ledger entry");
    *entries = grown;
    (*entries)[(*count)++] = *entry;
    return DT_OK;
}

/* A living producer's ids may still be on their way: only those of ended boots are listed. */
static dt_status add_missing(const struct duet_snapshot *snapshot,
                             const struct duet_tally *tally,
                             struct duet_ledger_entry **entries, size_t *count)
{
    struct duet_missing *missing;
    size_t missing_count;
    dt_status status = duet_missing_find(tally, &missing, &missing_count);

    for (size_t i = 0; i < missing_count && status == DT_OK; i++) {
        const struct duet_tally_boot *boot = find_boot(tally, &missing[i]);
        struct duet_ledger_entry entry = {.kind = DUET_LEDGER_GAP,
                                          .partition = missing[i].partition,
                                          .side = missing[i].side,
                                          .id = missing[i].id,
                                          .sequence_to = missing[i].sequence_to,
                                          .position = -1,
                                          .at_ms = snapshot->now_ms};

        if (boot == NULL || boot->settled != UINT32_MAX)
            continue;
        snprintf(entry.topic, sizeof(entry.topic), "%s", tally->topic);
        if (missing[i].nowhere)
            snprintf(entry.reason, sizeof(entry.reason),
                     "%s of any side: fixed by a producer that died, its fate is not known",
                     reason_start);
        else
            snprintf(entry.reason, sizeof(entry.reason), "%s of %s, but in that of %s%s",
                     reason_start, duet_side_name(missing[i].side),
                     duet_side_name(duet_other_side(missing[i].side)),
                     boot->dead ? ": its producer died before the copy was stored" : "");
        status = add(entries, count, &entry);
    }
    free(missing);
    return status;
}

/* Whether the entry still begins a range that is missing now. */
static bool still_missing(const struct duet_ledger_entry *entry,
                          const struct duet_ledger_entry *now, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (now[i].partition == entry->partition && now[i].side == entry->side &&
            strcmp(now[i].topic, entry->topic) == 0 &&
            duet_id_equal(&now[i].id, &entry->id))
            return true;
    return false;
}

static dt_status add_resolved(const struct duet_snapshot *snapshot,
                              const struct duet_tally *tally,
                              struct duet_ledger_entry **entries, size_t *count)
{
    size_t missing_count = *count; /* those just found come first */
    dt_status status = DT_OK;

    for (size_t i = 0; i < snapshot->ledger_count && status == DT_OK; i++) {
        struct duet_ledger_entry entry = snapshot->ledger[i];

        if (entry.kind != DUET_LEDGER_GAP || entry.resolved ||
            strcmp(entry.topic, tally->topic) != 0 ||
            strncmp(entry.reason, reason_start, sizeof(reason_start) - 1) != 0 ||
            still_missing(&entry, *entries, missing_count))
            continue;
        entry.resolved = true;
        snprintf(entry.reason, sizeof(entry.reason), "%s for a time; it came later",
                 reason_start);
        status = add(entries, count, &entry);
    }
    return status;
}

dt_status duet_snapshot_list_gaps(struct duet_store *store,
                                  const struct duet_snapshot *snapshot)
{
    struct duet_ledger_entry *entries = NULL;
    size_t count = 0;
    dt_status status = DT_OK;

    if (!snapshot->counted)
        return DT_OK; /* what has not been counted may be there */
    for (size_t r = 0; r < snapshot->plan->route_count && status == DT_OK; r++) {
        const struct duet_tally *tally = &snapshot->routes[r].tally;

        status = add_missing(snapshot, tally, &entries, &count);
        if (status == DT_OK)
            status = add_resolved(snapshot, tally, &entries, &count);
    }
    if (status == DT_OK && count > 0)
        status = duet_store_ledger_put(store, entries, count);
    free(entries);
    return status;
}
