/* Windows as bytes: docs/windows.md. */
#include "model/window.h"

#include <stdlib.h>

#include "base/crc32c.h"
#include "base/status.h"
#include "model/sketch_bytes.h"

enum { MAGIC_SIZE = 4, CRC_SIZE = 4, DAY_SIZE = 2 + 8 * DUET_STAGES };
enum { IS_TAINTED = 1, HAS_ENDS = 2 };                            /* of the window */
enum { WITHOUT_ORDER = 1, HAS_SKETCH = 2, HAS_ORDER_SKETCH = 4 }; /* of a stage */
static const char magic[MAGIC_SIZE] = {'D', 'W', 'N', '1'};

/* ---- encode ---- */

static void put_digest(struct dt_buf *out, const struct duet_digest *digest)
{
    dt_buf_put_u64(out, (uint64_t)digest->count);
    dt_buf_put_u64(out, (uint64_t)digest->bytes);
    dt_buf_put_u64(out, digest->sum.hi);
    dt_buf_put_u64(out, digest->sum.lo);
}

static void put_sketch(struct dt_buf *out, const struct duet_sketch *sketch)
{
    size_t at = out->size;

    dt_buf_put_u32(out, 0);
    duet_sketch_encode(sketch, sketch->width, 0, out);
    dt_buf_patch_u32(out, at, (uint32_t)(out->size - at - 4));
}

static void put_stage(struct dt_buf *out, const struct duet_window_stage *stage)
{
    unsigned flags = stage->without_order ? WITHOUT_ORDER : 0;

    flags |= stage->sketch.cells != NULL ? HAS_SKETCH : 0;
    flags |= stage->order_sketch.cells != NULL ? HAS_ORDER_SKETCH : 0;
    dt_buf_put_u8(out, (uint8_t)flags);
    put_digest(out, &stage->digest);
    put_digest(out, &stage->order);
    if (stage->sketch.cells != NULL)
        put_sketch(out, &stage->sketch);
    if (stage->order_sketch.cells != NULL)
        put_sketch(out, &stage->order_sketch);
}

void duet_window_encode(const struct duet_window *window, struct dt_buf *out)
{
    size_t start = out->size;
    unsigned flags =
        (window->tainted ? IS_TAINTED : 0u) | (window->has_ends ? HAS_ENDS : 0u);

    dt_buf_put(out, magic, MAGIC_SIZE);
    dt_buf_put_u32(out, window->number);
    dt_buf_put_u8(out, (uint8_t)window->state);
    dt_buf_put_u8(out, (uint8_t)window->verdict);
    dt_buf_put_u8(out, (uint8_t)flags);
    dt_buf_put_u64(out, window->version);
    dt_buf_put_u64(out, window->verdict_version);
    dt_buf_put_u64(out, (uint64_t)window->unsettled_ms);
    dt_buf_put_u32(out, window->has_ends ? (uint32_t)window->end_count : 0);
    for (size_t i = 0; window->has_ends && i < window->end_count; i++)
        dt_buf_put_u64(out, window->ends[i]);
    dt_buf_put_u32(out, (uint32_t)window->day_count);
    for (size_t i = 0; i < window->day_count; i++) {
        dt_buf_put_u16(out, window->days[i].day);
        for (int s = 0; s < DUET_STAGES; s++)
            dt_buf_put_u64(out, (uint64_t)window->days[i].count[s]);
    }
    for (int s = 0; s < DUET_STAGES; s++)
        put_stage(out, &window->stage[s]);
    if (!out->failed)
        dt_buf_put_u32(out, dt_crc32c(0, out->data + start, out->size - start));
}

/* ---- decode ---- */

static dt_status corrupt(const char *why)
{
    return dt_error_set(DT_ECORRUPT, "a window is damaged: %s", why);
}

static struct duet_digest get_digest(struct dt_scan *scan)
{
    struct duet_digest digest;

    digest.count = dt_scan_i64(scan);
    digest.bytes = dt_scan_i64(scan);
    digest.sum.hi = dt_scan_u64(scan);
    digest.sum.lo = dt_scan_u64(scan);
    return digest;
}

static dt_status get_sketch(struct dt_scan *scan, struct duet_sketch *sketch)
{
    struct dt_span bytes = dt_scan_bytes(scan, dt_scan_u32(scan));
    dt_status status;

    if (!dt_scan_ok(scan))
        return corrupt("it ends too early");
    status = duet_sketch_decode(sketch, bytes);
    return status == DT_ECONFLICT ? corrupt("a part of a sketch is in it") : status;
}

static dt_status get_stage(struct dt_scan *scan, struct duet_window_stage *stage)
{
    uint8_t flags = dt_scan_u8(scan);
    dt_status status = DT_OK;

    stage->without_order = (flags & WITHOUT_ORDER) != 0;
    stage->digest = get_digest(scan);
    stage->order = get_digest(scan);
    if (!dt_scan_ok(scan))
        return corrupt("it ends too early");
    if (flags > (WITHOUT_ORDER | HAS_SKETCH | HAS_ORDER_SKETCH))
        return corrupt("its flags are not known");
    if ((flags & HAS_SKETCH) != 0)
        status = get_sketch(scan, &stage->sketch);
    if (status == DT_OK && (flags & HAS_ORDER_SKETCH) != 0)
        status = get_sketch(scan, &stage->order_sketch);
    return status;
}

static dt_status get_ends(struct dt_scan *scan, struct duet_window *window)
{
    size_t count = dt_scan_u32(scan);

    if (!dt_scan_ok(scan) || count > scan->left / 8)
        return corrupt("it ends too early");
    if (!window->has_ends)
        return count == 0 ? DT_OK : corrupt("it has ends and says that it has none");
    window->ends = malloc((count + 1) * sizeof(*window->ends));
    if (window->ends == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a window");
    for (; window->end_count < count; window->end_count++)
        window->ends[window->end_count] = dt_scan_u64(scan);
    return DT_OK;
}

static dt_status get_days(struct dt_scan *scan, struct duet_window *window)
{
    size_t count = dt_scan_u32(scan);

    if (!dt_scan_ok(scan) || count > scan->left / DAY_SIZE)
        return corrupt("it ends too early");
    window->days = malloc((count + 1) * sizeof(*window->days));
    if (window->days == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a window");
    for (; window->day_count < count; window->day_count++) {
        struct duet_window_day *day = &window->days[window->day_count];

        day->day = dt_scan_u16(scan);
        for (int s = 0; s < DUET_STAGES; s++)
            day->count[s] = dt_scan_i64(scan);
        if (window->day_count > 0 && day->day <= day[-1].day)
            return corrupt("its days do not ascend");
    }
    return DT_OK;
}

static dt_status get_head(struct dt_scan *scan, struct dt_span bytes,
                          struct duet_window *window)
{
    struct dt_span begin = dt_scan_bytes(scan, MAGIC_SIZE);
    struct dt_scan sum;
    uint8_t state, verdict, flags;

    if (begin.size == 0 || memcmp(begin.data, magic, MAGIC_SIZE - 1) != 0)
        return corrupt("it does not begin with DWN1");
    if (begin.data[MAGIC_SIZE - 1] != magic[MAGIC_SIZE - 1])
        return dt_error_set(DT_EUNSUPPORTED, "a window of another version than 1");
    if (scan->left < CRC_SIZE)
        return corrupt("it ends too early");
    sum = dt_scan_of(dt_span_of(bytes.data + bytes.size - CRC_SIZE, (size_t)CRC_SIZE));
    if (dt_scan_u32(&sum) != dt_crc32c(0, bytes.data, bytes.size - CRC_SIZE))
        return corrupt("its checksum is wrong");
    scan->left -= CRC_SIZE;
    window->number = dt_scan_u32(scan);
    state = dt_scan_u8(scan);
    verdict = dt_scan_u8(scan);
    flags = dt_scan_u8(scan);
    window->version = dt_scan_u64(scan);
    window->verdict_version = dt_scan_u64(scan);
    window->unsettled_ms = dt_scan_i64(scan);
    if (!dt_scan_ok(scan))
        return corrupt("it ends too early");
    if (state >= DUET_WINDOW_STATE_COUNT || verdict >= DUET_WINDOW_STATE_COUNT ||
        flags > (IS_TAINTED | HAS_ENDS))
        return corrupt("its state is none");
    window->state = (enum duet_window_state)state;
    window->verdict = (enum duet_window_state)verdict;
    window->tainted = (flags & IS_TAINTED) != 0;
    window->has_ends = (flags & HAS_ENDS) != 0;
    return DT_OK;
}

dt_status duet_window_decode(struct duet_window *window, struct dt_span bytes)
{
    struct dt_scan scan = dt_scan_of(bytes);
    dt_status status;

    memset(window, 0, sizeof(*window));
    status = get_head(&scan, bytes, window);
    if (status == DT_OK)
        status = get_ends(&scan, window);
    if (status == DT_OK)
        status = get_days(&scan, window);
    for (int s = 0; s < DUET_STAGES && status == DT_OK; s++)
        status = get_stage(&scan, &window->stage[s]);
    if (status == DT_OK && scan.left != 0)
        status = corrupt("something stands behind its end");
    if (status != DT_OK)
        duet_window_fini(window);
    return status;
}
