/*
 * segment.h - the bytes of a journal's segment: written, and read again after anything.
 *
 *   segment   header:64 | record | record | ... | zeros up to the preallocated size
 *   header    magic:8 "DUETJRN1" | journal:16 | number:64 | first lsn:64 | created:64 ms |
 *             reserved:96 zero | crc:32
 *   record    size:32 | crc:32 | lsn:64 | kind:8 | side:8 | flags:16 | lane:32 | payload | pad
 *             size counts header and payload; zeros pad to 8 bytes; lsn grows by 1 over the
 *             whole journal; crc is CRC-32C of what stands behind it, begun with the
 *             segment's own sum, so that bytes of another journal or segment are never taken
 *             for a record.
 *
 * All big-endian. A reader tells apart what a crash leaves (a torn tail: nothing readable behind
 * it) from damage (something readable behind it): the first is cut, the second is isolated and
 * listed with the lsn numbers it swallowed.
 *
 * Pure: no file, clock or allocation. The page for people is docs/journal-format.md.
 */
#ifndef JOURNAL_SEGMENT_H
#define JOURNAL_SEGMENT_H

#include "base/buf.h"

#define DUET_SEGMENT_HEADER_SIZE 64
#define DUET_RECORD_HEADER_SIZE  24
#define DUET_RECORD_SIZE_MAX     (16u << 20)
#define DUET_JOURNAL_ID_SIZE     16

struct duet_segment_header {
    uint8_t journal[DUET_JOURNAL_ID_SIZE];
    uint64_t number; /* 1, 2, ... */
    uint64_t first_lsn;
    int64_t created_wall_ms;
};

enum duet_record_kind {
    DUET_RECORD_LANE =
        1,               /* payload: partition:32, topic; names a lane, before its first use
                             in each segment */
    DUET_RECORD_MESSAGE, /* payload: the message, in the form of who wrote it */
    DUET_RECORD_DONE,    /* payload: lsn:64; this lane's records up to it need no replay */
    DUET_RECORD_RESULT,  /* payload: lsn:64, outcome:8; what became of one record */
    DUET_RECORD_SEAL,    /* payload: records:64; last of a finished segment */
    DUET_RECORD_KINDS
};

struct duet_record_view { /* a record, as read or to be written; borrowed */
    uint64_t lsn;
    enum duet_record_kind kind;
    uint8_t side;
    uint16_t flags;
    uint32_t lane;
    struct dt_span payload;
};

/* Puts the header's 64 bytes. */
void duet_segment_put_header(struct dt_buf *out, const struct duet_segment_header *header);

enum duet_header_state { DUET_HEADER_OK, DUET_HEADER_EMPTY, DUET_HEADER_BAD };

/* EMPTY: only zeros, as preallocating leaves them. BAD: no header of ours, or damaged. */
enum duet_header_state duet_segment_read_header(struct dt_span bytes,
                                                struct duet_segment_header *out);

/* The sum that records of the segment begin theirs with. */
uint32_t duet_segment_seed(const struct duet_segment_header *header);

/* Bytes the record takes, padding included. */
size_t duet_record_room(size_t payload_size);

/* Puts one record; its payload is at most DUET_RECORD_SIZE_MAX - DUET_RECORD_HEADER_SIZE. */
void duet_record_put(struct dt_buf *out, uint32_t seed,
                     const struct duet_record_view *record);

/* ---- reading ---- */

enum duet_walk_event {
    DUET_WALK_RECORD,  /* `record` */
    DUET_WALK_DAMAGED, /* bytes that are no record, with a readable one behind: `damage` */
    DUET_WALK_TORN,    /* bytes that are no record, and nothing readable behind: the end */
    DUET_WALK_END      /* zeros, or the end of the bytes */
};

struct duet_damage {
    size_t from, to;           /* offsets in the segment */
    uint64_t lsn_from, lsn_to; /* the numbers swallowed: from <= lsn < to */
};

struct duet_walk {
    struct dt_span bytes; /* the whole segment, header included */
    size_t at;            /* of the next record; after TORN or END: where to write on */
    uint32_t seed;
    uint64_t next_lsn;
    size_t record_at; /* of the record given last */
    struct duet_record_view record;
    struct duet_damage damage;
};

/* Begins behind the header, which was read as `header`. */
void duet_walk_init(struct duet_walk *walk, struct dt_span bytes,
                    const struct duet_segment_header *header);

/* What comes next. After TORN and END it stays at them. */
enum duet_walk_event duet_walk_next(struct duet_walk *walk);

/* What a damaged record may have been: its head at the front of `bytes` has a kind, a size and a
 * number in [lsn_from, lsn_to) that can be. Its sum is not asked; the payload ends with the bytes
 * at the latest, and may be anything. False: no head. */
bool duet_record_guess(struct dt_span bytes, uint64_t lsn_from, uint64_t lsn_to,
                       struct duet_record_view *out);

#endif
