/*
 * A segment of the journal, as a crash, a bad disk or an enemy may leave it.
 *
 * First byte: bit 0 sets right the sums that the bytes would need, so that what is behind them is
 * reached: of the header, and of records where one may stand.
 *
 * Holds: the walk ends; it goes forward only; numbers only grow; a record that is written again
 * is the same bytes.
 */
#include "base/crc32c.h"
#include "fuzz/fuzz.h"
#include "journal/segment.h"

enum { CRC_OF_HEADER_AT = DUET_SEGMENT_HEADER_SIZE - 4, STEP = 8 };

static uint32_t get_u32(const uint8_t *data)
{
    return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 |
           data[3];
}

static void put_u32(uint8_t *data, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        data[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void set_sums(uint8_t *data, size_t size)
{
    struct duet_segment_header header;

    if (size < DUET_SEGMENT_HEADER_SIZE)
        return;
    put_u32(data + CRC_OF_HEADER_AT, dt_crc32c(0, data, CRC_OF_HEADER_AT));
    if (duet_segment_read_header(dt_span_of(data, size), &header) != DUET_HEADER_OK)
        return;
    for (size_t at = DUET_SEGMENT_HEADER_SIZE; at + DUET_RECORD_HEADER_SIZE <= size;) {
        size_t record = get_u32(data + at);

        if (record < DUET_RECORD_HEADER_SIZE || record > size - at) {
            at += STEP;
            continue;
        }
        put_u32(data + at + 4,
                dt_crc32c(duet_segment_seed(&header), data + at + 8, record - 8));
        at += (record + STEP - 1) / STEP * STEP;
    }
}

static void write_again(const struct duet_walk *walk)
{
    struct dt_buf out;

    dt_buf_init(&out, 2 * DUET_RECORD_SIZE_MAX);
    duet_record_put(&out, walk->seed, &walk->record);
    FUZZ_NEED(!out.failed && out.size == duet_record_room(walk->record.payload.size));
    FUZZ_NEED(memcmp(out.data, walk->bytes.data + walk->record_at,
                     DUET_RECORD_HEADER_SIZE + walk->record.payload.size) == 0);
    dt_buf_fini(&out);
}

static void walk_all(struct dt_span bytes, const struct duet_segment_header *header)
{
    enum duet_walk_event event;
    struct duet_walk walk;
    size_t before, end;
    uint64_t lsn;

    duet_walk_init(&walk, bytes, header);
    do {
        before = walk.at;
        lsn = walk.next_lsn;
        event = duet_walk_next(&walk);
        if (event == DUET_WALK_RECORD) {
            FUZZ_NEED(walk.at > before && walk.at <= bytes.size &&
                      walk.record_at == before);
            FUZZ_NEED(walk.record.lsn == lsn && walk.next_lsn == lsn + 1);
            FUZZ_NEED(fuzz_is_within(walk.record.payload, bytes));
            write_again(&walk);
        } else if (event == DUET_WALK_DAMAGED) {
            FUZZ_NEED(walk.damage.from == before && walk.damage.to == walk.at);
            FUZZ_NEED(walk.damage.to > walk.damage.from && walk.damage.to < bytes.size);
            FUZZ_NEED(walk.damage.lsn_to > walk.damage.lsn_from);
        }
    } while (event == DUET_WALK_RECORD || event == DUET_WALK_DAMAGED);
    end = walk.at;
    FUZZ_NEED(duet_walk_next(&walk) == event && walk.at == end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct duet_segment_header header;
    uint8_t *bytes;

    if (size == 0)
        return 0;
    size--;
    bytes = malloc(size > 0 ? size : 1);
    FUZZ_NEED(bytes != NULL);
    memcpy(bytes, data + 1, size);
    if ((data[0] & 1) != 0)
        set_sums(bytes, size);
    if (duet_segment_read_header(dt_span_of(bytes, size), &header) == DUET_HEADER_OK)
        walk_all(dt_span_of(bytes, size), &header);
    free(bytes);
    return 0;
}
