#include "model/sketch_bytes.h"

#include <assert.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/status.h"

enum { MAGIC_SIZE = 4, CELL_SIZE = 32, CRC_SIZE = 4, HEAD_SIZE = 40 };
static const char magic[MAGIC_SIZE] = {'D', 'S', 'K', '1'};

/* The fields before the cells. */
struct head {
    uint16_t key;
    uint32_t width, have;
    struct duet_digest total;
};

/* ---- encode ---- */

static uint8_t log2_of(uint32_t width)
{
    uint8_t bits = 0;

    while (width >>= 1)
        bits++;
    return bits;
}

static bool is_zero(const struct duet_cell *cell)
{
    return (cell->id_lo | cell->id_hi | cell->content | cell->check | cell->count) == 0;
}

static void put64(uint8_t *out, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> (56 - 8 * i));
}

static void put_cell(struct dt_buf *out, const struct duet_cell *cell)
{
    uint8_t *to = dt_buf_reserve(out, CELL_SIZE);

    if (to == NULL)
        return;
    put64(to, cell->id_hi);
    put64(to + 8, cell->id_lo);
    put64(to + 16, cell->content);
    put64(to + 24, (uint64_t)cell->check << 32 | cell->count);
    dt_buf_commit(out, CELL_SIZE);
}

static void put_cells(const struct duet_sketch *sketch, uint32_t have, struct dt_buf *out)
{
    uint32_t carried = sketch->width - have;

    for (uint32_t j = 0; j < DUET_SKETCH_TABLES; j++) {
        const struct duet_cell *table = sketch->cells + (size_t)j * sketch->width;

        for (uint32_t i = 0; i < carried; i += 8) {
            uint8_t bits = 0;

            for (uint32_t k = 0; k < 8; k++)
                bits = (uint8_t)(bits << 1 | !is_zero(&table[i + k]));
            dt_buf_put_u8(out, bits);
        }
    }
    for (uint32_t j = 0; j < DUET_SKETCH_TABLES; j++)
        for (uint32_t i = 0; i < carried; i++)
            if (!is_zero(&sketch->cells[(size_t)j * sketch->width + i]))
                put_cell(out, &sketch->cells[(size_t)j * sketch->width + i]);
}

void duet_sketch_encode(const struct duet_sketch *sketch, uint32_t width, uint32_t have,
                        struct dt_buf *out)
{
    struct duet_sketch folded = {0};
    size_t start = out->size;

    if (width < sketch->width) {
        if (duet_sketch_copy(&folded, sketch) != DT_OK) {
            duet_sketch_fini(&folded);
            out->failed = true;
            return;
        }
        duet_sketch_fold(&folded, width);
        sketch = &folded;
    }
    assert(have == 0 || (duet_sketch_width_valid(have) && have < sketch->width));
    dt_buf_put(out, magic, MAGIC_SIZE);
    dt_buf_put_u16(out, sketch->key);
    dt_buf_put_u8(out, log2_of(sketch->width));
    dt_buf_put_u8(out, have == 0 ? 0 : log2_of(have));
    dt_buf_put_u64(out, (uint64_t)sketch->total.count);
    dt_buf_put_u64(out, (uint64_t)sketch->total.bytes);
    dt_buf_put_u64(out, sketch->total.sum.hi);
    dt_buf_put_u64(out, sketch->total.sum.lo);
    put_cells(sketch, have, out);
    if (!out->failed)
        dt_buf_put_u32(out, dt_crc32c(0, out->data + start, out->size - start));
    duet_sketch_fini(&folded);
}

/* ---- decode ---- */

static dt_status corrupt(const char *why)
{
    return dt_error_set(DT_ECORRUPT, "a sketch is damaged: %s", why);
}

/* What the bits claim decides the size exactly, so nothing is allocated for a lie. */
static dt_status read_head(struct dt_scan *scan, struct dt_span bytes, struct head *head)
{
    struct dt_scan sum;
    struct dt_span begin = dt_scan_bytes(scan, MAGIC_SIZE);
    uint8_t width, have, prf;

    if (begin.size == 0 || memcmp(begin.data, magic, MAGIC_SIZE - 1) != 0)
        return corrupt("it does not begin with DSK1");
    if (begin.data[MAGIC_SIZE - 1] != magic[MAGIC_SIZE - 1])
        return dt_error_set(
            DT_EUNSUPPORTED, "a sketch of version '%c' is not known, only 1",
            begin.data[MAGIC_SIZE - 1] < 0x7f && begin.data[MAGIC_SIZE - 1] > 0x20
                ? begin.data[MAGIC_SIZE - 1]
                : '?');
    if (bytes.size < HEAD_SIZE + CRC_SIZE)
        return corrupt("it ends too early");
    sum = dt_scan_of(dt_span_of(bytes.data + bytes.size - CRC_SIZE, (size_t)CRC_SIZE));
    if (dt_scan_u32(&sum) != dt_crc32c(0, bytes.data, bytes.size - CRC_SIZE))
        return corrupt("its checksum is wrong");
    scan->left -= CRC_SIZE;
    head->key = dt_scan_u16(scan);
    width = dt_scan_u8(scan);
    have = dt_scan_u8(scan);
    prf = (uint8_t)(head->key >> 8);
    if (prf != DUET_PRF_SIPHASH && prf != DUET_PRF_AES)
        return dt_error_set(DT_EUNSUPPORTED,
                            "a sketch of algorithm %u is not known, only 1 and 2", prf);
    if (width >= 32 || !duet_sketch_width_valid(UINT32_C(1) << width) || have >= width ||
        (have != 0 && !duet_sketch_width_valid(UINT32_C(1) << have)))
        return corrupt("no sketch has that width");
    head->width = UINT32_C(1) << width;
    head->have = have == 0 ? 0 : UINT32_C(1) << have;
    head->total.count = dt_scan_i64(scan);
    head->total.bytes = dt_scan_i64(scan);
    head->total.sum.hi = dt_scan_u64(scan);
    head->total.sum.lo = dt_scan_u64(scan);
    return DT_OK;
}

static struct duet_cell get_cell(struct dt_scan *scan)
{
    struct duet_cell cell;

    cell.id_hi = dt_scan_u64(scan);
    cell.id_lo = dt_scan_u64(scan);
    cell.content = dt_scan_u64(scan);
    cell.check = dt_scan_u32(scan);
    cell.count = dt_scan_u32(scan);
    return cell;
}

/* The first width - have cells of each sub-table. */
static dt_status read_cells(struct dt_scan *scan, const struct head *head,
                            struct duet_cell *cells)
{
    uint32_t carried = head->width - head->have;
    struct dt_span bits = dt_scan_bytes(scan, (size_t)DUET_SKETCH_TABLES * carried / 8);

    if (!dt_scan_ok(scan))
        return corrupt("it ends too early");
    for (uint32_t n = 0; n < DUET_SKETCH_TABLES * carried; n++) {
        struct duet_cell *cell = &cells[(size_t)(n / carried) * head->width + n % carried];

        if ((bits.data[n / 8] >> (7 - n % 8) & 1) == 0)
            continue;
        *cell = get_cell(scan);
        if (!dt_scan_ok(scan))
            return corrupt("it ends too early");
        if (is_zero(cell))
            return corrupt("a cell that is said to hold something holds nothing");
    }
    return scan->left == 0 ? DT_OK : corrupt("something stands behind its last cell");
}

static void add_up(struct duet_cell *sum, const struct duet_cell *cells, uint32_t count)
{
    memset(sum, 0, sizeof(*sum));
    for (uint32_t i = 0; i < count; i++) {
        sum->id_lo += cells[i].id_lo;
        sum->id_hi += cells[i].id_hi + (sum->id_lo < cells[i].id_lo);
        sum->content += cells[i].content;
        sum->check += cells[i].check;
        sum->count += cells[i].count;
    }
}

/* Each pair is in each sub-table once, so all four have the same sums, and N copies. */
static bool sums_agree(const struct duet_sketch *sketch)
{
    struct duet_cell first, sum;

    add_up(&first, sketch->cells, sketch->width);
    for (uint32_t j = 1; j < DUET_SKETCH_TABLES; j++) {
        add_up(&sum, sketch->cells + (size_t)j * sketch->width, sketch->width);
        if (memcmp(&first, &sum, sizeof(sum)) != 0)
            return false;
    }
    return first.count == (uint32_t)(uint64_t)sketch->total.count;
}

dt_status duet_sketch_decode(struct duet_sketch *sketch, struct dt_span bytes)
{
    struct dt_scan scan = dt_scan_of(bytes);
    struct head head;
    dt_status status = read_head(&scan, bytes, &head);

    memset(sketch, 0, sizeof(*sketch));
    if (status != DT_OK)
        return status;
    if (head.have != 0)
        return dt_error_set(DT_ECONFLICT,
                            "these bytes are a part of a sketch, not all of it");
    status = duet_sketch_init(sketch, head.key, head.width);
    if (status == DT_OK) {
        sketch->total = head.total;
        status = read_cells(&scan, &head, sketch->cells);
    }
    if (status == DT_OK && !sums_agree(sketch))
        status = corrupt("its sub-tables contradict each other");
    if (status != DT_OK)
        duet_sketch_fini(sketch);
    return status;
}

/* The cells that did not travel: what the narrow one has more than those that did. */
static void fill_in(struct duet_sketch *wide, const struct duet_sketch *narrow)
{
    uint32_t carried = wide->width - narrow->width;

    for (uint32_t j = 0; j < DUET_SKETCH_TABLES; j++) {
        struct duet_cell *table = wide->cells + (size_t)j * wide->width;

        for (uint32_t i = 0; i < narrow->width; i++) {
            struct duet_cell rest = narrow->cells[(size_t)j * narrow->width + i];

            for (uint32_t k = i; k < carried; k += narrow->width) {
                rest.id_hi -= table[k].id_hi + (rest.id_lo < table[k].id_lo);
                rest.id_lo -= table[k].id_lo;
                rest.content -= table[k].content;
                rest.check -= table[k].check;
                rest.count -= table[k].count;
            }
            table[carried + i] = rest;
        }
    }
}

dt_status duet_sketch_refine(struct duet_sketch *sketch, struct dt_span bytes)
{
    struct dt_scan scan = dt_scan_of(bytes);
    struct duet_sketch wide;
    struct head head;
    dt_status status = read_head(&scan, bytes, &head);

    if (status != DT_OK)
        return status;
    if (head.have != sketch->width || head.key != sketch->key ||
        !duet_digest_equal(&head.total, &sketch->total))
        return dt_error_set(DT_ECONFLICT,
                            "the cells are those of another state of the sketch");
    status = duet_sketch_init(&wide, head.key, head.width);
    if (status == DT_OK) {
        wide.total = head.total;
        status = read_cells(&scan, &head, wide.cells);
    }
    if (status == DT_OK) {
        fill_in(&wide, sketch);
        if (!sums_agree(&wide))
            status = corrupt("its sub-tables contradict each other");
    }
    if (status != DT_OK) {
        duet_sketch_fini(&wide);
        return status;
    }
    duet_sketch_fini(sketch);
    *sketch = wide;
    return DT_OK;
}
