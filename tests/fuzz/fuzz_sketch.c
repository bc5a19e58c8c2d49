/*
 * Sketches: what a collector is sent.
 *
 * The bytes are a sketch, or what another one lacks, as they are; and again with the checksum that
 * they should have, so that what is behind it is reached, too.
 *
 * Holds: what is read is, written again, the same bytes; a sketch minus itself is zero; what
 * peeling lists makes, put together, the sketch again; bytes that are refused change nothing.
 */
#include "base/crc32c.h"
#include "fuzz/fuzz.h"
#include "model/peel.h"
#include "model/sketch_bytes.h"

static struct duet_digest_key key;

static void make_key(uint16_t number)
{
    uint8_t master[DUET_MASTER_KEY_SIZE];

    for (size_t i = 0; i < sizeof(master); i++)
        master[i] = (uint8_t)i;
    duet_keys_derive(master, (uint8_t)number, NULL, &key);
    key.prf = (enum duet_prf)(number >> 8);
}

static bool equal(const struct duet_sketch *a, const struct duet_sketch *b)
{
    return a->width == b->width && duet_digest_equal(&a->total, &b->total) &&
           memcmp(a->cells, b->cells, DUET_SKETCH_TABLES * a->width * sizeof(*a->cells)) ==
               0;
}

static struct duet_sketch copy_of(const struct duet_sketch *sketch)
{
    struct duet_sketch copy;

    FUZZ_NEED(duet_sketch_copy(&copy, sketch) == DT_OK);
    return copy;
}

static void need_peeled(const struct duet_sketch *sketch)
{
    struct duet_sketch rest = copy_of(sketch), again;
    struct duet_nets nets;

    make_key(sketch->key);
    if (duet_peel(&rest, &key, &nets) == DUET_PEELED) {
        FUZZ_NEED(duet_sketch_init(&again, sketch->key, sketch->width) == DT_OK);
        for (size_t i = 0; i < nets.count; i++) {
            FUZZ_NEED(nets.items[i].net != 0);
            duet_sketch_add(&again, &key, &nets.items[i].id, nets.items[i].content, 0,
                            nets.items[i].net);
        }
        again.total.bytes = sketch->total.bytes;
        FUZZ_NEED(equal(&again, sketch));
        duet_sketch_fini(&again);
        duet_nets_fini(&nets);
    }
    duet_sketch_fini(&rest);
}

static void need_whole(const struct duet_sketch *sketch, struct dt_span bytes)
{
    struct duet_sketch zero = copy_of(sketch);
    struct dt_buf out;

    dt_buf_init(&out, DUET_SKETCH_BYTES_MAX);
    duet_sketch_encode(sketch, sketch->width, 0, &out);
    FUZZ_NEED(dt_span_equal(dt_buf_span(&out), bytes));
    dt_buf_fini(&out);
    FUZZ_NEED(duet_sketch_subtract(&zero, sketch) == DT_OK && duet_sketch_is_zero(&zero));
    duet_sketch_fini(&zero);
    FUZZ_NEED(duet_sketch_estimate(sketch) >= 0);
    need_peeled(sketch);
}

/* The bytes as what an empty sketch lacks, and as what one lacks that has their totals. */
static void need_refused_or_wider(struct dt_span bytes)
{
    struct duet_sketch narrow, before;
    struct dt_scan scan = dt_scan_of(bytes);
    uint16_t number;

    dt_scan_bytes(&scan, 4);
    number = dt_scan_u16(&scan);
    dt_scan_u16(&scan);
    FUZZ_NEED(duet_sketch_init(&narrow, number, DUET_SKETCH_WIDTH_MIN) == DT_OK);
    narrow.total.count = dt_scan_i64(&scan);
    narrow.total.bytes = dt_scan_i64(&scan);
    narrow.total.sum.hi = dt_scan_u64(&scan);
    narrow.total.sum.lo = dt_scan_u64(&scan);
    before = copy_of(&narrow);
    if (duet_sketch_refine(&narrow, bytes) == DT_OK) {
        FUZZ_NEED(narrow.width > before.width);
        duet_sketch_fold(&narrow, before.width);
    }
    FUZZ_NEED(equal(&narrow, &before));
    duet_sketch_fini(&narrow);
    duet_sketch_fini(&before);
}

static void need(struct dt_span bytes)
{
    struct duet_sketch sketch;

    if (duet_sketch_decode(&sketch, bytes) == DT_OK) {
        need_whole(&sketch, bytes);
        duet_sketch_fini(&sketch);
    }
    need_refused_or_wider(bytes);
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
