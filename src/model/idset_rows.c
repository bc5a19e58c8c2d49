/* An entry of a processed set as a row of a store: docs/wire-format.md has the bytes. */
#include "model/idset.h"

#include <stdlib.h>

#include "base/status.h"

/* Seven bits a byte, low ones first, the top bit says that more follow. */
static void put_varint(struct dt_buf *out, uint64_t value)
{
    while (value >= 0x80) {
        dt_buf_put_u8(out, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    dt_buf_put_u8(out, (uint8_t)value);
}

/* A number has one form: no zero byte at its end, nothing beyond 63 bits. */
static uint64_t scan_varint(struct dt_scan *scan)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 63; shift += 7) {
        uint8_t byte = dt_scan_u8(scan);

        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            if (byte == 0 && shift > 0)
                scan->failed = true;
            return value;
        }
    }
    scan->failed = true;
    return 0;
}

void duet_idset_entry_encode(const struct duet_idset_entry *entry, struct dt_buf *holes)
{
    uint64_t at = 0;

    for (size_t i = 0; i < entry->hole_count; i++) {
        put_varint(holes, entry->holes[i].from - at);
        put_varint(holes, entry->holes[i].to - entry->holes[i].from);
        at = entry->holes[i].to;
    }
}

/* Fills the holes of `entry`, whose end is set; false in *ok says that the bytes are wrong. */
static dt_status decode_holes(struct duet_idset_entry *entry, struct dt_span bytes,
                              bool *ok)
{
    struct dt_scan scan = dt_scan_of(bytes);
    uint64_t at = 0;

    *ok = true;
    if (bytes.size == 0)
        return DT_OK;
    /* a hole takes two bytes at least, so the bytes bound the memory */
    entry->hole_capacity = bytes.size / 2 + 1;
    entry->holes = calloc(entry->hole_capacity, sizeof(*entry->holes));
    if (entry->holes == NULL)
        return DT_ENOMEM;
    while (scan.left > 0 && !scan.failed) {
        uint64_t gap = scan_varint(&scan), length = scan_varint(&scan);

        /* holes do not touch, are not empty, and the number below the end is in the set */
        if ((gap == 0 && entry->hole_count > 0) || length == 0 || gap >= entry->end - at ||
            length >= entry->end - at - gap)
            scan.failed = true;
        if (scan.failed)
            break;
        entry->holes[entry->hole_count++] =
            (struct duet_interval){at + gap, at + gap + length};
        at += gap + length;
    }
    *ok = dt_scan_ok(&scan);
    return DT_OK;
}

dt_status duet_idset_entry_load(struct duet_idset *set, uint8_t kind, uint32_t instance,
                                uint16_t boot, uint64_t end, uint32_t newest_window,
                                struct dt_span holes)
{
    struct duet_idset_entry entry = {.kind = kind,
                                     .instance = instance,
                                     .boot = boot,
                                     .end = end,
                                     .newest_window = newest_window};
    struct duet_idset one = {.entries = &entry, .count = 1, .capacity = 1};
    struct duet_idset_entry *old;
    bool ok = kind <= 0xf && instance <= DUET_INSTANCE_MAX && end <= DUET_SEQUENCE_MAX + 1;
    dt_status status = DT_OK;

    if (ok)
        status = decode_holes(&entry, holes, &ok);
    if (status == DT_OK && !ok)
        status = dt_error_set(DT_ECORRUPT,
                              "processed set: the row of instance %u boot %u is corrupt",
                              (unsigned)instance, (unsigned)boot);
    else if (status == DT_ENOMEM)
        dt_error_set(status, "processed set: no memory");
    if (status != DT_OK)
        goto done;
    old = (struct duet_idset_entry *)duet_idset_find(set, kind, instance, boot);
    if (old != NULL) {
        free(old->holes);
        *old = entry;
        return DT_OK; /* the set owns the holes now */
    }
    status = duet_idset_merge(set, &one);
    if (status == DT_OK)
        ((struct duet_idset_entry *)duet_idset_find(set, kind, instance, boot))->dirty =
            false;

done:
    free(entry.holes);
    return status;
}
