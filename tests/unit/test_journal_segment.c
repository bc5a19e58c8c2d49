/* journal/segment: golden bytes; every prefix, every flipped bit, every hole is told rightly */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "journal/segment.h"
#include "support/case.h"
#include "support/random.h"

enum { RECORDS = 12, SEGMENT_SIZE = 2048 };

static const struct duet_segment_header header = {{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66,
                                                   0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd,
                                                   0xee, 0xff},
                                                  3,
                                                  100,
                                                  1700000000000};

struct workload {
    uint8_t bytes[SEGMENT_SIZE];
    size_t starts[RECORDS + 1]; /* offset of each record, and of the end */
    char payloads[RECORDS][64];
};

static void fill(struct workload *load)
{
    struct dt_buf buf;
    uint32_t seed = duet_segment_seed(&header);

    memset(load, 0, sizeof(*load));
    dt_buf_init(&buf, SEGMENT_SIZE);
    duet_segment_put_header(&buf, &header);
    for (size_t i = 0; i < RECORDS; i++) {
        struct duet_record_view record = {
            header.first_lsn + i, DUET_RECORD_MESSAGE, 1,
            (uint16_t)i,          (uint32_t)(i % 3),   {NULL, 0}};

        memset(load->payloads[i], 'a' + (int)i, i * 5);
        record.payload = dt_span_of(load->payloads[i], i * 5);
        load->starts[i] = buf.size;
        duet_record_put(&buf, seed, &record);
        assert_int_equal(buf.size - load->starts[i], duet_record_room(i * 5));
    }
    load->starts[RECORDS] = buf.size;
    assert_false(buf.failed);
    memcpy(load->bytes, buf.data, buf.size);
    dt_buf_fini(&buf);
}

/* Exactly as long as it says, so that ASan sees one byte too many. */
static uint8_t *exact(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);

    assert_non_null(copy);
    memcpy(copy, bytes, size);
    return copy;
}

static void need_record(const struct workload *load, const struct duet_walk *walk, size_t i)
{
    assert_int_equal(walk->record.lsn, header.first_lsn + i);
    assert_int_equal(walk->record.kind, DUET_RECORD_MESSAGE);
    assert_int_equal(walk->record.side, 1);
    assert_int_equal(walk->record.flags, i);
    assert_int_equal(walk->record.lane, i % 3);
    assert_int_equal(walk->record.payload.size, i * 5);
    assert_memory_equal(walk->record.payload.data, load->payloads[i], i * 5);
    assert_int_equal(walk->record_at, load->starts[i]);
}

static void header_and_record_have_the_golden_bytes(void **state)
{
    /* laid out by hand after segment.h; the sums are those of the published CRC-32C */
    static const uint8_t head[] = {
        'D',  'U',  'E',  'T',  'J',  'R',  'N',  '1',  0x00, 0x11, 0x22, 0x33,
        0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff,
        0,    0,    0,    0,    0,    0,    0,    3,    0,    0,    0,    0,
        0,    0,    0,    100,  0,    0,    0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x00,
        0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0};
    static const uint8_t body[] = {0,    0, 0, 0, 0, 0,   0,   100, 2,   1,  0x12,
                                   0x34, 0, 0, 0, 5, 'h', 'e', 'l', 'l', 'o'};
    struct duet_record_view record = {100, DUET_RECORD_MESSAGE,   1, 0x1234,
                                      5,   dt_span_of("hello", 5)};
    uint32_t seed = duet_segment_seed(&header), crc;
    struct dt_buf buf;

    (void)state;
    dt_buf_init(&buf, SEGMENT_SIZE);
    duet_segment_put_header(&buf, &header);
    assert_int_equal(buf.size, DUET_SEGMENT_HEADER_SIZE);
    assert_memory_equal(buf.data, head, sizeof(head));
    crc = dt_crc32c_portable(0, head, sizeof(head));
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(buf.data[60 + i], crc >> (24 - 8 * i) & 0xff);
    /* the seed: journal and number */
    assert_int_equal(seed, dt_crc32c_portable(0, head + 8, 24));
    duet_record_put(&buf, seed, &record);
    assert_int_equal(buf.size, DUET_SEGMENT_HEADER_SIZE + 32);
    assert_memory_equal(buf.data + 64, "\0\0\0\x1d", 4);
    crc = dt_crc32c_portable(seed, body, sizeof(body));
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(buf.data[68 + i], crc >> (24 - 8 * i) & 0xff);
    assert_memory_equal(buf.data + 72, body, sizeof(body));
    assert_memory_equal(buf.data + 72 + sizeof(body), "\0\0\0", 3);
    dt_buf_fini(&buf);
}

static void what_was_written_is_read(void **state)
{
    struct workload load;
    struct duet_segment_header found;
    struct duet_walk walk;

    (void)state;
    fill(&load);
    assert_int_equal(duet_segment_read_header(dt_span_of(load.bytes, SEGMENT_SIZE), &found),
                     DUET_HEADER_OK);
    assert_memory_equal(found.journal, header.journal, sizeof(found.journal));
    assert_int_equal(found.number, header.number);
    assert_int_equal(found.first_lsn, header.first_lsn);
    assert_int_equal(found.created_wall_ms, header.created_wall_ms);
    duet_walk_init(&walk, dt_span_of(load.bytes, SEGMENT_SIZE), &found);
    for (size_t i = 0; i < RECORDS; i++) {
        assert_int_equal(duet_walk_next(&walk), DUET_WALK_RECORD);
        need_record(&load, &walk, i);
    }
    assert_int_equal(duet_walk_next(&walk), DUET_WALK_END);
    assert_int_equal(duet_walk_next(&walk), DUET_WALK_END);
    assert_int_equal(walk.at, load.starts[RECORDS]);
}

/* As a crash leaves it: the first bytes are there, behind them zeros, or nothing at all. */
static void every_prefix_gives_exactly_its_whole_records(void **state)
{
    struct workload load;

    (void)state;
    fill(&load);
    for (size_t cut = DUET_SEGMENT_HEADER_SIZE; cut <= load.starts[RECORDS]; cut++)
        for (int with_zeros = 0; with_zeros < 2; with_zeros++) {
            uint8_t *bytes = exact(load.bytes, with_zeros ? SEGMENT_SIZE : cut);
            struct duet_walk walk;
            enum duet_walk_event last;
            size_t i = 0;

            if (with_zeros)
                memset(bytes + cut, 0, SEGMENT_SIZE - cut);
            duet_walk_init(&walk, dt_span_of(bytes, with_zeros ? SEGMENT_SIZE : cut),
                           &header);
            while ((last = duet_walk_next(&walk)) == DUET_WALK_RECORD)
                need_record(&load, &walk, i++);
            assert_true(last == DUET_WALK_TORN || last == DUET_WALK_END);
            assert_int_equal(walk.next_lsn, header.first_lsn + i);
            /* the padding is no part of what a record promises */
            assert_true(i == RECORDS || cut < load.starts[i + 1]);
            assert_true(cut >= load.starts[i] || cut + 8 > load.starts[i]);
            free(bytes);
        }
}

static void every_flipped_bit_is_isolated_and_numbered(void **state)
{
    struct workload load;

    (void)state;
    fill(&load);
    for (size_t at = DUET_SEGMENT_HEADER_SIZE; at < load.starts[RECORDS]; at++)
        for (int bit = 0; bit < 8; bit++) {
            size_t hit = 0, i = 0;
            struct duet_walk walk;
            enum duet_walk_event event;
            bool seen = false, in_padding;

            while (load.starts[hit + 1] <= at)
                hit++;
            in_padding = at >= load.starts[hit] + DUET_RECORD_HEADER_SIZE + hit * 5;
            load.bytes[at] ^= (uint8_t)(1 << bit);
            duet_walk_init(&walk, dt_span_of(load.bytes, SEGMENT_SIZE), &header);
            while ((event = duet_walk_next(&walk)) == DUET_WALK_RECORD ||
                   event == DUET_WALK_DAMAGED) {
                if (event == DUET_WALK_DAMAGED) {
                    assert_false(seen);
                    assert_int_equal(walk.damage.lsn_from, header.first_lsn + hit);
                    assert_int_equal(walk.damage.lsn_to, header.first_lsn + hit + 1);
                    assert_int_equal(walk.damage.from, load.starts[hit]);
                    assert_int_equal(walk.damage.to, load.starts[hit + 1]);
                    seen = true;
                    i++;
                } else {
                    assert_true(i != hit || in_padding);
                    need_record(&load, &walk, i++);
                }
            }
            if (in_padding)
                assert_int_equal(event, DUET_WALK_END);
            else if (hit == RECORDS - 1)
                assert_int_equal(event, DUET_WALK_TORN);
            else
                assert_true(seen && event == DUET_WALK_END);
            load.bytes[at] ^= (uint8_t)(1 << bit);
        }
}

static void holes_and_strangers_are_never_records(void **state)
{
    struct test_random random = {11};

    (void)state;
    for (int round = 0; round < 2000; round++) {
        struct workload load;
        struct duet_walk walk;
        size_t from, to;
        uint64_t expected = header.first_lsn;
        enum duet_walk_event event;

        fill(&load);
        from = DUET_SEGMENT_HEADER_SIZE +
               test_random_below(&random, load.starts[RECORDS] - DUET_SEGMENT_HEADER_SIZE);
        to = from + 1 + test_random_below(&random, SEGMENT_SIZE - from);
        for (size_t i = from; i < to; i++)
            load.bytes[i] = (uint8_t)test_random_next(&random);
        duet_walk_init(&walk, dt_span_of(load.bytes, SEGMENT_SIZE), &header);
        while ((event = duet_walk_next(&walk)) == DUET_WALK_RECORD ||
               event == DUET_WALK_DAMAGED) {
            if (event == DUET_WALK_DAMAGED) {
                assert_int_equal(walk.damage.lsn_from, expected);
                expected = walk.damage.lsn_to;
            } else {
                size_t i = (size_t)(walk.record.lsn - header.first_lsn);

                assert_int_equal(walk.record.lsn, expected++);
                assert_in_range(i, 0, RECORDS - 1);
                need_record(&load, &walk, i);
            }
        }
    }
}

/* Whole, well-formed records, of another segment or journal. */
static void records_of_another_segment_are_not_taken(void **state)
{
    struct workload load;
    struct duet_segment_header other = header;
    struct duet_walk walk;

    (void)state;
    fill(&load);
    other.number++;
    duet_walk_init(&walk, dt_span_of(load.bytes, SEGMENT_SIZE), &other);
    assert_int_equal(duet_walk_next(&walk), DUET_WALK_TORN);
    other = header;
    other.journal[15] ^= 1;
    duet_walk_init(&walk, dt_span_of(load.bytes, SEGMENT_SIZE), &other);
    assert_int_equal(duet_walk_next(&walk), DUET_WALK_TORN);
}

static void a_segment_without_records_ends_at_once(void **state)
{
    struct workload load;

    (void)state;
    fill(&load);
    for (size_t size = 0; size <= DUET_SEGMENT_HEADER_SIZE; size++) {
        uint8_t *bytes = exact(load.bytes, size);
        struct duet_walk walk;

        duet_walk_init(&walk, dt_span_of(bytes, size), &header);
        assert_int_equal(duet_walk_next(&walk), DUET_WALK_END);
        free(bytes);
    }
}

static void headers_are_ours_empty_or_bad(void **state)
{
    struct workload load;
    struct duet_segment_header found;

    (void)state;
    fill(&load);
    for (size_t size = 0; size < DUET_SEGMENT_HEADER_SIZE; size++) {
        uint8_t *bytes = exact(load.bytes, size);

        assert_int_equal(duet_segment_read_header(dt_span_of(bytes, size), &found),
                         size == 0 ? DUET_HEADER_EMPTY : DUET_HEADER_BAD);
        memset(bytes, 0, size);
        assert_int_equal(duet_segment_read_header(dt_span_of(bytes, size), &found),
                         DUET_HEADER_EMPTY);
        free(bytes);
    }
    for (size_t at = 0; at < DUET_SEGMENT_HEADER_SIZE; at++) {
        load.bytes[at] ^= 0x10;
        assert_int_equal(
            duet_segment_read_header(dt_span_of(load.bytes, SEGMENT_SIZE), &found),
            DUET_HEADER_BAD);
        load.bytes[at] ^= 0x10;
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_and_record_have_the_golden_bytes),
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(every_prefix_gives_exactly_its_whole_records),
        cmocka_unit_test(every_flipped_bit_is_isolated_and_numbered),
        cmocka_unit_test(holes_and_strangers_are_never_records),
        cmocka_unit_test(records_of_another_segment_are_not_taken),
        cmocka_unit_test(a_segment_without_records_ends_at_once),
        cmocka_unit_test(headers_are_ours_empty_or_bad),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
