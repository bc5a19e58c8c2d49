/*
 * sketch_bytes.h - sketches as bytes, whole or only what a narrower one lacks (docs/sketches.md).
 *
 *   | DSK1 | key number 2 | log2 width 1 | log2 of the width that is there 1 |
 *   | count 8 | bytes 8 | sum 16 | a bit for each cell | cells that are not zero, 32 each |
 *   | CRC-32C 4 |                                                              big-endian
 *
 * From w cells to W a receiver needs the first W - w of each sub-table: the others follow, since
 * cell i of the narrow one is the sum of the cells i, i + w, i + 2 w, ... of the wide one. So a
 * ladder of refinements costs what its last rung costs, and no more.
 */
#ifndef MODEL_SKETCH_BYTES_H
#define MODEL_SKETCH_BYTES_H

#include "model/sketch.h"

enum { DUET_SKETCH_BYTES_MAX = 1 << 20 }; /* of any sketch */

/* Appends `sketch`, folded to `width` if that is less than its own. `have`: the width that the
 * receiver has of it, 0 for none; else less than what is written. Failure is the buffer's. */
void duet_sketch_encode(const struct duet_sketch *sketch, uint32_t width, uint32_t have,
                        struct dt_buf *out);

/* Reads a whole one; *sketch is the caller's on DT_OK only. DT_ECORRUPT: damaged, or no sketch
 * has such sums; DT_EUNSUPPORTED: another version, or a PRF that is not known. */
dt_status duet_sketch_decode(struct duet_sketch *sketch, struct dt_span bytes);

/* Makes `sketch` as wide as the bytes say. DT_ECONFLICT: they belong to another state of it
 * (something has been added since), or it has not the width that they build on: ask for all of
 * it. On any failure `sketch` is as it was. */
dt_status duet_sketch_refine(struct duet_sketch *sketch, struct dt_span bytes);

#endif
