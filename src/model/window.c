#include "model/window.h"

#include <stdlib.h>

#include "base/status.h"

#define TO(name) (1u << DUET_WINDOW_##name)
#define REOPENED (TO(OPEN) | TO(SEALED)) /* something came late */

static const uint32_t next_of[DUET_WINDOW_STATE_COUNT] = {
    [DUET_WINDOW_OPEN] = TO(SEALED),
    [DUET_WINDOW_SEALED] = TO(SETTLED) | TO(OPEN),
    [DUET_WINDOW_SETTLED] = TO(VERIFIED) | TO(DIVERGED) | TO(UNVERIFIABLE) | REOPENED,
    [DUET_WINDOW_VERIFIED] = REOPENED,
    [DUET_WINDOW_DIVERGED] = TO(REPAIRED) | REOPENED,
    /* the copies that were written come late, too: it stays what it is until it is compared */
    [DUET_WINDOW_REPAIRED] = TO(VERIFIED) | TO(DIVERGED) | TO(UNVERIFIABLE) | TO(OPEN),
    [DUET_WINDOW_UNVERIFIABLE] = REOPENED,
};

static const char *const state_names[DUET_WINDOW_STATE_COUNT] = {
#define X(name, text) [DUET_WINDOW_##name] = text,
    DUET_WINDOW_STATES(X)
#undef X
};

const char *duet_window_state_name(enum duet_window_state state)
{
    return (unsigned)state < DUET_WINDOW_STATE_COUNT ? state_names[state] : "unknown";
}

bool duet_window_may(enum duet_window_state from, enum duet_window_state to)
{
    return (next_of[from] >> to & 1) != 0;
}

bool duet_window_is_stale(const struct duet_window *window)
{
    return window->version != window->verdict_version;
}

void duet_window_fini(struct duet_window *window)
{
    for (int s = 0; s < DUET_STAGES; s++) {
        duet_sketch_fini(&window->stage[s].sketch);
        duet_sketch_fini(&window->stage[s].order_sketch);
    }
    free(window->ends);
    free(window->days);
    memset(window, 0, sizeof(*window));
}

/* ---- adding ---- */

/* Adds what there is of a sketch; the first one is copied. */
static dt_status merge(struct duet_sketch *to, const struct duet_sketch *from)
{
    if (from->cells == NULL)
        return DT_OK;
    if (to->cells != NULL)
        return duet_sketch_merge(to, from);
    return duet_sketch_copy(to, from);
}

static struct duet_window_day *day_at(struct duet_window *window, uint16_t number)
{
    size_t index = window->day_count;
    struct duet_window_day *days;

    while (index > 0 && window->days[index - 1].day > number)
        index--;
    if (index > 0 && window->days[index - 1].day == number)
        return &window->days[index - 1];
    days = realloc(window->days, (window->day_count + 1) * sizeof(*days));
    if (days == NULL)
        return NULL;
    window->days = days;
    memmove(&days[index + 1], &days[index], (window->day_count - index) * sizeof(*days));
    memset(&days[index], 0, sizeof(*days));
    days[index].day = number;
    window->day_count++;
    return &days[index];
}

/* All that may fail comes first: days of no count do no harm. */
static dt_status make_days(struct duet_window *window,
                           const struct duet_delta_window *counted)
{
    for (size_t i = 0; i < counted->day_count; i++)
        if (day_at(window, counted->days[i].day) == NULL)
            return dt_error_set(DT_ENOMEM, "no memory for the days of a window");
    return DT_OK;
}

dt_status duet_window_add(struct duet_window *window, enum duet_stage stage,
                          const struct duet_delta_window *counted)
{
    struct duet_window_stage *to = &window->stage[stage];
    dt_status status = make_days(window, counted);

    if (status == DT_OK)
        status = merge(&to->sketch, &counted->sketch);
    if (status == DT_OK) {
        status = merge(&to->order_sketch, &counted->order_sketch);
        if (status != DT_OK && counted->sketch.cells != NULL) /* out again */
            (void)duet_sketch_subtract(&to->sketch, &counted->sketch);
    }
    if (status != DT_OK)
        return status;
    duet_digest_merge(&to->digest, &counted->digest);
    if (counted->has_order)
        duet_digest_merge(&to->order, &counted->order);
    else
        to->without_order = true;
    for (size_t i = 0; i < counted->day_count; i++)
        day_at(window, counted->days[i].day)->count[stage] += counted->days[i].count;
    window->version++;
    return DT_OK;
}

void duet_window_undo(struct duet_window *window, enum duet_stage stage,
                      const struct duet_delta_window *counted)
{
    struct duet_window_stage *to = &window->stage[stage];

    if (counted->sketch.cells != NULL)
        (void)duet_sketch_subtract(&to->sketch, &counted->sketch);
    if (counted->order_sketch.cells != NULL)
        (void)duet_sketch_subtract(&to->order_sketch, &counted->order_sketch);
    duet_digest_subtract(&to->digest, &counted->digest);
    if (counted->has_order)
        duet_digest_subtract(&to->order, &counted->order);
    for (size_t i = 0; i < counted->day_count; i++) /* the days are there */
        day_at(window, counted->days[i].day)->count[stage] -= counted->days[i].count;
    window->version++;
}

/* ---- comparing ---- */

static struct duet_digest digest_of(const struct duet_window *window, enum duet_stage stage)
{
    struct duet_digest digest = window->stage[stage].digest;

    if (stage == DUET_STAGE_I)
        duet_digest_subtract(&digest, &window->stage[DUET_STAGE_X].digest);
    return digest;
}

static bool differs(const struct duet_window *window, enum duet_stage a, enum duet_stage b)
{
    struct duet_digest x = digest_of(window, a), y = digest_of(window, b);

    return !duet_digest_equal(&x, &y);
}

static bool order_differs(const struct duet_window *window)
{
    const struct duet_window_stage *k = &window->stage[DUET_STAGE_K];
    const struct duet_window_stage *r = &window->stage[DUET_STAGE_R];

    return !k->without_order && !r->without_order &&
           !duet_digest_equal(&k->order, &r->order);
}

unsigned duet_window_unequal(const struct duet_window *window, unsigned asked)
{
    unsigned unequal = 0;

    if (differs(window, DUET_STAGE_K, DUET_STAGE_I))
        unequal |= DUET_COMPARED_STORED_KAFKA;
    if (differs(window, DUET_STAGE_R, DUET_STAGE_I))
        unequal |= DUET_COMPARED_STORED_ROCKETMQ;
    if (order_differs(window))
        unequal |= DUET_COMPARED_ORDER;
    if (differs(window, DUET_STAGE_CK, DUET_STAGE_K))
        unequal |= DUET_COMPARED_READ_KAFKA;
    if (differs(window, DUET_STAGE_CR, DUET_STAGE_R))
        unequal |= DUET_COMPARED_READ_ROCKETMQ;
    if (differs(window, DUET_STAGE_VL, DUET_STAGE_VS))
        unequal |= DUET_COMPARED_RESULTS;
    return unequal & asked;
}

/* Adds a stage's sketch to `out` if it holds all that the stage has counted. */
static dt_status add_whole(const struct duet_window *window, enum duet_stage stage,
                           bool order, bool subtract, struct duet_sketch *out)
{
    const struct duet_window_stage *from = &window->stage[stage];
    const struct duet_sketch *sketch = order ? &from->order_sketch : &from->sketch;
    const struct duet_digest *digest = order ? &from->order : &from->digest;

    if (order && from->without_order)
        return dt_error_set(DT_ENOTFOUND, "the order of keys was not followed at stage %s",
                            duet_stage_name(stage));
    if (sketch->cells == NULL && duet_digest_is_zero(digest))
        return DT_OK;
    if (sketch->cells == NULL || !duet_digest_equal(&sketch->total, digest))
        return dt_error_set(DT_ENOTFOUND, "not all of stage %s is in a sketch",
                            duet_stage_name(stage));
    if (out->cells == NULL) {
        dt_status status = duet_sketch_init(out, sketch->key, sketch->width);

        if (status != DT_OK)
            return status;
    }
    return subtract ? duet_sketch_subtract(out, sketch) : duet_sketch_merge(out, sketch);
}

dt_status duet_window_difference(const struct duet_window *window, enum duet_stage a,
                                 enum duet_stage b, bool order, struct duet_sketch *out)
{
    dt_status status;

    memset(out, 0, sizeof(*out));
    status = add_whole(window, a, order, false, out);
    if (status == DT_OK)
        status = add_whole(window, b, order, true, out);
    if (status == DT_OK && b == DUET_STAGE_I)
        status = add_whole(window, DUET_STAGE_X, order, false, out);
    if (status == DT_OK && out->cells == NULL)
        status = dt_error_set(DT_ENOTFOUND, "nothing has been counted in window %u",
                              window->number);
    if (status != DT_OK)
        duet_sketch_fini(out);
    return status;
}
