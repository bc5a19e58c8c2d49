/*
 * Deltas and windows: what a collector is sent, and what it has put away.
 *
 * The bytes are a delta and a window as they are; and again with the checksum that they should
 * have, so that what is behind it is reached, too.
 *
 * Holds: what is read is, written again, the same bytes; a delta that is applied twice counts once;
 * adding it to a window and taking it away again leaves the sums as they were.
 */
#include "base/crc32c.h"
#include "fuzz/fuzz.h"
#include "model/windows.h"

static void need_bytes(const struct dt_buf *out, struct dt_span bytes)
{
    FUZZ_NEED(!out->failed && dt_span_equal(dt_buf_span(out), bytes));
}

static void need_counted_once(const struct duet_delta *delta)
{
    struct duet_windows windows;
    enum duet_applied applied;
    struct duet_interval rest;
    size_t before;

    duet_windows_init(&windows, delta->key, ~0u);
    if (delta->lane.stage != DUET_STAGE_I && delta->lane.stage != DUET_STAGE_X)
        FUZZ_NEED(duet_windows_expect(&windows, &delta->lane, 0) == DT_OK);
    FUZZ_NEED(duet_windows_apply(&windows, delta, &applied, &rest) == DT_OK);
    FUZZ_NEED(applied == DUET_APPLIED);
    before = windows.count;
    FUZZ_NEED(before == (delta->from < delta->to ? delta->window_count : 0));
    FUZZ_NEED(duet_windows_apply(&windows, delta, &applied, &rest) == DT_OK);
    FUZZ_NEED(delta->from == delta->to || applied == DUET_REPEATED);
    FUZZ_NEED(windows.count == before);
    duet_windows_step(&windows, 1, 1);
    duet_windows_fini(&windows);
}

static void need_undone(const struct duet_delta *delta)
{
    for (size_t i = 0; i < delta->window_count; i++) {
        struct duet_window window = {.number = delta->windows[i].window};

        FUZZ_NEED(duet_window_add(&window, delta->lane.stage, &delta->windows[i]) == DT_OK);
        duet_window_undo(&window, delta->lane.stage, &delta->windows[i]);
        FUZZ_NEED(duet_digest_is_zero(&window.stage[delta->lane.stage].digest));
        FUZZ_NEED(duet_digest_is_zero(&window.stage[delta->lane.stage].order));
        duet_window_fini(&window);
    }
}

static void need(struct dt_span bytes)
{
    struct duet_window window;
    struct duet_delta delta;
    struct dt_buf out;

    dt_buf_init(&out, DUET_DELTA_BYTES_MAX);
    if (duet_delta_decode(&delta, bytes) == DT_OK) {
        duet_delta_encode(&delta, &out);
        need_bytes(&out, bytes);
        need_counted_once(&delta);
        need_undone(&delta);
        duet_delta_fini(&delta);
    }
    dt_buf_clear(&out);
    if (duet_window_decode(&window, bytes) == DT_OK) {
        duet_window_encode(&window, &out);
        need_bytes(&out, bytes);
        duet_window_unequal(&window, ~0u);
        duet_window_fini(&window);
    }
    dt_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *mended;
    uint32_t sum;

    need(dt_span_of(data, size));
    if (size < 4)
        return 0;
    mended = malloc(size);
    FUZZ_NEED(mended != NULL);
    memcpy(mended, data, size);
    sum = dt_crc32c(0, data, size - 4);
    for (int i = 0; i < 4; i++)
        mended[size - 4 + (size_t)i] = (uint8_t)(sum >> (24 - 8 * i));
    need(dt_span_of(mended, size));
    free(mended);
    return 0;
}
