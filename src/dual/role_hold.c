#include "dual/role_hold.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "dual/rules.h"

#define FETCH_MS 5000 /* for reading again what is due, on a side that answers */

struct duet_held {
    struct duet_held *next;
    struct duet_read_record record; /* its spans lie behind it */
    int64_t since_ms;
    size_t bytes;
};

struct duet_before_view duet_role_before(const struct duet_part *part)
{
    const struct duet_role_state *state = &part->state;
    struct duet_before_view view = {.processed = &state->processed,
                                    .side = state->side,
                                    .given_up = &part->hold->given_up};

    for (int side = 0; side < DUET_SIDES; side++) {
        view.seen[side] = &state->cursor[side].seen;
        view.absent[side] = &state->cursor[side].absent;
        view.ended[side] = &state->cursor[side].ended;
    }
    return view;
}

/* ---- copies ---- */

static size_t size_of(const struct duet_read_record *record)
{
    size_t size = sizeof(struct duet_held) + record->record.key.size +
                  record->record.value.size +
                  record->record.header_count * sizeof(struct duet_header);

    for (size_t i = 0; i < record->record.header_count; i++)
        size += record->record.headers[i].name.size + record->record.headers[i].value.size;
    return size;
}

/* Keeps NULL and empty apart: an empty one has an address, too. */
static struct dt_span put(uint8_t **at, struct dt_span span)
{
    struct dt_span copy = {span.data != NULL ? *at : NULL, span.size};

    if (span.size > 0)
        memcpy(*at, span.data, span.size);
    *at += span.size;
    return copy;
}

static struct duet_held *held_new(const struct duet_read_record *record)
{
    size_t bytes = size_of(record);
    struct duet_held *held = malloc(bytes);
    struct duet_header *headers;
    uint8_t *at;

    if (held == NULL)
        return NULL;
    memset(held, 0, sizeof(*held));
    held->record = *record;
    held->record.link = (struct dt_span){NULL, 0}; /* it was taken when it was read */
    held->bytes = bytes;
    held->since_ms = dt_clock_ms();
    headers = (struct duet_header *)(held + 1);
    at = (uint8_t *)(headers + record->record.header_count);
    for (size_t i = 0; i < record->record.header_count; i++) {
        headers[i].name = put(&at, record->record.headers[i].name);
        headers[i].value = put(&at, record->record.headers[i].value);
    }
    held->record.record.headers = headers;
    held->record.record.key = put(&at, record->record.key);
    held->record.record.value = put(&at, record->record.value);
    return held;
}

/* ---- producers ---- */

static struct duet_held_producer *find(struct duet_hold *hold, uint32_t instance)
{
    for (size_t i = 0; i < hold->count; i++)
        if (hold->producers[i].instance == instance)
            return &hold->producers[i];
    return NULL;
}

static struct duet_held_producer *add(struct duet_hold *hold, uint32_t instance)
{
    if (hold->count == hold->capacity) {
        size_t capacity = hold->capacity == 0 ? 4 : 2 * hold->capacity;
        void *grown = realloc(hold->producers, capacity * sizeof(*hold->producers));

        if (grown == NULL)
            return NULL;
        hold->producers = grown;
        hold->capacity = capacity;
    }
    hold->producers[hold->count] = (struct duet_held_producer){.instance = instance};
    return &hold->producers[hold->count++];
}

static bool comes_before(const struct duet_id *a, const struct duet_id *b)
{
    return a->boot != b->boot ? a->boot < b->boot : a->sequence < b->sequence;
}

/* The place of `id` among what is held of its producer; nearly always the end. */
static struct duet_held **place_of(struct duet_held_producer *producer,
                                   const struct duet_id *id)
{
    struct duet_held **at = &producer->first;

    if (producer->last != NULL && comes_before(&producer->last->record.stamp.id, id))
        return &producer->last->next;
    while (*at != NULL && comes_before(&(*at)->record.stamp.id, id))
        at = &(*at)->next;
    return at;
}

static dt_status set_aside(struct duet_role_thread *role, struct duet_part *part,
                           const struct duet_read_record *record)
{
    const struct duet_id *id = &record->stamp.id;
    struct duet_held_producer *producer = find(part->hold, id->instance);
    struct duet_held *held, **at;

    if (producer == NULL)
        producer = add(part->hold, id->instance);
    at = producer != NULL ? place_of(producer, id) : NULL;
    if (at != NULL && *at != NULL && duet_id_equal(&(*at)->record.stamp.id, id))
        return DT_OK; /* read again, after a reconnect, or a second copy */
    held = at != NULL ? held_new(record) : NULL;
    if (held == NULL)
        return dt_error_set(DT_ENOMEM, "no memory to hold a message of %zu bytes",
                            size_of(record));
    held->next = *at;
    *at = held;
    if (held->next == NULL)
        producer->last = held;
    producer->bytes += held->bytes;
    role->held_bytes += held->bytes;
    return DT_OK;
}

dt_status duet_role_take(struct duet_role_thread *role, struct duet_part *part,
                         const struct duet_read_record *record)
{
    const struct duet_id *id = &record->stamp.id;
    struct duet_before_view view;

    if (!role->ordered || !duet_rule(DUET_RULE_ORDER) ||
        duet_idset_has(&part->state.processed, id))
        return duet_role_process(role, part, part->state.side, record);
    view = duet_role_before(part);
    return duet_before_find(&view, id) == DUET_BEFORE_DONE
               ? duet_role_process(role, part, part->state.side, record)
               : set_aside(role, part, record);
}

/* ---- release ---- */

struct giving_up {
    struct duet_idset *given_up;
    dt_status status;
};

static void give_up(void *context, uint8_t kind, uint32_t instance, uint16_t boot,
                    struct duet_interval missing)
{
    struct giving_up *giving_up = context;
    struct duet_id id = {.kind = kind, .instance = instance, .boot = boot};

    if (giving_up->status == DT_OK)
        giving_up->status =
            duet_idset_close(giving_up->given_up, &id, missing.from, missing.to);
}

int64_t duet_role_patience_ms(const struct duet_role_thread *role, bool on_other_side)
{
    int64_t hold_ms = role->session->config->hold_ms;

    return on_other_side ? 2 * hold_ms + FETCH_MS : hold_ms;
}

/* Whether what is missing was waited for long enough. */
static bool is_over(const struct duet_role_thread *role, const struct duet_part *part,
                    const struct duet_held *held, enum duet_before before)
{
    const struct duet_track *other = &part->track[duet_other_side(part->state.side)];
    int64_t age_ms = dt_clock_ms() - held->since_ms;
    bool may_show = other->end < 0 || other->next < other->end;

    if (role->held_bytes > (size_t)role->session->config->hold_bytes)
        return true;
    return age_ms >= duet_role_patience_ms(role, before == DUET_BEFORE_OTHER || may_show);
}

static dt_status wait_no_longer(struct duet_part *part, const struct duet_held *held)
{
    struct duet_before_view view = duet_role_before(part);
    struct duet_idset missing;
    struct giving_up giving_up = {&missing, DT_OK};

    /* the view reads what is given up: it must not change under its hands */
    duet_idset_init(&missing);
    duet_before_each(&view, &held->record.stamp.id, give_up, &giving_up);
    if (giving_up.status == DT_OK)
        giving_up.status = duet_idset_merge(&part->hold->given_up, &missing);
    duet_idset_fini(&missing);
    return giving_up.status;
}

static void drop_first(struct duet_role_thread *role, struct duet_held_producer *producer)
{
    struct duet_held *held = producer->first;

    producer->first = held->next;
    if (producer->first == NULL)
        producer->last = NULL;
    producer->bytes -= held->bytes;
    role->held_bytes -= held->bytes;
    free(held);
}

static dt_status release_producer(struct duet_role_thread *role, struct duet_part *part,
                                  struct duet_held_producer *producer)
{
    dt_status status = DT_OK;

    while (status == DT_OK && producer->first != NULL) {
        struct duet_held *held = producer->first;
        struct duet_before_view view = duet_role_before(part);
        enum duet_before before = duet_before_find(&view, &held->record.stamp.id);

        if (before != DUET_BEFORE_DONE && !is_over(role, part, held, before))
            break;
        if (before != DUET_BEFORE_DONE)
            status = wait_no_longer(part, held);
        if (status == DT_OK)
            status = duet_role_process(role, part, part->state.side, &held->record);
        if (status == DT_OK)
            drop_first(role, producer);
    }
    return status;
}

dt_status duet_role_release(struct duet_role_thread *role, struct duet_part *part)
{
    struct duet_hold *hold = part->hold;
    size_t kept = 0;
    dt_status status = DT_OK;

    for (size_t i = 0; i < hold->count; i++) {
        if (status == DT_OK)
            status = release_producer(role, part, &hold->producers[i]);
        if (hold->producers[i].first != NULL)
            hold->producers[kept++] = hold->producers[i];
    }
    hold->count = kept;
    return status;
}

int64_t duet_role_held_from(const struct duet_part *part)
{
    int64_t first = -1;

    for (size_t i = 0; i < part->hold->count; i++)
        for (const struct duet_held *held = part->hold->producers[i].first; held != NULL;
             held = held->next)
            if (first < 0 || held->record.position < first)
                first = held->record.position;
    return first;
}

bool duet_role_holds(const struct duet_part *part, const struct duet_id *id)
{
    const struct duet_held_producer *producer = find(part->hold, id->instance);

    if (producer == NULL || id->kind != DUET_ID_ISSUED)
        return false;
    for (const struct duet_held *held = producer->first; held != NULL; held = held->next)
        if (duet_id_equal(&held->record.stamp.id, id))
            return true;
    return false;
}

void duet_role_forget_held(struct duet_role_thread *role, struct duet_part *part)
{
    struct duet_hold *hold = part->hold;

    for (size_t i = 0; i < hold->count; i++)
        while (hold->producers[i].first != NULL)
            drop_first(role, &hold->producers[i]);
    free(hold->producers);
    duet_idset_fini(&hold->given_up);
    memset(hold, 0, sizeof(*hold));
}
