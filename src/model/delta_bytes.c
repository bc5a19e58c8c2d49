/* Deltas as bytes: docs/windows.md. */
#include "model/delta.h"

#include <stdlib.h>

#include "base/crc32c.h"
#include "base/status.h"
#include "model/sketch_bytes.h"

enum { MAGIC_SIZE = 4, CRC_SIZE = 4 };
enum { HAS_ORDER = 1, HAS_SKETCH = 2, HAS_ORDER_SKETCH = 4, ALL_FLAGS = 7 };
static const char magic[MAGIC_SIZE] = {'D', 'D', 'L', '1'};

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

static void put_window(struct dt_buf *out, const struct duet_delta_window *window)
{
    unsigned flags = window->has_order ? HAS_ORDER : 0;

    flags |= window->sketch.cells != NULL ? HAS_SKETCH : 0;
    flags |= window->order_sketch.cells != NULL ? HAS_ORDER_SKETCH : 0;
    dt_buf_put_u32(out, window->window);
    dt_buf_put_u8(out, (uint8_t)flags);
    put_digest(out, &window->digest);
    if (window->has_order)
        put_digest(out, &window->order);
    dt_buf_put_u16(out, (uint16_t)window->day_count);
    for (size_t i = 0; i < window->day_count; i++) {
        dt_buf_put_u16(out, window->days[i].day);
        dt_buf_put_u64(out, (uint64_t)window->days[i].count);
    }
    if (window->sketch.cells != NULL)
        put_sketch(out, &window->sketch);
    if (window->order_sketch.cells != NULL)
        put_sketch(out, &window->order_sketch);
}

void duet_delta_encode(const struct duet_delta *delta, struct dt_buf *out)
{
    const struct duet_lane *lane = &delta->lane;
    size_t start = out->size;

    dt_buf_put(out, magic, MAGIC_SIZE);
    dt_buf_put_u16(out, delta->key);
    dt_buf_put_u8(out, (uint8_t)lane->stage);
    dt_buf_put_u32(out, lane->topic);
    dt_buf_put_u32(out, lane->group);
    dt_buf_put_u16(out, lane->partition);
    dt_buf_put_u8(out, lane->id_kind);
    dt_buf_put_u32(out, lane->instance);
    dt_buf_put_u16(out, lane->boot);
    dt_buf_put_u64(out, delta->from);
    dt_buf_put_u64(out, delta->to);
    dt_buf_put_u8(out, (uint8_t)delta->window_count);
    for (size_t i = 0; i < delta->window_count; i++)
        put_window(out, &delta->windows[i]);
    if (!out->failed)
        dt_buf_put_u32(out, dt_crc32c(0, out->data + start, out->size - start));
}

/* ---- decode ---- */

static dt_status corrupt(const char *why)
{
    return dt_error_set(DT_ECORRUPT, "a delta is damaged: %s", why);
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

/* A sketch, which must be of the delta's key and have these sums. */
static dt_status get_sketch(struct dt_scan *scan, uint16_t key,
                            const struct duet_digest *digest, struct duet_sketch *sketch)
{
    struct dt_span bytes = dt_scan_bytes(scan, dt_scan_u32(scan));
    dt_status status;

    if (!dt_scan_ok(scan))
        return corrupt("it ends too early");
    status = duet_sketch_decode(sketch, bytes);
    if (status != DT_OK)
        return status == DT_ECONFLICT ? corrupt("a part of a sketch is in it") : status;
    if (sketch->key != key || !duet_digest_equal(&sketch->total, digest))
        return corrupt("a sketch contradicts its sums");
    return DT_OK;
}

static dt_status get_days(struct dt_scan *scan, struct duet_delta_window *window)
{
    size_t count = dt_scan_u16(scan);
    int64_t left = window->digest.count;

    if (!dt_scan_ok(scan) || count * 10 > scan->left)
        return corrupt("it ends too early");
    window->days = malloc((count + 1) * sizeof(*window->days));
    if (window->days == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a delta");
    for (; window->day_count < count; window->day_count++) {
        struct duet_delta_day *day = &window->days[window->day_count];

        day->day = dt_scan_u16(scan);
        day->count = dt_scan_i64(scan);
        if ((window->day_count > 0 && day->day <= day[-1].day) || day->count <= 0 ||
            day->count > left)
            return corrupt("its days contradict its count");
        left -= day->count;
    }
    return left == 0 ? DT_OK : corrupt("its days contradict its count");
}

static dt_status get_window(struct dt_scan *scan, uint16_t key,
                            struct duet_delta_window *window)
{
    uint8_t flags;
    dt_status status;

    window->window = dt_scan_u32(scan);
    flags = dt_scan_u8(scan);
    window->has_order = (flags & HAS_ORDER) != 0;
    window->digest = get_digest(scan);
    if (window->has_order)
        window->order = get_digest(scan);
    if (!dt_scan_ok(scan))
        return corrupt("it ends too early");
    if ((flags & ~ALL_FLAGS) != 0 ||
        ((flags & HAS_ORDER_SKETCH) != 0 && !window->has_order))
        return corrupt("its flags are not known");
    if (window->digest.count <= 0 || window->digest.bytes < 0 || window->order.count < 0 ||
        window->order.count > window->digest.count || window->order.bytes != 0)
        return corrupt("its counts are none");
    status = get_days(scan, window);
    if (status == DT_OK && (flags & HAS_SKETCH) != 0)
        status = get_sketch(scan, key, &window->digest, &window->sketch);
    if (status == DT_OK && (flags & HAS_ORDER_SKETCH) != 0)
        status = get_sketch(scan, key, &window->order, &window->order_sketch);
    return status;
}

/* Numbers are issued, and given up, one by one (offsets as numbers may have gaps); a log may hold records that are not counted; a
 * version of a state may stand for any number of messages. */
static bool count_fits(const struct duet_delta *delta)
{
    uint64_t count = 0, room = delta->to - delta->from;

    for (size_t i = 0; i < delta->window_count; i++) {
        uint64_t more = (uint64_t)delta->windows[i].digest.count;

        if (more > UINT64_MAX - count)
            return false;
        count += more;
    }
    switch (delta->lane.stage) {
    case DUET_STAGE_I:
    case DUET_STAGE_X:
        return delta->lane.id_kind == DUET_ID_ISSUED ? count == room : count <= room;
    case DUET_STAGE_K:
    case DUET_STAGE_R:
    case DUET_STAGE_CK:
    case DUET_STAGE_CR:
        return count <= room;
    case DUET_STAGE_VL:
    case DUET_STAGE_VS:
        return count == 0 || room > 0;
    case DUET_STAGES:
        break;
    }
    return false;
}

static dt_status get_windows(struct dt_scan *scan, struct duet_delta *delta)
{
    size_t count = dt_scan_u8(scan);
    dt_status status = DT_OK;

    if (!dt_scan_ok(scan))
        return corrupt("it ends too early");
    if (count > DUET_DELTA_WINDOWS_MAX)
        return corrupt("it has too many windows");
    delta->windows = calloc(count + 1, sizeof(*delta->windows));
    if (delta->windows == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a delta");
    for (size_t i = 0; i < count && status == DT_OK; i++) {
        delta->window_count++; /* what is in it so far is freed with the delta */
        status = get_window(scan, delta->key, &delta->windows[i]);
        if (status == DT_OK && i > 0 &&
            delta->windows[i].window <= delta->windows[i - 1].window)
            status = corrupt("its windows do not ascend");
    }
    return status;
}

static dt_status get_head(struct dt_scan *scan, struct dt_span bytes,
                          struct duet_delta *delta)
{
    struct duet_lane *lane = &delta->lane;
    struct dt_span begin = dt_scan_bytes(scan, MAGIC_SIZE);
    struct dt_scan sum;
    uint8_t stage;

    if (begin.size == 0 || memcmp(begin.data, magic, MAGIC_SIZE - 1) != 0)
        return corrupt("it does not begin with DDL1");
    if (begin.data[MAGIC_SIZE - 1] != magic[MAGIC_SIZE - 1])
        return dt_error_set(DT_EUNSUPPORTED, "a delta of another version than 1");
    if (scan->left < CRC_SIZE)
        return corrupt("it ends too early");
    sum = dt_scan_of(dt_span_of(bytes.data + bytes.size - CRC_SIZE, (size_t)CRC_SIZE));
    if (dt_scan_u32(&sum) != dt_crc32c(0, bytes.data, bytes.size - CRC_SIZE))
        return corrupt("its checksum is wrong");
    scan->left -= CRC_SIZE;
    delta->key = dt_scan_u16(scan);
    stage = dt_scan_u8(scan);
    lane->topic = dt_scan_u32(scan);
    lane->group = dt_scan_u32(scan);
    lane->partition = dt_scan_u16(scan);
    lane->id_kind = dt_scan_u8(scan);
    lane->instance = dt_scan_u32(scan);
    lane->boot = dt_scan_u16(scan);
    delta->from = dt_scan_u64(scan);
    delta->to = dt_scan_u64(scan);
    if (!dt_scan_ok(scan))
        return corrupt("it ends too early");
    if (delta->key >> 8 != DUET_PRF_SIPHASH && delta->key >> 8 != DUET_PRF_AES)
        return dt_error_set(DT_EUNSUPPORTED,
                            "a delta under an algorithm that is not known");
    if (stage >= DUET_STAGES || delta->from > delta->to || lane->id_kind > DUET_ID_ROCKETMQ)
        return corrupt("no lane has such a range");
    lane->stage = (enum duet_stage)stage;
    return DT_OK;
}

dt_status duet_delta_decode(struct duet_delta *delta, struct dt_span bytes)
{
    struct dt_scan scan = dt_scan_of(bytes);
    dt_status status;

    memset(delta, 0, sizeof(*delta));
    status = get_head(&scan, bytes, delta);
    if (status == DT_OK)
        status = get_windows(&scan, delta);
    if (status == DT_OK && scan.left != 0)
        status = corrupt("something stands behind its end");
    if (status == DT_OK && !count_fits(delta))
        status = corrupt("it counts more than its range holds");
    if (status != DT_OK)
        duet_delta_fini(delta);
    return status;
}
