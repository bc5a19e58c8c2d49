#include "journal/segment.h"

#include <assert.h>
#include <string.h>

#include "base/crc32c.h"

static const char magic[] = "DUETJRN1";

enum { MAGIC_SIZE = 8, RESERVED_SIZE = 12, CRC_AT = 4, SUMMED_AT = 8, ALIGNMENT = 8 };

static bool is_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

void duet_segment_put_header(struct dt_buf *out, const struct duet_segment_header *header)
{
    static const uint8_t reserved[RESERVED_SIZE];
    size_t start = out->size;

    dt_buf_put(out, magic, MAGIC_SIZE);
    dt_buf_put(out, header->journal, sizeof(header->journal));
    dt_buf_put_u64(out, header->number);
    dt_buf_put_u64(out, header->first_lsn);
    dt_buf_put_u64(out, (uint64_t)header->created_wall_ms);
    dt_buf_put(out, reserved, sizeof(reserved));
    if (!out->failed)
        dt_buf_put_u32(out, dt_crc32c(0, out->data + start, out->size - start));
}

enum duet_header_state duet_segment_read_header(struct dt_span bytes,
                                                struct duet_segment_header *out)
{
    struct dt_scan scan = dt_scan_of(bytes);
    struct dt_span found;

    memset(out, 0, sizeof(*out));
    if (bytes.size < DUET_SEGMENT_HEADER_SIZE)
        return is_zero(bytes.data, bytes.size) ? DUET_HEADER_EMPTY : DUET_HEADER_BAD;
    if (is_zero(bytes.data, DUET_SEGMENT_HEADER_SIZE))
        return DUET_HEADER_EMPTY;
    found = dt_scan_bytes(&scan, MAGIC_SIZE);
    if (memcmp(found.data, magic, MAGIC_SIZE) != 0)
        return DUET_HEADER_BAD;
    found = dt_scan_bytes(&scan, DUET_JOURNAL_ID_SIZE);
    memcpy(out->journal, found.data, DUET_JOURNAL_ID_SIZE);
    out->number = dt_scan_u64(&scan);
    out->first_lsn = dt_scan_u64(&scan);
    out->created_wall_ms = (int64_t)dt_scan_u64(&scan);
    dt_scan_bytes(&scan, RESERVED_SIZE);
    if (dt_scan_u32(&scan) != dt_crc32c(0, bytes.data, DUET_SEGMENT_HEADER_SIZE - 4))
        return DUET_HEADER_BAD;
    if (out->number > INT64_MAX || out->first_lsn > INT64_MAX) /* counting on would wrap */
        return DUET_HEADER_BAD;
    return DUET_HEADER_OK;
}

uint32_t duet_segment_seed(const struct duet_segment_header *header)
{
    uint8_t number[8];

    for (size_t i = 0; i < sizeof(number); i++)
        number[i] = (uint8_t)(header->number >> (56 - 8 * i));
    return dt_crc32c(dt_crc32c(0, header->journal, sizeof(header->journal)), number,
                     sizeof(number));
}

static size_t padded(size_t size)
{
    return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

size_t duet_record_room(size_t payload_size)
{
    return padded(DUET_RECORD_HEADER_SIZE + payload_size);
}

void duet_record_put(struct dt_buf *out, uint32_t seed,
                     const struct duet_record_view *record)
{
    static const uint8_t zeros[ALIGNMENT];
    size_t start = out->size, size = DUET_RECORD_HEADER_SIZE + record->payload.size;

    assert(size <= DUET_RECORD_SIZE_MAX);
    dt_buf_put_u32(out, (uint32_t)size);
    dt_buf_put_u32(out, 0);
    dt_buf_put_u64(out, record->lsn);
    dt_buf_put_u8(out, (uint8_t)record->kind);
    dt_buf_put_u8(out, record->side);
    dt_buf_put_u16(out, record->flags);
    dt_buf_put_u32(out, record->lane);
    dt_buf_put_span(out, record->payload);
    if (out->failed)
        return;
    dt_buf_patch_u32(out, start + CRC_AT,
                     dt_crc32c(seed, out->data + start + SUMMED_AT, size - SUMMED_AT));
    dt_buf_put(out, zeros, padded(size) - size);
}

/* ---- reading ---- */

void duet_walk_init(struct duet_walk *walk, struct dt_span bytes,
                    const struct duet_segment_header *header)
{
    memset(walk, 0, sizeof(*walk));
    walk->bytes = bytes;
    walk->at = DUET_SEGMENT_HEADER_SIZE;
    walk->seed = duet_segment_seed(header);
    walk->next_lsn = header->first_lsn;
}

/* Reads a record at `at` that has a number from `lsn_min` on and its sum right. */
static bool read_at(const struct duet_walk *walk, size_t at, uint64_t lsn_min,
                    struct duet_record_view *out, size_t *size)
{
    struct dt_scan scan =
        dt_scan_of(dt_span_of(walk->bytes.data + at, walk->bytes.size - at));
    uint32_t crc;
    uint64_t lsn_end = walk->next_lsn + walk->bytes.size / DUET_RECORD_HEADER_SIZE + 1;

    *size = dt_scan_u32(&scan);
    crc = dt_scan_u32(&scan);
    out->lsn = dt_scan_u64(&scan);
    if (!dt_scan_ok(&scan) || *size < DUET_RECORD_HEADER_SIZE ||
        *size > DUET_RECORD_SIZE_MAX || *size > walk->bytes.size - at ||
        out->lsn < lsn_min || out->lsn >= lsn_end)
        return false;
    if (crc != dt_crc32c(walk->seed, walk->bytes.data + at + SUMMED_AT, *size - SUMMED_AT))
        return false;
    out->kind = (enum duet_record_kind)dt_scan_u8(&scan);
    out->side = dt_scan_u8(&scan);
    out->flags = dt_scan_u16(&scan);
    out->lane = dt_scan_u32(&scan);
    out->payload = dt_scan_bytes(&scan, *size - DUET_RECORD_HEADER_SIZE);
    return true;
}

/* Something readable behind `at`: damage up to there. Records begin at multiples of 8. */
static bool find_behind(struct duet_walk *walk)
{
    struct duet_record_view found;
    size_t size;

    for (size_t at = walk->at + ALIGNMENT; at + DUET_RECORD_HEADER_SIZE <= walk->bytes.size;
         at += ALIGNMENT)
        if (read_at(walk, at, walk->next_lsn + 1, &found, &size)) {
            walk->damage.from = walk->at;
            walk->damage.to = at;
            walk->damage.lsn_from = walk->next_lsn;
            walk->damage.lsn_to = found.lsn;
            walk->at = at;
            walk->next_lsn = found.lsn;
            return true;
        }
    return false;
}

enum duet_walk_event duet_walk_next(struct duet_walk *walk)
{
    size_t size, left;

    if (walk->at >= walk->bytes.size)
        return DUET_WALK_END;
    left = walk->bytes.size - walk->at;
    if (left >= DUET_RECORD_HEADER_SIZE &&
        read_at(walk, walk->at, walk->next_lsn, &walk->record, &size) &&
        walk->record.lsn == walk->next_lsn) {
        walk->record_at = walk->at;
        walk->at += padded(size) < left ? padded(size) : left;
        walk->next_lsn++;
        return DUET_WALK_RECORD;
    }
    if (find_behind(walk))
        return DUET_WALK_DAMAGED;
    return is_zero(walk->bytes.data + walk->at, left) ? DUET_WALK_END : DUET_WALK_TORN;
}

bool duet_record_guess(struct dt_span bytes, uint64_t lsn_from, uint64_t lsn_to,
                       struct duet_record_view *out)
{
    struct dt_scan scan = dt_scan_of(bytes);
    size_t size = dt_scan_u32(&scan);
    uint8_t kind;

    dt_scan_u32(&scan);
    out->lsn = dt_scan_u64(&scan);
    kind = dt_scan_u8(&scan);
    out->kind = (enum duet_record_kind)kind;
    out->side = dt_scan_u8(&scan);
    out->flags = dt_scan_u16(&scan);
    out->lane = dt_scan_u32(&scan);
    if (!dt_scan_ok(&scan) || size < DUET_RECORD_HEADER_SIZE ||
        size > DUET_RECORD_SIZE_MAX || kind == 0 || kind >= DUET_RECORD_KINDS ||
        out->lsn < lsn_from || out->lsn >= lsn_to)
        return false;
    size -= DUET_RECORD_HEADER_SIZE;
    out->payload = dt_scan_bytes(&scan, size < scan.left ? size : scan.left);
    return true;
}
