/*
 * spill_damage.c - what is damaged in the journal comes out in the ledger, as `isolated`.
 *
 * The ids of a damaged range are known where the head of a record and its stamp still stand in
 * the bytes: the stamp's check covers topic, partition and id. What is left of the numbers is
 * looked for between the neighbours: a lane's ids are dense, so those between its last message
 * before the damage and its first one behind it are the ones that are gone, if there are no more
 * of them than numbers. The rest is listed without ids, under the journal's own numbers.
 *
 * The same damage is found again at each start until its segment is deleted, and gives the same
 * entries.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "dual/outbox_inside.h"
#include "dual/outgoing_bytes.h"
#include "dual/spill_inside.h"

enum {
    BYTES_MAX = 1 << 30,
    ALIGNMENT = 8,
    REASON_SIZE = 200,
    RECORD_MIN = DUET_RECORD_HEADER_SIZE + 8, /* one that is no message has so many bytes */
    MESSAGE_MIN =
        72 /* and one that is: head, format, stamp, null key and value, no header */
};

/* Of a lane of the journal, around one damage. */
struct around {
    struct duet_lane *lane; /* NULL: not of this producer, or without a name */
    enum duet_side side;
    bool has_before, has_after;
    struct duet_id before, after;
    uint64_t seen; /* records of it in the damaged bytes that are owed, their ids unknown */
    struct duet_idset known; /* ids of those that were found there, owed or not */
};

struct search {
    struct duet_outbox *outbox;
    struct duet_journal *journal;
    const struct duet_journal_damage *damage;
    struct duet_journal_lane *lanes;
    struct around *around; /* one per lane */
    size_t lane_count;
    uint64_t left; /* numbers that nothing is known of */
    uint64_t listed;
};

static struct duet_lane *find_lane(struct duet_outbox *outbox, const char *topic,
                                   int32_t partition)
{
    for (size_t b = 0; b < outbox->box_count; b++) {
        struct duet_box *box = &outbox->boxes[b];

        if (strcmp(box->topic, topic) == 0 && partition >= 0 &&
            (size_t)partition < box->lane_count)
            return &box->lanes[partition];
    }
    return NULL;
}

/* ---- entries ---- */

static void say_reason(char out[REASON_SIZE], const struct duet_journal_damage *damage)
{
    if (damage->lsn_to > damage->lsn_from)
        snprintf(out, REASON_SIZE,
                 "journal: segment %" PRIx64 ", numbers %" PRIu64 " to %" PRIu64 ": %s",
                 damage->segment, damage->lsn_from, damage->lsn_to - 1, damage->what);
    else
        snprintf(out, REASON_SIZE, "journal: segment %" PRIx64 ": %s", damage->segment,
                 damage->what);
}

/* Lock: held. The side will not get these numbers: the ledger has them, and the next record of
 * the partition says so. */
static void list_ids(struct duet_lane *lane, enum duet_side side,
                     const struct duet_id *first, uint64_t sequence_to, const char *reason)
{
    struct duet_ledger_entry entry = {.kind = DUET_LEDGER_ISOLATED,
                                      .partition = lane->partition,
                                      .side = side,
                                      .id = *first,
                                      .sequence_to = sequence_to,
                                      .position = -1,
                                      .at_ms = dt_clock_wall_ms()};
    struct duet_link_entry told = {
        side == DUET_KAFKA ? DUET_LINK_ABSENT_KAFKA : DUET_LINK_ABSENT_ROCKETMQ,
        first->instance, first->boot, first->sequence, sequence_to};

    snprintf(entry.topic, sizeof(entry.topic), "%s", lane->box->topic);
    snprintf(entry.reason, sizeof(entry.reason), "%.159s", reason);
    duet_outbox_ledger_push(lane->outbox, &entry);
    duet_outbox_link_add(lane, &told);
    lane->outbox->stats.isolated += (int64_t)(sequence_to - first->sequence);
}

/* Lock: held. Lane NULL: not known. */
static void list_numbers(struct duet_outbox *outbox, struct duet_journal *journal,
                         const struct duet_lane *lane, enum duet_side side, bool is_segment,
                         uint64_t number, uint64_t count, const char *reason)
{
    struct duet_ledger_entry entry = {.kind = DUET_LEDGER_ISOLATED,
                                      .partition = lane != NULL ? lane->partition : -1,
                                      .side = side,
                                      .id = {.kind = DUET_ID_JOURNAL,
                                             .instance = duet_journal_tag(journal),
                                             .boot = is_segment,
                                             .partition = UINT16_MAX,
                                             .sequence = number},
                                      .sequence_to = number + count,
                                      .position = -1,
                                      .at_ms = dt_clock_wall_ms()};

    if (lane != NULL) {
        entry.id.partition = (uint16_t)lane->partition;
        snprintf(entry.topic, sizeof(entry.topic), "%s", lane->box->topic);
    }
    snprintf(entry.reason, sizeof(entry.reason), "%.159s", reason);
    duet_outbox_ledger_push(outbox, &entry);
    outbox->stats.isolated += (int64_t)count;
}

/* ---- what the damaged bytes still say ---- */

static bool read_stamp(const struct duet_outbox *outbox, const struct duet_lane *lane,
                       struct dt_span payload, struct duet_id *id)
{
    struct duet_stamp stamp;
    struct dt_span bytes;

    if (!duet_outgoing_stamp(payload, &bytes) ||
        duet_stamp_decode(&stamp, bytes, &outbox->keys->stamp, lane->box->topic,
                          lane->partition) != DUET_STAMP_OK)
        return false;
    *id = stamp.id;
    return true;
}

/* Lock: held. A head of a record, whose number is in the damage. */
static dt_status take_head(struct search *search, const struct duet_record_view *head,
                           const char *reason)
{
    struct around *around;
    struct duet_id id;
    bool is_owed, added;

    if (head->kind != DUET_RECORD_MESSAGE || head->lane >= search->lane_count ||
        search->around[head->lane].lane == NULL)
        return DT_OK;
    around = &search->around[head->lane];
    is_owed = head->lsn > search->lanes[head->lane].done_lsn;
    if (!read_stamp(search->outbox, around->lane, head->payload, &id)) {
        around->seen += is_owed;
        return DT_OK;
    }
    if (is_owed) {
        list_ids(around->lane, around->side, &id, id.sequence + 1, reason);
        search->listed++;
    }
    return duet_idset_add(&around->known, &id, 0, &added);
}

/* How many messages there may be beside the heads that were found: no more than numbers, and than
 * have room in the bytes. */
static uint64_t count_left(const struct duet_journal_damage *damage, uint64_t heads,
                           uint64_t messages)
{
    uint64_t numbers = damage->lsn_to - damage->lsn_from;
    uint64_t bytes = damage->to - damage->from, room = numbers;

    if (bytes > 0)
        room = bytes < numbers * RECORD_MIN
                   ? 0
                   : (bytes - numbers * RECORD_MIN) / (MESSAGE_MIN - RECORD_MIN);
    room = room > messages ? room - messages : 0;
    numbers = numbers > heads ? numbers - heads : 0;
    return room < numbers ? room : numbers;
}

/* Lock: held. */
static dt_status look_at_bytes(struct search *search, const struct dt_buf *bytes,
                               const char *reason)
{
    const struct duet_journal_damage *damage = search->damage;
    bool is_segment = damage->lsn_to == 0;
    uint64_t from = damage->lsn_from, to = is_segment ? INT64_MAX : damage->lsn_to;
    uint64_t heads = 0, messages = 0;
    dt_status status = DT_OK;

    for (size_t at = 0; at < bytes->size && from < to && status == DT_OK; at += ALIGNMENT) {
        struct dt_span rest = dt_span_of(bytes->data + at, bytes->size - at);
        struct duet_record_view head;
        struct duet_id id;

        if (!duet_record_guess(rest, from, to, &head))
            continue;
        /* where any number may come, only a stamp tells a head from other bytes */
        if (is_segment &&
            (head.kind != DUET_RECORD_MESSAGE || head.lane >= search->lane_count ||
             search->around[head.lane].lane == NULL ||
             !read_stamp(search->outbox, search->around[head.lane].lane, head.payload,
                         &id)))
            continue;
        status = take_head(search, &head, reason);
        from = head.lsn + 1;
        heads++;
        messages += head.kind == DUET_RECORD_MESSAGE;
    }
    if (!is_segment)
        search->left = count_left(damage, heads, messages);
    return status;
}

/* ---- what the neighbours say ---- */

static void visit(void *context, const struct duet_record_view *record)
{
    struct search *search = context;
    struct around *around;
    struct duet_id id;

    if (record->lane >= search->lane_count || search->around[record->lane].lane == NULL)
        return;
    around = &search->around[record->lane];
    if (record->lsn >= search->damage->lsn_from &&
        (around->has_after || record->lsn < search->damage->lsn_to))
        return;
    if (!read_stamp(search->outbox, around->lane, record->payload, &id))
        return;
    if (record->lsn < search->damage->lsn_from) {
        around->has_before = true;
        around->before = id;
    } else {
        around->has_after = true;
        around->after = id;
    }
}

static bool may_owe(const struct search *search, size_t lane)
{
    return search->around[lane].lane != NULL && search->lanes[lane].last_lsn > 0 &&
           search->lanes[lane].done_lsn + 1 < search->damage->lsn_to;
}

/* How many ids between the neighbours are nowhere; 0 if that cannot be told. */
static uint64_t count_between(const struct around *around)
{
    struct duet_id id = around->before;
    uint64_t count = 0;

    if (!around->has_before || !around->has_after ||
        around->before.instance != around->after.instance ||
        around->before.boot != around->after.boot)
        return 0;
    for (id.sequence++; id.sequence < around->after.sequence && count < UINT32_MAX;
         id.sequence++)
        count += !duet_idset_has(&around->known, &id);
    return count;
}

/* Lock: held. */
static void list_between(struct search *search, struct around *around, const char *reason)
{
    struct duet_id id = around->before;
    uint64_t to = around->after.sequence;

    for (id.sequence++; id.sequence < to;) {
        struct duet_id end = id;

        while (end.sequence < to && !duet_idset_has(&around->known, &end))
            end.sequence++;
        if (end.sequence > id.sequence)
            list_ids(around->lane, around->side, &id, end.sequence, reason);
        search->listed += end.sequence - id.sequence;
        id.sequence = end.sequence + 1;
    }
}

/* Lock: held. */
static void use_neighbours(struct search *search, const char *reason)
{
    for (size_t i = 0; i < search->lane_count; i++) {
        struct around *around = &search->around[i];
        uint64_t between, budget = around->seen + search->left;

        if (!may_owe(search, i))
            continue;
        between = count_between(around);
        if (between == 0 || between > budget || between < around->seen)
            continue;
        list_between(search, around, reason);
        search->left -= between - around->seen;
        around->seen = 0;
    }
}

/* ---- what nobody can tell ---- */

/* Lock: held. The one lane that can owe what is left; NULL: there is none, or several. */
static const struct around *only_owing(const struct search *search, bool *any)
{
    const struct around *only = NULL;
    size_t count = 0;

    *any = false;
    for (size_t i = 0; i < search->lane_count; i++) {
        if (search->lanes[i].last_lsn == 0 || may_owe(search, i))
            *any = true; /* one that nothing is left of may have been there, too */
        if (may_owe(search, i)) {
            only = &search->around[i];
            count++;
        }
    }
    return count == 1 ? only : NULL;
}

/* Lock: held. */
static void list_rest(struct search *search, const char *reason)
{
    const struct duet_journal_damage *damage = search->damage;
    const struct around *only;
    uint64_t number = damage->lsn_from;
    bool any;

    for (size_t i = 0; i < search->lane_count; i++) {
        const struct around *around = &search->around[i];

        if (around->seen > 0)
            list_numbers(search->outbox, search->journal, around->lane, around->side, false,
                         number, around->seen, reason);
        number += around->seen;
    }
    only = only_owing(search, &any);
    if (damage->lsn_to == 0) {
        if (search->listed == 0) /* whatever it held */
            list_numbers(search->outbox, search->journal, NULL, DUET_ROCKETMQ, true,
                         damage->segment, 1, reason);
    } else if (search->left > 0 && any) {
        list_numbers(search->outbox, search->journal, only != NULL ? only->lane : NULL,
                     only != NULL ? only->side : DUET_ROCKETMQ, false, number, search->left,
                     reason);
    }
}

/* ---- one damage ---- */

static dt_status init(struct search *search)
{
    dt_status status =
        duet_journal_lanes(search->journal, &search->lanes, &search->lane_count);

    if (status != DT_OK)
        return status;
    search->around = calloc(search->lane_count + 1, sizeof(*search->around));
    if (search->around == NULL) {
        search->lane_count = 0;
        return dt_error_set(DT_ENOMEM, "no memory for the lanes of a journal");
    }
    for (size_t i = 0; i < search->lane_count; i++) {
        const struct duet_journal_lane *lane = &search->lanes[i];
        unsigned side = lane->side & ~(unsigned)SPILL_FRONT_BIT;

        duet_idset_init(&search->around[i].known);
        if (lane->topic[0] == '\0' || side >= DUET_SIDES)
            continue;
        search->around[i].lane = find_lane(search->outbox, lane->topic, lane->partition);
        search->around[i].side = (enum duet_side)side;
    }
    return DT_OK;
}

static void fini(struct search *search)
{
    for (size_t i = 0; i < search->lane_count; i++)
        duet_idset_fini(&search->around[i].known);
    free(search->around);
    free(search->lanes);
}

static bool needs_neighbours(const struct search *search)
{
    if (search->left > 0)
        return true;
    for (size_t i = 0; i < search->lane_count; i++)
        if (search->around[i].seen > 0)
            return true;
    return false;
}

dt_status duet_spill_isolate(struct duet_outbox *outbox, struct duet_journal *journal,
                             const struct duet_journal_damage *damage)
{
    struct search search = {.outbox = outbox, .journal = journal, .damage = damage};
    struct dt_buf bytes;
    char reason[REASON_SIZE];
    dt_status status = init(&search);

    dt_buf_init(&bytes, BYTES_MAX);
    say_reason(reason, damage);
    if (status == DT_OK)
        status = duet_journal_damage_read(journal, damage, &bytes);
    if (status == DT_OK) {
        pthread_mutex_lock(&outbox->lock);
        status = look_at_bytes(&search, &bytes, reason);
        pthread_mutex_unlock(&outbox->lock);
    }
    if (status == DT_OK && needs_neighbours(&search)) {
        status = duet_journal_visit(journal, visit, &search);
        pthread_mutex_lock(&outbox->lock);
        if (status == DT_OK)
            use_neighbours(&search, reason);
        pthread_mutex_unlock(&outbox->lock);
    }
    if (status == DT_OK) {
        pthread_mutex_lock(&outbox->lock);
        list_rest(&search, reason);
        pthread_mutex_unlock(&outbox->lock);
    }
    dt_buf_fini(&bytes);
    fini(&search);
    return status;
}

dt_status duet_spill_isolate_found(struct duet_outbox *outbox)
{
    struct duet_journal_damage damage;
    struct duet_journal *look = NULL;
    dt_status status = DT_OK;

    while (status == DT_OK &&
           duet_journal_found(outbox->journal, outbox->damages_listed, &damage) == DT_OK) {
        dt_log_error("journal '%s': segment %" PRIx64 ": %s",
                     duet_journal_dir(outbox->journal), damage.segment, damage.what);
        if (look == NULL)
            status = duet_journal_look(duet_journal_dir(outbox->journal), &look);
        if (status == DT_OK)
            status = duet_spill_isolate(outbox, look, &damage);
        if (status == DT_OK)
            outbox->damages_listed++;
    }
    duet_journal_close(look);
    return status;
}

void duet_spill_isolate_record(struct duet_lane *lane, enum duet_side side, uint64_t lsn,
                               const char *reason)
{
    char text[160];

    snprintf(text, sizeof(text), "journal: number %" PRIu64 ": %.100s", lsn, reason);
    list_numbers(lane->outbox, lane->outbox->journal, lane, side, false, lsn, 1, text);
}

/* ---- lanes whose name is damaged ---- */

struct nameless {
    struct duet_outbox *outbox;
    struct duet_journal *journal;
    struct duet_journal_lane *lanes;
    size_t lane_count;
    dt_status status;
};

static bool wants_name(const struct duet_journal_lane *lane)
{
    return lane->topic[0] == '\0' && lane->last_lsn > lane->done_lsn;
}

/* A message says by its stamp which lane it is of. */
static void visit_nameless(void *context, const struct duet_record_view *record)
{
    struct nameless *nameless = context;
    struct duet_outbox *outbox = nameless->outbox;
    struct dt_span stamp;
    struct duet_id id;

    if (record->lane >= nameless->lane_count ||
        !wants_name(&nameless->lanes[record->lane]) ||
        !duet_outgoing_stamp(record->payload, &stamp))
        return;
    duet_id_decode(&id, stamp.data + DUET_STAMP_SIZE - DUET_ID_SIZE - 6);
    for (size_t b = 0; b < outbox->box_count; b++) {
        struct duet_box *box = &outbox->boxes[b];

        if (id.partition >= box->lane_count ||
            !read_stamp(outbox, &box->lanes[id.partition], record->payload, &id))
            continue;
        if (duet_journal_name(nameless->journal, record->lane, box->topic, id.partition,
                              record->side) == DT_OK)
            snprintf(nameless->lanes[record->lane].topic,
                     sizeof(nameless->lanes[record->lane].topic), "%s", box->topic);
        return;
    }
}

dt_status duet_spill_name_lanes(struct duet_outbox *outbox)
{
    struct nameless nameless = {.outbox = outbox, .journal = outbox->journal};
    size_t count = 0;
    dt_status status =
        duet_journal_lanes(outbox->journal, &nameless.lanes, &nameless.lane_count);

    for (size_t i = 0; i < nameless.lane_count; i++)
        count += wants_name(&nameless.lanes[i]);
    if (status == DT_OK && count > 0)
        status = duet_journal_visit(outbox->journal, visit_nameless, &nameless);
    /* nobody will ever send these */
    for (size_t i = 0; i < nameless.lane_count && status == DT_OK && count > 0; i++) {
        const struct duet_journal_lane *lane = &nameless.lanes[i];
        unsigned side = lane->side & ~(unsigned)SPILL_FRONT_BIT;

        if (!wants_name(lane))
            continue;
        pthread_mutex_lock(&outbox->lock);
        list_numbers(outbox, outbox->journal, NULL,
                     side < DUET_SIDES ? (enum duet_side)side : DUET_ROCKETMQ, false,
                     lane->last_lsn, lane->messages > 0 ? lane->messages : 1,
                     "journal: whose they are is damaged: no partition's stamp");
        pthread_mutex_unlock(&outbox->lock);
    }
    free(nameless.lanes);
    return status;
}
