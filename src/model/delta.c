#include "model/delta.h"

#include <assert.h>
#include <stdlib.h>

#include "base/status.h"

static const char *const stage_names[DUET_STAGES] = {"I",  "X",  "K",  "R",
                                                     "CK", "CR", "VL", "VS"};

const char *duet_stage_name(enum duet_stage stage)
{
    return (unsigned)stage < DUET_STAGES ? stage_names[stage] : "unknown";
}

bool duet_lane_equal(const struct duet_lane *a, const struct duet_lane *b)
{
    return a->stage == b->stage && a->topic == b->topic && a->group == b->group &&
           a->partition == b->partition && a->id_kind == b->id_kind &&
           a->instance == b->instance && a->boot == b->boot;
}

void duet_delta_init(struct duet_delta *delta, const struct duet_lane *lane, uint16_t key,
                     uint32_t width, uint64_t from)
{
    assert(width == 0 || duet_sketch_width_valid(width));
    memset(delta, 0, sizeof(*delta));
    delta->lane = *lane;
    delta->key = key;
    delta->width = width;
    delta->from = delta->to = from;
}

void duet_delta_fini(struct duet_delta *delta)
{
    for (size_t i = 0; i < delta->window_count; i++) {
        free(delta->windows[i].days);
        duet_sketch_fini(&delta->windows[i].sketch);
        duet_sketch_fini(&delta->windows[i].order_sketch);
    }
    free(delta->windows);
    delta->windows = NULL;
    delta->window_count = 0;
}

static dt_status no_memory(void)
{
    return dt_error_set(DT_ENOMEM, "no memory for the counts of a window");
}

/* An empty window at `index`. */
static dt_status insert(struct duet_delta *delta, size_t index, uint32_t number)
{
    struct duet_delta_window made = {.window = number, .has_order = true}, *grown;
    dt_status status = DT_OK;

    if (delta->window_count == DUET_DELTA_WINDOWS_MAX)
        return dt_error_set(DT_ETOOBIG, "a delta holds %d windows at most",
                            DUET_DELTA_WINDOWS_MAX);
    grown = realloc(delta->windows, (delta->window_count + 1) * sizeof(*grown));
    if (grown == NULL)
        return no_memory();
    delta->windows = grown;
    if (delta->width != 0) {
        status = duet_sketch_init(&made.sketch, delta->key, delta->width);
        if (status == DT_OK)
            status = duet_sketch_init(&made.order_sketch, delta->key, delta->width);
    }
    if (status != DT_OK) {
        duet_sketch_fini(&made.sketch);
        duet_sketch_fini(&made.order_sketch);
        return status;
    }
    memmove(&grown[index + 1], &grown[index],
            (delta->window_count - index) * sizeof(*grown));
    grown[index] = made;
    delta->window_count++;
    return DT_OK;
}

static dt_status window_at(struct duet_delta *delta, uint32_t number,
                           struct duet_delta_window **window)
{
    size_t index = delta->window_count; /* the newest are the usual ones */
    dt_status status = DT_OK;

    while (index > 0 && delta->windows[index - 1].window > number)
        index--;
    if (index > 0 && delta->windows[index - 1].window == number)
        index--;
    else
        status = insert(delta, index, number);
    *window = status == DT_OK ? &delta->windows[index] : NULL;
    return status;
}

static struct duet_delta_day *day_at(struct duet_delta_window *window, uint16_t number)
{
    size_t index = window->day_count;
    struct duet_delta_day *days;

    while (index > 0 && window->days[index - 1].day > number)
        index--;
    if (index > 0 && window->days[index - 1].day == number)
        return &window->days[index - 1];
    days = realloc(window->days, (window->day_count + 1) * sizeof(*days));
    if (days == NULL)
        return NULL;
    window->days = days;
    memmove(&days[index + 1], &days[index], (window->day_count - index) * sizeof(*days));
    days[index] = (struct duet_delta_day){number, 0};
    window->day_count++;
    return &days[index];
}

static void add(struct duet_digest *digest, struct duet_sketch *sketch,
                const struct duet_digest_key *key, const struct duet_counted *counted,
                uint64_t content, size_t bytes)
{
    struct dt_u128 term = duet_digest_term(key, counted->id, content);

    duet_digest_add_term(digest, term, bytes, 1);
    if (sketch->cells != NULL)
        duet_sketch_add_term(sketch, term, counted->id, content, bytes, 1);
}

dt_status duet_delta_count(struct duet_delta *delta, const struct duet_digest_key *key,
                           uint64_t position, const struct duet_counted *counted)
{
    struct duet_delta_window *window;
    struct duet_delta_day *day;
    dt_status status;

    assert(position >= delta->to || delta->lane.stage >= DUET_STAGE_VL);
    status = window_at(delta, counted->window, &window);
    if (status != DT_OK)
        return status;
    day = day_at(window, counted->day);
    if (day == NULL)
        return no_memory();
    day->count++;
    add(&window->digest, &window->sketch, key, counted, counted->content, counted->bytes);
    if (counted->order != NULL)
        add(&window->order, &window->order_sketch, key, counted, *counted->order, 0);
    duet_delta_pass(delta, position + 1);
    return DT_OK;
}

void duet_delta_pass(struct duet_delta *delta, uint64_t to)
{
    if (to > delta->to)
        delta->to = to;
}

void duet_delta_without_order(struct duet_delta *delta, uint32_t window)
{
    for (size_t i = 0; i < delta->window_count; i++) {
        struct duet_delta_window *at = &delta->windows[i];

        if (at->window != window)
            continue;
        at->has_order = false;
        memset(&at->order, 0, sizeof(at->order));
        duet_sketch_fini(&at->order_sketch);
    }
}
