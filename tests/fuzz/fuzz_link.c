/*
 * Links: what a record says about other numbers of its partition.
 *
 * The bytes are a link as they are, and again with the check that they should have, so that what
 * is behind the check is reached, too.
 *
 * Holds: what counts is, written again, the same bytes, and counts for no other record; its
 * entries are ones that a link may have.
 */
#include "fuzz/fuzz.h"
#include "model/link.h"

/* Of tests/golden/model.txt, whose links are in the corpus. */
static const struct duet_stamp_key key = {7,
                                          {0x50, 0x72, 0xad, 0xbe, 0xf6, 0x64, 0x7a, 0x0a,
                                           0x92, 0x5c, 0x35, 0x39, 0xb3, 0xe9, 0xbe, 0xf0}};
static const struct duet_id carrier = {DUET_ID_ISSUED, 1, 2, 3, 4};

static void need_link(struct dt_span bytes)
{
    struct duet_id other = carrier;
    uint8_t again[DUET_LINK_SIZE_MAX];
    struct duet_link link;

    if (duet_link_decode(&link, bytes, &key, "flights", &carrier) != DUET_LINK_OK)
        return;
    FUZZ_NEED(link.count > 0 && link.count <= DUET_LINK_ENTRIES_MAX);
    for (size_t i = 0; i < link.count; i++)
        FUZZ_NEED(duet_link_entry_valid(&link.entries[i]));
    FUZZ_NEED(duet_link_encode(again, link.entries, link.count, &key, "flights",
                               &carrier) == bytes.size);
    FUZZ_NEED(dt_span_equal(dt_span_of(again, bytes.size), bytes));
    other.sequence++;
    FUZZ_NEED(duet_link_decode(&link, bytes, &key, "flights", &other) ==
              DUET_LINK_BAD_CHECK);
}

/* As docs/wire-format.md says. */
static void put_check(uint8_t *link, size_t size)
{
    uint8_t input[64 + DUET_LINK_SIZE_MAX] = "duet link\0flights";
    uint64_t check;

    input[17] = (uint8_t)(size >> 8);
    input[18] = (uint8_t)size;
    duet_id_encode(input + 19, &carrier);
    memcpy(input + 33, link, 2);
    memcpy(input + 35, link + DUET_LINK_HEAD_SIZE, size - DUET_LINK_HEAD_SIZE);
    check = dt_siphash64(key.key, input, 35 + size - DUET_LINK_HEAD_SIZE);
    for (int i = 0; i < 8; i++)
        link[2 + i] = (uint8_t)(check >> (56 - 8 * i));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t link[DUET_LINK_SIZE_MAX];

    need_link(dt_span_of(data, size));
    if (size > DUET_LINK_HEAD_SIZE && size <= sizeof(link)) {
        memcpy(link, data, size);
        put_check(link, size);
        need_link(dt_span_of(link, size));
    }
    return 0;
}
