/*
 * mapping_format.h - what the two halves of the mapping agree on: the bytes in DUET_HEADERS.
 *
 *   | format 1 | header | header | ...        in the record's order
 *
 *   header:  | 0 | name hash:32 |                              the property of that name
 *            | name size + 1 | name | value size + 1 | value | written out; a size field of 0
 *                                                            in place of the second: null
 *
 * Sizes are varints (seven bits a byte, low ones first), the hash is big-endian. The hash names
 * a property in 4 bytes, so that order costs little and a property that a broker adds is never
 * taken for a header. Only the mapping includes this.
 */
#ifndef MODEL_MAPPING_FORMAT_H
#define MODEL_MAPPING_FORMAT_H

#include "base/span.h"

enum { DUET_HEADERS_FORMAT = 1 };

/* DUET_KEY of an empty key: RocketMQ drops empty values, and no base64 has one character. */
#define DUET_KEY_EMPTY "-"

/* FNV-1a, 32 bits. */
static inline uint32_t duet_header_hash(struct dt_span name)
{
    uint32_t hash = 0x811c9dc5;

    for (size_t i = 0; i < name.size; i++)
        hash = (hash ^ name.data[i]) * 0x01000193;
    return hash;
}

#endif
